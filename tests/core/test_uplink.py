"""What leaves for the service: the source's blocks, silence in their place, or both sides in stereo."""

import threading
import time
from collections.abc import Iterator

import numpy as np

from voicelive.audio import BLOCK_BYTES, BLOCK_FRAMES, BLOCK_S
from voicelive.extras.echo import Reference
from voicelive.playback import Playback
from voicelive.uplink import Uplink, interleaved, peak

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


class Tape:
    """In place of a recording."""

    def __init__(self) -> None:
        self.parts: list[object] = []

    def keep(self, part: object) -> None:
        self.parts.append(part)


def sent(uplink_of: "Upward", blocks: int) -> list[bytes]:
    """The first blocks that the uplink sends."""
    uplink_of.uplink.start()
    assert uplink_of.enough.wait(10)
    uplink_of.over.set()
    uplink_of.uplink.join(10)
    return uplink_of.sent[:blocks]


class Upward:
    """An uplink, and what it sends until there are enough blocks."""

    def __init__(self, source: Timed, blocks: int, **more: object) -> None:
        self.sent: list[bytes] = []
        self.over, self.enough = threading.Event(), threading.Event()
        self._blocks = blocks
        self.uplink = Uplink(source, self._send, lambda: True, self.over, **more)  # type: ignore[arg-type]

    def _send(self, block: bytes) -> None:
        self.sent.append(block)
        if len(self.sent) >= self._blocks:
            self.enough.set()


def test_silence_goes_on_where_the_source_ends() -> None:
    assert sent(Upward(Timed(0, 0), 4), 4) == [BLOCK, BLOCK, bytes(BLOCK_BYTES), bytes(BLOCK_BYTES)]


def test_a_muted_microphone_sends_silence_that_the_service_hears_an_end_by() -> None:
    upward = Upward(Timed(0, 0), 3)
    upward.uplink.muted = True

    assert sent(upward, 3) == [bytes(BLOCK_BYTES)] * 3
    assert not upward.uplink.is_silent, "it is muted here, not there"


def test_the_level_is_that_of_the_loudest_sample() -> None:
    assert peak(np.array([0, -32768, 100], dtype="<i2").tobytes()) == 1.0
    assert peak(b"") == 0.0


def test_in_stereo_what_was_played_goes_along_a_little_early() -> None:
    speaker = Playback()
    now = time.monotonic()
    upward = Upward(Timed(*(now + n * BLOCK_S for n in range(5))), 5, reference=Reference(speaker))
    upward.uplink.is_stereo = True
    ramp = np.arange(24_000, dtype="<i2")
    speaker.play(ramp.tobytes(), "a")
    for n in range(20):
        speaker.render(memoryview(bytearray(BLOCK_BYTES)), now + n * BLOCK_S)

    stereo = np.frombuffer(b"".join(sent(upward, 5)), dtype="<i2").reshape(-1, 2)

    assert stereo[:, 0].tobytes() == BLOCK * 5
    assert np.max(np.abs(stereo[:, 1] - (np.arange(5 * BLOCK_FRAMES) + 120))) <= 1, "5 ms are 120 frames"


def test_a_microphone_that_was_away_leaves_its_time_in_the_recording() -> None:
    tape = Tape()
    upward = Upward(Timed(100, 100 + BLOCK_S, 105), 3, reference=Reference(Playback()), recording=tape)

    assert len(sent(upward, 3)) == 3

    block = interleaved(BLOCK, np.zeros(BLOCK_FRAMES, dtype=np.int16))
    assert tape.parts[:4] == [block, block, round(4.96 * 24_000), block]


def test_two_channels_take_turns() -> None:
    assert interleaved(b"\1\0\2\0", np.array([3, 4], dtype=np.int16)) == b"\1\0\3\0\2\0\4\0"
