"""Sound cards: which there are, which one is meant, and a stream on it that can be opened again."""

import logging
import sys
import threading
import time
from itertools import product
from types import ModuleType
from typing import Any, Literal, cast

from voicelive import EXIT_USAGE, VoiceLiveError, failures
from voicelive.audio import BLOCK_S, OURS, SAMPLE_RATE, Callback, captures, plays

log = logging.getLogger(__name__)

Kind = Literal["input", "output"]
TITLES = {"input": "microphone", "output": "speaker"}
CLOSE_TIMEOUT_S = 0.5
FIRST_CALLBACK_S = 3.0  # more than for another: a Bluetooth headset becomes a microphone first
STALL_S = 1.0  # without a callback, after which a device counts as lost
CLOCK_STEP_S = 0.5  # more is no late callback: somebody has set PortAudio's clock
REFUSED_FORMAT = (-9997, -9998)  # PortAudio: invalid sample rate, invalid number of channels


def import_sounddevice() -> ModuleType:
    """PortAudio, loaded where it is needed. Raises VoiceLiveError where it is not installed."""
    try:
        import sounddevice
    except OSError as error:
        raise failures.no_portaudio(error) from error
    return cast(ModuleType, sounddevice)


def table(sd: ModuleType, *kinds: Kind) -> str:
    """The sound cards for people, a line each: number, name, host API and rate; `*` is the default."""
    lines = []
    for kind in kinds:
        lines.append(f"{TITLES[kind].capitalize()}s:")
        for device in candidates(sd, kind):
            mark = "*" if device["index"] == default_device(sd, kind) else " "
            about = f"{_api_name(sd, device['index'])}, {device['default_samplerate']:.0f} Hz"
            lines.append(f"{mark}{device['index']:>4}  {device['name']}  ({about})")
        if not candidates(sd, kind):
            lines.append("      none")
    return "\n".join(lines)


def candidates(sd: ModuleType, kind: Kind) -> list[dict[str, Any]]:
    """PortAudio's descriptions of all devices of one kind."""
    return [device for device in sd.query_devices() if device[f"max_{kind}_channels"] > 0]


def default_device(sd: ModuleType, kind: Kind) -> int:
    """The number of the device that is used unless one is named; -1 for none.

    On Windows that is WASAPI's, for PortAudio's own choice, MME, has a latency of 0.2 s (untried).
    """
    for api in sd.query_hostapis():
        if api["name"] == "Windows WASAPI" and api[f"default_{kind}_device"] >= 0:
            return int(api[f"default_{kind}_device"])
    return int(sd.default.device[kind])


def find(sd: ModuleType, kind: Kind, wanted: str | None) -> int:
    """The number of the device that `wanted`, a number or a part of its name, means.

    Raises VoiceLiveError, with all there are: exit code 2 for an unknown or an ambiguous one.
    """
    if wanted is None:
        return default_device(sd, kind)
    devices = candidates(sd, kind)
    exact = [d for d in devices if wanted in (str(d["index"]), d["name"])]
    matches = exact or [d for d in devices if wanted.casefold() in d["name"].casefold()]
    if len(matches) > 1:  # Windows has each device under several host APIs
        matches = [d for d in matches if "WASAPI" in _api_name(sd, d["index"])] or matches
    if len(matches) == 1:
        return int(matches[0]["index"])
    problem = "is not there" if not matches else "could be any of several: use its number"
    raise VoiceLiveError(f"The {TITLES[kind]} {wanted!r} {problem}.", table(sd, kind), EXIT_USAGE)


