"""How `check` shows what it finds: row by row, in a table on a terminal, as lines elsewhere."""

import time
import traceback
from collections.abc import Callable

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from voicelive import VoiceLiveError, failures
from voicelive.logs import Redactor
from voicelive.screen import printable


class Report:
    """The rows as they are found: a table on a terminal, lines elsewhere."""

    def __init__(self, redact: Redactor) -> None:
        self._redact = redact
        self._first: tuple[str, VoiceLiveError] | None = None  # row that failed
        self._console = Console(highlight=False, markup=False, emoji=False)
        self._table = Table.grid("", "", "", "", padding=(0, 2, 0, 0))
        self._table.columns[2].ratio = 1
        self._table.columns[3].justify = "right"
        is_plain = not self._console.is_terminal or self._console.is_dumb_terminal
        self._live = None if is_plain else Live(self._table, console=self._console)

    def __enter__(self) -> "Report":
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def head(self, title: str) -> None:
        """The title of the rows that follow."""
        if self._live:
            self._table.add_row(Text(title, "bold"))
        else:
            self._console.print(title, soft_wrap=True)

    def look(self, name: str, find: Callable[[], str]) -> bool:
        """A row with what `find` finds, and how long that took; whether it raised no VoiceLiveError."""
        began = time.monotonic()
        status, failure = "ok", None
        try:
            found = find()
        except VoiceLiveError as error:
            failure = error
        except Exception:
            failure = failures.bug()
            failure.remedy += f"\n{traceback.format_exc()}"
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
            text, exit_code = f"{name}: {failure.remedy} Then check again.", failure.exit_code
        self._console.print(self._redact(printable(text)), soft_wrap=self._live is None)
        return exit_code

    def _show(self, status: str, name: str, found: str, took: str) -> None:
        found = self._redact(printable(found))
        if self._live:
            style = {"ok": "green", "FAILED": "bold red"}.get(status, "")
            self._table.add_row(Text(status, style), name, Text(found), took)
            self._live.refresh()
        else:
            lines = found.replace("\n", "\n" + 26 * " ")
            self._console.print(f"{status:>6}  {name:16}  {lines}  {took}".rstrip(), soft_wrap=True)
