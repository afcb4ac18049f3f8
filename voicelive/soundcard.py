"""The microphone and the speaker on a real sound card, and who looks after both."""

import ctypes
import logging
import queue
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

from voicelive import VoiceLiveError
from voicelive.audio import BACKLOG_BLOCKS, Playback
from voicelive.devices import TITLES, Stream, import_sounddevice

log = logging.getLogger(__name__)

WATCH_S = 0.25
RETRY_S = 1.0
TRIAL = [sys.executable, "-c", "import sounddevice"]
TRIAL_TIMEOUT_S = 10.0
MANY_XRUNS = 3  # within XRUNS_S, after which the stream moves to a safer latency
XRUNS_S = 10.0


class Microphone:
    """A sound card's microphone as a Source. PortAudio's thread fills a queue, iteration empties it."""

    def __init__(self, wanted: str | None = None) -> None:
        """Open the device that `wanted`, a number or a part of its name, means. Raises VoiceLiveError."""
        # Blocks from the callback to the iteration; None, put by close(), ends it.
        self._blocks: queue.SimpleQueue[tuple[bytes, float] | None] = queue.SimpleQueue()
        self.dropped = 0  # blocks that nobody fetched in time
        self.captured_at = 0.0  # when the first frame of the newest block was heard
        self.stream = Stream("input", wanted, self._put)

    @property
    def name(self) -> str:
        return self.stream.name

    def __iter__(self) -> Iterator[bytes]:
        """Blocks of about 20 ms, from now on: what was captured before is dropped."""
        while not self._blocks.empty():
            if self._blocks.get() is None:
                return
        for pcm, heard_at in iter(self._blocks.get, None):
            self.captured_at = heard_at
            yield pcm

    def close(self) -> None:
        """Free the device and end the iteration."""
        self.stream.close()
        self._blocks.put(None)
        log.info("microphone: %d blocks dropped", self.dropped)

    def _put(self, block: memoryview, heard_at: float) -> None:
        if self._blocks.qsize() >= BACKLOG_BLOCKS:
            with suppress(queue.Empty):  # fetched in this very moment
                self._blocks.get_nowait()
                self.dropped += 1
        self._blocks.put((bytes(block), heard_at))


class Speaker(Playback):
    """A sound card's speaker as a sink: one stream that never stops, silent or not."""

    def __init__(self, wanted: str | None = None) -> None:
        """Open the device that `wanted`, a number or a part of its name, means. Raises VoiceLiveError."""
        super().__init__()
        self.stream = Stream("output", wanted, self.render)

    @property
    def name(self) -> str:  # type: ignore[override]
        return self.stream.name

    def close(self) -> None:
        """Free the device at once; what still waited is not heard."""
        self.stream.close()
        log.info("speaker: %d times the agent's sound came too late", self.underruns)


class Watch:
    """Looks after the streams of a run, on a thread of its own, until `close`.

    A device that is gone is looked for again, all streams closed meanwhile: PortAudio sees new devices
    only when it starts anew. A stream that cannot hold its latency gets a higher one.
    """

    def __init__(self, streams: Sequence[Stream], note: Callable[[str], None]) -> None:
        self._streams = streams
        self._note = note
        # The xruns of each stream so far, at each look of the last XRUNS_S.
        self._xruns: deque[list[int]] = deque(maxlen=round(XRUNS_S / WATCH_S))
        self._closed = threading.Event()  # set by close(), ends the thread
        self._thread = threading.Thread(target=self._run, name="sound-watch", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Look no more; the streams are left as they are."""
        self._closed.set()
        self._thread.join(WATCH_S)
        for stream in self._streams:
            log.info("%s: %d xruns", TITLES[stream.kind], stream.xruns)

    def _run(self) -> None:
        if sys.platform == "win32":  # WASAPI streams are opened on threads with COM only (untried)
            ctypes.windll.ole32.CoInitialize(None)
        while not self._closed.wait(WATCH_S):
            if any(stream.is_lost for stream in self._streams):
                self._restore()
            else:
                self._calm()

    def _restore(self) -> None:
        """Start PortAudio anew, again and again, until there is a device for each stream."""
        lost = " and ".join(f"the {TITLES[s.kind]}" for s in self._streams if s.is_lost)
        self._note(f"The sound card lost {lost}: looking for another.")
        while not self._reopen_all():
            if self._closed.wait(RETRY_S):
                return
        self._note("\n".join(f"{TITLES[s.kind].capitalize()}: {s.name}" for s in self._streams))

    def _reopen_all(self) -> bool:
        sd = import_sounddevice()
        for stream in self._streams:
            stream.shut()
        # Where a sound server is only half there, PortAudio can abort the process: a child tries first.
        try:
            subprocess.run(
                TRIAL, stdin=subprocess.DEVNULL, capture_output=True, check=True, timeout=TRIAL_TIMEOUT_S
            )
            if sd._initialized:  # unless it did not start the last time
                sd._terminate()
            sd._initialize()
            for stream in self._streams:
                stream.open()
        except (VoiceLiveError, sd.PortAudioError, OSError, subprocess.SubprocessError) as error:
            log.info("not yet: %s", error)
            return False
        return True

    def _calm(self) -> None:
        """Give a stream with repeated xruns more time."""
        self._xruns.append([stream.xruns for stream in self._streams])
        for stream, before in zip(self._streams, self._xruns[0], strict=True):
            if stream.latency == "low" and stream.xruns - before >= MANY_XRUNS:
                log.warning("%s: %d xruns, moving to a safer latency", TITLES[stream.kind], stream.xruns)
                stream.latency = "high"
                stream.shut()
                with suppress(VoiceLiveError):  # then it counts as lost
                    stream.open()
