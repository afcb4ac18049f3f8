"""`devices --test`: three seconds of the microphone, and the same from the speaker."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from program import ROOT, Program, environment, on_linux
from soundcard import VirtualSoundCard, levels

from voicelive.app.soundtest import verdict
from voicelive.errors import VoiceLiveError

RATE = 24_000
HZ = 440
LOUD = 300  # RMS


def tone(level: float, seconds: float = 6.0) -> bytes:
    times = np.arange(round(seconds * RATE)) / RATE
    wave = np.clip(level * np.sin(2 * np.pi * HZ * times), -1, 1)
    return (32_767 * wave).astype("<i2").tobytes()


def that_records(card: VirtualSoundCard) -> Program:
    """A test on the sound card that records."""
    program = Program("devices", "--test", log_dir=None, env=card.environment)
    program.wait_for(lambda: "Speak now" in program.stdout)
    return program


@pytest.mark.soundcard
def test_what_the_microphone_hears_comes_from_the_speaker(sound_card: VirtualSoundCard) -> None:
    with sound_card.recording() as recording:
        said = sound_card.speak(tone(0.25))
        program = that_records(sound_card)
        program.wait_for(lambda: "Now you should hear" in program.stdout)
        said.terminate()
        assert program.wait() == 0, program.stderr
        heard = recording.pcm

    assert "Microphone: default, ALSA" in program.stdout
    assert "Peak: -12 dBFS.\n" in program.stdout
    assert program.stdout.endswith("Done. Nothing was kept.\n")
    assert "\r" not in program.stdout, "the meter is for terminals"
    assert program.stderr == ""
    loud = np.flatnonzero(levels(heard) > LOUD)
    assert len(loud) == pytest.approx(150, abs=10), "three seconds, in blocks of 20 ms"
    samples = np.frombuffer(heard, "<i2")[480 * (loud[0] + 10) :][:RATE].astype(float)
    assert np.argmax(np.abs(np.fft.rfft(samples))) == HZ
    assert np.max(samples) == pytest.approx(0.25 * 32_767, rel=0.05)


@pytest.mark.soundcard
def test_silence_is_told_and_not_played(sound_card: VirtualSoundCard) -> None:
    program = that_records(sound_card)

    assert program.wait() == 1
    assert program.stderr.startswith("The microphone gives nothing but silence.\nIs it muted?")
    assert "hear" not in program.stdout


@pytest.mark.soundcard
@pytest.mark.skipif(os.name == "nt", reason="Windows has no pseudo-terminals")
def test_a_terminal_shows_a_meter_and_nothing_is_left_of_it(sound_card: VirtualSoundCard) -> None:
    import pty  # Windows has none

    sound_card.speak(tone(0.25))
    master, slave = pty.openpty()
    command = [sys.executable, "voicelive_agent.py", "devices", "--test"]
    env = {**sound_card.environment, "TERM": "xterm"}
    process = subprocess.Popen(command, cwd=ROOT, env=env, stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    shown = b""
    while data := read(master):
        shown += data
    os.close(master)

    assert process.wait() == 0
    assert shown.count(b"\r[########..]") >= 20
    assert b"\r            \rPeak: -12 dBFS.\r\n" in shown


def read(master: int) -> bytes:
    """What comes next in a terminal; nothing once the program has gone."""
    try:
        return os.read(master, 65_536)
    except OSError:  # Linux says so
        return b""


@pytest.mark.soundcard
def test_ctrl_c_ends_it(sound_card: VirtualSoundCard) -> None:
    sound_card.speak(tone(0.25))
    for line in ("Speak now", "Now you should hear"):
        program = that_records(sound_card)
        program.wait_for(lambda line=line, program=program: line in program.stdout)  # type: ignore[misc]
        code, seconds = program.end(lambda program=program: program.process.send_signal(signal.SIGINT))  # type: ignore[misc]

        assert (code, program.stderr) == (130, "")
        assert seconds < 2


@pytest.mark.parametrize(
    ("peak", "said"),
    [
        (1.0, "Peak: 0 dBFS. That is clipped: turn the microphone down"),
        (32_767 / 32_768, "Peak: 0 dBFS. That is clipped: turn the microphone down"),
        (0.99, "Peak: 0 dBFS."),
        (0.1, "Peak: -20 dBFS."),
        (0.005, "Peak: -46 dBFS. That is quiet: turn the microphone up"),
    ],
)
def test_a_level_that_is_no_good_is_told_with_what_to_do(peak: float, said: str) -> None:
    assert verdict(peak).startswith(said)
    assert verdict(peak) == said or "turn" in said


def test_the_dither_of_a_resampler_counts_as_silence() -> None:
    with pytest.raises(VoiceLiveError, match="nothing but silence"):
        verdict(1 / 32_768)


@on_linux
def test_without_a_microphone_it_says_so() -> None:
    program = Program("devices", "--test", log_dir=None, env=environment())

    assert program.wait() == 1
    assert program.stderr.startswith("There is no microphone.\n")
    assert "--" not in program.stderr, "the options of a conversation are not those of the test"


def test_a_device_is_named_for_the_test_alone() -> None:
    program = Program("devices", "--input-device", "1", log_dir=None, env=environment())

    assert program.wait() == 2
    assert program.stderr == "A device is named for --test only.\n"
