"""What was said: on the screen and in the conversation log, in the order in which it was said."""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice
from string import ascii_letters, digits, punctuation
from typing import Protocol

from voicelive.text import brief, indented, printable

LATE_S = 2.0  # for so long a missing line of the user's holds the answer
HELD_S = 4.0  # for so long any line holds what was said; after that it is in the log, too, as far as it is
REMEMBERED = 100  # lines of which the order is known
MOST_WAITING = 1000  # lines that hold others; of more, the first let them pass
MOST_CHARACTERS = 300_000  # of a line: more is no speech, and hiding secrets in it takes its time
OF_SECRETS = ascii_letters + digits + punctuation  # what may go on after such is not written in two parts

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
    pieces: list[str] = field(default_factory=list)  # of its text, none of them empty
    characters: int = 0  # that were said, whether they are among these or beyond MOST_CHARACTERS
    shown: int = 0  # of the pieces: they are on the screen
    logged: int = 0  # of those: they are in the log
    is_whole: bool = False
    interrupted: bool = False
    late: bool = False  # others were let pass
    waits: bool = True  # it is not through, nor let others pass
    since: float = field(default_factory=time.monotonic)
    words_since: float = 0.0  # that are not in the log, or whose end is not


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

    The first line that is not whole holds the others; only its text streams to the screen. One of the user's
    that takes more than LATE_S lets them pass, and any other when they have waited for HELD_S: it may be of
    an item that never comes to its end. What follows of it is marked `(late)`.
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
        self._waiting: deque[_Line] = deque()  # of these, in spoken order: those that are not through
        self._worded: deque[tuple[float, _Line]] = (
            deque()
        )  # since when, in this order, words waited, and whose
        self._through: deque[_Line] = deque()  # the newest that do not wait any more
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
                self._extend(line, printable(text))
                self._advance()

    def finish(self, item_id: str, kind: str, text: str | None = None) -> None:
        """The line is whole, and says `text` (None: what was added so far)."""
        with self._lock:
            line = self._place(item_id, kind)
            if line.is_whole:
                return
            line.kind = line.kind if text is None else kind
            whole = printable(text or "")
            is_cut_off = line.interrupted and line.pieces
            # What is on the screen already cannot be taken back: it is completed, not corrected.
            shown = "".join(line.pieces[: line.shown])
            if whole and not is_cut_off and whole.startswith(shown):
                waits_since = line.words_since if line.logged < len(line.pieces) else 0.0
                del line.pieces[line.shown :]
                line.characters = len(shown)
                self._extend(line, whole[len(shown) :])
                line.words_since = waits_since or line.words_since
            line.is_whole = True
            self._wait_again(line)
            if line.pieces and line.logged == len(line.pieces):
                self._wait_from_now(line)
            self._advance()

    def interrupt(self, item_id: str) -> None:
        """The user cut in: mark the line; no more text is taken for it."""
        with self._lock:
            line = self._lines.get(item_id)
            if line is None or line.interrupted:
                return
            line.interrupted = True
            if line.pieces and not line.waits:
                self._mark_interrupted(line)

    @property
    def awaits_words(self) -> bool:
        """Whether a line of the user's is not there yet."""
        with self._lock:
            return any(line.kind == USER and not line.is_whole for line in self._lines.values())

    def release_late(self) -> None:
        """Write what was held for long enough. To be called now and then."""
        with self._lock:
            self._advance()
            if self._waiting:
                self._log_so_far(self._waiting[0])

    def complete(self) -> None:
        """Write what is there of the lines that will not be whole any more."""
        with self._lock:
            for line in self._lines.values():
                if not line.is_whole and line.pieces:
                    self._wait_again(line)
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
        if known := self._lines.get(item_id):
            return known
        new = self._lines[item_id] = _Line(item_id, kind)
        newest = islice(reversed(self._waiting), REMEMBERED)
        behind = next((place for place, line in enumerate(newest) if line.item_id == after), 0)
        self._waiting.insert(len(self._waiting) - behind, new)
        return new

    def _extend(self, line: _Line, text: str) -> None:
        room = MOST_CHARACTERS - line.characters
        line.characters += len(text)
        if text := brief(text, room) if room > 0 else "":
            self._wait_again(line)
            if line.logged == len(line.pieces):
                self._wait_from_now(line)
            line.pieces.append(text)

    def _wait_again(self, line: _Line) -> None:
        """A line that let others pass goes on, before all that wait."""
        if not line.waits:
            line.waits = True
            self._waiting.appendleft(line)

    def _wait_from_now(self, line: _Line) -> None:
        line.words_since = time.monotonic()
        self._worded.append((line.words_since, line))

    def _advance(self) -> None:
        """Show and write as much as the order allows."""
        while self._waiting:
            line = self._waiting[0]
            self._show(line)
            if line.is_whole:
                self._end(line)
            elif self._holds_too_long(line):
                line.late = True
                if self._log_words(line):
                    self._screen.end_line()
            else:
                return
            self._waiting.popleft()
            line.waits = False
            self._through.append(line)
            if len(self._through) > REMEMBERED:
                self._forget(self._through.popleft())

    def _forget(self, line: _Line) -> None:
        if not line.waits and self._lines.get(line.item_id) is line:
            del self._lines[line.item_id]

    def _holds_too_long(self, line: _Line) -> bool:
        """Whether others have waited for this line for too long, or are too many."""
        while self._worded and not _is_held(*self._worded[0]):
            self._worded.popleft()
        if len(self._waiting) > MOST_WAITING:
            return True
        others = (since for since, other in self._worded if other is not line and _is_held(since, other))
        if (held_since := next(others, None)) is None:
            return False
        now = time.monotonic()
        return (line.kind == USER and now - line.since > LATE_S) or now - held_since > HELD_S

    def _show(self, line: _Line) -> None:
        """Bring what is new of a line to the screen."""
        if new := indented("".join(line.pieces[line.shown :])):
            mark = " (late)" if line.late else ""
            self._screen.say(line, new, f"{_SHOWN_AS[line.kind]}{mark}: {new.lstrip(' ')}")
        line.shown = len(line.pieces)

    def _end(self, line: _Line) -> None:
        """A whole line: into the log, with its marks."""
        if not line.pieces:
            return
        self._on_line(line.item_id, line.kind, "".join(line.pieces))
        is_new = self._log_words(line, " (late)" if line.late else "")
        if line.interrupted:
            self._mark_interrupted(line)
        elif is_new:
            self._screen.end_line()

    def _log_so_far(self, line: _Line) -> None:
        """Write what is there of a line that takes its time; half a word may be half a secret."""
        if line.logged == line.shown or time.monotonic() - line.words_since < HELD_S:
            return
        text = "".join(line.pieces[line.logged :])
        if words := text.rstrip(OF_SECRETS):
            line.pieces[line.logged :] = [words]
            self._log_words(line)
            if rest := text[len(words) :]:
                line.pieces.append(rest)
                self._wait_from_now(line)
            line.shown = len(line.pieces)

    def _log_words(self, line: _Line, mark: str = "") -> bool:
        """Write all that is not written yet; whether there was any."""
        words = "".join(line.pieces[line.logged :])
        line.logged, line.words_since = len(line.pieces), time.monotonic()
        if not words:
            return False
        if line is self._last:
            self._write_log(indented(words) + mark)
        else:
            self._begin_log_line(f"{line.kind}:\t{words}{mark}")
            self._last = line
        return True

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


def _is_held(since: float, line: _Line) -> bool:
    """Whether words that waited since then still do, or the end of their line."""
    return line.waits and line.words_since == since and (line.is_whole or line.logged < len(line.pieces))
