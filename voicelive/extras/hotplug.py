"""Looks after the sound cards of a run, and looks again for one that is lost."""

import ctypes
import logging
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from voicelive.app.extras import Extra, Part, Run
from voicelive.devices import TITLES, import_sounddevice
from voicelive.errors import VoiceLiveError

if TYPE_CHECKING:  # numpy, which --help need not wait for
    from voicelive.soundcard import Stream

log = logging.getLogger(__name__)

WATCH_S = 0.25
STOPPED_S = 0.5  # later than it is due, a look comes only after the process was stopped (Ctrl-Z)
RETRY_S = 1.0
TRIAL = [sys.executable, "-c", "import sounddevice"]
TRIAL_TIMEOUT_S = 10.0
MANY_XRUNS = 3  # within XRUNS_S, after which the stream moves to a safer latency
XRUNS_S = 10.0


class Watch:
    """Looks after the streams of a run, on a thread of its own, until `close`.

    A device that is gone is looked for again, all streams closed meanwhile: PortAudio sees new devices
    only when it starts anew. A stream that cannot hold its latency gets a higher one.
    """

    def __init__(self, streams: "Sequence[Stream]", note: Callable[[str], None]) -> None:
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
        looked_at = time.monotonic()
        while not self._closed.wait(WATCH_S):
            was_stopped = time.monotonic() - looked_at > WATCH_S + STOPPED_S
            try:
                if any(stream.is_lost for stream in self._streams):
                    self._restore(was_stopped)
                else:
                    self._calm()
            except Exception:  # whatever it was, somebody must go on looking
                log.exception("the sound cards were not looked after")
            looked_at = time.monotonic()

    def _restore(self, was_stopped: bool) -> None:
        """Start PortAudio anew, again and again, until there is a device for each stream. Where the process
        was stopped, the device may be there as ever: that is tried first, without a word.
        """
        lost = [stream for stream in self._streams if stream.is_lost]
        names = [stream.name for stream in self._streams]
        which = " and ".join(f"the {TITLES[stream.kind]}" for stream in lost)
        if was_stopped and self._reopen_all():
            lost = []
        else:
            self._note(f"The sound card lost {which}: looking for another.")
            while not self._reopen_all():
                if self._closed.wait(RETRY_S):
                    return
        for stream, before in zip(self._streams, names, strict=True):
            if stream in lost:
                self._note(f"The {TITLES[stream.kind]} is back: {stream.name}.")
            elif stream.name != before:
                self._note(f"The {TITLES[stream.kind]} is {stream.name} now.")

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
        except Exception as error:  # VoiceLiveError, PortAudio's, a name that is no text: it is tried again
            log.info("not yet: %r", error)
            return False
        return True

    def _calm(self) -> None:
        """Give a stream with repeated xruns more time."""
        self._xruns.append([stream.xruns for stream in self._streams])
        for stream, before in zip(self._streams, self._xruns[0], strict=True):
            if not stream.is_patient and stream.xruns - before >= MANY_XRUNS:
                log.warning("%s: %d xruns, moving to a safer latency", TITLES[stream.kind], stream.xruns)
                stream.be_patient()
                with suppress(VoiceLiveError):  # then it counts as lost
                    stream.open()


class Hotplug(Extra):
    """Somebody who looks after the streams."""

    def join(self, run: Run) -> Part:
        """Begin to."""
        return Part(close=Watch(run.streams, run.note).close)


EXTRA = Hotplug()
