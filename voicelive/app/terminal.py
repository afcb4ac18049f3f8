"""The keyboard, and what a terminal can show."""

import math
import os
import re
import selectors
import sys
import threading
import unicodedata
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

LONGEST_LINE = 65536  # bytes; what is beyond is left out
METER_CELLS = 10
METER_DB = 60  # below full scale, where the meter begins
KEYS = """With Enter:
  q, quit, exit   end the conversation
  m               mute or unmute the microphone
  y, n            yes or no, when you are asked
  ?               this list
  /say q          say q, or what follows, to the agent
Any other text goes to the agent, except a /word."""
LIVE_KEYS = """Without Enter:
  Esc             silence the agent
  Ctrl-T          mute or unmute the microphone
  Ctrl-D          end the conversation, on an empty line
  Ctrl-Z          suspend the program (fg resumes it)"""
PUSH_KEYS = """On an empty line:
  {key:16}begin a turn or end it"""
_MAYBE_WIDE = r"[\u1100-\uffff\U00010000-\U0010ffff]"
_GOES_ON = rf"[\ufe0f\U0001f3fb-\U0001f3ff]|\u200d{_MAYBE_WIDE}"  # one emoji with the one before
_WORDS = re.compile(r"(?:`[^`]*`|[^ ])+")
PASTE_S = 0.05  # lines that follow each other so soon were not typed


def is_terminal(stream: Any) -> bool:
    """Whether a stream is one. On Windows NUL says so, too, but has no console's file (untried)."""
    return stream.isatty() and (os.name != "nt" or "Console" in type(stream.buffer.raw).__name__)


def is_live(variables: Mapping[str, str]) -> bool:
    """Whether the terminal can have a part that stays in place."""
    return variables.get("TERM") != "dumb" and is_terminal(sys.stdin) and is_terminal(sys.stdout)


def has_bold(variables: Mapping[str, str]) -> bool:
    """Whether stdout can show bold letters, which are no colour: NO_COLOR does not concern them.

    Older consoles of Windows show the codes themselves; Windows Terminal sets WT_SESSION (untried).
    """
    is_able = variables.get("TERM") != "dumb" and (os.name != "nt" or "WT_SESSION" in variables)
    return is_able and is_terminal(sys.stdout)


def columns(stream: Any) -> int:
    """How wide the terminal is, now."""
    with suppress(OSError, ValueError):
        return os.get_terminal_size(stream.fileno()).columns or 80
    return 80


def fitted(text: str, stream: Any) -> str:
    """The text as it is, or on a terminal in rows."""
    return wrapped(text, columns(stream)) if is_terminal(stream) else text


def wrapped(text: str, columns: int) -> str:
    """The text in rows of so many columns, broken at spaces. A row that goes on with an indented line is
    further in.

    A word that is longer than a row stays whole, and so does a command (`make run`): it is to be copied.
    """
    rows = []
    for line in text.split("\n"):
        row = line
        if width(line) > columns:
            row = indent = line[: len(line) - len(line.lstrip(" "))]
            further = f"{indent}  " if indent else ""
            for word in _WORDS.findall(line):
                if row.strip() and width(row) + 1 + width(word) > columns:
                    rows.append(row)
                    row = further
                row += f" {word}" if row.strip() else word
        rows.append(row)
    return "\n".join(rows)


class Wrap:
    """Breaks lines at spaces, of a text that comes in pieces: a word is held back until it is whole."""

    def __init__(self, columns: Callable[[], int]) -> None:
        self._columns = columns
        self._column = 0
        self._spaces = ""  # before the word
        self._word = ""
        self._is_broken = False  # the line was, by somebody else: no space goes before what follows

    def __call__(self, text: str) -> str:
        """The next piece, as far as it can be shown."""
        out = []
        for part in re.split(rf"([ \n]|{_MAYBE_WIDE}(?:{_GOES_ON})*)", text):
            if part == "\n":
                out += [self._end_word(), "\n"]
                self._column, self._spaces = 0, ""
            elif part == " ":
                out.append(self._end_word())
                self._spaces += "" if self._is_broken else part
            elif part and cells(part[0]) == 2:  # these are broken anywhere
                out.append(self._end_word())
                self._word = part
                out.append(self._end_word())
            else:
                self._word += part
        return "".join(out)

    def begin_row(self) -> None:
        """The terminal has broken the line, where somebody has typed Enter."""
        self._column, self._spaces, self._is_broken = 0, "", True

    def end_line(self) -> str:
        """What is still to come of the line."""
        ending = self("\n") if self._column or self._word else ""
        self._is_broken = False
        return ending

    def _end_word(self) -> str:
        if not self._word:
            return ""
        self._is_broken = False
        word, self._word = self._word, ""
        spaces, self._spaces = self._spaces, ""
        wide = width(word)
        if self._column and self._column + len(spaces) + wide > self._columns():
            self._column, spaces = 0, "\n"
        else:
            self._column += len(spaces)
        self._column += wide
        if (most := self._columns()) and self._column > most:  # a word that is longer than a row
            self._column = (self._column - 1) % most + 1
        return spaces + word


def width(text: str) -> int:
    """How many columns of a terminal a line takes."""
    return sum(map(cells, text))


def cells(character: str) -> int:
    """How many columns of a terminal a character takes."""
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):  # accents, and what joins two emoji
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def level(peak: float) -> str:
    """A peak level, 0 to 1, as a bar: `[######....]`."""
    db = 20 * math.log10(peak) if peak else -METER_DB
    cells = "#" * round(METER_CELLS * (1 + db / METER_DB))
    return f"[{cells:.<{METER_CELLS}}]"


def watch_keyboard(on_line: Callable[[str], None], on_end: Callable[[], None]) -> None:
    """Call `on_line` for each line that is typed, and `on_end` after the last, on a daemon thread.

    Lines that are pasted into a terminal come as one text. No input(): a thread that waits in it aborts the
    interpreter at exit.
    """

    def read() -> None:
        typed, file = b"", sys.stdin.buffer.raw  # type: ignore[union-attr]  # its buffer holds a lock
        with suppress(OSError, ValueError):  # stdin was closed
            while data := file.read(LONGEST_LINE):
                while more_follows(file) and (more := file.read(LONGEST_LINE)):
                    data += more
                lines = (typed + data).split(b"\n")
                typed = lines.pop()[:LONGEST_LINE]
                if is_terminal(sys.stdin):
                    lines = [b"\n".join(lines)] if lines else []
                for line in lines:
                    on_line(line[:LONGEST_LINE].decode(sys.stdin.encoding, "replace"))
        if typed:
            on_line(typed.decode(sys.stdin.encoding, "replace"))
        on_end()

    threading.Thread(target=read, name="keyboard", daemon=True).start()


def more_follows(file: Any) -> bool:
    """Whether more is there at once, as after a paste into a terminal (Windows' consoles do not tell)."""
    if os.name == "nt" or not is_terminal(sys.stdin):
        return False
    with selectors.DefaultSelector() as comes:
        comes.register(file, selectors.EVENT_READ)
        return bool(comes.select(PASTE_S))


def forget_typed() -> None:
    """What is typed, or pasted, and not read yet is not for the shell that comes after."""
    if os.name != "nt" and sys.stdin.isatty():
        import termios

        with suppress(OSError, termios.error):
            termios.tcflush(sys.stdin, termios.TCIFLUSH)
