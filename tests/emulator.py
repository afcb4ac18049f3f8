"""A terminal that shows what a program writes: a real one (a pseudo-terminal), and an emulator behind it."""

import os
import re
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from pathlib import Path
from typing import Any

import pyte
import pytest
from program import ROOT, environment

pty = pytest.importorskip("pty", reason="Windows has no pseudo-terminals")
termios = pytest.importorskip("termios")
fcntl = pytest.importorskip("fcntl")

TIMEOUT_S = 20


class _Screen(pyte.HistoryScreen):
    """Keeps a copy of what is erased from the first character on, as tmux does (scroll-on-clear)."""

    def erase_in_display(self, how: int = 0, *args: object, **kwargs: object) -> None:
        if how == 0 and (self.cursor.x, self.cursor.y) == (0, 0):
            self.history.top.extend(copy(self.buffer[row]) for row in range(self.lines))
        super().erase_in_display(how, *args, **kwargs)


class Terminal:
    """A program that runs in a terminal of its own, of whose rows those that went by are kept.

    As in many, what was written breaks anew where it becomes narrower, and the cursor goes with its
    character; with `reflows` False it is cut off, as in xterm and PuTTY.
    """

    reflows = True

    def __init__(
        self,
        *arguments: str,
        log_dir: Path | None,
        columns: int,
        env: dict[str, str],
        cwd: Path = ROOT,
        within: str = "",
        rows: int = 24,
    ) -> None:
        """`within`: a script for sh that runs "$@", the program."""
        logs = ["--log-dir", str(log_dir)] if log_dir else []
        shell = ["sh", "-c", within, "sh"] if within else []
        self._master, self._slave = pty.openpty()
        self._rows = rows
        self._set_size(columns)
        self.before = termios.tcgetattr(self._slave)
        self.process = subprocess.Popen(
            [*shell, sys.executable, str(ROOT / "voicelive_agent.py"), *arguments, *logs],
            cwd=cwd,
            env=env,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
            stdin=self._slave,
            stdout=self._slave,
            stderr=self._slave,
        )
        self.raw = b""
        make: Any = _Screen
        self._screen = make(columns, rows, history=1000)
        self._screen.write_process_input = self.type  # such as where the cursor is
        self._stream = pyte.ByteStream(self._screen)
        self._grown = threading.Condition()  # guards the three above, notified when something was written
        self._reader = threading.Thread(target=self._read, daemon=True)  # ends when the program has
        self._reader.start()

    @property
    def rows(self) -> list[list[Any]]:
        """What a person sees, and would by scrolling up: pyte's characters, with their looks."""
        screen = self._screen
        shown = [screen.buffer[row] for row in range(screen.lines)]
        return [[row[column] for column in range(screen.columns)] for row in [*screen.history.top, *shown]]

    @property
    def lines(self) -> list[str]:
        """The same as text."""
        return ["".join(cell.data for cell in row).rstrip() for row in self.rows]

    @property
    def text(self) -> str:
        with self._grown:
            return "\n".join(self.lines)

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def resize(self, columns: int) -> None:
        """Make it narrower or wider, as a person does with the mouse, and not while it is being drawn: then
        nobody could tell where the cursor is."""
        with self._grown:
            assert self._grown.wait_for(self._is_drawn, TIMEOUT_S)
            if self.reflows:
                self._reflow(columns)
            self._screen.resize(self._rows, columns)
        self._set_size(columns)  # the kernel sends SIGWINCH

    def wait_for(self, words: str) -> None:
        """Wait until these words stand on the screen."""
        self.wait_for_match(re.escape(words))

    def wait_for_match(self, pattern: str) -> None:
        """Wait until something of this form stands on the screen."""
        with self._grown:
            held = self._grown.wait_for(lambda: re.search(pattern, "\n".join(self.lines)), TIMEOUT_S)
        assert held, f"{pattern!r} not seen in\n{self.text}"

    def wait(self) -> int:
        """The exit code; then `after` is how the terminal was left."""
        try:
            code: int = self.process.wait(TIMEOUT_S)
        finally:
            self.process.kill()
        self.after = termios.tcgetattr(self._slave)
        return code

    def signal_foreground(self, number: signal.Signals) -> None:
        """Send a signal to what the shell runs at the moment."""
        os.killpg(os.tcgetpgrp(self._master), number)

    def unread(self) -> int:
        """How many bytes wait for whoever reads from the terminal next."""
        waiting = fcntl.ioctl(self._slave, termios.FIONREAD, bytes(4))
        return int.from_bytes(waiting, sys.byteorder)

    def close(self) -> None:
        self.process.kill()
        os.close(self._slave)
        self._reader.join(TIMEOUT_S)
        os.close(self._master)

    def _is_drawn(self) -> bool:
        """Whether all of a picture has come: while the prompt is drawn, nothing breaks at the margin."""
        return self.raw.rfind(b"\x1b[?7h") >= self.raw.rfind(b"\x1b[?7l")

    def _set_size(self, columns: int) -> None:
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("HHHH", self._rows, columns, 0, 0))

    def _reflow(self, columns: int) -> None:
        """Break the rows that are too long; those that find no room at the bottom went by at the top."""
        buffer, cursor = self._screen.buffer, self._screen.cursor
        rows: list[dict[int, Any]] = []
        for y in range(self._rows):
            if y == cursor.y:
                at = len(rows) + cursor.x // columns
            used = max((x + 1 for x, cell in buffer[y].items() if cell.data != " "), default=1)
            for begin in range(0, used, columns):
                end = min(begin + columns, used)
                rows.append({x - begin: buffer[y][x] for x in range(begin, end)})
        while len(rows) > max(self._rows, at + 1) and all(cell.data == " " for cell in rows[-1].values()):
            rows.pop()
        above = max(0, len(rows) - self._rows)
        cursor.y, cursor.x = at - above, cursor.x % columns
        for y, row in enumerate(rows):
            line = type(buffer[0])(self._screen.default_char)
            line.update(row)
            if y < above:
                self._screen.history.top.append(line)
            else:
                buffer[y - above] = line

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self._master, 65536)
            except OSError:  # nobody has the other side any more
                return
            with self._grown:
                self.raw += data
                self._stream.feed(data)
                self._grown.notify_all()


@contextmanager
def terminal(
    *arguments: str,
    log_dir: Path | None,
    columns: int = 80,
    cwd: Path = ROOT,
    within: str = "",
    rows: int = 24,
    **variables: str,
) -> Iterator[Terminal]:
    env = environment(**{"TERM": "xterm", **variables})
    opened = Terminal(
        *arguments, log_dir=log_dir, columns=columns, env=env, cwd=cwd, within=within, rows=rows
    )
    try:
        yield opened
    finally:
        opened.close()
