"""PCM16, 24 kHz, mono: the microphone, the speaker, and the account of what was heard."""

import queue
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Protocol, cast

import numpy as np

from voicelive import failures

SAMPLE_RATE = 24_000  # frames a second, both ways
FRAME_BYTES = 2  # one signed 16-bit sample, little-endian
BLOCK_FRAMES = SAMPLE_RATE // 50  # 20 ms
BLOCK_BYTES = BLOCK_FRAMES * FRAME_BYTES
BLOCK_S = BLOCK_FRAMES / SAMPLE_RATE
SILENCE = bytes(BLOCK_BYTES)
RAMP_FRAMES = SAMPLE_RATE // 250  # 4 ms: heard as silence at once, and not as a click
BACKLOG_BLOCKS = 50  # one second of speech is kept where nobody fetches it
ACCOUNTS = 256  # so many items are remembered


class Source(Protocol):
    """Sound for the agent: PCM blocks of at most 20 ms, an iterable that paces itself.

    Where it ends, silence goes on. `close()`, from any thread, ends a blocked `next()`.
    """

    name: str

    def __iter__(self) -> Iterator[bytes]: ...
    def close(self) -> None: ...


@dataclass(frozen=True)
class Heard:
    """How much of an item was heard, in frames, of how much was received."""

    item_id: str
    frames: int
    received: int


class Sink(Protocol):
    """A place for the agent's sound: PCM of any length, each piece part of one item."""

    name: str

    def play(self, pcm: bytes, item_id: str) -> None: ...
    def interrupt(self) -> Heard | None: ...
    def wait_until_heard(self, timeout: float) -> bool: ...
    def close(self) -> None: ...


