"""The account of what was heard: no sound card is needed for it."""

import numpy as np
import pytest

from voicelive import playback as module
from voicelive.playback import RAMP_FRAMES, REBUFFER_BYTES, Playback

LOUD = 10_000
REBUFFER_FRAMES = REBUFFER_BYTES // 2


def pcm(frames: int, level: int = LOUD) -> bytes:
    return np.full(frames, level, dtype="<i2").tobytes()


def render(playback: Playback, frames: int) -> list[int]:
    out = bytearray(b"\x55" * (2 * frames))
    playback.render(memoryview(out))
    return [int(sample) for sample in np.frombuffer(out, dtype="<i2")]


def interrupted(playback: Playback) -> list[tuple[str, int, int]]:
    """What was cut off: items, and their frames that were heard, of those that were received."""
    return [(account.item_id, account.heard, account.received) for account in playback.interrupt()]


def test_pieces_are_heard_in_order_and_then_there_is_silence() -> None:
    playback = Playback()
    playback.play(pcm(3, 1), "a")
    playback.play(pcm(2, 2), "a")
    playback.play(pcm(1, 3), "b")

    assert render(playback, 4) + render(playback, 4) == [1, 1, 1, 2, 2, 3, 0, 0]
    assert (playback.account("a").heard, playback.account("b").heard) == (5, 1)


def test_an_interruption_is_silence_after_a_short_ramp() -> None:
    playback = Playback()
    playback.play(pcm(10_000), "a")
    playback.play(pcm(10_000), "b")
    render(playback, 480)

    cut_off = interrupted(playback)
    after = render(playback, 480)

    assert cut_off == [("a", 480 + RAMP_FRAMES, 10_000), ("b", 0, 10_000)]
    assert playback.account("a").heard == 480 + RAMP_FRAMES
    assert playback.account("b").heard == 0
    assert after[0] == LOUD and after[RAMP_FRAMES - 1] < LOUD // 20
    assert max(np.abs(np.diff(after))) <= LOUD // RAMP_FRAMES + 1  # no click
    assert not any(after[RAMP_FRAMES:])


def test_what_comes_after_an_interruption_is_heard_from_its_first_frame() -> None:
    playback = Playback()
    playback.play(pcm(10_000), "a")
    playback.interrupt()
    playback.play(pcm(2, 7), "b")

    assert render(playback, RAMP_FRAMES + 2)[-2:] == [7, 7]


def test_less_than_a_ramp_is_faded_to_its_end() -> None:
    playback = Playback()
    playback.play(pcm(10), "a")

    assert interrupted(playback) == [("a", 10, 10)]
    assert render(playback, 12)[9:] == [pytest.approx(LOUD / 10, abs=1), 0, 0]


def test_who_is_interrupted_after_the_last_word_was_heard_out() -> None:
    playback = Playback()
    playback.play(pcm(480), "a")
    render(playback, 480)

    assert interrupted(playback) == [("a", 480, 480)]
    assert not playback.interrupt(), "the same item is not cut off twice"


def test_without_sound_there_is_nothing_to_interrupt() -> None:
    assert not Playback().interrupt()


@pytest.mark.parametrize(
    ("pieces", "heard"),
    [
        ([b"\x01", b"\x02\x03\x04"], [0x0201, 0x0403]),  # one frame in two pieces
        ([b"\x01\x02\x03", b"\x05\x06"], [0x0201, 0x0605]),  # a byte too many, and no more of it
        ([b"\x01\x02\x03", b"\x05\x06", b"\x07\x08\x09"], [0x0201, 0x0605, 0x0807]),  # once more
        ([b"", b"\x01\x02"], [0x0201]),
        ([b"\x01", b"", b"\x02\x03\x04"], [0x0201, 0x0403]),
    ],
)
def test_frames_stay_whole_whatever_the_pieces(pieces: list[bytes], heard: list[int]) -> None:
    playback = Playback()
    for piece in pieces:
        playback.play(piece, "a")

    assert render(playback, len(heard)) == heard


def test_waiting_ends_when_all_was_heard() -> None:
    playback = Playback()
    assert playback.wait_until_heard(0)

    playback.play(pcm(10), "a")
    assert not playback.wait_until_heard(0)
    render(playback, 10)

    assert playback.wait_until_heard(0)


def test_an_interruption_counts_as_heard_out_after_its_ramp() -> None:
    playback = Playback()
    playback.play(pcm(10_000), "a")
    playback.interrupt()
    render(playback, RAMP_FRAMES)

    assert playback.wait_until_heard(0)


def test_after_an_underrun_a_little_is_gathered_first() -> None:
    playback = Playback()
    playback.play(pcm(480), "a")
    assert any(render(playback, 960)), "the first piece is heard at once"

    playback.play(pcm(240), "a")  # it came late
    assert not any(render(playback, REBUFFER_FRAMES - 240))
    playback.play(pcm(REBUFFER_FRAMES), "a")

    assert render(playback, REBUFFER_FRAMES + 240) == [LOUD] * (REBUFFER_FRAMES + 240)
    assert playback.underruns == 1


def test_the_last_piece_is_heard_though_nothing_more_is_to_be_gathered() -> None:
    playback = Playback()
    playback.play(pcm(480), "a")
    render(playback, 960)

    playback.play(pcm(240), "a")

    assert not any(render(playback, REBUFFER_FRAMES - 240))
    assert render(playback, 240) == [LOUD] * 240


def test_as_much_as_is_to_be_gathered_is_heard_at_once() -> None:
    playback = Playback()
    playback.play(pcm(480), "a")
    render(playback, 960)

    playback.play(pcm(REBUFFER_FRAMES), "a")

    assert render(playback, 240) == [LOUD] * 240


def test_the_next_answer_is_never_held_back() -> None:
    playback = Playback()
    playback.play(pcm(480), "a")
    render(playback, 960)

    playback.play(pcm(240), "b")

    assert render(playback, 240) == [LOUD] * 240


def test_small_pieces_are_gathered_and_heard_in_order() -> None:
    playback = Playback()
    for number in range(1_000):
        playback.play(bytes([number % 256]) * 4_800, "a")

    assert len(playback._waiting) == 10  # of ten seconds each
    out = bytearray(9_600)
    for first in range(0, 1_000, 2):
        playback.render(memoryview(out))
        assert out == bytes([first % 256]) * 4_800 + bytes([(first + 1) % 256]) * 4_800


def test_no_more_sound_is_kept_than_anybody_waits_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_WAITING_BYTES", 2 * 10_000)
    playback = Playback()
    for level in range(1, 5):
        playback.play(pcm(4_000, level), "a")
    heard = render(playback, 4_000)
    playback.play(pcm(4_000, 5), "a")

    assert heard + render(playback, 12_000) == [1] * 4_000 + [2] * 4_000 + [5] * 4_000 + [0] * 4_000
    assert playback.account("a").received == 12_000
    playback.interrupt()
    playback.play(pcm(10_000), "b")
    assert playback.account("b").received == 10_000
