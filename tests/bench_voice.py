"""A voice at the microphone that knows when each of its sounds is heard there, without anybody recording it.

A recorder with a low latency makes the sound server hand small pieces to everybody, the client included. This
one asks the server how long what it writes will take (PulseAudio's and PipeWire's libpulse).
"""

import ctypes
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np

RATE_HZ = 24_000
PLAYBACK, S16LE = 1, 3  # of libpulse
PIECE_FRAMES = RATE_HZ // 100
BURST_FRAMES = RATE_HZ // 10
QUIET_PIECES = 40  # between two bursts
LEAD_S = 0.2  # so long is written ahead: no more haste than an ordinary player's
NOT_SET = 0xFFFFFFFF


class _Format(ctypes.Structure):
    _fields_ = [("format", ctypes.c_int), ("rate", ctypes.c_uint32), ("channels", ctypes.c_uint8)]


class _Buffer(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint32) for name in ("most", "target", "before", "least", "piece")]


def bursts(environment: Mapping[str, str], device: str, count: int) -> list[float]:
    """Play so many bursts of noise on a sink, each at another distance from the last; when each begins to
    sound, in seconds of time.monotonic()."""
    draw, times = np.random.default_rng(1), []
    with _stream(environment, device) as (pulse, stream):

        def write(pcm: bytes) -> None:
            pulse.pa_simple_write(stream, pcm, ctypes.c_size_t(len(pcm)), None)

        def be_quiet(pieces: int) -> None:
            for _ in range(pieces):
                write(bytes(2 * PIECE_FRAMES))

        for number in range(count):
            be_quiet(QUIET_PIECES)
            write(bytes(2 * (1 + number * PIECE_FRAMES * 2 // count)))
            times.append(time.monotonic() + pulse.pa_simple_get_latency(stream, None) / 1e6)
            loud = draw.integers(8000, 12000, BURST_FRAMES) * draw.choice([-1, 1], BURST_FRAMES)
            write(loud.astype("<i2").tobytes())
        be_quiet(2 * QUIET_PIECES)
    return times


@contextmanager
def _stream(environment: Mapping[str, str], device: str) -> Iterator[tuple[ctypes.CDLL, ctypes.c_void_p]]:
    pulse = ctypes.CDLL("libpulse-simple.so.0")
    pulse.pa_simple_new.restype = ctypes.c_void_p
    pulse.pa_simple_get_latency.restype = ctypes.c_uint64
    before = dict(os.environ)
    os.environ.update({name: value for name, value in environment.items() if name.startswith("PULSE_")})
    try:
        format = _Format(S16LE, RATE_HZ, 1)
        buffer = _Buffer(NOT_SET, round(2 * RATE_HZ * LEAD_S), NOT_SET, NOT_SET, NOT_SET)
        about = ctypes.byref(format), None, ctypes.byref(buffer), None
        stream = pulse.pa_simple_new(None, b"bench", PLAYBACK, device.encode(), b"voice", *about)
    finally:
        os.environ.clear()
        os.environ.update(before)
    if not stream:
        raise TimeoutError("the voice finds no sound server")
    handle = ctypes.c_void_p(stream)
    try:
        yield pulse, handle
    finally:
        pulse.pa_simple_free(handle)
