"""What comes out of the sound card, with a service that says exactly what a test wants."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from program import NAMED, ROOT, Program
from pulseaudio import SAMPLE_RATE_HZ
from servers import websocket_server
from service import ScriptedService
from soundcard import VirtualSoundCard, levels

pytestmark = pytest.mark.soundcard

LOUD = 300  # RMS


def tone(hertz: float, seconds: float) -> bytes:
    time_s = np.arange(int(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    return (8000 * np.sin(2 * np.pi * hertz * time_s)).astype("<i2").tobytes()


def seconds_of(hertz: float, pcm: bytes) -> float:
    """For how long a pitch is heard: in so many blocks of 20 ms it is the loudest."""
    blocks = np.frombuffer(pcm[: len(pcm) // 960 * 960], "<i2").astype(float).reshape(-1, 480)
    loudest = np.argmax(np.abs(np.fft.rfft(blocks)), axis=1) * SAMPLE_RATE_HZ / 480
    return 0.02 * int(np.count_nonzero((np.abs(loudest - hertz) <= 50) & (levels(pcm) > LOUD)))


@contextmanager
def listening(card: VirtualSoundCard, log_dir: Path) -> Iterator[tuple[ScriptedService, Program]]:
    """The client on the sound card, and the service that it talks to."""
    service = ScriptedService()
    with websocket_server(service.serve) as url:
        endpoint = url.replace("ws://", "http://")
        program = Program(*("project", "--endpoint", endpoint, *NAMED), log_dir=log_dir, env=card.environment)
        service.wait_for_blocks()
        yield service, program
        program.type("q")
        assert program.wait() == 0


def test_late_audio_of_an_interrupted_answer_is_never_heard(
    sound_card: VirtualSoundCard, tmp_path: Path
) -> None:
    with listening(sound_card, tmp_path) as (service, _), sound_card.recording() as recording:
        service.begin_reply()
        service.send_audio(tone(500, seconds=3))
        recording.wait_for(lambda pcm: seconds_of(500, pcm) > 0.5, timeout_s=10)
        service.interrupt()
        service.send_audio(tone(1000, seconds=1))
        service.end_reply()
        service.send_audio(tone(1000, seconds=1))
        service.begin_reply()
        service.send_audio(tone(2000, seconds=1))
        heard = recording.wait_for(
            lambda pcm: seconds_of(2000, pcm) > 0.9 and levels(pcm)[-1] < LOUD, timeout_s=10
        )

    assert seconds_of(1000, heard) == 0
    assert seconds_of(500, heard) < 2.5, "it was cut off"
    assert tone(2000, seconds=0.05) in heard, "the next answer, from its first frame on"


def test_an_agent_that_seems_to_hear_itself_is_told_of_once(
    sound_card: VirtualSoundCard, tmp_path: Path
) -> None:
    with listening(sound_card, tmp_path) as (service, program), sound_card.recording() as recording:
        for pitch in (400, 600, 800):
            service.begin_reply()
            service.send_audio(tone(pitch, 2))
            recording.wait_for(lambda pcm, pitch=pitch: seconds_of(pitch, pcm) > 0.1, 5)  # type: ignore[misc]
            service.interrupt()
            service.end_turn()
            service.end_reply()
        service.settle()
        hint = "The agent seems to hear itself"
        program.wait_for(lambda: hint in program.stderr)

    assert program.stderr.count(hint) == 1


def test_an_answer_is_heard_whole_while_every_core_is_busy(
    sound_card: VirtualSoundCard, tmp_path: Path
) -> None:
    answer = tone(500, seconds=3)
    burn = [sys.executable, "-c", "while True: pass"]
    with listening(sound_card, tmp_path) as (service, _), sound_card.recording() as recording:
        for _ in range(os.cpu_count() or 1):
            sound_card.start(burn)
        service.begin_reply()
        service.send_audio(answer)
        heard = recording.wait_for(
            lambda pcm: seconds_of(500, pcm) > 2.5 and not levels(pcm)[-25:].any(), timeout_s=15
        )
        sound_card.hush()

    loud = np.flatnonzero(np.abs(np.frombuffer(heard, "<i2")) > 100)
    holes = np.diff(loud) - 5  # the tone itself is quiet for no longer
    assert len(loud) > 0.95 * len(np.flatnonzero(np.abs(np.frombuffer(answer, "<i2")) > 100))
    assert holes[holes > 0].sum() < 0.1 * SAMPLE_RATE_HZ, "a starved sound server itself may skip some ms"


def test_what_is_said_into_the_microphone_reaches_the_service_unchanged(
    sound_card: VirtualSoundCard, tmp_path: Path
) -> None:
    speech = np.random.default_rng(2).integers(-8000, 8000, SAMPLE_RATE_HZ // 2).astype("<i2").tobytes()

    with listening(sound_card, tmp_path) as (service, _):
        assert sound_card.speak(speech).wait(timeout=10) == 0
        service.wait_for_sound(lambda heard: speech in heard)

    assert {len(pcm) for _, pcm in service.blocks} == {480}, "blocks of 10 ms"


STRUGGLING = """
import time
from voicelive.soundcard import Speaker
from voicelive.extras.hotplug import Watch

speaker = Speaker()
watch = Watch([speaker.stream], print)
while speaker.stream.latency == "low" or speaker.stream.is_lost:
    speaker.stream.xruns += 1
    time.sleep(0.05)
speaker.play(bytes(4800), "item")
assert speaker.wait_until_heard(5)
watch.close()
speaker.close()
"""


def test_a_stream_with_repeated_xruns_moves_to_a_safer_latency(sound_card: VirtualSoundCard) -> None:
    child = sound_card.start([sys.executable, "-c", STRUGGLING], cwd=ROOT)

    assert child.wait(timeout=20) == 0


HELD_UP = """
import ctypes
import time
from voicelive.soundcard import Speaker

def hold_up(speaker):
    \"\"\"No callback runs: Python's lock is held.\"\"\"
    before = speaker.stream.xruns
    while speaker.stream.xruns == before:
        ctypes.PyDLL(None).usleep(300_000)
        time.sleep(0.1)

speaker = Speaker()
while not speaker.stream._is_awake:  # what a card that wakes up has no time for is no loss
    time.sleep(0.1)
hold_up(speaker)
assert speaker.stream.losses == 0, "silence is no loss"
speaker.play(bytes(10 * 48_000), "item")
hold_up(speaker)
assert speaker.stream.losses
speaker.close()
"""


def test_an_xrun_counts_as_a_loss_while_the_agent_is_heard(sound_card: VirtualSoundCard) -> None:
    child = sound_card.start([sys.executable, "-c", HELD_UP], cwd=ROOT)

    assert child.wait(timeout=20) == 0


SHUT_DOWN = """
import time
import sounddevice
from voicelive.soundcard import Speaker
from voicelive.extras.hotplug import Watch

speaker = Speaker()
speaker.stream.shut()
sounddevice._terminate()
watch = Watch([speaker.stream], print)
while speaker.stream.is_lost:
    time.sleep(0.05)
watch.close()
speaker.close()
"""


def test_portaudio_that_did_not_start_is_started_again(sound_card: VirtualSoundCard) -> None:
    child = sound_card.start([sys.executable, "-c", SHUT_DOWN], cwd=ROOT)

    assert child.wait(timeout=20) == 0
