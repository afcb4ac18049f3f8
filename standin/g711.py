"""G.711, the sound of telephones: 8 bits for each sample, mu-law or A-law (ITU-T G.711)."""

import numpy as np
from numpy.typing import NDArray

RATE_HZ = 8000
FORMATS = ("g711_ulaw", "g711_alaw")


def _mu_law() -> NDArray[np.int16]:
    """The sample that each of the 256 bytes stands for."""
    code = ~np.arange(256, dtype=np.uint8)
    exponent, mantissa = (code >> 4 & 7).astype(int), (code & 15).astype(int)
    size = ((mantissa << 3) + 132 << exponent) - 132
    samples: NDArray[np.int16] = np.where(code & 128, -size, size).astype(np.int16)
    return samples


def _a_law() -> NDArray[np.int16]:
    code = np.arange(256, dtype=np.uint8) ^ 0x55
    exponent, mantissa = (code >> 4 & 7).astype(int), (code & 15).astype(int)
    size = np.where(exponent > 0, (mantissa * 16 + 264) << np.maximum(exponent - 1, 0), mantissa * 16 + 8)
    samples: NDArray[np.int16] = np.where(code & 128, size, -size).astype(np.int16)
    return samples


_TABLES = dict(zip(FORMATS, (_mu_law(), _a_law()), strict=True))
_ORDERS = {name: np.argsort(table, kind="stable") for name, table in _TABLES.items()}


def decoded(coded: bytes, name: str) -> bytes:
    """PCM16 of sound in G.711."""
    pcm: bytes = _TABLES[name][np.frombuffer(coded, np.uint8)].astype("<i2").tobytes()
    return pcm


def encoded(pcm: bytes, name: str) -> bytes:
    """PCM16 in G.711: for each sample the byte whose own is nearest."""
    table, order = _TABLES[name], _ORDERS[name]
    steps = table[order].astype(int)
    borders = (steps[1:] + steps[:-1]) / 2
    coded: bytes = order[np.searchsorted(borders, np.frombuffer(pcm, "<i2"))].astype(np.uint8).tobytes()
    return coded
