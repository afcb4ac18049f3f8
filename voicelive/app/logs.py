"""The two files of a run, readable for their owner only, and what never gets into them."""

import contextlib
import faulthandler
import logging
import os
import re
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import TextIO

from voicelive.app.writer import Writer
from voicelive.errors import EXIT_USAGE, VoiceLiveError
from voicelive.files import create, make_folder
from voicelive.text import Redactor, escaped, indented

log = logging.getLogger(__name__)

# What a run leaves unasked. A recording was asked for, and stays.
_STAMP = r"(\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d(?:_\d+)?)"
_OF_A_RUN = re.compile(rf"{_STAMP}_(?:conversation\.log|voicelive\.log|speaker\.wav)")
_STAMPED = re.compile(rf"{_STAMP}_\D")
_FORMAT = "%(asctime)s:%(name)s:%(levelname)s:%(message)s"
JOIN_TIMEOUT_S = 0.25


class LogFile:
    """A text file of a run, without secrets, that nobody waits for."""

    def __init__(self, file: TextIO, redact: Callable[[str], str], on_loss: Callable[[str], None]) -> None:
        """`redact` gets the finished text; `on_loss` is told once why the file is not complete."""
        self._file = file
        self._writer = Writer("log", redact, on_loss)

    def write(self, text: str) -> None:
        """Have a text appended; never waits, from any thread."""
        self._writer.put(self._file, text)

    def close(self) -> None:
        """Finish the file; where the disk takes nothing, it is left to the end of the process."""
        if self._writer.close():
            with contextlib.suppress(OSError):  # the disk is full
                self._file.close()


class LogHandler(logging.Handler):
    """Writes every record, its traceback included, to the technical log."""

    def __init__(self, write: Callable[[str], None]) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter(_FORMAT))
        self._write = write

    def emit(self, record: logging.LogRecord) -> None:
        """Never waits, whichever thread logs, and never fails: whoever logs has more to do."""
        with contextlib.suppress(MemoryError):
            try:
                text = self.format(record)
            except Exception:  # its arguments do not fit
                text = traceback.format_exc()
            self._write(indented(text) + "\n")


class RunLogs:
    """`<timestamp>_conversation.log` for what was said, `<timestamp>_voicelive.log` for how it went."""

    def __init__(self, folder: Path, redact: Redactor, note: Callable[[str], None]) -> None:
        """Create both files; `note` tells a person why one of them is not complete.

        Raises VoiceLiveError (exit code 2) where the folder takes none.
        """
        self._folder = folder
        try:
            make_folder(folder)
            self._stamp, (conversation, technical) = _create_stamped(
                folder, "conversation.log", "voicelive.log"
            )
        except OSError as error:
            raise VoiceLiveError(
                f"The logs cannot be written to {folder}: {error.strerror or error}.",
                "Name another folder with --log-dir, or correct the permissions of this one.",
                EXIT_USAGE,
            ) from error
        self.conversation = LogFile(
            conversation, redact, lambda why: note(f"The conversation log is no longer written: {why}.")
        )
        self._crash_file = technical
        self.technical = LogFile(
            technical,
            lambda text: escaped(redact(text)),
            lambda why: note(f"The technical log is not complete: {why}."),
        )

    def path(self, name: str) -> Path:
        """A file of this run: `<folder>/<timestamp>_<name>`."""
        return self._folder / f"{self._stamp}_{name}"

    def keep(self, newest: int) -> None:
        """Remove the files of all runs but the `newest`: this one, and those written to last. 0: of none."""
        runs: dict[str, list[Path]] = {}
        with contextlib.suppress(OSError):  # somebody else's, or another run removes them, too
            for path in self._folder.iterdir():
                if (of_a_run := _OF_A_RUN.fullmatch(path.name)) and of_a_run[1] != self._stamp:
                    runs.setdefault(of_a_run[1], []).append(path)
            by_age = sorted(runs.values(), key=lambda paths: -max(path.lstat().st_mtime for path in paths))
            for path in chain(*by_age[newest - 1 :]) if newest > 0 else ():
                with contextlib.suppress(OSError):  # a folder of such a name
                    path.unlink()

    @contextlib.contextmanager
    def collecting(self) -> Iterator[None]:
        """Send every log record of the process to the technical log until the end, then close both."""
        handler = LogHandler(self.technical.write)
        root = logging.getLogger()
        level = root.level
        root.addHandler(handler)
        root.setLevel(logging.DEBUG)
        hook, threading.excepthook = threading.excepthook, log_thread_failure
        faulthandler.enable(self._crash_file)  # on stderr it would be lost: see c_libraries_into
        try:
            yield
        finally:
            faulthandler.disable()
            threading.excepthook = hook
            root.setLevel(level)
            root.removeHandler(handler)
            for file in (self.technical, self.conversation):
                file.close()


def log_thread_failure(failure: threading.ExceptHookArgs) -> None:
    """A thread's own traceback belongs to the technical log, not on the screen."""
    log.error("a thread failed: %s", failure.thread, exc_info=failure.exc_value)


@contextlib.contextmanager
def c_libraries_into(write: Callable[[str], object]) -> Iterator[None]:
    """Give what C libraries write to the process's stderr (ALSA does) to `write`, not to the screen.

    Meanwhile `sys.stderr` is a stream of its own to where stderr went before. A pipe is in between, for a
    disk that hangs must not stop who plays the sound; what it holds when the process crashes is lost.
    """
    screen = os.fdopen(os.dup(2), "w", 1, sys.stderr.encoding, "replace")
    read_end, write_end = os.pipe()

    def pass_on() -> None:
        with os.fdopen(read_end, "rb", buffering=0) as pipe:
            while data := pipe.read(65536):
                write(data.decode("utf-8", "replace"))

    with contextlib.redirect_stderr(screen):
        os.dup2(write_end, 2)
        os.close(write_end)
        reader = threading.Thread(target=pass_on, name="stderr", daemon=True)  # ends when nobody can write
        reader.start()
        try:
            yield
        finally:
            os.dup2(screen.fileno(), 2)
            reader.join(JOIN_TIMEOUT_S)  # a child process may still hold the other end
            with contextlib.suppress(OSError):  # nobody takes what was written
                screen.close()


def _create_stamped(folder: Path, *names: str) -> tuple[str, list[TextIO]]:
    """Files of this second, all of one stamp, of which there is nothing yet: `…_2`, `…_3` where there is.

    Raises OSError.
    """
    taken: set[str] = set()
    with contextlib.suppress(OSError):  # one that nobody may list
        taken = {stamped[1] for path in folder.iterdir() if (stamped := _STAMPED.match(path.name))}
    second, number = datetime.now().strftime("%Y-%m-%d_%H-%M-%S"), 0
    while True:
        number += 1
        stamp = second if number == 1 else f"{second}_{number}"
        if stamp not in taken:
            with contextlib.suppress(FileExistsError):  # since then
                return stamp, _create_all([folder / f"{stamp}_{name}" for name in names])


def _create_all(paths: Sequence[Path]) -> list[TextIO]:
    """All of them, or none. Raises OSError."""
    files: list[TextIO] = []
    try:
        for path in paths:
            files.append(create(path))
    except OSError:
        for path, file in zip(paths, files, strict=False):
            file.close()
            path.unlink()
        raise
    return files
