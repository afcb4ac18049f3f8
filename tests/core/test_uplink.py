"""What leaves for the service: the source's blocks, what stages make of them, silence in their place."""

import threading
from collections.abc import Iterator, Sequence

import numpy as np

from voicelive.audio import BLOCK_BYTES, BLOCK_FRAMES, SILENCE
from voicelive.uplink import Meter, Mute, Stage, Uplink, peak

BLOCK = b"\x10\x20" * BLOCK_FRAMES


class Timed:
    """A source whose blocks have the times that they are given; ends after the last."""

    name = "timed"

    def __init__(self, *times: float) -> None:
        self._times = times
        self.captured_at = 0.0

    def __iter__(self) -> Iterator[bytes]:
        for at in self._times:
            self.captured_at = at
            yield BLOCK

    def close(self) -> None: ...


def sent(uplink_of: "Upward", blocks: int) -> list[bytes]:
    """The first blocks that the uplink sends."""
    uplink_of.uplink.start()
    assert uplink_of.enough.wait(10)
    uplink_of.over.set()
    uplink_of.uplink.join(10)
    return uplink_of.sent[:blocks]


class Upward:
    """An uplink, and what it sends until there are enough blocks."""

    def __init__(self, source: Timed, blocks: int, stages: Sequence[Stage] = ()) -> None:
        self.sent: list[bytes] = []
        self.over, self.enough = threading.Event(), threading.Event()
        self._blocks = blocks
        self.uplink = Uplink(source, stages, self._send, lambda: True, self.over)

    def _send(self, block: bytes) -> None:
        self.sent.append(block)
        if len(self.sent) >= self._blocks:
            self.enough.set()


def test_silence_goes_on_where_the_source_ends() -> None:
    assert sent(Upward(Timed(0, 0), 4), 4) == [BLOCK, BLOCK, bytes(BLOCK_BYTES), bytes(BLOCK_BYTES)]


def test_a_muted_microphone_sends_silence_that_the_service_hears_an_end_by() -> None:
    meter, mute = Meter(), Mute()
    mute.toggle()

    assert sent(Upward(Timed(0, 0), 3, [meter, mute]), 3) == [bytes(BLOCK_BYTES)] * 3
    assert not meter.is_silent, "it is muted here, not there"


def test_the_level_is_that_of_the_loudest_sample() -> None:
    assert peak(np.array([0, -32768, 100], dtype="<i2").tobytes()) == 1.0
    assert peak(b"") == 0.0


def metered(*blocks: bytes) -> Meter:
    """What a meter tells after these blocks."""
    meter = Meter()
    assert list(meter(iter(blocks))) == list(blocks)
    return meter


def test_a_microphone_of_nothing_but_zeros_is_noticed() -> None:
    assert metered(*[SILENCE] * 251).is_silent


def test_a_quiet_microphone_is_not_taken_for_a_muted_one() -> None:
    assert not metered(*[SILENCE] * 249, BLOCK, *[SILENCE] * 500).is_silent, "later, noise gates give zeros"


def test_another_device_is_listened_to_anew() -> None:
    meter = metered(BLOCK)
    meter.begin_anew()
    list(meter(iter([SILENCE] * 251)))

    assert meter.is_silent


def test_a_stage_that_fails_is_kept_as_the_reason() -> None:
    def broken(blocks: Iterator[bytes]) -> Iterator[bytes]:
        next(blocks)
        raise ZeroDivisionError

    upward = Upward(Timed(0, 0), 1, [broken])
    upward.uplink.start()
    upward.uplink.join(10)

    assert isinstance(upward.uplink.failure, ZeroDivisionError)
