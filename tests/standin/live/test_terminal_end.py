"""The terminal is left as it was, whatever ends the run, and whatever is typed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from emulator import Terminal, pty, terminal
from program import ENDS_WITHIN_S, NAMED, ROOT, environment, loudness
from servers import websocket_server
from service import ScriptedService
from test_terminal import TYPED_ONLY

from standin.server import StandIn

WAYS_OUT: dict[str, tuple[int, Callable[[Terminal], None]]] = {
    "q": (0, lambda screen: screen.type("\x15q\r")),  # Ctrl-U takes the line away
    "Ctrl-C": (130, lambda screen: screen.type("\x03")),
    "SIGINT": (130, lambda screen: screen.process.send_signal(signal.SIGINT)),
    "SIGTERM": (143, lambda screen: screen.process.terminate()),
}


@pytest.mark.parametrize("way", WAYS_OUT)
def test_every_way_out_leaves_the_terminal_as_it_was(stand_in: StandIn, logs: Path, way: str) -> None:
    code, leave = WAYS_OUT[way]
    arguments = ("project", "--endpoint", stand_in.endpoint, *NAMED, *TYPED_ONLY)
    with terminal(*arguments, log_dir=logs) as screen:
        screen.wait_for("listening")
        screen.type("half a")
        screen.wait_for("> half a")
        began = time.monotonic()

        leave(screen)

        assert screen.wait() == code
        assert time.monotonic() - began < ENDS_WITHIN_S
        assert screen.after == screen.before
        screen.wait_for("Ended after")
    assert "Traceback" not in screen.text
    assert screen.raw.rindex(b"\x1b[?25h") > screen.raw.rfind(b"\x1b[?25l"), "the cursor is shown again"


def test_a_run_that_fails_leaves_the_terminal_as_it_was(logs: Path) -> None:
    with StandIn(faults=["close-after=0.5,1008"]) as service:
        arguments = ("project", "--endpoint", service.endpoint, *NAMED, *TYPED_ONLY)
        with terminal(*arguments, log_dir=logs) as screen:
            assert screen.wait() == 1
            assert screen.after == screen.before
            screen.wait_for("policy violation")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_who_is_impatient_gets_the_terminal_back_too(
    stand_in: StandIn, logs: Path, number: signal.Signals
) -> None:
    """A key that is held down sends one signal after the other, also while the run is ending."""
    arguments = ("project", "--endpoint", stand_in.endpoint, *NAMED, *TYPED_ONLY)
    with terminal(*arguments, log_dir=logs) as screen:
        screen.wait_for("listening")
        while screen.process.poll() is None:
            screen.process.send_signal(number)
            time.sleep(0.005)
        screen.wait()

        assert screen.after == screen.before
    assert "Traceback" not in screen.text


def test_a_key_that_makes_no_sense_does_no_harm(stand_in: StandIn, logs: Path) -> None:
    arguments = ("project", "--endpoint", stand_in.endpoint, *NAMED, *TYPED_ONLY)
    with terminal(*arguments, log_dir=logs) as screen:
        screen.wait_for("listening")
        screen.type("x\x1b[31m")  # half a report of the mouse
        screen.wait_for("> x")
        screen.type("Hello\r")
        screen.wait_for('Agent: You wrote "xHello".')
        screen.type("q\r")

        assert screen.wait() == 0
    assert "Traceback" not in screen.text and "Press ENTER" not in screen.text


def test_a_terminal_that_takes_nothing_holds_up_neither_the_sound_nor_the_end(logs: Path) -> None:
    """As one whose connection hangs: the program waits for it in the middle of a line."""
    service, output = ScriptedService(), logs / "heard.wav"
    terminal_end, program_end = pty.openpty()
    with websocket_server(service.serve) as url:
        command = [sys.executable, "voicelive_agent.py", "project", *NAMED, "--no-mic", "--verbose"]
        command += ["--endpoint", url.replace("ws://", "http://"), "--log-dir", str(logs)]
        process = subprocess.Popen(
            [*command, "--output", str(output)],
            cwd=ROOT,
            env=environment(TERM="xterm"),
            stdin=program_end,
            stdout=program_end,
            stderr=program_end,
            start_new_session=True,
        )
        service.wait_for_blocks()
        service.begin_reply()
        for _ in range(10):
            service.send_audio(b"\1\1" * 2400)
        service.end_reply("All of it. " * 5000)
        deadline = time.monotonic() + 20
        while sum(loudness(output) > 0) < 50 and time.monotonic() < deadline:
            time.sleep(0.1)  # nobody tells of a file that grows
        began = time.monotonic()
        process.terminate()
        code = process.wait(20)

    for end in (terminal_end, program_end):
        os.close(end)
    assert sum(loudness(output) > 0) == 50, "a second"
    assert code == 143 and time.monotonic() - began < ENDS_WITHIN_S
