"""The part of a terminal that stays in place: the line that grows, what is typed, and a status."""

import _thread
import logging
import os
import re
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, redirect_stdout, suppress

from prompt_toolkit.application import Application, get_app, get_app_session, run_in_terminal
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.data_structures import Point
from prompt_toolkit.filters import Condition
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.layout import BufferControl, Dimension, FormattedTextControl, HSplit, Layout, Window
from prompt_toolkit.layout.mouse_handlers import MouseHandlers
from prompt_toolkit.layout.screen import Char, Screen, WritePosition
from prompt_toolkit.output import Output
from prompt_toolkit.output.vt100 import Vt100_Output
from prompt_toolkit.patch_stdout import StdoutProxy

from voicelive.app.screen import Controls
from voicelive.app.terminal import Wrap, cells, forget_typed

if sys.platform != "win32":
    from prompt_toolkit.input.vt100 import Vt100Input

    class TerminalInput(Vt100Input):
        """Leaves the terminal as it is while something is printed: a key that comes then waits for the
        prompt, and is not echoed into what is printed.
        """

        def cooked_mode(self) -> AbstractContextManager[None]:
            """For a moment."""
            return nullcontext()

        def given_back(self) -> AbstractContextManager[None]:
            """For the shell."""
            return super().cooked_mode()


log = logging.getLogger(__name__)

# What joins emoji, colours them, or makes flags: how wide that is, terminals disagree. In the line as it is
# printed in the end nothing is missing.
UNSURE = re.compile(r"[\u200d\ufe0f\U0001f1e6-\U0001f1ff\U0001f3fb-\U0001f3ff]")
REFRESH_S = 0.2
ESCAPE_S = 0.05  # for so long what follows Esc belongs to it: an arrow key, say
MOST_TYPED_ROWS = 5
CLOSE_TIMEOUT_S = 0.5
STOP_S = 0.5  # for the system to stop the process; where no shell could go on with it, it does not


class LivePrompt:
    """Below all that is printed: the line that grows, a line to type in, and the status, until close().

    prompt_toolkit draws it on a thread of its own. Ctrl-C interrupts the main thread, as it does without.
    """

    def __init__(self, open_line: Callable[[], str], controls: Controls) -> None:
        """`open_line` is what grows; `controls` are told what is typed."""
        # To ask where the cursor is would hold up the end, and leave a slow terminal without echo.
        os.environ["PROMPT_TOOLKIT_NO_CPR"] = "1"
        output = stream_of_its_own()
        if sys.platform == "win32":
            self._input = get_app_session().input
        else:
            self._input = TerminalInput(sys.stdin)
        typed = Buffer(multiline=True)  # only what is pasted has several lines
        self._app: Application[None] = Application(
            arranged(open_line, controls.status, typed),
            input=self._input,
            output=output,
            key_bindings=bound(controls, typed, self._suspend),
            erase_when_done=True,
            refresh_interval=REFRESH_S,
        )
        self._app.ttimeoutlen = self._app.timeoutlen = ESCAPE_S
        self._lines = StdoutProxy(sleep_between_writes=0.01, raw=True)  # of printable text
        self._drawn = threading.Event()  # set when it runs, or has failed to
        self._is_closed = False
        self._goes_on = threading.Event()  # cleared while the terminal's thread waits for SIGCONT
        self._goes_on.set()
        if number := getattr(signal, "SIGCONT", None):  # Windows has none
            signal.signal(number, self._on_continue)
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
        """Remove the prompt, and restore the terminal; from now on no signal can prevent that."""
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):  # Windows has no SIGHUP
            if number := getattr(signal, name, None):
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
        forget_typed()

    def _suspend(self) -> None:
        """Stop all that runs in the terminal, make too, until the shell goes on with it."""
        self._goes_on.clear()
        with self._input.given_back():
            os.kill(0, signal.SIGTSTP)
            # The time of the stop counts for a wait: the second is for SIGCONT, which the main thread gets.
            _ = self._goes_on.wait(STOP_S) or self._goes_on.wait(STOP_S)
        self._goes_on.set()

    def _on_continue(self, *_: object) -> None:
        """SIGCONT. Where nobody waits for it, the stop came from elsewhere, and the terminal is as the shell
        likes it.
        """
        if self._goes_on.is_set() and (loop := self._app.loop):
            with suppress(RuntimeError):  # it has ended
                loop.call_soon_threadsafe(self._begin_again)
        self._goes_on.set()

    def _begin_again(self) -> None:
        self._app.input.raw_mode().__enter__()  # left by the one that has been entered first
        self._app.renderer.reset()
        self._app.invalidate()

    def _run(self) -> None:
        try:
            if not self._is_closed:
                self._app.run(pre_run=self._drawn.set, handle_sigint=False, set_exception_handler=False)
        except OSError as error:
            log.warning("the terminal has gone: %s", error)
        finally:
            self._drawn.set()


class TerminalOutput(Vt100_Output):
    """Erases from the second column on: what is erased from the window's first character on, tmux keeps."""

    def erase_down(self) -> None:
        """From the cursor, at the beginning of a row, to the end of the window."""
        self.write_raw("\x1b[2K\x1b[C\x1b[J\x1b[D")


