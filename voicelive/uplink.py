"""From the source to the connection: blocks as they come, muted or not, beside what was played."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

from voicelive.audio import FRAME_BYTES, SAMPLE_RATE, SILENCE, Source
from voicelive.extras.echo import LEAD_S, Reference
from voicelive.extras.recording import Recording
from voicelive.wav import paced

log = logging.getLogger(__name__)

SILENT_BLOCKS = 250  # 5 s of nothing but zeros: no microphone that works is so quiet
LEAST_PEAK = 2 / 32768  # more than the dither that resampling makes of zeros
GAP_S = 1.0  # without a block: the microphone was away, and the recording goes on in silence
MOST_GAP_S = 600.0


@dataclass
class Uplink:
    """Carries the source's blocks to `send`, on a thread of its own, until `over` is set.

    Where the source ends, silence goes on, for the service counts time by what it hears.
    """

    source: Source
    send: Callable[[bytes], None]
    begin: Callable[[], bool]  # blocks until it is time to listen; False where that time never comes
    over: threading.Event
    reference: Reference | None = None  # needed for the recording, and to send in stereo
    recording: Recording | None = None

    def __post_init__(self) -> None:
        self.muted = False  # silence goes out in place of what the microphone hears
        self.is_stereo = False  # what was played is sent as a second channel, against echo
        self.peak = 0.0  # of the newest block, 0 to 1
        self.ended_at: float | None = None  # when the source did, in seconds of time.monotonic()
        self.failure: Exception | None = None  # the source's
        self._silent_blocks = 0  # in a row
        self._next_at: float | None = None  # when the next block is due, by the source's clock
        self._thread = threading.Thread(target=self._run, name="uplink", daemon=True)

    @property
    def is_silent(self) -> bool:
        """Whether the source gave nothing but zeros for some seconds."""
        return self._silent_blocks >= SILENT_BLOCKS

    def start(self) -> None:
        """Begin, as soon as `begin` returns."""
        self._thread.start()

    def join(self, timeout: float) -> None:
        """Wait for the thread's end, so many seconds at most."""
        if self._thread.is_alive():
            self._thread.join(timeout)

    def _run(self) -> None:
        if not self.begin():
            return
        try:
            for block in self.source:
                self.peak = peak(block)
                self._silent_blocks = self._silent_blocks + 1 if self.peak < LEAST_PEAK else 0
                self._pass(bytes(len(block)) if self.muted else block)
        except Exception as failure:
            log.exception("the source failed")
            self.failure = failure
        self._silent_blocks, self.peak = 0, 0.0
        self.ended_at = time.monotonic()
        for block in paced(repeat(SILENCE), self.over):
            self._pass(block)

    def _pass(self, block: bytes) -> None:
        """Send a block, and put it beside what was played."""
        if self.reference is None:
            self.send(block)
            return
        frames = len(block) // FRAME_BYTES
        timed = self._next_at if self.ended_at else getattr(self.source, "captured_at", None)
        captured_at = timed or time.monotonic() - frames / SAMPLE_RATE
        if self._next_at and captured_at - self._next_at > GAP_S:
            away = round(min(captured_at - self._next_at, MOST_GAP_S) * SAMPLE_RATE)
            self.reference.skip(away)
            if self.recording:
                self.recording.keep(away)
        played, early = self.reference.beside(frames, captured_at, 0.0, LEAD_S)
        self._next_at = captured_at + frames / SAMPLE_RATE
        if self.recording:
            self.recording.keep(interleaved(block, played))
        self.send(interleaved(block, early) if self.is_stereo else block)


def peak(pcm: bytes) -> float:
    """The greatest sample of PCM16, 0 to 1."""
    samples = np.frombuffer(pcm, dtype="<i2").astype(np.int32)
    return int(np.max(np.abs(samples), initial=0)) / 32768


def interleaved(left: bytes, right: NDArray[np.int16]) -> bytes:
    """PCM16 in stereo."""
    return np.stack([np.frombuffer(left, dtype="<i2"), right], axis=1).astype("<i2").tobytes()
