"""The terminal: what was said on stdout, everything about it on stderr, one line at a time."""

import logging
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TextIO

from voicelive.app.options import IS_INSTALLED, SOURCE
from voicelive.app.terminal import Wrap, columns, fitted, has_bold, is_terminal
from voicelive.app.writer import Writer
from voicelive.text import RedactedStream, Redactor, printable, quoted, shown

log = logging.getLogger(__name__)

DRAWN_CHARACTERS = 10_000  # more of a line that grows is on no screen


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

    def start(self) -> None:
        """Appear. close() must be sure to be called, however soon: the terminal is changed."""

    def close(self) -> None:
        """Leave the terminal as it was."""


class Controls(Protocol):
    """What a person can do while a conversation lasts. Called on the prompt's thread; never waits."""

    def obey(self, typed: str) -> None:
        """What was typed, and Enter: a command of ours, or a message."""

    def end_typing(self) -> None:
        """Nobody types any more."""

    def silence(self) -> None:
        """Let the agent fall silent."""

    def mute(self) -> None:
        """Switch the microphone off, or on again."""

    def talk(self) -> None:
        """Begin a turn, or end it, where the person pushes to talk."""

    def status(self, columns: int) -> str:
        """One line, not wider than so many columns."""

    @property
    def pushes_to_talk(self) -> bool:
        """Whether the person does."""


MakePrompt = Callable[[Callable[[], str], Controls], Prompt]  # of what tells the line that grows


class Screen:
    """Both streams of a terminal, for all threads, none of which ever waits for it.

    The last line of what was said stays open until it is whole: on a terminal it grows word by word,
    elsewhere it is written when it ends. With a prompt it stands there while it grows, and until the next
    line comes, because a mark may still follow.
    """

    def __init__(self, redact: Redactor) -> None:
        self._prompt: Prompt | None = None
        self._open: list[str] = []  # what was said last, piece by piece, while it can still grow
        self._whose: object = None  # whose line is open
        self._is_whole = False  # the open line is, though a mark may still follow
        self._redact = redact
        self._hide = RedactedStream(redact)  # in the open line
        self._lock = threading.RLock()  # guards the open line and the order of what is written
        self._writer = Writer("screen", redact, lambda why: log.warning("the screen lost lines: %s", why))
        self._said_on_terminal = is_terminal(sys.stdout)
        self._has_bold = has_bold(os.environ)
        self._wrap = Wrap(lambda: columns(sys.stdout))

    def open_line(self) -> str:
        """The end of what was said last, while it can still grow."""
        with self._lock:
            return "".join(self._open)[-DRAWN_CHARACTERS:]

    @property
    def has_prompt(self) -> bool:
        """Whether a part of the terminal stays in place, with the status in it."""
        return self._prompt is not None

    def show_prompt(self, prompt: Prompt) -> None:
        """Have one appear below all that was written so far; from now on there is a prompt."""
        self._writer.drain()
        prompt.start()
        with self._lock:
            self._prompt = prompt

    def hide_prompt(self) -> None:
        """From now on there is no prompt; it only prints what it still has."""
        with self._lock:
            self.close_line()
            self._prompt = None

    def say(self, whose: object, more: str, begun: str) -> None:
        """Let a line of what was said grow by `more`; one that is open no more goes on below, as `begun`."""
        with self._lock:
            if not self._open or whose is not self._whose:
                self.close_line()
                self._whose, self._is_whole, more = whose, False, begun
                self._hide = RedactedStream(self._redact)
            self._grow(self._hide.add(more))

    def end_line(self) -> None:
        """The open line is whole, though with a prompt a mark may still follow."""
        with self._lock:
            self._is_whole = True
            if self._open:
                self._grow(self._hide.add("", is_whole=True))
            if not self._prompt:
                self.close_line()

    def settle(self) -> None:
        """No mark will follow any more: what is whole does not grow."""
        with self._lock:
            if self._is_whole:
                self.close_line()

    def close_line(self) -> None:
        """End the open line, if there is one."""
        with self._lock:
            if not self._open:
                return
            self._grow(self._hide.add("", is_whole=True))
            pieces, self._open = self._open, []
            if not self._said_on_terminal:
                self._write(sys.stdout, "".join([*pieces, "\n"]))
            elif self._prompt:
                self._write(sys.stdout, self._dressed(self._wrap("".join([*pieces, "\n"]))))
            else:
                self._write(sys.stdout, self._wrap.end_line())

    def begin_row(self) -> None:
        """Enter was typed where the terminal shows it."""
        with self._lock:
            if self._said_on_terminal and not self._prompt:
                self._wrap.begin_row()

    def note(self, text: str) -> None:
        """A line about the conversation, on stderr."""
        with self._lock:
            shares = self._said_on_terminal and is_terminal(sys.stderr)
            if self._is_whole or (shares and not self._prompt):
                self.close_line()
            self._write(sys.stderr, fitted(printable(text), sys.stderr) + "\n")

    def answer(self, text: str) -> None:
        """A line about the conversation that was asked for at the keyboard: where the person looks."""
        with self._lock:
            if self._said_on_terminal and not is_terminal(sys.stderr):
                self.close_line()
                self._write(sys.stdout, fitted(printable(text), sys.stdout) + "\n")
            else:
                self.note(text)

    def close(self) -> None:
        """Wait until all is written; where nobody reads, for a second at most."""
        if not self._writer.close():
            log.warning("nobody reads the screen")

    def _grow(self, text: str) -> None:
        """Let the open line grow by what holds no secret."""
        is_begun = not self._open
        self._open.append(text)
        if self._prompt:
            self._prompt.refresh()
        elif self._said_on_terminal and text:
            text = self._wrap(text)
            self._write(sys.stdout, self._dressed(text) if is_begun else text)

    def _dressed(self, text: str) -> str:
        """A line with the name before it in bold, where that can be shown."""
        name, colon, rest = text.partition(": ")
        return f"\x1b[1m{name}:\x1b[0m {rest}" if colon and self._has_bold else text

    def _write(self, stream: TextIO, text: str) -> None:
        if self._prompt and is_terminal(stream):
            self._prompt.print(self._redact(text))
        else:
            self._writer.put(stream, text)