def stream_of_its_own() -> Output:
    """Let prompt_toolkit write past sys.stdout, whose lock Python wants at its end: who waits for a terminal
    that takes nothing would hold it. The output is made once, of what stdout is then.
    """
    own = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding=sys.stdout.encoding, errors="replace")
    with redirect_stdout(own):
        output = get_app_session().output
    return (
        TerminalOutput.from_pty(own, os.environ.get("TERM")) if isinstance(output, Vt100_Output) else output
    )


def bound(controls: Controls, typed: Buffer, suspend: Callable[[], None]) -> KeyBindings:
    """What the keys do; all others are prompt_toolkit's."""
    keys = KeyBindings()
    is_empty = Condition(lambda: not typed.text)

    @keys.add("c-c")
    def _(event: KeyPressEvent) -> None:
        _thread.interrupt_main()

    @keys.add("c-d", filter=is_empty)
    def _(event: KeyPressEvent) -> None:
        controls.end_typing()

    @keys.add("c-z")
    def _(event: KeyPressEvent) -> None:
        if hasattr(signal, "SIGTSTP"):  # Windows has none
            run_in_terminal(suspend)

    @keys.add("escape")
    def _(event: KeyPressEvent) -> None:
        controls.silence()

    @keys.add("c-l")
    def _(event: KeyPressEvent) -> None:
        event.app.renderer.erase()  # and not what is above

    @keys.add("c-t")
    def _(event: KeyPressEvent) -> None:
        controls.mute()

    @keys.add(" ", filter=is_empty & Condition(lambda: controls.pushes_to_talk))
    def _(event: KeyPressEvent) -> None:
        controls.talk()

    @keys.add("enter")
    def _(event: KeyPressEvent) -> None:
        if event.key_processor.input_queue:  # more came with it: a paste, from a terminal that marks none
            typed.insert_text("\n")
            return
        text = typed.text
        typed.reset(append_to_history=True)
        controls.obey(text)

    return keys


def arranged(open_line: Callable[[], str], status: Callable[[int], str], typed: Buffer) -> Layout:
    """The line that grows, where there is one; what is typed; the status."""

    def newest() -> StyleAndTextTuples:
        size = get_app().output.get_size()
        line = UNSURE.sub("", open_line())
        wrapped = Wrap(lambda: size.columns)(f"{line}\n").rstrip("\n")
        others = entry_rows() + 1  # and the status
        text = last_rows(wrapped, size.columns, max(1, size.rows - others))
        name, colon, _ = wrapped.partition(": ")
        is_shown = colon and text.startswith(name + colon)
        return [("bold", text[: len(name) + 1]), ("", text[len(name) + 1 :])] if is_shown else [("", text)]

    def entry_rows() -> int:
        return min(typed.document.line_count, MOST_TYPED_ROWS)

    def prefix(number: int, wraps: int) -> str:
        lines = typed.document.line_count
        return "  " if number or wraps else f"({lines} lines) > " if lines > 1 else "> "

    growing = Window(
        FormattedTextControl(newest),
        height=lambda: None if open_line() else 0,
        wrap_lines=True,
        dont_extend_height=True,
    )
    below = Window(
        FormattedTextControl(lambda: status(get_app().output.get_size().columns)),
        height=1,
        style="reverse",
        dont_extend_width=True,
    )
    entry = Window(
        BufferControl(typed),
        height=lambda: Dimension(max=MOST_TYPED_ROWS, preferred=entry_rows()),
        get_line_prefix=prefix,
        dont_extend_height=True,
    )
    return Layout(Anchored([growing, entry, below]), focused_element=entry)


class Anchored(HSplit):
    """Keeps the terminal's cursor in the top left corner, and draws one where it belongs.

    A terminal that becomes narrower breaks the rows above its cursor anew, or does not; from the first row
    everything can be erased either way. From below it, what nobody can count would be left behind.
    """

    def write_to_screen(
        self,
        screen: Screen,
        mouse_handlers: MouseHandlers,
        write_position: WritePosition,
        parent_style: str,
        erase_bg: bool,
        z_index: int | None,
    ) -> None:
        """Draw all of it, in the place that prompt_toolkit gives."""
        super().write_to_screen(screen, mouse_handlers, write_position, parent_style, erase_bg, z_index)
        window = get_app().layout.current_window
        column, row = screen.get_cursor_position(window)
        if row:
            screen.data_buffer[row][column] = Char(screen.data_buffer[row][column].char, "reverse")
            screen.set_cursor_position(window, Point(0, 0))
            screen.show_cursor = False


def last_rows(text: str, columns: int, most: int) -> str:
    """The end of a text, which is not to be out of sight where the terminal is too low for all of it."""
    rows, width = [""], 0
    for character in text:
        if character == "\n" or width + cells(character) > columns:
            rows.append("")
            width = 0
        if character != "\n":
            rows[-1] += character
            width += cells(character)
    return "\n".join(rows[-most:])
