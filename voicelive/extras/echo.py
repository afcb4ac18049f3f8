"""What the loudspeaker played while the microphone heard a block: the echo reference, and the recording's.

Both streams tell the time of each piece of sound, by one clock. That puts what was played beside what
was heard, to within a millisecond, whatever else happens on the way.
"""

from collections import deque
from statistics import median

import numpy as np
from numpy.typing import NDArray

from voicelive.audio import SAMPLE_RATE
from voicelive.playback import Playback

LEAD_S = 0.005  # the echo reference comes so much early, for an echo must lie behind it
HISTORY_FRAMES = 4 * SAMPLE_RATE  # of what was played; more than any microphone is late
PLAYED_PIECES = 2048  # are kept until the next block comes: some seconds
PIECES = 9  # of what was played, whose times are averaged
BLOCKS = 50  # of the microphone's, whose offsets are averaged: one second
NEW_BLOCKS = 8  # which agree on another offset, and it has jumped
JUMP_FRAMES = SAMPLE_RATE // 500  # 2 ms: more is no drift
DRIFT_FRAMES = SAMPLE_RATE // 2000  # 0.5 ms: drift is followed from there on, by a frame for each block


class Reference:
    """Puts what a `Playback` played beside the blocks of a microphone; for one thread alone."""

    def __init__(self, playback: Playback) -> None:
        self._played = playback.played = deque(maxlen=PLAYED_PIECES)
        self._history = np.zeros(HISTORY_FRAMES, dtype=np.int16)  # up to the newest frame
        self._places = np.arange(HISTORY_FRAMES, dtype=float)  # in the history
        self._frames = 0  # played so far
        self._pieces: deque[tuple[int, float]] = deque(maxlen=PIECES)  # first frame, and when it sounded
        self._heard = 0  # frames of the microphone so far
        self._offsets: deque[float] = deque(maxlen=BLOCKS)  # frames played less frames heard, as timed
        self._position: int | None = None  # in what was played, where the next block begins

    def beside(self, frames: int, captured_at: float, *leads_s: float) -> list[NDArray[np.int16]]:
        """What sounded during the microphone's next block of so many frames; for each lead, so much later.

        `captured_at` is when the block's first frame was heard. What is not known is silence.
        """
        self._take()
        at = np.full(frames, -1.0)
        if self._pieces:
            played = median(frame + (captured_at - begin) * SAMPLE_RATE for frame, begin in self._pieces)
            self._offsets.append(played - self._heard)
            begin = self._aligned()
            self._position = begin + frames + self._drift(begin)
            at = np.linspace(begin, self._position, frames, endpoint=False)
        self._heard += frames
        return [self._read(at + lead_s * SAMPLE_RATE) for lead_s in leads_s]

    def skip(self, frames: int) -> None:
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
