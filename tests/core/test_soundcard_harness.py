"""The virtual sound card itself: what is played is heard, and what is said is captured."""

import subprocess
import sys

import numpy as np
import pytest
from pulseaudio import MICROPHONE, SAMPLE_RATE_HZ
from soundcard import BLOCK_FRAMES, VirtualSoundCard, levels

pytestmark = pytest.mark.soundcard

BLOCK_BYTES = 2 * BLOCK_FRAMES
LOUD = 1000  # RMS; the tone below has 5657

# The child processes use PortAudio's default device, as a person's program does.
PLAY = """
import sys
import numpy as np
import sounddevice

pcm = np.frombuffer(sys.stdin.buffer.read(), "<i2")
sounddevice.play(pcm, samplerate=24000, blocking=True)
"""
CAPTURE = """
import sys
import sounddevice

with sounddevice.RawInputStream(samplerate=24000, channels=1, dtype="int16") as stream:
    while True:
        sys.stdout.buffer.write(stream.read(480)[0])
        sys.stdout.buffer.flush()
"""


def tone(hertz: float, seconds: float) -> bytes:
    time_s = np.arange(int(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    return (8000 * np.sin(2 * np.pi * hertz * time_s)).astype("<i2").tobytes()


def loud_blocks(pcm: bytes) -> int:
    return int(np.count_nonzero(levels(pcm) > LOUD))


def pitch_hz(pcm: bytes) -> float:
    samples = np.frombuffer(pcm, "<i2").astype(np.float64)
    spectrum = np.abs(np.fft.rfft(samples))
    return float(np.argmax(spectrum) * SAMPLE_RATE_HZ / len(samples))


def test_what_a_program_plays_comes_out_of_the_speaker(sound_card: VirtualSoundCard) -> None:
    sound = tone(hertz=440, seconds=0.5)

    with sound_card.recording() as recording:
        player = sound_card.start([sys.executable, "-c", PLAY], stdin=subprocess.PIPE)
        player.communicate(sound)
        heard = recording.wait_for(lambda pcm: loud_blocks(pcm) >= 20, timeout_s=10)

    assert player.returncode == 0
    assert pitch_hz(heard) == pytest.approx(440, abs=2)


def test_what_is_said_is_heard_by_the_microphone(sound_card: VirtualSoundCard) -> None:
    sound = tone(hertz=660, seconds=0.5)
    listener = sound_card.start([sys.executable, "-c", CAPTURE], stdout=subprocess.PIPE)
    assert listener.stdout is not None
    captured = listener.stdout.read(BLOCK_BYTES)  # the stream runs

    with sound_card.recording(MICROPHONE) as recording:
        speech = sound_card.speak(sound)
        while loud_blocks(captured) < 20:
            captured += listener.stdout.read(BLOCK_BYTES)
        assert speech.wait(timeout=10) == 0
        # Unchanged, bit by bit; of all of it a sound server that is starved loses some ms.
        recording.wait_for(lambda pcm: sound[: 5 * BLOCK_BYTES] in pcm, timeout_s=10)

    assert pitch_hz(captured) == pytest.approx(660, abs=2)
