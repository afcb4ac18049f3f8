"""The account of the stand-in's own sound: what was sent, and when the user hears it."""

from collections import deque

import numpy as np

SLICE_MS = 20
ECHO_TAIL_MS = 400  # sound card, room and microphone may delay an echo by this much
MEMORY_MS = 120_000


class Playback:
    """A loudspeaker as the service imagines it.

    It plays what it receives at once, without gaps, until it is interrupted. Its clock is the
    microphone's position in ms: a client that sends no sound stops this clock, too.
    """

    def __init__(self) -> None:
        self._slices: deque[tuple[float, float, float]] = deque(maxlen=MEMORY_MS // SLICE_MS)
        self._end_ms = 0.0

    def add(self, pcm: bytes, rate_hz: int, now_ms: float) -> float:
        """Append PCM16 that is sent at `now_ms`; answers with the position where it is heard."""
        begin_ms = at_ms = max(now_ms, self._end_ms)
        samples = np.frombuffer(pcm, "<i2")
        step = rate_hz * SLICE_MS // 1000
        for start in range(0, len(samples), step):
            piece = samples[start : start + step]
            end_ms = at_ms + len(piece) * 1000 / rate_hz
            self._slices.append((at_ms, end_ms, float(piece.std(dtype=np.float32))))
            at_ms = end_ms
        self._end_ms = at_ms
        return begin_ms

    def stop(self, now_ms: float) -> None:
        """Forget what would have been played after `now_ms`: the client was interrupted."""
        while self._slices and self._slices[-1][0] > now_ms:
            self._slices.pop()
        self._end_ms = min(self._end_ms, now_ms)

    def loudest(self, now_ms: float) -> float:
        """The highest RMS of the sound whose echo may be in the microphone now; 0 for none."""
        while self._slices and self._slices[0][1] < now_ms - ECHO_TAIL_MS:
            self._slices.popleft()
        loudest = 0.0
        for begin_ms, _, level in self._slices:
            if begin_ms > now_ms:
                break
            loudest = max(loudest, level)
        return loudest
