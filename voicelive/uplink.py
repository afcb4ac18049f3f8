"""From the source to the connection: blocks as they come, through stages that may change them."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat

import numpy as np

from voicelive.audio import BYTES_A_SECOND, SILENCE, Source
from voicelive.wav import paced

log = logging.getLogger(__name__)

SILENT_S = 5.0  # of nothing but zeros: no microphone that works is so quiet
LEAST_PEAK = 2 / 32768  # more than the dither that resampling makes of zeros

# Gets the blocks, and hands each one on, changed or not, before it takes the next; the last may keep some.
Stage = Callable[[Iterator[bytes]], Iterator[bytes]]


@dataclass
class Uplink:
    """Carries the source's blocks, stage by stage, to `send`, on a thread of its own, until `over` is set.

    When the source ends, silence goes on, because the service counts time by what it hears.
    """

    source: Source
    stages: Sequence[Stage]
    send: Callable[[bytes], None]
    begin: Callable[[], bool]  # blocks until it is time to listen; False where that time never comes
    over: threading.Event

    def __post_init__(self) -> None:
        self.ended_at: float | None = None  # when the source did, in seconds of time.monotonic()
        self.failure: Exception | None = None  # the source's, or a stage's
        self._thread = threading.Thread(target=self._run, name="uplink", daemon=True)

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
        blocks = self._blocks()
        try:
            for stage in self.stages:
                blocks = stage(blocks)
            for block in blocks:
                self.send(block)
        except Exception as failure:
            log.exception("a block was not sent")
            self.failure = failure

    def _blocks(self) -> Iterator[bytes]:
        try:
            yield from self.source
        except Exception as failure:
            log.exception("the source failed")
            self.failure = failure
        self.ended_at = time.monotonic()
        yield from paced(repeat(SILENCE), self.over)


class Meter:
    """A stage that changes nothing: how loud it is."""

    def __init__(self) -> None:
        self.peak = 0.0  # of the newest block, 0 to 1
        self._silent_s: float | None = 0.0  # since the beginning; None once there was sound

    def __call__(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        for block in blocks:
            self.peak = peak(block)
            if self.peak >= LEAST_PEAK:
                self._silent_s = None
            elif self._silent_s is not None:
                self._silent_s += len(block) / BYTES_A_SECOND
            yield block

    @property
    def is_silent(self) -> bool:
        """Whether nothing but zeros came so far, for some seconds: later, noise gates give zeros, too."""
        return self._silent_s is not None and self._silent_s >= SILENT_S

    def begin_anew(self) -> None:
        """It is another device."""
        self._silent_s = 0.0


class Mute:
    """A stage: while it is `on`, silence in place of what the microphone hears."""

    def __init__(self, on: bool = False) -> None:
        self.on = on

    def toggle(self) -> None:
        """Mute, or unmute."""
        self.on = not self.on

    def __call__(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        for block in blocks:
            yield bytes(len(block)) if self.on else block


def only_while(talks: Callable[[], bool], end: Callable[[], None]) -> Stage:
    """A stage, the last one, for push to talk: blocks go on while the user `talks`, and `end` is called after
    the last one of a turn, the one that was under way.
    """

    def stage(blocks: Iterator[bytes]) -> Iterator[bytes]:
        is_turn = False
        for block in blocks:
            goes_on = talks()
            if goes_on or is_turn:
                yield block
            if is_turn and not goes_on:
                end()
            is_turn = goes_on

    return stage


def peak(pcm: bytes, channels: int = 1) -> float:
    """The greatest sample of PCM16, 0 to 1, in the first of its channels."""
    samples = np.frombuffer(pcm, dtype="<i2")[::channels].astype(np.int32)
    return int(np.max(np.abs(samples), initial=0)) / 32768
