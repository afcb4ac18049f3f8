"""How exactly the echo reference lies beside the echo, where the microphone hears the loudspeaker."""

import time
from collections.abc import Sequence

import numpy as np
from bench_latency import noise
from bench_talkers import Client, Compared, client
from numpy.typing import NDArray
from pulseaudio import SAMPLE_RATE_HZ, SPEAKER
from soundcard import VirtualSoundCard

WINDOW_S = 0.5
MOST_LAG_S = 0.1
QUIET = 200.0  # RMS; what is played here is 50 times as loud
TURN_S = 6.0
TURNS = 10
SETTLED_S = 3.0
IN_STEREO = ("--echo-cancellation", "client")


def lags_ms(blocks: Sequence[tuple[float, bytes]]) -> list[tuple[float, float]]:
    """How far the echo lies behind the reference: (seconds since the first block, ms), by cross-correlation.

    Windows without sound in both channels are left out.
    """
    both = np.frombuffer(b"".join(pcm for _, pcm in blocks), dtype="<i2").reshape(-1, 2).astype(np.float64)
    size = round(WINDOW_S * SAMPLE_RATE_HZ)
    found = []
    for begin in range(0, len(both) - size, size):
        microphone, reference = both[begin : begin + size].T
        if min(rms(microphone), rms(reference)) > QUIET:
            found.append((begin / SAMPLE_RATE_HZ, lag_ms(microphone, reference)))
    return found


def rms(samples: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean(samples**2)))


def lag_ms(late: NDArray[np.float64], early: NDArray[np.float64]) -> float:
    """By how much `late` is behind `early`."""
    most = round(MOST_LAG_S * SAMPLE_RATE_HZ)
    spectrum = np.fft.rfft(late, 2 * len(late)) * np.conj(np.fft.rfft(early, 2 * len(late)))
    likeness = np.abs(np.fft.irfft(spectrum))
    lags = np.concatenate([likeness[-most:], likeness[:most]])
    return float(1000 * (int(np.argmax(lags)) - most) / SAMPLE_RATE_HZ)


def converse(talker: Client) -> None:
    """A minute of replies, each cut off, or late in the middle, or heard out; half-way the line is cut."""
    for number in range(TURNS):
        if number == TURNS // 2:
            talker.cut()
            talker.wait_for_client(2)
        talker.begin_reply()
        talker.send_audio(noise(TURN_S / 2, number))
        if number % 3 == 1:
            time.sleep(TURN_S / 2 + 0.3)  # an underrun
        talker.send_audio(noise(TURN_S / 2, number + 100))
        if number % 3 == 2:
            time.sleep(TURN_S * 2 / 3)
            talker.interrupt()
        else:
            talker.end_reply()
            time.sleep(TURN_S)


def echo(card: VirtualSoundCard, _: int) -> Compared:
    """The lag of the echo behind the reference from the third second on. There is no floor."""
    with client(card, *IN_STEREO, PULSE_SOURCE=SPEAKER) as talker:
        talker.wait_for_microphone()
        converse(talker)
        lags = [lag for at, lag in lags_ms(list(talker.blocks)) if at >= SETTLED_S]
    middle = float(np.median(lags))
    return {"echo": lags, "echo_shake": [abs(lag - middle) for lag in lags]}, {}
