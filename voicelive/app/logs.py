"""The two files of a run, readable for their owner only, and what never gets into them."""

import contextlib
import logging
import os
import sys
import threading
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TextIO

from voicelive.errors import EXIT_USAGE, VoiceLiveError
from voicelive.files import create
from voicelive.text import Redactor

log = logging.getLogger(__name__)

_FORMAT = "%(asctime)s:%(name)s:%(levelname)s:%(message)s"


class RedactingHandler(logging.StreamHandler):  # type: ignore[type-arg]  # no generic before Python 3.11
    """Writes to the technical log; a disk that is full must not end, or litter, a conversation."""

    def __init__(self, file: TextIO, redact: Redactor) -> None:
        super().__init__(file)
        self.setFormatter(logging.Formatter(_FORMAT))
        self.is_incomplete = False
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        """Without secrets: the finished text, traceback included, so that nothing gets past."""
        return self._redact(super().format(record))

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  logging's name
        if isinstance(sys.exc_info()[1], OSError):
            self.is_incomplete = True
        else:
            super().handleError(record)


class RunLogs:
    """`<timestamp>_conversation.log` for what was said, `<timestamp>_voicelive.log` for how it went."""

    def __init__(self, folder: Path, redact: Redactor) -> None:
        """Create both files. Raises VoiceLiveError (exit code 2) where the folder takes none."""
        self._redact = redact
        self._folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._stamp, self.conversation = _create_stamped(folder)
            self.technical = create(self.path("voicelive.log"))
        except OSError as error:
            raise VoiceLiveError(
                f"The logs cannot be written to {folder}: {error.strerror or error}.",
                "Name another folder with --log-dir, or mend this one's permissions.",
                EXIT_USAGE,
            ) from error

    def path(self, name: str) -> Path:
        """A file of this run: `<folder>/<timestamp>_<name>`."""
        return self._folder / f"{self._stamp}_{name}"

    @contextlib.contextmanager
    def collecting(self) -> Iterator[RedactingHandler]:
        """Send every log record of the process to the technical log until the end, then close both."""
        handler = RedactingHandler(self.technical, self._redact)
        root = logging.getLogger()
        level = root.level
        root.addHandler(handler)
        root.setLevel(logging.DEBUG)
        hook, threading.excepthook = threading.excepthook, log_thread_failure
        try:
            yield handler
        finally:
            threading.excepthook = hook
            root.setLevel(level)
            root.removeHandler(handler)
            for file in (self.technical, self.conversation):
                with contextlib.suppress(OSError):  # the disk is full
                    file.close()


def log_thread_failure(failure: threading.ExceptHookArgs) -> None:
    """A thread's own traceback belongs to the technical log, not on the screen."""
    log.error("a thread failed: %s", failure.thread, exc_info=failure.exc_value)


@contextlib.contextmanager
def c_libraries_into(file: TextIO) -> Iterator[None]:
    """Let what C libraries write to the process's stderr (ALSA does) go to a file, not to the screen.

    Meanwhile `sys.stderr` is a stream of its own to where stderr went before.
    """
    screen = os.fdopen(os.dup(2), "w", 1, sys.stderr.encoding, "replace")
    with contextlib.redirect_stderr(screen):
        os.dup2(file.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(screen.fileno(), 2)
            with contextlib.suppress(OSError):  # nobody takes what was written
                screen.close()


def _create_stamped(folder: Path) -> tuple[str, TextIO]:
    """The conversation log of this second; `…_2`, `…_3` where runs share it."""
    second = datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    number = 1
    while True:
        stamp = second if number == 1 else f"{second}_{number}"
        try:
            return stamp, create(folder / f"{stamp}_conversation.log")
        except FileExistsError:
            number += 1
