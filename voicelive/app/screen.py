"""The terminal: what was said on stdout, everything about it on stderr, one line at a time."""

import logging
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TextIO

from voicelive.app.options import IS_INSTALLED, SOURCE
from voicelive.app.writer import Writer
from voicelive.text import printable, quoted, shown

log = logging.getLogger(__name__)

DRAWN_CHARACTERS = 10_000  # more of a line that grows is on no screen


def is_terminal(stream: Any) -> bool:
    """Whether a stream is one. On Windows NUL says so, too, but has no console's file (untried)."""
    return stream.isatty() and (os.name != "nt" or "Console" in type(stream.buffer.raw).__name__)


def own_command(*arguments: str) -> str:
    """How to run this program from here, with these arguments."""
    if IS_INSTALLED:
        return quoted("voicelive", *arguments)
    return quoted(shown(Path(sys.executable)), shown(SOURCE / "voicelive_agent.py"), *arguments)


class Prompt(Protocol):
    """The part of a terminal that stays in place, and shows the line that grows."""

    def print(self, lines: str) -> None:
        """Whole lines, above it. Never waits."""

    def refresh(self) -> None:
        """The line has grown. Never waits."""


class Screen:
    """Both streams of a terminal, for all threads, none of which ever waits for it.

    The last line of what was said stays open, so that it can grow. On a terminal it is closed by the
    next line; elsewhere, where whole lines are expected, by `end_line`. With a prompt it stands there
    while it grows.
    """

    def __init__(self, redact: Callable[[str], str]) -> None:
        self._prompt: Prompt | None = None
        self._open: list[str] = []  # what was said last, piece by piece, while it can still grow
        self._whose: object = None  # whose line is open
        self._is_whole = False  # the open line is, though a mark may still follow
        self._redact = redact
        self._lock = threading.RLock()  # guards the open line and the order of what is written
        self._writer = Writer("screen", redact, lambda why: log.warning("the screen lost lines: %s", why))
        self._said_on_terminal = is_terminal(sys.stdout)

    def open_line(self) -> str:
        """The end of what was said last, while it can still grow."""
        with self._lock:
            text = "".join(self._open)
        if len(text) > DRAWN_CHARACTERS:  # cut at a space: half a secret is hidden no more
            text = text[-DRAWN_CHARACTERS:].partition(" ")[2]
        return self._redact(text)

    @property
    def has_prompt(self) -> bool:
        """Whether a part of the terminal stays in place, with the status in it."""
        return self._prompt is not None

    def show_prompt(self, prompt: Prompt) -> None:
        """From now on there is a prompt, below all that was written so far."""
        self._writer.drain()
        with self._lock:
            self._prompt = prompt

    def hide_prompt(self) -> None:
        """From now on there is none, but for what it has still to print."""
        with self._lock:
            self.close_line()
            self._prompt = None

    def say(self, whose: object, more: str, begun: str) -> None:
        """Let a line of what was said grow by `more`; one that is open no more goes on below, as `begun`."""
        with self._lock:
            is_open = self._open and whose is self._whose
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
            pieces, self._open = self._open, []
            if pieces:
                self._write(sys.stdout, "".join([*pieces, "\n"]) if self._prompt else "\n")

    def note(self, text: str) -> None:
        """A line about the conversation, on stderr."""
        with self._lock:
            if self._said_on_terminal and (self._is_whole or not self._prompt):
                self.close_line()
            self._write(sys.stderr, printable(text) + "\n")

    def close(self) -> None:
        """Wait until all is written; where nobody reads, for a second at most."""
        if not self._writer.close():
            log.warning("nobody reads the screen")

    def _grow(self, text: str) -> None:
        self._open.append(text)
        if self._prompt:
            self._prompt.refresh()
        else:
            self._write(sys.stdout, text)

    def _write(self, stream: TextIO, text: str) -> None:
        if self._prompt and is_terminal(stream):
            self._prompt.print(self._redact(text))
        else:
            self._writer.put(stream, text)
