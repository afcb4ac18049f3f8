"""The agent's sound on its way out, and the one account of what was really heard."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np

from voicelive.audio import BYTES_A_SECOND, FRAME_BYTES, SAMPLE_RATE
from voicelive.errors import VoiceLiveError

RAMP_FRAMES = SAMPLE_RATE // 250  # 4 ms: heard as silence at once, and not as a click
REBUFFER_BYTES = SAMPLE_RATE // 25 * FRAME_BYTES  # 40 ms, gathered after an underrun, against stutter
PIECE_BYTES = 10 * BYTES_A_SECOND  # 10 s: more is not copied while the sound card waits
MOST_WAITING_BYTES = 1800 * BYTES_A_SECOND  # half an hour, 86 MB: what comes on top of it is left out
PLAYED_PIECES = 2048  # are kept for who puts them beside what is heard: some seconds
ACCOUNTS = 256  # so many items are remembered


@dataclass
class Account:
    """What was played of one item so far: frames, and when, in seconds of time.monotonic()."""

    item_id: str
    heard: int = 0
    received: int = 0
    began_at: float | None = None
    ended_at: float = 0.0


class Playback:
    """A sink: the agent's sound on its way out, and the one account of what was really played.

    What drives it calls `render` whenever its device wants the next frames: the sound card's callback,
    or the clock of a WAV file. Everything else may be called from any thread.
    """

    name = "nowhere"
    """For people."""
    error = ""
    """Why not all of it was kept, where it was to be."""

    def __init__(self) -> None:
        # When each piece that is played, silence too, sounds, and the piece; for who takes them out.
        self.played: deque[tuple[float, bytes]] = deque(maxlen=PLAYED_PIECES)
        self.underruns = 0  # times that an item's sound came too late to go on without a gap
        self._lock = threading.Lock()  # guards what follows; held to copy a delta, or a block, at most
        self._waiting: deque[tuple[Account, bytearray]] = deque()  # sound, never empty, and whose it is
        self._waiting_bytes = 0  # of it
        self._accounts: dict[str, Account] = {}  # by item
        self._lead = memoryview(b"")  # heard before all else: the end of what was cut off, or silence
        self._current: Account | None = None  # of the item that was heard last; None once it was cut off
        self._half_frame = b""  # the first byte of a frame that a piece ended in the middle of
        self._idle = threading.Event()  # set while nothing is left to be heard
        self._idle.set()

    def play(self, pcm: bytes, item_id: str) -> None:
        """Append PCM16, 24 kHz, mono, of any length, unless MOST_WAITING_BYTES wait already. A frame may be
        torn apart between two pieces.
        """
        if len(pcm) % FRAME_BYTES:  # two such in a row belong together; a single one loses its last byte
            pcm = self._half_frame + pcm
            end = len(pcm) - len(pcm) % FRAME_BYTES
            pcm, self._half_frame = pcm[:end], pcm[end:]
        elif pcm:
            self._half_frame = b""
        if not pcm or self._waiting_bytes + len(pcm) > MOST_WAITING_BYTES:
            return
        pieces = [bytearray(pcm[at : at + PIECE_BYTES]) for at in range(0, len(pcm), PIECE_BYTES)]
        with self._lock:
            account = self._accounts.setdefault(item_id, Account(item_id))
            if len(self._accounts) > ACCOUNTS:
                del self._accounts[next(iter(self._accounts))]
            if account is self._current and not self._waiting:  # it came too late
                self._lead = memoryview(bytes(max(0, REBUFFER_BYTES - len(pcm))))
                self.underruns += 1
            last_account, last = self._waiting[-1] if self._waiting else (None, bytearray())
            if account is last_account and len(last) + len(pcm) <= PIECE_BYTES:
                last += pcm
            else:
                self._waiting.extend((account, piece) for piece in pieces)
            account.received += len(pcm) // FRAME_BYTES
            self._waiting_bytes += len(pcm)
            self._idle.clear()

    def interrupt(self) -> list[Account]:
        """Fall silent within RAMP_FRAMES, which count as heard. Everything else that waited is gone.

        What was heard of each item that waited, else of the one that was heard last, unless it was cut off.
        """
        with self._lock:
            last = [self._current] if self._current else []
            cut_off = [account for account, _ in self._waiting] or last
            if self._waiting and not self._lead:
                account, pcm = self._waiting[0]
                self._lead = fade_out(pcm[: RAMP_FRAMES * FRAME_BYTES])
                account.heard += len(self._lead) // FRAME_BYTES
            self._waiting.clear()
            self._waiting_bytes = 0
            self._current, self._half_frame = None, b""
            return list({account.item_id: replace(account) for account in cut_off}.values())

    def render(self, out: memoryview, sounds_at: float = 0.0) -> None:
        """Fill `out`, a writable buffer of whole frames, with the next sound and then with silence.

        `sounds_at` is when its first frame will be heard, in seconds of time.monotonic().
        """
        with self._lock:
            filled = min(len(self._lead), len(out))
            out[:filled] = self._lead[:filled]
            self._lead = self._lead[filled:]
            while self._waiting and filled < len(out):
                account, pcm = self._waiting[0]
                size = min(len(pcm), len(out) - filled)
                out[filled : filled + size] = pcm[:size]
                del pcm[:size]  # moves nothing: a bytearray remembers where it begins
                filled += size
                self._waiting_bytes -= size
                account.heard += size // FRAME_BYTES
                first_at = (sounds_at or time.monotonic()) + (filled - size) / BYTES_A_SECOND
                account.began_at = account.began_at or first_at
                account.ended_at = first_at + size / BYTES_A_SECOND
                self._current = account
                if not pcm:
                    self._waiting.popleft()
            if not self._waiting and not self._lead and not self._idle.is_set():
                self._idle.set()
        out[filled:] = bytes(len(out) - filled)
        self.played.append((sounds_at, bytes(out)))

    def account(self, item_id: str) -> Account:
        """What was played of an item so far; nothing of one that is not known."""
        with self._lock:
            return replace(self._accounts.get(item_id, Account(item_id)))

    def wait_until_heard(self, timeout: float) -> bool:
        """Block until nothing is left to be heard, or for `timeout` seconds; whether that is so."""
        return self._idle.wait(timeout)

    def close(self) -> None:
        """Free the device at once; what still waits is not heard."""


@contextmanager
def kept(sink: Playback, note: Callable[[str], object]) -> Iterator[Playback]:
    """Close the sink at the end, and tell where not all of it was kept: to `note` where something else has
    failed, or somebody has interrupted; else raise it as VoiceLiveError."""
    try:
        yield sink
    except BaseException:
        sink.close()
        if sink.error:
            note(f"{sink.name} is not complete: {sink.error}.")
        raise
    sink.close()
    if sink.error:
        raise VoiceLiveError(f"{sink.name} is not complete: {sink.error}.")


def fade_out(pcm: bytes | bytearray) -> memoryview:
    """The same frames, the last of them near zero."""
    samples = np.frombuffer(pcm, dtype="<i2")
    ramp = np.linspace(1.0, 0.0, num=len(samples), endpoint=False)
    return memoryview((samples * ramp).astype("<i2").tobytes())
