"""What the loudspeaker played while the microphone heard a block: for the extras that need to know.

Both streams tell the time of each piece of sound, by one clock. That puts what was played beside what
was heard, to within a millisecond, whatever else happens on the way.
"""

import time
from collections import deque
from collections.abc import Iterator
from statistics import median

import numpy as np
from numpy.typing import NDArray

from voicelive.audio import FRAME_BYTES, SAMPLE_RATE, Source
from voicelive.playback import Playback

HISTORY_FRAMES = 4 * SAMPLE_RATE  # of what was played; more than any microphone is late
PIECES = 9  # of what was played, whose times are averaged
BLOCKS = 50  # of the microphone's, whose offsets are averaged: one second
NEW_BLOCKS = 8  # which agree on another offset, and it has jumped
JUMP_FRAMES = SAMPLE_RATE // 500  # 2 ms: more is no drift
DRIFT_FRAMES = SAMPLE_RATE // 2000  # 0.5 ms: drift is followed from there on, by a frame for each block
GAP_S = 1.0  # without a block: the microphone was away
MOST_GAP_S = 600.0


class Played:
    """A stage that changes nothing: it puts what a sink played beside each block, for the stages behind it.

    A sink has room for one of it.
    """

    def __init__(self, sink: Playback, source: Source) -> None:
        self.away = 0  # for so many frames there was no block before this one
        self._source = source
        self._next_at: float | None = None  # when the next block is due, by the source's clock
        self._told_at: float | None = None  # the source's newest `captured_at`
        self._at = np.zeros(0)  # places in what was played, of each frame of the block
        self._played = sink.played
        self._history = np.zeros(HISTORY_FRAMES, dtype=np.int16)  # up to the newest frame
        self._places = np.arange(HISTORY_FRAMES, dtype=float)  # in the history
        self._frames = 0  # played so far
        self._pieces: deque[tuple[int, float]] = deque(maxlen=PIECES)  # first frame, and when it sounded
        self._heard = 0  # frames of the microphone so far
        self._offsets: deque[float] = deque(maxlen=BLOCKS)  # frames played less frames heard, as timed
        self._position: int | None = None  # in what was played, where the next block begins

    def __call__(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        for block in blocks:
            frames = len(block) // FRAME_BYTES
            captured_at = self._captured_at(frames)
            late_s = captured_at - (self._next_at or captured_at)
            self.away = round(min(late_s, MOST_GAP_S) * SAMPLE_RATE) if late_s > GAP_S else 0
            self._skip(self.away)
            self.beside(frames, captured_at)
            self._next_at = captured_at + frames / SAMPLE_RATE
            yield block

    def during(self, later_s: float = 0.0) -> NDArray[np.int16]:
        """What sounded during the block, or so much later. What is not known is silence."""
        return self._read(self._at + later_s * SAMPLE_RATE)

    def beside(self, frames: int, captured_at: float) -> None:
        """Put it beside the microphone's next block of so many frames, the first heard at `captured_at`."""
        self._take()
        self._at = np.full(frames, -1.0)
        if self._pieces:
            played = median(frame + (captured_at - begin) * SAMPLE_RATE for frame, begin in self._pieces)
            self._offsets.append(played - self._heard)
            begin = self._aligned()
            self._position = begin + frames + self._drift(begin)
            self._at = np.linspace(begin, self._position, frames, endpoint=False)
        self._heard += frames

    def _captured_at(self, frames: int) -> float:
        """When the block's first frame was heard. A source that has ended tells no more times."""
        told_at: float | None = getattr(self._source, "captured_at", None)
        if not told_at:
            return time.monotonic() - frames / SAMPLE_RATE
        is_news, self._told_at = told_at != self._told_at, told_at
        return told_at if is_news or self._next_at is None else self._next_at

    def _skip(self, frames: int) -> None:
        """The microphone was away for so long."""
        self._heard += frames
        self._position = None if self._position is None else self._position + frames

    def _aligned(self) -> int:
        """Where the block begins. Times that jump, as those of a stream do in its first second, are obeyed
        as soon as some blocks agree."""
        newest = sorted(list(self._offsets)[-NEW_BLOCKS:])
        if self._position is None:
            return round(self._heard + newest[0])
        told = self._heard + median(newest)
        jump = abs(told - self._position)
        spread = newest[3 * len(newest) // 4] - newest[len(newest) // 4]  # of the middle half
        if len(newest) < NEW_BLOCKS or jump < max(JUMP_FRAMES, 2 * spread):
            return self._position
        self._offsets = deque(newest, maxlen=BLOCKS)
        return round(told)

    def _drift(self, begin: int) -> int:
        """How many frames more than the block's to take, to follow the drift between two devices."""
        behind = self._heard + median(self._offsets) - begin
        return (behind > DRIFT_FRAMES) - (behind < -DRIFT_FRAMES)

    def _take(self) -> None:
        """Keep what was played since the last block."""
        new = []
        while self._played:
            at, pcm = self._played.popleft()
            self._pieces.append((self._frames, at))
            new.append(np.frombuffer(pcm, dtype="<i2"))
            self._frames += len(new[-1])
        self._history = np.concatenate([self._history, *new])[-HISTORY_FRAMES:]

    def _read(self, at: NDArray[np.float64]) -> NDArray[np.int16]:
        """What was played at these places, even between two frames; silence where it is not known."""
        first = self._frames - HISTORY_FRAMES
        samples = np.interp(at - first, self._places, self._history, left=0, right=0)
        return np.rint(samples).astype(np.int16)


def interleaved(left: bytes, right: NDArray[np.int16]) -> bytes:
    """PCM16 in stereo."""
    return np.stack([np.frombuffer(left, dtype="<i2"), right], axis=1).astype("<i2").tobytes()
