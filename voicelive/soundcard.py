"""The microphone and the speaker on a real sound card, each a stream that can be opened again."""

import logging
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import product
from types import ModuleType
from typing import Any, Literal

from voicelive import failures
from voicelive.audio import BACKLOG_BLOCKS, BYTES_A_SECOND, OURS, SAMPLE_RATE, Callback, captures, plays
from voicelive.devices import (
    TITLES,
    Kind,
    api_name,
    candidates,
    default_device,
    described,
    find,
    import_sounddevice,
    missing_plugin,
)
from voicelive.errors import EXIT_USAGE, VoiceLiveError
from voicelive.playback import Playback

log = logging.getLogger(__name__)

CLOSE_TIMEOUT_S = 0.5
PIECE_BYTES = BYTES_A_SECOND // 100  # 10 ms, in which the microphone's sound leaves
# What PortAudio is asked for. It chooses the block size: to fill one of 20 ms, it waits for 40 over ALSA.
LATENCY: dict[Kind, float | Literal["low"]] = {"input": 0.02, "output": "low"}
MOST_CHANNELS = 18  # of a sound card; a device with more is a plugin, which makes as many as it is asked for
STALL_S = 1.0  # without a callback, after which a device counts as lost
WAKE_S = 5.0  # the same for one that wakes up: a suspended card, HDMI, a Bluetooth headset
STEADY_S = 0.5  # of callbacks without a gap of GAP_S: the device is awake
GAP_S = 0.25
CLOCK_STEP_S = 0.5  # more is no late callback: somebody has set PortAudio's clock
REFUSED_FORMAT = (-9997, -9998)  # PortAudio: invalid sample rate, invalid number of channels


class Microphone:
    """A sound card's microphone as a Source. PortAudio's thread fills a queue, iteration empties it."""

    def __init__(self, wanted: str | None = None, channel: int | None = None) -> None:
        """Open the device that `wanted`, a number or a part of its name, means; its loudest channel is heard,
        or `channel`, counted from 1.

        Raises VoiceLiveError.
        """
        # Blocks from the callback to the iteration; None, put by close(), ends it.
        self._blocks: queue.SimpleQueue[tuple[bytes, float] | None] = queue.SimpleQueue()
        self.dropped = 0  # blocks that nobody fetched in time
        self._piece = bytearray()  # of the next block; PortAudio's thread alone has it
        self.captured_at = 0.0  # when the first frame of the newest block was heard
        self._is_fetched = False  # somebody iterates
        self.stream = Stream("input", wanted, self._put, lambda: self._is_fetched, channel)

    @property
    def name(self) -> str:
        return self.stream.name

    def __iter__(self) -> Iterator[bytes]:
        """Blocks of 10 ms, from now on: what was captured before is dropped."""
        while not self._blocks.empty():
            if self._blocks.get() is None:
                return
        self._is_fetched = True
        for pcm, heard_at in iter(self._blocks.get, None):
            self.captured_at = heard_at
            yield pcm

    def close(self) -> None:
        """Free the device and end the iteration."""
        self.stream.close()
        self._blocks.put(None)
        log.info("microphone: %d blocks dropped", self.dropped)

    def _put(self, sound: memoryview, heard_at: float) -> None:
        begins_at = heard_at - len(self._piece) / BYTES_A_SECOND
        self._piece += sound
        while len(self._piece) >= PIECE_BYTES:
            self._put_block(bytes(self._piece[:PIECE_BYTES]), begins_at)
            del self._piece[:PIECE_BYTES]
            begins_at += PIECE_BYTES / BYTES_A_SECOND

    def _put_block(self, block: bytes, heard_at: float) -> None:
        if self._blocks.qsize() >= BACKLOG_BLOCKS:
            with suppress(queue.Empty):  # fetched in this very moment
                self._blocks.get_nowait()
                self.dropped += 1
        self._blocks.put((block, heard_at))


