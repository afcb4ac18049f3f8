"""Sound cards that refuse 24 kHz mono: what passes is converted, and keeps its time."""

import numpy as np
import pytest

from voicelive.audio import SAMPLE_RATE, Format, captures, plays

FORMATS = [(48_000, 2), (44_100, 1), (16_000, 1), (8_000, 1), (24_000, 2), (96_000, 8)]
HERTZ = 440


def tone(rate: int, seconds: float) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    return 16_000 * np.sin(2 * np.pi * HERTZ * np.arange(round(rate * seconds)) / rate)


def lag_s(heard: "np.ndarray[tuple[int], np.dtype[np.float64]]", rate: int) -> float:
    """How much later than a tone from the beginning on, in seconds; and that it is one, as loud."""
    steady = heard[round(0.1 * rate) : round(0.4 * rate)]
    wave = np.exp(-2j * np.pi * HERTZ * (np.arange(len(steady)) / rate + 0.1))
    turn = 2j * np.mean(steady * wave)
    assert abs(turn) == pytest.approx(16_000, rel=0.02)
    return float(-np.angle(turn) / (2 * np.pi * HERTZ))


@pytest.mark.parametrize("format", FORMATS)
def test_what_a_microphone_hears_keeps_its_time(format: Format) -> None:
    rate, channels = format
    sound, told = bytearray(), []

    def callback(block: memoryview, heard_at: float) -> None:
        assert block
        told.append((heard_at, len(sound) / 2 / SAMPLE_RATE))
        sound.extend(block)

    take = captures(format, callback)
    frames = np.repeat(tone(rate, 0.5).astype("<i2"), channels).reshape(-1, channels)
    for at in range(0, len(frames), rate // 50):
        take(memoryview(frames[at : at + rate // 50].tobytes()), 100 + at / rate)

    assert all(heard_at - 100 == pytest.approx(place, abs=1e-4) for heard_at, place in told)
    assert lag_s(np.frombuffer(sound, dtype="<i2").astype(float), SAMPLE_RATE) == pytest.approx(0, abs=3e-4)


@pytest.mark.parametrize("format", FORMATS)
def test_what_a_speaker_plays_is_told_when_it_sounds(format: Format) -> None:
    rate, channels = format
    waiting, told = tone(SAMPLE_RATE, 1).astype("<i2").tobytes(), []
    place = 0

    def callback(out: memoryview, sounds_at: float) -> None:
        nonlocal place
        told.append((sounds_at, place / 2 / SAMPLE_RATE))
        out[:] = waiting[place : place + len(out)]
        place += len(out)

    fill = plays(format, callback)
    out = bytearray(2 * channels * 128)
    sound = bytearray()
    for number in range(round(0.5 * rate / 128)):
        fill(memoryview(out), 100 + number * 128 / rate)
        sound += out

    assert all(sounds_at - 100 == pytest.approx(at, abs=1e-4) for sounds_at, at in told)
    heard = np.frombuffer(sound, dtype="<i2").astype(float).reshape(-1, channels)
    assert np.all(heard[:, :1] == heard), "the same on all channels"
    assert lag_s(heard[:, 0], rate) == pytest.approx(0, abs=3e-4)
