"""WAV files in place of the microphone and the speaker."""

import os
import stat
import threading
import time
import wave
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from voicelive.audio import BLOCK_BYTES, BLOCK_S, SAMPLE_RATE
from voicelive.errors import EXIT_USAGE, VoiceLiveError
from voicelive.wav import WavSink, WavSource, paced


def write_wav(path: Path, rate: int, channels: int, seconds: float, width: int = 2) -> Path:
    """A tone of 440 Hz in the first channel, silence in the others."""
    time_s = np.arange(int(rate * seconds)) / rate
    frames = np.zeros((len(time_s), channels))
    frames[:, 0] = 16_000 * np.sin(2 * np.pi * 440 * time_s)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(frames.astype(f"<i{width}").tobytes())
    return path


def samples(path: Path) -> "np.ndarray[tuple[int], np.dtype[np.int16]]":
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (SAMPLE_RATE, 1, 2)
        return np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")


@pytest.mark.parametrize(
    ("rate", "channels"), [(24_000, 1), (44_100, 2), (8_000, 1), (48_000, 6), (11_025, 1)]
)
def test_a_file_of_any_rate_and_channel_count_becomes_24_khz_mono(
    tmp_path: Path, rate: int, channels: int
) -> None:
    source = WavSource(write_wav(tmp_path / "in.wav", rate, channels, seconds=0.5))

    blocks = list(source)
    pcm = np.frombuffer(b"".join(blocks), dtype="<i2").astype(float)

    assert all(0 < len(block) <= 1.5 * BLOCK_BYTES for block in blocks)
    assert len(pcm) == pytest.approx(SAMPLE_RATE / 2, abs=2), "nothing is lost, and nothing added"
    spectrum = np.abs(np.fft.rfft(pcm))
    assert np.argmax(spectrum) * SAMPLE_RATE / len(pcm) == pytest.approx(440, abs=2)
    assert np.sqrt(np.mean(pcm**2)) == pytest.approx(16_000 / np.sqrt(2), rel=0.05)


def test_blocks_come_as_fast_as_they_would_be_spoken(tmp_path: Path) -> None:
    source = WavSource(write_wav(tmp_path / "in.wav", 24_000, 1, seconds=0.2))
    started = time.monotonic()

    at = [time.monotonic() - started for _ in source]

    assert len(at) == 10
    assert all(when >= (number + 1) * BLOCK_S - 0.001 for number, when in enumerate(at))


def test_each_block_takes_the_time_that_it_lasts(tmp_path: Path) -> None:
    source = WavSource(write_wav(tmp_path / "in.wav", 8_000, 1, seconds=0.2))

    captured = [(source.captured_at, len(block) // 2, time.monotonic()) for block in source]

    began, frames = captured[0][0], 0
    for captured_at, size, now in captured:
        assert captured_at - began == pytest.approx(frames / SAMPLE_RATE)
        frames += size
        assert now - began >= frames / SAMPLE_RATE - 0.001


def test_closing_ends_a_blocked_iteration() -> None:
    stopped = threading.Event()

    def rarely() -> Iterator[bytes]:
        yield b"first"
        stopped.wait()
        yield b"second"

    blocks = paced(rarely(), stopped)
    assert next(blocks) == b"first"
    threading.Timer(0.05, stopped.set).start()

    assert next(blocks, None) is None


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "not a 16-bit PCM WAV"),
        (b"ID3 this is an mp3" * 10, "not a 16-bit PCM WAV"),
        (b"RIFF\4\0\0\0WAVE", "PCM WAV"),
        (b"RIFF\x18\0\0\0WAVELIST\xff\0\0\0" + bytes(12), "it is cut off"),
    ],
)
def test_a_file_that_is_no_wav_is_named_with_the_line_that_converts_it(
    tmp_path: Path, content: bytes, said: str
) -> None:
    path = tmp_path / "in.mp3"
    path.write_bytes(content)

    with pytest.raises(VoiceLiveError) as failure:
        WavSource(path)

    assert said in failure.value.message and str(path) in failure.value.message
    assert f"ffmpeg -i {path} -ac 1 -c:a pcm_s16le {path.with_suffix('')}-pcm16.wav" in failure.value.remedy
    assert failure.value.exit_code == EXIT_USAGE


