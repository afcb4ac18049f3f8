"""The stand-in's ear: what is speech to it, and that it does not take its own voice for the user's."""

from collections.abc import Iterator

import numpy as np
import pytest
from standin_client import DETECTION, ECHO_CANCELLATION, MS, NAMED, Client, sample, silence, sound, types

from standin.playback import Playback
from standin.server import SAMPLE, StandIn

ECHO_DELAY_MS = 150
ECHO_GAIN = 0.5


@pytest.fixture(scope="module")
def stand_in() -> Iterator[StandIn]:
    with StandIn(pace=1000) as running:
        yield running


def noise(ms: int, rms: float) -> bytes:
    """White noise, the same each time."""
    samples = np.random.default_rng(1).normal(0, rms, ms * 24)
    return samples.astype("<i2").tobytes()


def mixed(*parts: tuple[bytes, float]) -> bytes:
    """The sum of several sounds, each with its gain."""
    total = np.zeros(max(len(pcm) for pcm, _ in parts) // 2)
    for pcm, gain in parts:
        samples = np.frombuffer(pcm, "<i2")
        total[: len(samples)] += gain * samples
    return total.clip(-32768, 32767).astype("<i2").tobytes()


def heard_after(client: Client, pcm: bytes) -> list[str]:
    """What the stand-in makes of a sound, up to an event that marks its end."""
    client.say(pcm)
    client.send("conversation.item.delete", item_id="mark")
    return types(client.until("error"))[:-1]


@pytest.mark.parametrize(
    "other",
    [silence(5000), noise(5000, 300), (silence(300) + noise(40, 8000) + silence(300)) * 5],
    ids=["silence", "noise", "clicks"],
)
def test_not_every_sound_is_speech(stand_in: StandIn, other: bytes) -> None:
    with Client(stand_in.endpoint) as client:
        client.configure()

        assert heard_after(client, other) == []
        assert heard_after(client, sample())[:1] == ["input_audio_buffer.speech_started"]


def test_a_gap_of_20_ms_does_no_harm(stand_in: StandIn) -> None:
    stutter = silence(500) + noise(60, 3000) + silence(20) + noise(40, 3000) + silence(300)

    with Client(stand_in.endpoint) as client:
        client.configure()

        assert heard_after(client, stutter) == ["input_audio_buffer.speech_started"]


def test_speech_over_noise_is_one_turn(stand_in: StandIn) -> None:
    speech = mixed((silence(1000) + sample() + silence(1000), 1), (noise(5600, 200), 1))

    with Client(stand_in.endpoint) as client:
        client.configure()
        client.say(speech)
        events = client.until("response.done")

    assert 700 <= events[0]["audio_start_ms"] <= 950
    assert 4400 <= events[1]["audio_end_ms"] <= 4750
    assert types(events).count("input_audio_buffer.speech_started") == 1


@pytest.mark.parametrize("gain", [0.0, ECHO_GAIN])
def test_on_loudspeakers_it_does_not_answer_itself(stand_in: StandIn, gain: float) -> None:
    with Client(stand_in.endpoint) as client:
        client.configure(input_audio_echo_cancellation=ECHO_CANCELLATION)
        client.say(sample() + silence(700))
        reply = sound(client.until("response.done"))
        echo = mixed((silence(ECHO_DELAY_MS) + reply + silence(1500), gain))

        assert heard_after(client, echo) == []
        assert heard_after(client, sample())[:1] == ["input_audio_buffer.speech_started"]


def test_a_client_tells_it_what_its_loudspeaker_plays(stand_in: StandIn) -> None:
    """As long as the sound that it knows of is late, and comes when nobody else would expect it."""
    voice = sample()
    query = {**NAMED, "features": "client_ec_reference:true"}
    with Client(stand_in.endpoint, query) as client:
        reference = {"type": "server_echo_cancellation", "reference_source": "client", "channels": 2}
        client.configure(input_audio_echo_cancellation=reference)
        echo = mixed((silence(20) + voice, ECHO_GAIN))[: len(voice)]

        assert heard_after(client, stereo(echo, voice)) == []
        assert heard_after(client, stereo(voice, silence(0)))[:1] == ["input_audio_buffer.speech_started"]


def stereo(left: bytes, right: bytes) -> bytes:
    """Two channels; the right one is filled up with silence."""
    sides = [np.frombuffer(pcm.ljust(len(left), b"\0"), "<i2") for pcm in (left, right)]
    return np.stack(sides, axis=1).tobytes()


def test_without_echo_cancellation_it_would(stand_in: StandIn) -> None:
    with Client(stand_in.endpoint) as client:
        client.configure()
        client.say(sample() + silence(700))
        reply = sound(client.until("response.done"))
        echo = mixed((silence(ECHO_DELAY_MS) + reply, ECHO_GAIN))

        assert heard_after(client, echo) == ["input_audio_buffer.speech_started"]


@pytest.mark.parametrize("gain", [0.0, ECHO_GAIN])
@pytest.mark.parametrize("after_ms", [100, 900, 1700])
def test_a_voice_is_heard_over_its_own(stand_in: StandIn, after_ms: int, gain: float) -> None:
    with Client(stand_in.endpoint) as client:
        client.configure(input_audio_echo_cancellation=ECHO_CANCELLATION)
        client.say(sample() + silence(700))
        reply = sound(client.until("response.done"))
        echo = silence(ECHO_DELAY_MS) + reply
        voice = silence(after_ms) + sample()
        begin_ms = len(sample()) // MS + 700 + after_ms

        client.say(mixed((echo, gain), (voice, 1))[: (after_ms + 500) * MS])
        started = client.receive()

    assert started["type"] == "input_audio_buffer.speech_started"
    assert begin_ms - 200 <= started["audio_start_ms"] <= begin_ms + 300


def test_an_echo_does_not_interrupt_a_running_answer_but_a_voice_does() -> None:
    with StandIn(pace=1) as calm, Client(calm.endpoint) as client:
        client.configure(input_audio_echo_cancellation=ECHO_CANCELLATION)
        client.say(sample() + silence(700))
        events = client.until("response.created")
        while len(sound(events)) < 400 * MS:
            events.append(client.receive())
        echo = mixed((silence(ECHO_DELAY_MS) + sound(events), ECHO_GAIN))[: 400 * MS]

        overheard = heard_after(client, echo)
        client.say(sample())
        interrupted = client.until("response.done")

    assert set(overheard) <= {"(deltas)"}
    assert "input_audio_buffer.speech_started" in types(interrupted)
    assert interrupted[-1]["response"]["status"] == "cancelled"


def test_after_an_interruption_it_expects_no_echo(stand_in: StandIn) -> None:
    with Client(stand_in.endpoint) as client:
        client.configure(input_audio_echo_cancellation=ECHO_CANCELLATION)
        client.say(sample() + silence(700))
        client.until("response.done")
        client.update(turn_detection={**DETECTION, "create_response": False})
        client.say(sample()[: 600 * MS] + silence(700))
        client.until("conversation.item.created")

        assert heard_after(client, mixed((sample()[: 1000 * MS], 0.3)))


def test_sound_is_played_at_once_after_an_interruption() -> None:
    playback = Playback()

    assert playback.add(sample(), 24000, now_ms=1000) == 1000
    assert playback.add(sample(), 24000, now_ms=1000) > 4600
    playback.stop(now_ms=2000)
    assert playback.add(sample(), 24000, now_ms=2100) == 2100


def test_the_sample_is_short_clean_speech_without_long_pauses() -> None:
    samples = np.frombuffer(sample(), "<i2").astype(float)
    frames = samples[: len(samples) // 240 * 240].reshape(-1, 240)
    quiet = "".join("q" if level < 100 else "s" for level in frames.std(axis=1))

    assert SAMPLE.stat().st_size < 200_000
    assert 3 <= len(samples) / 24000 <= 4
    assert -3.5 <= 20 * np.log10(abs(samples).max() / 32768) <= -2.5
    assert max(map(len, quiet.split("s"))) * 10 <= 300
    assert len(quiet) - len(quiet.strip("q")) <= 20


def test_the_sample_is_one_turn_for_the_quickest_session(stand_in: StandIn) -> None:
    with Client(stand_in.endpoint) as client:
        client.configure(turn_detection={**DETECTION, "end_of_utterance_detection": None})

        heard = heard_after(client, sample() + silence(300))

    assert heard.count("input_audio_buffer.speech_started") == 1