class Stream:
    """A PortAudio stream on one device, which can be lost, and opened again.

    It runs at 24 kHz mono where the device takes that, else at the device's own rate and channels, and what
    passes is converted.
    """

    def __init__(self, kind: Kind, wanted: str | None, callback: Callback) -> None:
        """Open it. PortAudio's thread calls `callback`, for 24 kHz mono: with 20 ms from a microphone, with
        what PortAudio thinks best for a speaker.

        Raises VoiceLiveError where there is no device, or where it cannot be opened.
        """
        self.kind: Kind = kind
        self.xruns = 0  # times that PortAudio lost input, or had no output in time
        self.name = self._api = ""
        self.format = OURS  # the device's
        self.latency: Literal["low", "high"] = "low"
        self._wanted = wanted
        self._callback = self._pass = callback  # the second is for the device's format
        self._stream: Any = None
        self._device = -1  # its number, by which two of one name are told apart
        self._is_closed = False  # for good
        self._ended = threading.Event()  # a new one for each opening; set by PortAudio at its end
        self._called_at = 0.0  # monotonic seconds
        self._clock_offset = float("inf")  # from PortAudio's clock to the monotonic one, in seconds
        self.open()

    @property
    def about(self) -> str:
        """Its name, the host API, and the format where that is another than ours, for people."""
        rate, channels = self.format
        resampled = f"resampled from {rate} Hz, {channels} channels"
        return f"{self.name}, {self._api}, {f'{rate} Hz' if self.format == OURS else resampled}"

    @property
    def is_lost(self) -> bool:
        """Whether the device is gone: the stream ended, its callbacks stopped, or it did not open again."""
        if self._is_closed:
            return False
        stalled = time.monotonic() - self._called_at > STALL_S
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
            raise failures.no_device(TITLES[self.kind], error) from error

    def close(self) -> None:
        """Close the stream for good. PortAudio may wait for a sound server that hangs: it is left behind."""
        self._is_closed = True
        closer = threading.Thread(target=self.shut, name="sound-closer", daemon=True)
        closer.start()
        closer.join(CLOSE_TIMEOUT_S)

    def shut(self) -> None:
        """Close the stream; what it still had to play is not heard."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close(ignore_errors=True)

    def _start(self, sd: ModuleType, device: int) -> None:
        info = sd.query_devices(device, self.kind)
        self._stream = self._first_that_opens(sd, device, info)
        self.name, self._api = str(info["name"]), _api_name(sd, device)
        if self._wanted:  # numbers may change when PortAudio starts anew
            self._wanted = self.name
        adapted = captures if self.kind == "input" else plays
        self._pass = self._callback if self.format == OURS else adapted(self.format, self._callback)
        self._called_at = time.monotonic() + FIRST_CALLBACK_S
        self._stream.start()
        log.info(
            "%s %s: %d Hz, %d channels, latency %.1f ms",
            *(TITLES[self.kind], self.name, *self.format, 1000 * self._stream.latency),
        )

    def _first_that_opens(self, sd: ModuleType, device: int, info: dict[str, Any]) -> Any:
        """The stream in the first format that the device does not refuse."""
        rates = SAMPLE_RATE, int(info["default_samplerate"])
        most = int(info[f"max_{self.kind}_channels"])
        formats = list(dict.fromkeys(product(rates, (1, min(2, most), most))))  # each once
        for self.format in formats:
            try:
                return self._opened(sd, device)
            except sd.PortAudioError as error:
                if error.args[-1] not in REFUSED_FORMAT or self.format == formats[-1]:
                    raise
                log.info("%s refuses %d Hz, %d channels", info["name"], *self.format)
        raise AssertionError("unreachable")

    def _opened(self, sd: ModuleType, device: int) -> Any:
        open_raw = sd.RawInputStream if self.kind == "input" else sd.RawOutputStream
        wasapi = sys.platform == "win32" and "WASAPI" in _api_name(sd, device)
        rate, channels = self.format
        self._ended = threading.Event()
        return open_raw(
            samplerate=rate,
            channels=channels,
            device=device,
            dtype="int16",
            blocksize=round(BLOCK_S * rate) if self.kind == "input" else 0,
            latency=self.latency,
            extra_settings=sd.WasapiSettings(auto_convert=True) if wasapi else None,
            callback=self._called,
            finished_callback=self._ended.set,
        )

    def _called(self, buffer: Any, frames: int, stream_time: Any, status: Any) -> None:
        """PortAudio's callback: note that the device lives, and pass the buffer on."""
        self._called_at = time.monotonic()
        self.xruns += status.input_overflow or status.output_underflow
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


def _api_name(sd: ModuleType, device: int) -> str:
    return str(sd.query_hostapis(sd.query_devices(device)["hostapi"])["name"])
