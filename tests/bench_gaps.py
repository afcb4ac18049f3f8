"""Holes in a reply: while every core is busy, and where the network brings it late and in bursts."""

import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import numpy as np
from bench_latency import audible, noise
from bench_talkers import Compared, Figures, Start, Talker, both
from pulseaudio import SAMPLE_RATE_HZ
from soundcard import VirtualSoundCard

TIMEOUT_S = 30
ROUNDS = 5
REPLY_S = 5.0
PIECE_S = 0.2
MOST_LATE_S = 0.4
OVER_FRAMES = SAMPLE_RATE_HZ  # after a second of silence a reply is over; no hole is so long
BUSY = [sys.executable, "-c", "while True: pass"]


def busy(card: VirtualSoundCard, _: int) -> Compared:
    """Replies that are sent at once while every core is busy: their holes."""

    def measure(start: Start) -> Figures:
        figures: Figures = {"busy_holes": [], "busy_silence": [], "busy_lost": []}
        with start() as talker:
            talker.wait_for_microphone()
            for seed in range(ROUNDS):
                pcm = noise(REPLY_S, seed)
                with busy_cores():
                    recorded, _ = record(card, talker, [pcm])
                for name, figure in zip(figures, holes(recorded, pcm), strict=True):
                    figures[name].append(figure)
        return figures

    return both(card, measure)


def late(card: VirtualSoundCard, _: int) -> Compared:
    """Replies in pieces that come up to MOST_LATE_S later than real time: silence beyond what was late."""

    def measure(start: Start) -> Figures:
        figures: Figures = {"late_silence": [], "late_lost": []}
        with start() as talker:
            talker.wait_for_microphone()
            for seed in range(ROUNDS):
                pcm = noise(REPLY_S, seed)
                recorded, times = record(card, talker, late_pieces(pcm, seed))
                _, silent_ms, lost_ms = holes(recorded, pcm)
                figures["late_silence"].append(silent_ms - unavoidable_ms(times))
                figures["late_lost"].append(lost_ms)
        return figures

    return both(card, measure)


@contextmanager
def busy_cores() -> Iterator[None]:
    """A program on each core that does nothing but count."""
    programs = [subprocess.Popen(BUSY) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for program in programs:
            program.kill()
            program.wait()


def record(card: VirtualSoundCard, talker: Talker, pieces: Iterable[bytes]) -> tuple[bytes, list[float]]:
    """What is heard of one reply, up to the silence after it, and when each of its pieces was sent."""

    def is_over(pcm: bytes) -> bool:
        return len(pcm) > 2 * OVER_FRAMES and not len(audible(pcm[-2 * OVER_FRAMES :]))

    with card.recording() as recording:
        talker.begin_reply()
        times = [talker.send_audio(piece) for piece in pieces]
        talker.end_reply()
        recording.wait_for(lambda pcm: len(audible(pcm)) > 0, TIMEOUT_S)
        return recording.wait_for(is_over, TIMEOUT_S), times


def holes(recorded: bytes, sent: bytes) -> tuple[float, float, float]:
    """The holes in a recorded reply, their length in ms, and how many ms of the reply are missing.

    The reply has no quiet frame: whatever is quiet between its first and its last frame is a hole.
    """
    loud = audible(recorded)
    quiet = np.diff(loud) - 1
    lost = len(sent) // 2 - len(loud)
    return int(np.count_nonzero(quiet)), ms(int(quiet.sum())), ms(lost)


def ms(frames: int) -> float:
    return 1000 * frames / SAMPLE_RATE_HZ


def late_pieces(pcm: bytes, seed: int) -> Iterator[bytes]:
    """A reply in pieces of PIECE_S, each at its time in the reply and up to MOST_LATE_S later."""
    draw = np.random.default_rng(seed)
    length = 2 * round(PIECE_S * SAMPLE_RATE_HZ)
    began = time.monotonic()
    for number, at in enumerate(range(0, len(pcm), length)):
        due = began + number * PIECE_S + draw.uniform(0, MOST_LATE_S)
        time.sleep(max(0, due - time.monotonic()))
        yield pcm[at : at + length]


def unavoidable_ms(times: list[float]) -> float:
    """The silence in pieces that were sent at these times, where each is played without any delay."""
    silent_s, end = 0.0, times[0]
    for sent in times:
        silent_s += max(0.0, sent - end)
        end = max(sent, end) + PIECE_S
    return 1000 * silent_s
