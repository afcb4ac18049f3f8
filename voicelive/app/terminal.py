"""The keyboard, and what a terminal can show."""

import math
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress

from voicelive.app.screen import is_terminal

LONGEST_LINE = 65536  # bytes; what is beyond is left out
METER_CELLS = 10
METER_DB = 60  # below full scale, where the meter begins
KEYS = """Keys, each with Enter:
  q   quit
  m   mute the microphone, and unmute it
  y, n  yes or no, where the agent wants to use a tool
  ?   this list
Any other text goes to the agent."""


def is_live(variables: Mapping[str, str]) -> bool:
    """Whether the terminal can have a part that stays in place."""
    if variables.get("NO_COLOR") or variables.get("TERM") == "dumb":
        return False
    return is_terminal(sys.stdin) and is_terminal(sys.stdout)


def meter(peak: float) -> str:
    """A peak level, 0 to 1, as a bar: `[######....]`."""
    db = 20 * math.log10(peak) if peak else -METER_DB
    cells = "#" * round(METER_CELLS * (1 + db / METER_DB))
    return f"[{cells:.<{METER_CELLS}}]"


def watch_keyboard(on_line: Callable[[str], None], on_end: Callable[[], None]) -> None:
    """Call `on_line` for each line that is typed, and `on_end` after the last, on a daemon thread.

    No input(): a thread that waits in it aborts the interpreter at exit.
    """

    def read() -> None:
        typed, file = b"", sys.stdin.buffer.raw  # type: ignore[union-attr]  # its buffer holds a lock
        with suppress(OSError, ValueError):  # stdin was closed
            while data := file.read(LONGEST_LINE):
                *lines, typed = (line[:LONGEST_LINE] for line in (typed + data).split(b"\n"))
                for line in lines:
                    on_line(line.decode(sys.stdin.encoding, "replace").strip())
        on_line(typed.decode(sys.stdin.encoding, "replace").strip())
        on_end()

    threading.Thread(target=read, name="keyboard", daemon=True).start()
