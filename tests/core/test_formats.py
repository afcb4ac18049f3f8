"""Sound cards that refuse 24 kHz mono: what passes is converted, and keeps its time."""

import numpy as np
import pytest

from voicelive.audio import SAMPLE_RATE, Converter, Format, Loudest, captures, plays

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


@pytest.mark.parametrize("channels", [2, 6, 8, 18])
@pytest.mark.parametrize("rate", [SAMPLE_RATE, 48_000])
def test_a_voice_on_one_of_many_channels_arrives_as_loud_as_it_is(rate: int, channels: int) -> None:
    time_s = np.arange(rate) / rate
    every = np.random.default_rng(1).normal(0, 30, (rate, channels))  # hiss, 40 dB below the voice
    every[rate // 4 :, channels - 1] += 8000 * np.sin(2 * np.pi * 440 * time_s[rate // 4 :])

    heard = Converter((rate, channels))
    pieces = [heard(piece.astype("<i2").tobytes()) for piece in np.split(every, 50)]

    sound = np.frombuffer(b"".join(pieces), "<i2").astype(float)
    voice = sound[SAMPLE_RATE // 4 + 480 : -480]
    assert np.sqrt(np.mean(voice**2)) == pytest.approx(8000 / np.sqrt(2), rel=0.02)


def test_two_channels_of_opposite_phases_do_not_cancel_out() -> None:
    wave = 8000 * np.sin(np.arange(SAMPLE_RATE) / 10)

    both = np.stack([wave, -wave], 1).astype("<i2").tobytes()
    heard = np.frombuffer(Converter((SAMPLE_RATE, 2))(both), "<i2")

    assert np.max(np.abs(heard)) == pytest.approx(8000, rel=0.01)


def test_a_channel_that_is_named_is_heard_however_soft_it_is() -> None:
    both = np.stack([np.full(480, 9000), np.full(480, 7)], 1).astype("<i2").tobytes()

    assert set(np.frombuffer(Converter((SAMPLE_RATE, 2), channel=2)(both), "<i2")) == {7}


def test_another_channel_is_taken_only_where_it_is_clearly_louder() -> None:
    pick = Loudest(2)
    first = np.array([[100, 0]] * 480, dtype=np.int16)
    alike = np.array([[100, 120]] * 480, dtype=np.int16)
    louder = np.array([[100, 400]] * 480, dtype=np.int16)

    assert [int(pick(block, 0.02)[0]) for block in (first, alike, alike, louder)] == [100, 100, 100, 400]
