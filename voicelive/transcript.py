"""What was said: on the screen and in the conversation log, in the order in which it was said."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from voicelive.text import indented, printable

LATE_S = 2.0  # for so long a missing line of the user's holds the answer
REMEMBERED = 100  # lines of which the order is known

USER = "User Input"
TYPED = "User Input (typed)"
AGENT_TEXT = "Agent Text Response"
AGENT_AUDIO = "Agent Audio Response"
TOOL = "Agent Tool Call"
SOURCES = "Agent Sources"
_SHOWN_AS = {
    **{USER: "You", TYPED: "You (typed)", AGENT_TEXT: "Agent", AGENT_AUDIO: "Agent"},
    **{TOOL: "Tool", SOURCES: "Sources"},
}


@dataclass(eq=False)
class _Line:
    """What one item of the conversation says, whole or so far."""

    item_id: str
    kind: str
    text: str = ""
    shown: int = 0  # characters of `text` that are on the screen
    is_whole: bool = False
    interrupted: bool = False
    late: bool = False
    since: float = field(default_factory=time.monotonic)


class Screen(Protocol):
    """Where lines are shown. None of it ever waits."""

    def say(self, whose: object, more: str, begun: str) -> None:
        """Let a line grow by `more`; where another was begun since, it goes on below, as `begun`."""

    def end_line(self) -> None:
        """The line that grew last is whole, though a mark may still follow."""

    def close_line(self) -> None:
        """Nothing more follows it."""


class Transcript:
    """Orders the lines of a conversation, which arrive in pieces and out of order.

    The first line that is not whole holds the others; only its text streams to the screen. A line of
    the user's that takes more than LATE_S lets the others pass and follows marked `(late)`.
    """

    def __init__(
        self, screen: Screen, log: Callable[[str], object], on_line: Callable[[str, str, str], None]
    ) -> None:
        """`log` appends a text to the log, and never waits. `on_line` gets each line that is whole: the item,
        the kind, the text.
        """
        self._screen = screen
        self._write_log = log
        self._on_line = on_line
        self._lock = threading.Lock()  # guards the lines: the reader adds, the main thread releases
        self._lines: dict[str, _Line] = {}  # by item, the newest
        self._waiting: list[_Line] = []  # of these, in spoken order; neither those that are through nor late
        self._last: _Line | None = None  # at the end of the log, where a mark can still follow
        self._line_break = ""  # what is to come before the next line of the log

    def head(self, text: str) -> None:
        """A line at the top of the log, such as the agent's name, or a mark in it."""
        with self._lock:
            self._begin_log_line(printable(text))

    def expect(self, item_id: str, kind: str, after: str | None = None) -> None:
        """Keep a place for an item that was said just now, or directly behind the item `after`."""
        with self._lock:
            self._place(item_id, kind, after)

    def add(self, item_id: str, kind: str, text: str) -> None:
        """The next piece of a line."""
        with self._lock:
            line = self._place(item_id, kind)
            if not line.is_whole and not line.interrupted:
                line.kind = kind
                line.text += printable(text)
                self._advance()

    def finish(self, item_id: str, kind: str, text: str | None = None) -> None:
        """The line is whole, and says `text` (None: what was added so far)."""
        with self._lock:
            line = self._place(item_id, kind)
            if line.is_whole:
                return
            line.kind = line.kind if text is None else kind
            whole = printable(text or "") or line.text
            is_cut_off = line.interrupted and line.text
            # What is on the screen already cannot be taken back: it is completed, not corrected.
            if not is_cut_off and whole.startswith(line.text[: line.shown]):
                line.text = whole
            line.is_whole = True
            if line.late:
                self._waiting.insert(0, line)
            self._advance()

    def interrupt(self, item_id: str) -> None:
        """The user cut in: mark the line; no more text is taken for it."""
        with self._lock:
            line = self._lines.get(item_id)
            if line is None or line.interrupted:
                return
            line.interrupted = True
            if line.text and line not in self._waiting:
                self._mark_interrupted(line)

    @property
    def awaits_words(self) -> bool:
        """Whether a line of the user's is not there yet."""
        with self._lock:
            return any(line.kind == USER and not line.is_whole for line in self._lines.values())

    def release_late(self) -> None:
        """Let the lines pass that wait for a late one of the user's. To be called now and then."""
        with self._lock:
            self._advance()

    def complete(self) -> None:
        """Write what is there of the lines that will not be whole any more."""
        with self._lock:
            for line in self._lines.values():
                line.is_whole = True
            self._advance()

    def close(self) -> None:
        """The same, and end the last line."""
        self.complete()
        with self._lock:
            self._screen.close_line()
            self._write_log(self._line_break)
            self._line_break, self._last = "", None

    def _place(self, item_id: str, kind: str, after: str | None = None) -> _Line:
        """The line of an item, new or known."""
        if item_id not in self._lines:
            through = [known for known, line in self._lines.items() if line not in self._waiting]
            for known in through[:-REMEMBERED]:
                del self._lines[known]
            new = self._lines[item_id] = _Line(item_id, kind)
            ids = [line.item_id for line in self._waiting]
            self._waiting.insert(ids.index(after) + 1 if after in ids else len(ids), new)
        return self._lines[item_id]

    def _advance(self) -> None:
        """Show and write as much as the order allows."""
        while self._waiting:
            line = self._waiting[0]
            self._show(line)
            if line.is_whole:
                self._end(line)
            elif self._is_late(line):
                line.late = True
            else:
                return
            self._waiting.pop(0)

    def _is_late(self, line: _Line) -> bool:
        """Whether other words have waited for those of the user's for too long."""
        others_wait = any(other.text for other in self._waiting[1:])
        return line.kind == USER and others_wait and time.monotonic() - line.since > LATE_S

    def _show(self, line: _Line) -> None:
        """Bring what is new of a line to the screen."""
        new = indented(line.text[line.shown :])
        if new:
            mark = " (late)" if line.late else ""
            self._screen.say(line, new, f"{_SHOWN_AS[line.kind]}{mark}: {new}")
        line.shown = len(line.text)

    def _end(self, line: _Line) -> None:
        """A whole line: into the log, with its marks."""
        if not line.text:
            return
        self._on_line(line.item_id, line.kind, line.text)
        self._begin_log_line(f"{line.kind}:\t{line.text}{' (late)' if line.late else ''}")
        self._last = line
        if line.interrupted:
            self._mark_interrupted(line)
        self._screen.end_line()

    def _mark_interrupted(self, line: _Line) -> None:
        """Behind the line where it stands last, else on a line of its own: in the log, and on the screen."""
        if line is self._last:
            self._write_log(" (interrupted)")
        else:
            self._begin_log_line("(interrupted)")
        self._screen.say(line, " (interrupted)", "(interrupted)")
        self._screen.end_line()

    def _begin_log_line(self, text: str) -> None:
        """Write a line without its line break, so that a mark can still follow."""
        self._write_log(self._line_break + indented(text))
        self._line_break, self._last = "\n", None
