"""The client's echo reference: who asks for it, what goes along, what a refusal changes."""

import time

import numpy as np
import pytest
from held import Held
from test_uplink import BLOCK, Timed, Upward, sent

from voicelive.app.plan import find_echo, find_offer
from voicelive.app.played import Played
from voicelive.app.settings import Settings
from voicelive.audio import BLOCK_BYTES, BLOCK_FRAMES, BLOCK_S
from voicelive.errors import VoiceLiveError
from voicelive.extras.echo.reference import Reference
from voicelive.playback import Playback
from voicelive.session import Message, session_update


def asked(kind: str, api_version: str = "2026-07-15") -> Message:
    """The session.update with this kind of echo cancellation."""
    fields = find_echo(Settings({"echo_cancellation": kind}, {}, {}), api_version)
    return session_update(api_version, "Ava", fields, {})


def test_echo_cancellation_has_three_kinds() -> None:
    server, client, off = map(asked, ("server", "client", "off"))

    wanted = {"type": "server_echo_cancellation", "reference_source": "client", "channels": 2}
    assert client["session"]["input_audio_echo_cancellation"] == wanted
    assert "input_audio_echo_cancellation" not in off["session"]
    assert [isinstance(find_offer(one), Reference) for one in (server, client, off)] == [False, True, False]
    assert find_offer(client).left_out_of(client) == server
    assert find_offer(off).left_out_of(off) == off


def test_another_kind_of_echo_cancellation_is_a_problem() -> None:
    settings = Settings({"echo_cancellation": "loud"}, {}, {})
    find_echo(settings, "2026-07-15")

    with pytest.raises(VoiceLiveError, match="echo cancellation 'loud': must be server, client or off"):
        settings.raise_problems()


def test_an_api_version_that_knows_no_reference_is_asked_for_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert asked("client", "2025-10-01") == asked("server", "2025-10-01")

    assert "takes no echo reference from the client: `server` is used." in capsys.readouterr().err


def test_an_echo_reference_that_is_refused_is_no_failure_where_one_was_offered() -> None:
    refusal = {"type": "error", "error": {"message": "No.", "code": "invalid_ec_reference_channels"}}
    with pytest.raises(VoiceLiveError, match="invalid_ec_reference_channels"):
        Held().handle(refusal)

    reference = Reference()
    held = Held(first_message=dict(asked("client")), offer=reference)
    assert reference.feature == "client_ec_reference:true"
    held.handle(refusal)

    assert held.conversation.first_message == asked("server")
    assert reference.feature == ""
    assert held.notes == [
        "The service refuses the client's echo reference, so it is left out: "
        "invalid_ec_reference_channels: No."
    ]


def stereo(reference: Reference) -> bytes:
    """What leaves for the service while a ramp is played."""
    speaker = Playback()
    now = time.monotonic()
    source = Timed(*(now + n * BLOCK_S for n in range(5)))
    played = Played(speaker, source)
    upward = Upward(source, 5, [played, lambda blocks: reference.beside(played, blocks)])
    ramp = np.arange(24_000, dtype="<i2")
    speaker.play(ramp.tobytes(), "a")
    for n in range(20):
        speaker.render(memoryview(bytearray(BLOCK_BYTES)), now + n * BLOCK_S)
    return b"".join(sent(upward, 5))


def test_in_stereo_what_was_played_goes_along_a_little_early() -> None:
    both = np.frombuffer(stereo(Reference()), dtype="<i2").reshape(-1, 2)

    assert both[:, 0].tobytes() == BLOCK * 5
    assert np.max(np.abs(both[:, 1] - (np.arange(5 * BLOCK_FRAMES) + 120))) <= 1, "5 ms are 120 frames"


def test_a_reference_that_was_refused_goes_along_no_more() -> None:
    reference = Reference()
    reference.asked_with(asked("server"))

    assert stereo(reference) == BLOCK * 5
