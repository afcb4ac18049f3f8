"""How `check` shows what it finds: row by row, in a table on a terminal, as lines elsewhere."""

import time
import traceback
from collections.abc import Callable
from contextlib import suppress

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from voicelive import failures
from voicelive.errors import VoiceLiveError
from voicelive.text import Redactor, printable

STYLES = {"ok": "green", "?": "yellow", "FAILED": "bold red"}
TABLE_COLUMNS = 50  # in a terminal that is narrower, lines


class Doubt(str):
    """What was found, where it need not be a failure."""


class Report:
    """The rows as they are found: a table on a terminal, lines elsewhere."""

    def __init__(self, redact: Redactor) -> None:
        self._redact = redact
        self._first: tuple[str, VoiceLiveError] | None = None  # row that failed
        self._console = Console(highlight=False, markup=False, emoji=False)
        is_plain = self._console.is_dumb_terminal or self._console.width < TABLE_COLUMNS
        self._is_table = self._console.is_terminal and not is_plain

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
        self._print(self._redact(printable(text)), soft_wrap=not self._is_table)
        return exit_code

    def _print(self, what: Text | Table | str, soft_wrap: bool = False) -> None:
        with suppress(OSError):  # nobody reads, or the disk is full: the exit code still tells
            self._console.print(what, soft_wrap=soft_wrap)

    def _show(self, status: str, name: str, found: str, took: str) -> None:
        found = self._redact(printable(found))
        if not self._is_table:
            lines = found.replace("\n", "\n" + 27 * " ")
            self._print(f"{status:>6}  {name:17}  {lines}  {took}".rstrip(), soft_wrap=True)
            return
        wide = Column(ratio=1, overflow="fold")  # of an address no part is left out
        row = Table.grid(Column(width=6), Column(width=17), wide, padding=(0, 2, 0, 0), expand=True)
        row.add_column(justify="right")
        row.add_row(
            Text(status, STYLES.get(status, "")),
            name,
            Text(found),
            took,
        )
        self._print(row)
