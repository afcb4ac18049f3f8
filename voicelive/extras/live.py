"""The part of a terminal that stays in place: the line that grows, what is typed, and a status."""

import _thread
import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress

from prompt_toolkit.application import Application, get_app
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.key_binding import KeyBindings
from prompt_toolkit.layout import BufferControl, FormattedTextControl, HSplit, Layout, Window
from prompt_toolkit.patch_stdout import StdoutProxy
from prompt_toolkit.utils import get_cwidth

REFRESH_S = 0.2
CLOSE_TIMEOUT_S = 0.5


class LivePrompt:
    """Below all that is printed: the line that grows, a line to type in, and the status, until close().

    prompt_toolkit draws it on a thread of its own. Ctrl-C interrupts the main thread, as it does without.
    """

    def __init__(
        self,
        open_line: Callable[[], str],
        status: Callable[[], str],
        on_line: Callable[[str], None],
        on_end: Callable[[], None],
    ) -> None:
        """`open_line` is what grows. `on_line` gets what is typed, `on_end` is called for Ctrl-D."""
        # To ask where the cursor is would hold up the end, and leave a slow terminal without echo.
        os.environ["PROMPT_TOOLKIT_NO_CPR"] = "1"

        keys = KeyBindings()
        keys.add("c-c")(lambda event: _thread.interrupt_main())
        keys.add("c-d")(lambda event: on_end())
        self._app: Application[None] = Application(
            arranged(open_line, status, on_line),
            key_bindings=keys,
            erase_when_done=True,
            refresh_interval=REFRESH_S,
        )
        self._lines = StdoutProxy(sleep_between_writes=0.01, raw=True)  # of printable text
        self._drawn = threading.Event()  # set when it runs, or has failed to
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, name="terminal", daemon=True)

    def start(self) -> None:
        """Appear. close() must be sure to be called, however soon: the terminal is changed."""
        self._thread.start()

    def print(self, lines: str) -> None:
        """Whole lines above the prompt."""
        self._lines.write(lines)

    def refresh(self) -> None:
        """Draw it again soon: the line has grown. From any thread."""
        self._app.invalidate()

    def close(self) -> None:
        """Take the prompt away, and leave the terminal as it was: from now on no signal hinders that."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        self._is_closed = True
        if self._thread.ident is None:  # it never appeared
            return
        self._drawn.wait(CLOSE_TIMEOUT_S)
        self._lines.close()
        if loop := self._app.loop:
            with suppress(RuntimeError):  # it has ended by itself
                loop.call_soon_threadsafe(self._app.exit)
        self._thread.join(CLOSE_TIMEOUT_S)

    def _run(self) -> None:
        try:
            if not self._is_closed:
                self._app.run(pre_run=self._drawn.set, handle_sigint=False, set_exception_handler=False)
        finally:
            self._drawn.set()


def arranged(
    open_line: Callable[[], str], status: Callable[[], str], on_line: Callable[[str], None]
) -> Layout:
    """The line that grows, where there is one; what is typed; the status."""

    def newest() -> str:
        size = get_app().output.get_size()
        return last_rows(open_line(), size.columns, max(1, size.rows - 2))

    def accept(buffer: Buffer) -> bool:
        on_line(buffer.text.strip())
        return False  # nothing is kept

    growing = Window(
        FormattedTextControl(newest),
        height=lambda: None if open_line() else 0,
        wrap_lines=True,
        dont_extend_height=True,
    )
    line = BufferControl(Buffer(accept_handler=accept, multiline=False))
    typed = Window(line, height=1, get_line_prefix=lambda *_: "> ")
    below = Window(FormattedTextControl(status), height=1, style="reverse")
    return Layout(HSplit([growing, typed, below]), focused_element=typed)


def last_rows(text: str, columns: int, most: int) -> str:
    """The end of a text, which is not to be out of sight where the terminal is too low for all of it."""
    rows, width = [""], 0
    for character in text:
        cells = get_cwidth(character)
        if character == "\n" or width + cells > columns:
            rows.append("")
            width = 0
        if character != "\n":
            rows[-1] += character
            width += cells
    return "\n".join(rows[-most:])
