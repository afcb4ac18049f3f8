"""`--echo-cancellation client`: both channels on the wire, beside each other, and the ways around it."""

import re
import time
from pathlib import Path

import numpy as np
import pytest
from bench_echo import IN_STEREO, QUIET, lags_ms, rms
from bench_latency import noise
from program import NAMED, Program
from pulseaudio import SPEAKER, UnavailableError, daemon
from servers import websocket_server
from service import ScriptedService
from soundcard import VirtualSoundCard

from standin.server import StandIn

ASKED_FOR = {"type": "server_echo_cancellation", "reference_source": "client", "channels": 2}
SETTLED_S = 3.0
NEAR_MS = 2.5
STARVED_MS = 10.0  # where the machine had other work, and dropped sound: each time the echo moves a bit

Blocks = list[tuple[float, bytes]]


def wait_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.monotonic()))


@pytest.mark.soundcard
@pytest.mark.timeout(120)
def test_the_echo_lies_just_behind_the_reference_whatever_happens(tmp_path: Path) -> None:
    """On a card whose microphone is the speaker's monitor."""
    *cards, log = heard_on_two_cards(tmp_path)

    lost_sound = any(map(int, re.findall(r"(\d+) xruns$", log, re.MULTILINE)))
    for blocks in cards:
        lags = lags_ms(blocks)
        assert share_of_near(*lags, near_ms=STARVED_MS if lost_sound else NEAR_MS) > 0.8, lags


def share_of_near(*lags: tuple[float, float], near_ms: float) -> float:
    """How many of the lags are as they should be, once the stream's times are right."""
    settled = np.array([lag for at, lag in lags if at >= SETTLED_S])
    assert len(settled) >= 3
    return float(np.mean((settled > 0) & (settled < 20) & (np.abs(settled - np.median(settled)) < near_ms)))


def heard_on_two_cards(folder: Path) -> tuple[Blocks, Blocks, str]:
    """What the service got before and after the card was replaced, and the technical log."""
    card = VirtualSoundCard(folder)
    env = {**card.environment, "PULSE_SOURCE": SPEAKER}
    service = ScriptedService()
    (folder / "logs").mkdir()
    try:
        with websocket_server(service.serve) as url:
            command = ("project", "--endpoint", url.replace("ws://", "http://"), *NAMED, *IN_STEREO)
            with daemon(folder):
                program = Program(*command, log_dir=folder / "logs", env=env)
                began = service.wait_for_blocks()
                interrupted_late_and_cut_off(service, began)
                first = list(service.blocks)
            program.wait_for(lambda: "looking for another." in program.stderr)
            with daemon(folder):
                program.wait_for(lambda: "The speaker is back: " in program.stderr)
                service.blocks.clear()
                began = service.wait_for_blocks()
                service.begin_reply()
                service.send_audio(noise(6, seed=9))
                wait_until(began + SETTLED_S + 3)
                second = list(service.blocks)
                program.type("q")
                assert program.wait() == 0
        return first, second, program.technical_log
    except UnavailableError as reason:
        pytest.skip(str(reason))
    finally:
        card.hush()


def interrupted_late_and_cut_off(service: ScriptedService, began: float) -> None:
    """Replies, from their begin to some seconds after the stream's times are right."""
    service.begin_reply()
    service.send_audio(noise(10, seed=1))
    wait_until(began + SETTLED_S + 1)
    service.interrupt()
    service.begin_reply()
    service.send_audio(noise(1, seed=2))
    wait_until(began + SETTLED_S + 2.3)  # an underrun
    service.send_audio(noise(1, seed=3))
    service.cut()
    service.wait_for_client(2)
    service.begin_reply()
    service.send_audio(noise(3, seed=4))
    wait_until(began + SETTLED_S + 6)


def test_the_service_gets_both_channels(stand_in: StandIn, logs: Path, sound: tuple[str, ...]) -> None:
    before = len(stand_in.sessions)
    command = ("project", "--endpoint", stand_in.endpoint, *NAMED, *sound, *IN_STEREO)
    program = Program(*command, log_dir=logs)

    assert program.wait() == 0, program.stderr
    seen = stand_in.sessions[before]
    assert seen.query["features"] == "client_ec_reference:true"
    assert seen.received[0]["session"]["input_audio_echo_cancellation"] == ASKED_FOR
    assert seen.sent[1] == "session.updated"
    assert "Agent: You spoke" in program.stdout


def test_a_service_that_refuses_the_reference_is_asked_without(logs: Path, sound: tuple[str, ...]) -> None:
    with StandIn(faults=["no-client-reference"]) as service:
        command = ("project", "--endpoint", service.endpoint, *NAMED, *sound, *IN_STEREO)
        program = Program(*command, log_dir=logs)
        assert program.wait() == 0, program.stderr
        first, second = service.sessions

    assert "The service refuses the client's echo reference, so it is left out: invalid_ec_" in program.stderr
    assert first.sent[1] == "error"
    assert "features" not in second.query
    asked = second.received[0]["session"]["input_audio_echo_cancellation"]
    assert asked == {"type": "server_echo_cancellation"}
    assert second.sent[1] == "session.updated"
    assert "Agent: You spoke" in program.stdout


def test_a_route_that_does_not_know_it_gets_the_service_s_own(
    stand_in: StandIn, logs: Path, sound: tuple[str, ...]
) -> None:
    before = len(stand_in.sessions)
    agent = ("--project-name", "p", "--agent-id", "asst_1")
    command = ("project", "--endpoint", stand_in.endpoint, *agent, *sound, *IN_STEREO)
    program = Program(*command, log_dir=logs)

    assert program.wait() == 0, program.stderr
    assert "api-version 2025-05-01-preview takes no echo reference from the client" in program.stderr
    asked = stand_in.sessions[before].received[0]["session"]["input_audio_echo_cancellation"]
    assert asked == {"type": "server_echo_cancellation"}


def test_windows_without_sound_tell_nothing() -> None:
    quiet = np.zeros(2 * 24_000, dtype="<i2").tobytes()

    assert lags_ms([(0.0, quiet)]) == []
    assert rms(np.full(10, QUIET)) == QUIET
