"""How `check` shows what it finds: row by row, a table that fits into the terminal."""

import time
import traceback
from collections.abc import Callable
from contextlib import suppress

from rich.console import Console
from rich.text import Text

from voicelive import failures
from voicelive.app.terminal import width, wrapped
from voicelive.errors import VoiceLiveError
from voicelive.text import Redactor, printable

STYLES = {"ok": "green", "?": "yellow", "FAILED": "bold red"}
STATUS_COLUMNS, NAME_COLUMNS = 8, 19  # with the space behind


class Doubt(str):
    """What was found, where it need not be a failure."""


class Report:
    """The rows as they are found: status, name, what was found, how long that took."""

    def __init__(self, redact: Redactor) -> None:
        self._redact = redact
        self._first: tuple[str, VoiceLiveError] | None = None  # row that failed
        self._console = Console(highlight=False, markup=False, emoji=False)

    def head(self, title: str) -> None:
        """The title of the rows that follow."""
        self._print(Text(title, "bold"))

    def look(self, name: str, find: Callable[[], str]) -> bool:
        """A row with what `find` finds, and how long that took; whether it raised no VoiceLiveError."""
        began = time.monotonic()
        status, failure, found = "ok", None, ""
        try:
            found = find()
        except VoiceLiveError as error:
            failure = error
        except Exception:
            failure = failures.bug()
            failure.remedy += f"\n{traceback.format_exc()}"
        if isinstance(found, Doubt):
            status = "?"
        if failure:
            status, found = "FAILED", failure.message
            self._first = self._first or (name, failure)
        took_ms = round(1000 * (time.monotonic() - began))
        self._show(status, name, found, f"{took_ms} ms" if took_ms else "")
        return failure is None

    def skip(self, name: str, why: str) -> None:
        """A row that was not looked at."""
        self._show("-", name, why, "")

    def conclude(self) -> int:
        """What to do next, and the exit code."""
        text, exit_code = "All is well.", 0
        if self._first:
            name, failure = self._first
            text = f"{name}: {failure.remedy or failure.message} Then check again."
            exit_code = failure.exit_code
        self._print(Text(self._fitted(self._redact(printable(text)))))
        return exit_code

    def _print(self, what: Text) -> None:
        with suppress(OSError):  # nobody reads, or the disk is full: the exit code still tells
            self._console.print(what, soft_wrap=True)

    def _show(self, status: str, name: str, found: str, took: str) -> None:
        """A row. Where a word of what was found has no room beside the name, all of it is below."""
        found, took = self._redact(printable(found)), f"  {took}" if took else ""
        indent = STATUS_COLUMNS + NAME_COLUMNS
        first, *more = self._fitted(found, indent + len(took)).split("\n")
        if self._is_too_wide([first, *more], indent + len(took)):
            indent = STATUS_COLUMNS
            first, *more = "", *self._fitted(found, indent).split("\n")
        row = Text(f"{status:{STATUS_COLUMNS}}", STYLES.get(status, ""))
        row.append(f"{name:{NAME_COLUMNS}}{first}", "default")
        room = self._console.width - row.cell_len if self._console.is_terminal else 0
        row.append(f"{took:>{max(0, room)}}", "default")
        row.rstrip()
        for line in more:
            row.append(f"\n{' ' * indent}{line}", "default")
        self._print(row)

    def _fitted(self, text: str, beside: int = 0) -> str:
        """The text in rows, `beside` columns narrower; unchanged if there is no terminal."""
        return wrapped(text, self._console.width - beside) if self._console.is_terminal else text

    def _is_too_wide(self, rows: list[str], beside: int) -> bool:
        room = self._console.width - beside
        return self._console.is_terminal and any(width(row) > room for row in rows)