class Playback:
    """The agent's sound on its way out, and the one account of what was really played.

    What drives it calls `render` whenever its device wants the next frames: the sound card's callback,
    or the clock of a WAV file. Everything else may be called from any thread.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards what follows; held to copy a block at most
        self._waiting: deque[tuple[str, memoryview]] = deque()  # (item, what is left of a piece)
        self._accounts: dict[str, list[int]] = {}  # item → frames heard, frames received
        self._ramp = memoryview(b"")  # the end of what was cut off, heard before all else
        self._current: str | None = None  # the item that was heard last; None once it was cut off
        self._half_frame = b""  # the first byte of a frame that a piece ended in the middle of
        self._idle = threading.Event()  # set while nothing is left to be heard
        self._idle.set()

    def play(self, pcm: bytes, item_id: str) -> None:
        """Append PCM16 to what is to be heard. A piece may end in the middle of a frame."""
        if len(pcm) % FRAME_BYTES:
            pcm, self._half_frame = self._whole_frames(pcm)
        if not pcm:
            return
        with self._lock:
            self._waiting.append((item_id, memoryview(pcm)))
            self._account(item_id)[1] += len(pcm) // FRAME_BYTES
            self._idle.clear()

    def interrupt(self) -> Heard | None:
        """Fall silent within RAMP_FRAMES; what was heard of the item in question, None without one.

        The ramp counts as heard. Everything else that waited is gone.
        """
        with self._lock:
            item_id, self._current = self._current, None
            dropped, self._waiting = self._waiting, deque()
            if dropped:
                item_id, piece = dropped[0]
                if not self._ramp:
                    self._ramp = fade_out(piece[: RAMP_FRAMES * FRAME_BYTES])
                    self._account(item_id)[0] += len(self._ramp) // FRAME_BYTES
            return Heard(item_id, *self._account(item_id)) if item_id else None

    def render(self, out: memoryview) -> None:
        """Fill `out`, a writable buffer of whole frames, with the next sound and then with silence."""
        with self._lock:
            filled = min(len(self._ramp), len(out))
            out[:filled] = self._ramp[:filled]
            self._ramp = self._ramp[filled:]
            while self._waiting and filled < len(out):
                item_id, piece = self._waiting.popleft()
                part = piece[: len(out) - filled]
                out[filled : filled + len(part)] = part
                filled += len(part)
                self._current = item_id
                self._account(item_id)[0] += len(part) // FRAME_BYTES
                if rest := piece[len(part) :]:
                    self._waiting.appendleft((item_id, rest))
            if not self._waiting and not self._ramp and not self._idle.is_set():
                self._idle.set()
        out[filled:] = bytes(len(out) - filled)

    def heard(self, item_id: str) -> int:
        """How many frames of an item were heard so far."""
        with self._lock:
            return self._account(item_id)[0]

    def wait_until_heard(self, timeout: float) -> bool:
        """Block until nothing is left to be heard, or for `timeout` seconds; whether that is so."""
        return self._idle.wait(timeout)

    def _account(self, item_id: str) -> list[int]:
        while len(self._accounts) > ACCOUNTS:
            del self._accounts[next(iter(self._accounts))]
        return self._accounts.setdefault(item_id, [0, 0])

    def _whole_frames(self, pcm: bytes) -> tuple[bytes, bytes]:
        """Two odd pieces in a row belong together; a single one has lost a byte, and loses its last."""
        if self._half_frame:
            return self._half_frame + pcm, b""
        return pcm[:-1], pcm[-1:]


def fade_out(pcm: memoryview) -> memoryview:
    """The same frames, the last of them near zero."""
    samples = np.frombuffer(pcm, dtype="<i2")
    ramp = np.linspace(1.0, 0.0, num=len(samples), endpoint=False)
    return memoryview((samples * ramp).astype("<i2").tobytes())


def import_sounddevice() -> ModuleType:
    """PortAudio, loaded where it is needed. Raises VoiceLiveError where it is not installed."""
    try:
        import sounddevice
    except OSError as error:
        raise failures.no_portaudio(error) from error
    return cast(ModuleType, sounddevice)


class Microphone:
    """The system's microphone as a Source. PortAudio's thread fills a queue, iteration empties it."""

    def __init__(self) -> None:
        """Open and start the default device. Raises VoiceLiveError where there is none."""
        sd = import_sounddevice()
        # Blocks from the callback to the iteration; None, put by close(), ends it.
        self._blocks: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self.dropped = 0  # blocks that nobody fetched in time
        self.overflows = 0  # times that PortAudio lost input
        try:
            self._stream = sd.RawInputStream(
                samplerate=SAMPLE_RATE,
                channels=1,
                dtype="int16",
                blocksize=BLOCK_FRAMES,
                latency="low",
                callback=self._callback,
            )
            self.name = device_name(sd, self._stream)
            self._stream.start()
        except (sd.PortAudioError, ValueError) as error:  # ValueError: no default device
            raise failures.no_device("microphone", error) from error

    def __iter__(self) -> Iterator[bytes]:
        """Blocks of 20 ms, from now on: what was captured before is dropped."""
        while not self._blocks.empty():
            if self._blocks.get() is None:
                return
        yield from iter(self._blocks.get, None)

    def close(self) -> None:
        """Free the device and end the iteration."""
        self._stream.close()
        self._blocks.put(None)

    def _callback(self, block: Any, frames: int, time: Any, status: Any) -> None:
        self.overflows += status.input_overflow
        if self._blocks.qsize() >= BACKLOG_BLOCKS:
            with suppress(queue.Empty):  # fetched in this very moment
                self._blocks.get_nowait()
                self.dropped += 1
        self._blocks.put(bytes(block))


class Speaker(Playback):
    """The system's loudspeaker as a Sink: one stream that never stops, silent or not."""

    def __init__(self) -> None:
        """Open and start the default device. Raises VoiceLiveError where there is none."""
        super().__init__()
        sd = import_sounddevice()
        self.underflows = 0  # times that PortAudio had nothing to play
        try:
            self._stream = sd.RawOutputStream(
                samplerate=SAMPLE_RATE,
                channels=1,
                dtype="int16",
                latency="low",
                callback=self._callback,
            )
            self.name = device_name(sd, self._stream)
            self._stream.start()
        except (sd.PortAudioError, ValueError) as error:  # ValueError: no default device
            raise failures.no_device("speaker", error) from error

    def close(self) -> None:
        """Free the device at once; what still waited is not heard."""
        self._stream.close()

    def _callback(self, out: Any, frames: int, time: Any, status: Any) -> None:
        self.underflows += status.output_underflow
        self.render(memoryview(out))


def device_name(sd: ModuleType, stream: Any) -> str:
    """What the system calls the device of an open stream."""
    return str(sd.query_devices(stream.device)["name"])
