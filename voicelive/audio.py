"""PCM16, 24 kHz, mono: what a source is, and how other formats become it."""

import math
from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np
import soxr
from numpy.typing import NDArray

SAMPLE_RATE = 24_000  # frames a second, both ways
FRAME_BYTES = 2  # one signed 16-bit sample, little-endian
BLOCK_FRAMES = SAMPLE_RATE // 50  # 20 ms
BLOCK_BYTES = BLOCK_FRAMES * FRAME_BYTES
BLOCK_S = BLOCK_FRAMES / SAMPLE_RATE
BYTES_A_SECOND = SAMPLE_RATE * FRAME_BYTES
SILENCE = bytes(BLOCK_BYTES)
STEP_BYTES = BYTES_A_SECOND // 200  # 5 ms, resampled at a time for a speaker that refuses 24 kHz
MEMORY_S = 1.0  # for so long the loudness of a channel is remembered
BACKLOG_BLOCKS = 100  # so many are kept where nobody fetches them: one second of a microphone's

Format = tuple[int, int]  # frames a second, channels
OURS: Format = (SAMPLE_RATE, 1)
# Gets a buffer of whole frames, to read or to fill, and when its first one was or will be heard, in seconds
# of time.monotonic().
Callback = Callable[[memoryview, float], None]


class Source(Protocol):
    """Sound for the agent: an iterable of PCM16 blocks, 24 kHz, mono, about 20 ms, that paces itself.

    Where it ends, silence goes on. One that knows when it heard the first frame of its newest block has a
    `captured_at`, in seconds of time.monotonic().
    """

    @property
    def name(self) -> str:
        """For people."""

    def __iter__(self) -> Iterator[bytes]: ...

    def close(self) -> None:
        """End a blocked `next()`. Any thread may call, more than once."""


class Loudest:
    """Picks one of several channels: a voice is often on one alone, and two of opposite phases cancel out."""

    def __init__(self, channels: int) -> None:
        self._energy = np.zeros(channels)  # of each channel, over the last second or so
        self._picked = 0

    def __call__(self, samples: NDArray[np.int16], seconds: float) -> NDArray[np.int16]:
        """The loudest channel of samples of shape (frames, channels): another than so far where that is twice
        as strong."""
        self._energy *= math.exp(-seconds / MEMORY_S)
        self._energy += np.square(samples, dtype=np.float64).sum(axis=0)
        best = int(np.argmax(self._energy))
        if self._energy[best] > 2 * self._energy[self._picked]:
            self._picked = best
        return samples[:, self._picked]


class Converter:
    """PCM16 of one format, piece by piece, to another; mono in between: the loudest channel, or `channel`,
    counted from 1."""

    def __init__(self, source: Format = OURS, target: Format = OURS, channel: int | None = None) -> None:
        self.delay_s = 0.0  # so much of what came in has not come out yet
        self._source = source
        self._target = target
        self._channel = channel
        self._loudest = Loudest(source[1])
        self._resampler: soxr.ResampleStream | None = None
        if source[0] != target[0]:
            # Of variable rate, because soxr's other kind holds back tens of milliseconds at a time.
            self._resampler = soxr.ResampleStream(source[0], target[0], 1, dtype="int16", vr=True)

    def __call__(self, pcm: bytes | bytearray | memoryview, last: bool = False) -> bytes:
        """The next piece, later by `delay_s`; with `last`, all that is left. Half frames are left out."""
        (rate, channels), (target_rate, target_channels) = self._source, self._target
        frames = len(pcm) // (FRAME_BYTES * channels)
        samples = np.frombuffer(pcm, dtype="<i2", count=frames * channels)
        every = samples.reshape(-1, channels)
        mono = every[:, self._channel - 1] if self._channel else self._loudest(every, frames / rate)
        if self._resampler:
            mono = self._resampler.resample_chunk(mono, last=last)
        self.delay_s += frames / rate - len(mono) / target_rate
        return bytes(np.repeat(mono, target_channels).tobytes())


def captures(format: Format, callback: Callback, channel: int | None = None) -> Callback:
    """What takes buffers of another format, of which one channel counts, in place of a callback for ours."""
    convert = Converter(format, channel=channel)

    def take(buffer: memoryview, heard_at: float) -> None:
        heard_at -= convert.delay_s
        if pcm := convert(buffer):  # the resampler may hold back the first one
            callback(memoryview(pcm), heard_at)

    return take


def plays(format: Format, callback: Callback) -> Callback:
    """What fills buffers of another format, in place of a callback that fills ours; about 5 ms later."""
    convert, pending, step = Converter(target=format), bytearray(), memoryview(bytearray(STEP_BYTES))
    bytes_a_second = FRAME_BYTES * format[0] * format[1]

    def fill(out: memoryview, sounds_at: float) -> None:
        while len(pending) < len(out):
            ahead_s = convert.delay_s + len(pending) / bytes_a_second
            callback(step, sounds_at + ahead_s)
            pending.extend(convert(step))
        out[:] = pending[: len(out)]
        del pending[: len(out)]

    return fill