class Speaker(Playback):
    """A sound card's speaker as a sink: one stream that never stops, silent or not."""

    def __init__(self, wanted: str | None = None) -> None:
        """Open the device that `wanted`, a number or a part of its name, means. Raises VoiceLiveError."""
        super().__init__()
        self.stream = Stream("output", wanted, self.render, lambda: not self.wait_until_heard(0))

    @property
    def name(self) -> str:  # type: ignore[override]
        return self.stream.name

    def close(self) -> None:
        """Free the device at once; what still waited is not heard."""
        self.stream.close()
        log.info("speaker: %d times the agent's sound came too late", self.underruns)


class Stream:
    """A PortAudio stream on one device, which can be lost, and opened again.

    It runs at 24 kHz mono where the device takes that, else at the device's own rate and channels, and what
    passes is converted.
    """

    def __init__(
        self,
        kind: Kind,
        wanted: str | None,
        callback: Callback,
        counts: Callable[[], bool],
        channel: int | None = None,
    ) -> None:
        """Open it. PortAudio's thread calls `callback`, for 24 kHz mono, with as much at a time as it thinks
        best; `counts` tells it at an xrun whether the sound is any that somebody hears.

        Raises VoiceLiveError where there is no device, or where it cannot be opened.
        """
        self.kind: Kind = kind
        self.openings = 0  # times that it was opened
        self.xruns = 0  # times that PortAudio lost input, or had no output in time
        self.losses = 0  # those that cost sound which somebody was to hear
        self.name = self._api = ""
        self.format = OURS  # the device's
        self.latency: float | Literal["low", "high"] = LATENCY[kind]
        self._wanted = wanted
        self._counts = counts
        self._channel = channel  # of a microphone
        self._callback = self._pass = callback  # the second is for the device's format
        self._stream: Any = None
        self._device = -1  # its number, by which two of one name are told apart
        self._is_closed = False  # for good
        self._ended = threading.Event()  # a new one for each opening; set by PortAudio at its end
        self._called_at = 0.0  # monotonic seconds
        self._steady_since = 0.0  # the same: when the callbacks came regularly from then on
        self._is_awake = False  # they have been regular for a while
        self._clock_offset = float("inf")  # from PortAudio's clock to the monotonic one, in seconds
        self.open()

    @property
    def about(self) -> str:
        """Its name, the host API, and the format where that is another than ours, for people."""
        rate, channels = self.format
        resampled = "" if rate == SAMPLE_RATE else "resampled from "
        many = f", {channels} channels" if channels > 1 else ""
        return f"{self.name}, {self._api}, {resampled}{rate} Hz{many}"

    @property
    def is_lost(self) -> bool:
        """Whether the device is gone: the stream ended, its callbacks stopped, or it did not open again."""
        if self._is_closed:
            return False
        stalled = time.monotonic() - self._called_at > (STALL_S if self._is_awake else WAKE_S)
        return self._stream is None or self._ended.is_set() or stalled

    def open(self) -> None:
        """Open and start the stream; on the default device where the one that was meant has gone."""
        if self._is_closed:
            return
        sd = import_sounddevice()
        try:
            device = find(sd, self.kind, self._wanted)
        except VoiceLiveError:
            if not self.name:  # it was never there
                raise
            same = [d["index"] for d in candidates(sd, self.kind) if d["name"] == self._wanted]
            device = self._device if self._device in same else default_device(sd, self.kind)
        self._device = device
        try:
            self._start(sd, device)
        except (sd.PortAudioError, ValueError) as error:
            self.shut()
            raise failures.no_device(TITLES[self.kind], error, missing_plugin()) from error

    def close(self) -> None:
        """Close the stream for good. PortAudio may wait for a sound server that hangs: it is left behind."""
        self._is_closed = True
        closer = threading.Thread(target=self.shut, name="sound-closer", daemon=True)
        closer.start()
        closer.join(CLOSE_TIMEOUT_S)

    @property
    def is_patient(self) -> bool:
        """Whether it has a safer latency than it might."""
        return self.latency == "high"

    def be_patient(self) -> None:
        """Close the stream; opened again, it has a safer latency."""
        self.latency = "high"
        self.shut()

    def shut(self) -> None:
        """Close the stream; what it still had to play is not heard."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close(ignore_errors=True)

    def _start(self, sd: ModuleType, device: int) -> None:
        info = described(sd, device)
        self._stream = self._first_that_opens(sd, device, info)
        self.name, self._api = str(info["name"]), api_name(sd, device)
        if self._wanted:  # numbers may change when PortAudio starts anew
            self._wanted = self.name
        self._pass = self._callback
        if self.format != OURS and self.kind == "input":
            self._pass = captures(self.format, self._callback, self._channel)
        elif self.format != OURS:
            self._pass = plays(self.format, self._callback)
        self._called_at = self._steady_since = time.monotonic()
        self._is_awake = False
        self._stream.start()
        self.openings += 1
        log.info(
            "%s %s: %d Hz, %d channels, latency %.1f ms",
            *(TITLES[self.kind], self.name, *self.format, 1000 * self._stream.latency),
        )

    def _first_that_opens(self, sd: ModuleType, device: int, info: dict[str, Any]) -> Any:
        """The stream in the first format that the device does not refuse."""
        rates = SAMPLE_RATE, int(info["default_samplerate"])
        formats = list(dict.fromkeys(product(rates, self._channel_counts(info))))  # each once
        for self.format in formats:
            try:
                return self._opened(sd, device)
            except sd.PortAudioError as error:
                if error.args[-1] not in REFUSED_FORMAT or self.format == formats[-1]:
                    raise
                log.info("%s refuses %d Hz, %d channels", info["name"], *self.format)
        raise AssertionError("unreachable")

    def _channel_counts(self, info: dict[str, Any]) -> list[int]:
        """With how many channels to open it, the best first: a microphone with all that it has."""
        most = int(info[f"max_{self.kind}_channels"])
        if self.kind == "output":
            return [1, min(2, most), most]
        if self._channel is not None and not 1 <= self._channel <= most:
            raise VoiceLiveError(
                f"{info['name']} has no channel {self._channel}: it has {most}.", "", EXIT_USAGE
            )
        least = self._channel or 1
        return [most if most <= MOST_CHANNELS else max(2, least), max(2, least), least, most]

    def _opened(self, sd: ModuleType, device: int) -> Any:
        open_raw = sd.RawInputStream if self.kind == "input" else sd.RawOutputStream
        wasapi = sys.platform == "win32" and "WASAPI" in api_name(sd, device)
        rate, channels = self.format
        self._ended = threading.Event()
        return open_raw(
            samplerate=rate,
            channels=channels,
            device=device,
            dtype="int16",
            blocksize=0,
            latency=self.latency,
            extra_settings=sd.WasapiSettings(auto_convert=True) if wasapi else None,
            callback=self._called,
            finished_callback=self._ended.set,
        )

    def _called(self, buffer: Any, frames: int, stream_time: Any, status: Any) -> None:
        """PortAudio's callback: note that the device lives, and pass the buffer on."""
        now = time.monotonic()
        if now - self._called_at > GAP_S:
            self._steady_since = now
        self._is_awake |= now - self._steady_since > STEADY_S
        self._called_at = now
        if status.input_overflow or status.output_underflow:
            self.xruns += 1
            self.losses += self._is_awake and self._counts()  # else it only comes a little later
        self._pass(memoryview(buffer), self._heard_at(stream_time))

    def _heard_at(self, told: Any) -> float:
        """When a buffer's first frame was or will be heard, in seconds of time.monotonic().

        PortAudio's clock may be another one, even the wall's. How far it is off is told by each callback,
        best by the one that came soonest after PortAudio had looked at its clock.
        """
        now = time.monotonic()
        at = told.inputBufferAdcTime if self.kind == "input" else told.outputBufferDacTime
        if not at:  # some host APIs do not tell
            return now
        offset = now - told.currentTime
        if abs(offset - self._clock_offset) > CLOCK_STEP_S:
            self._clock_offset = offset
        self._clock_offset = min(self._clock_offset, offset)
        return float(at + self._clock_offset)