def test_other_sample_widths_are_refused_with_the_line_that_converts_them(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "in.wav", 24_000, 1, seconds=0.1, width=4)

    with pytest.raises(VoiceLiveError, match="32-bit samples") as failure:
        WavSource(path)

    assert "ffmpeg" in failure.value.remedy


@pytest.mark.parametrize("name", ["missing.wav", "."])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(VoiceLiveError) as failure:
        WavSource(tmp_path / name)

    assert str(tmp_path) in failure.value.message


def test_a_rate_of_zero_is_named(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "in.wav", 24_000, 1, seconds=0.1)
    header = bytearray(path.read_bytes())
    header[24:28] = bytes(4)
    path.write_bytes(header)

    with pytest.raises(VoiceLiveError, match=r"in\.wav"):
        WavSource(path)


def test_an_empty_wav_is_named(tmp_path: Path) -> None:
    with pytest.raises(VoiceLiveError, match="no sound in it"):
        WavSource(write_wav(tmp_path / "in.wav", 24_000, 1, seconds=0))


def test_a_file_that_breaks_off_is_played_to_its_last_whole_frame(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "in.wav", 24_000, 2, seconds=0.1)
    path.write_bytes(path.read_bytes()[:-1001])

    assert len(list(WavSource(path))) == 5


def test_the_sink_keeps_the_time_of_a_real_speaker(tmp_path: Path) -> None:
    sink = WavSink(tmp_path / "out.wav")
    sound = np.full(2_400, 1_000, dtype="<i2").tobytes()  # 100 ms

    sink.play(sound, "a")
    assert sink.wait_until_heard(5)
    sink.play(sound * 100, "b")  # 10 s, cut off at once
    (cut_off,) = sink.interrupt()
    assert sink.wait_until_heard(5)
    sink.play(sound, "c")
    assert sink.wait_until_heard(5)
    sink.close()

    played = samples(tmp_path / "out.wav")
    assert cut_off.heard < 4_800
    assert np.count_nonzero(played) == pytest.approx(2 * 2_400 + cut_off.heard, abs=10)
    ended = np.flatnonzero(played)[-1]
    assert ended <= len(played) < ended + 24_000, "a second at most, on a machine that is busy"


def test_the_file_of_a_sink_is_valid_at_any_moment(tmp_path: Path) -> None:
    sink = WavSink(tmp_path / "out.wav")
    sink.play(bytes(4_800), "a")
    assert sink.wait_until_heard(5)

    deadline, written = time.monotonic() + 5, 0
    while written < 1_920 and time.monotonic() < deadline:  # the disk comes a little later
        with suppress(EOFError):  # not even the header is there
            written = len(samples(tmp_path / "out.wav"))
    sink.close()

    assert written >= 1_920


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_what_the_agent_said_is_for_the_owner_only(tmp_path: Path) -> None:
    WavSink(tmp_path / "heard.wav").close()

    assert stat.S_IMODE((tmp_path / "heard.wav").stat().st_mode) == 0o600


def test_a_sink_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(VoiceLiveError, match=r"out\.wav") as failure:
        WavSink(tmp_path / "no folder" / "out.wav")

    assert failure.value.exit_code == EXIT_USAGE


def test_a_channel_that_a_file_does_not_have_is_refused(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "in.wav", 24_000, 2, seconds=0.1)
    for channel in (0, 3):
        with pytest.raises(VoiceLiveError, match=f"no channel {channel}: it has 2"):
            WavSource(path, channel=channel)
