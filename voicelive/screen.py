"""The terminal: what was said on stdout, everything about it on stderr, one line at a time."""

import re
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TextIO

# Escape sequences (CSI, OSC and other strings, two-character ones), and control characters but line breaks.
_UNPRINTABLE = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"
    r"|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?"
    r"|\x1b[ -/]*[0-~]?"
    r"|[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]"
)


def printable(text: str) -> str:
    """The text without anything that moves a cursor, changes a colour or rings a bell."""
    return _UNPRINTABLE.sub(lambda found: " " if found[0] in "\t\x0b\x0c" else "", text.replace("\r\n", "\n"))


def shown(path: Path) -> str:
    """A path as short as it can be named from here."""
    with suppress(OSError, ValueError):  # the folder we are in is gone, or another one
        return str(path.relative_to(Path.cwd()))
    return str(path)


class Screen:
    """Both streams of a terminal, for all threads.

    The last line of what was said stays open, so that it can grow. On a terminal it is closed by the
    next line; elsewhere, where whole lines are expected, by `end_line`.
    """

    def __init__(self, redact: Callable[[str], str]) -> None:
        self._redact = redact
        self._lock = threading.Lock()  # guards both streams and the state of the open line
        self._open = False
        self._said_on_terminal = sys.stdout is not None and sys.stdout.isatty()
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:  # a console that lacks a character shows a question mark
                stream.reconfigure(errors="replace")  # type: ignore[union-attr]

    def begin_line(self, text: str) -> None:
        """Start a line of what was said."""
        with self._lock:
            self._close()
            self._write(sys.stdout, text)
            self._open = True

    def add(self, text: str) -> bool:
        """Let the open line grow; False where it is open no more."""
        with self._lock:
            if self._open:
                self._write(sys.stdout, text)
            return self._open

    def end_line(self) -> None:
        """The open line is whole, though on a terminal a mark may still follow."""
        if not self._said_on_terminal:
            self.close_line()

    def close_line(self) -> None:
        """End the open line, if there is one."""
        with self._lock:
            self._close()

    def note(self, text: str) -> None:
        """A line about the conversation, on stderr."""
        with self._lock:
            if self._said_on_terminal:
                self._close()
            self._write(sys.stderr, printable(text) + "\n")

    def _close(self) -> None:
        if self._open:
            self._write(sys.stdout, "\n")
        self._open = False

    def _write(self, stream: TextIO | None, text: str) -> None:
        if stream is not None:
            with suppress(OSError, ValueError):  # nobody reads any more, or the stream is closed
                stream.write(self._redact(text))
                stream.flush()
