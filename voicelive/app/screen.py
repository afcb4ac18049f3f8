"""The terminal: what was said on stdout, everything about it on stderr, one line at a time."""

import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from voicelive.app.options import IS_INSTALLED, SOURCE
from voicelive.text import printable, quoted, shown

if TYPE_CHECKING:  # 0.1 s, not where there is no terminal
    from voicelive.extras.live import LivePrompt


def is_terminal(stream: Any) -> bool:
    """Whether a stream is one. On Windows NUL says so, too, but has no console's file (untried)."""
    return stream.isatty() and (os.name != "nt" or "Console" in type(stream.buffer.raw).__name__)


def own_command(*arguments: str) -> str:
    """How to run this program from here, with these arguments."""
    if IS_INSTALLED:
        return quoted("voicelive", *arguments)
    return quoted(shown(Path(sys.executable)), shown(SOURCE / "voicelive_agent.py"), *arguments)


class Screen:
    """Both streams of a terminal, for all threads.

    The last line of what was said stays open, so that it can grow. On a terminal it is closed by the
    next line; elsewhere, where whole lines are expected, by `end_line`. With a `prompt` it stands there
    while it grows.
    """

    def __init__(self, redact: Callable[[str], str]) -> None:
        self.prompt: LivePrompt | None = None
        self.open_line = ""
        """What was said last, while it can still grow."""
        self._whose: object = None  # whose line is open
        self._is_whole = False  # the open line is, though a mark may still follow
        self._redact = redact
        self._lock = threading.RLock()  # guards both streams and the open line
        self._said_on_terminal = is_terminal(sys.stdout)

    def say(self, whose: object, more: str, begun: str) -> None:
        """Let a line of what was said grow by `more`; one that is open no more goes on below, as `begun`."""
        with self._lock:
            is_open = self.open_line and whose is self._whose
            if not is_open:
                self.close_line()
                self._whose, self._is_whole = whose, False
            self._grow(more if is_open else begun)

    def end_line(self) -> None:
        """The open line is whole, though on a terminal a mark may still follow."""
        self._is_whole = True
        if not self._said_on_terminal:
            self.close_line()

    def close_line(self) -> None:
        """End the open line, if there is one."""
        with self._lock:
            line, self.open_line = self.open_line, ""
            if line:
                self._write(sys.stdout, f"{line}\n" if self.prompt else "\n")

    def note(self, text: str) -> None:
        """A line about the conversation, on stderr."""
        with self._lock:
            if self._said_on_terminal and (self._is_whole or not self.prompt):
                self.close_line()
            self._write(sys.stderr, printable(text) + "\n")

    def _grow(self, text: str) -> None:
        self.open_line = self._redact(self.open_line + text)
        if self.prompt:
            self.prompt.refresh()
        else:
            self._write(sys.stdout, text)

    def _write(self, stream: TextIO, text: str) -> None:
        with suppress(OSError, ValueError):  # nobody reads any more, or the stream is closed
            if self.prompt and is_terminal(stream):
                self.prompt.print(self._redact(text))
                return
            stream.write(self._redact(text))
            stream.flush()
