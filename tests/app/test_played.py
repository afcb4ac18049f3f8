"""What was played beside what was heard, by the times that the streams tell."""

from collections.abc import Callable

import numpy as np
import pytest

from voicelive.app.played import Played, interleaved
from voicelive.audio import SAMPLE_RATE
from voicelive.playback import Playback
from voicelive.wav import TimedSource

BLOCK = SAMPLE_RATE // 50
PIECE = 64  # frames that the speaker takes at a time
MS = SAMPLE_RATE / 1000
NOBODY = TimedSource("nobody", ())


def exact(seconds: float) -> float:
    return seconds


def beside(
    seconds: float,
    *,
    told_out: Callable[[float], float] = exact,
    told_in: Callable[[float], float] = exact,
    drift: float = 0.0,
    lead_s: float = 0.0,
) -> np.ndarray:
    """How late the reference is behind what really sounded, in ms, for each block.

    What is played is a slow ramp: each sample tells when it sounded. `told_out` and `told_in` are what
    the two streams say of a moment; the microphone's clock runs faster by `drift`.
    """
    playback = Playback()
    played_beside = Played(playback, NOBODY)
    ramp = np.arange(int(seconds * SAMPLE_RATE)) % 30_000
    playback.play(ramp.astype("<i2").tobytes(), "a")
    out = bytearray(2 * PIECE)
    played = 0  # frames
    found = []
    for number in range(int(seconds * 50) - 10):
        heard_at = number * BLOCK / SAMPLE_RATE / (1 + drift)
        while played < (heard_at + 0.1) * SAMPLE_RATE:
            playback.render(memoryview(out), told_out(played / SAMPLE_RATE))
            played += PIECE
        played_beside.beside(BLOCK, told_in(heard_at))
        pcm = played_beside.during(lead_s)
        sounded = (heard_at * SAMPLE_RATE) % 30_000
        found.append((sounded - float(pcm[0]) + 15_000) % 30_000 - 15_000)
    return np.array(found) / MS


def test_times_that_are_exact_are_met_exactly() -> None:
    assert np.max(np.abs(beside(3))) < 0.05


def test_a_lead_is_given() -> None:
    assert np.median(beside(3, lead_s=0.005)) == pytest.approx(-5, abs=0.05)


def test_times_that_shake_are_averaged() -> None:
    noise = np.random.default_rng(1)

    def shaking(seconds: float) -> float:
        return seconds + noise.normal(0, 0.002)

    late = beside(20, told_out=shaking, told_in=shaking)

    assert np.max(np.abs(late[150:])) < 2.5


@pytest.mark.parametrize("drift", [-3e-4, 1e-4, 3e-4])
def test_two_clocks_that_drift_apart_stay_together(drift: float) -> None:
    late = beside(60, drift=drift)

    assert np.percentile(np.abs(late), 98) < 1, "but where the ramp begins again"


@pytest.mark.parametrize("which", ["told_in", "told_out"])
@pytest.mark.parametrize("jump_s", [-0.3, 0.04, 0.7])
def test_times_that_jump_are_obeyed_at_once(which: str, jump_s: float) -> None:
    def jumping(seconds: float) -> float:
        return seconds + jump_s if seconds < 2 else seconds

    late = beside(6, **{which: jumping})  # type: ignore[arg-type]

    assert np.max(np.abs(late[int(50 * (2 + abs(jump_s) + 0.2)) :])) < 0.1


def test_one_odd_time_is_not_believed() -> None:
    def odd(seconds: float) -> float:
        return seconds + 0.2 if 2 <= seconds < 2.02 else seconds

    assert np.max(np.abs(beside(6, told_in=odd))) < 0.1


def test_what_was_never_played_is_silence() -> None:
    playback = Playback()
    played_beside = Played(playback, NOBODY)

    played_beside.beside(BLOCK, 0.0)
    assert not np.any(played_beside.during())
    playback.play(b"\1\1" * PIECE, "a")
    playback.render(memoryview(bytearray(2 * PIECE)), 5.0)
    played_beside.beside(BLOCK, 1.0)
    assert not np.any(played_beside.during())


def test_the_reference_is_what_was_heard_of_an_answer_that_was_cut_off() -> None:
    playback = Playback()
    played_beside = Played(playback, NOBODY)
    playback.play(b"\0\x20" * SAMPLE_RATE, "a")
    out = bytearray(2 * BLOCK)
    for number in range(10):
        if number == 5:
            playback.interrupt()
        playback.render(memoryview(out), number / 50)

    levels = []
    for number in range(8):
        played_beside.beside(BLOCK, number / 50)
        levels.append(int(np.max(played_beside.during())))

    assert levels[:5] == [8192] * 5
    assert 0 < levels[5] <= 8192, "the ramp"
    assert levels[6:] == [0, 0]


def test_two_channels_take_turns() -> None:
    assert interleaved(b"\1\0\2\0", np.array([3, 4], dtype=np.int16)) == b"\1\0\3\0\2\0\4\0"
