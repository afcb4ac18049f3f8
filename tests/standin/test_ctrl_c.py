"""Ctrl-C at every moment of a run: it ends within a second, without a traceback."""

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from program import ENDS_WITHIN_S, NAMED, Program, environment, fake_az
from servers import read_head, tcp_server

from standin.server import StandIn

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no such signal")

Start = Callable[..., Program]


@pytest.fixture
def cleanup() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def start(logs: Path, sound: tuple[str, ...]) -> Start:
    def start(endpoint: str, **variables: str) -> Program:
        command = ("project", "--endpoint", endpoint, *NAMED, *sound)
        return Program(*command, log_dir=logs, env=environment(**variables))

    return start


def signing_in(start: Start, cleanup: ExitStack, folder: Path) -> Program:
    """`az` waits for a call that nobody makes."""
    path = fake_az(folder / "bin", together=2)
    program = start("https://localhost:1", PATH=path)
    program.wait_for(lambda: "or Ctrl-C." in program.stderr)
    return program


def connecting(start: Start, cleanup: ExitStack, folder: Path) -> Program:
    """A server that takes the connection and never answers."""
    was_asked, over = threading.Event(), threading.Event()

    def hang(client: socket.socket) -> None:
        read_head(client)
        was_asked.set()
        over.wait()

    port = cleanup.enter_context(tcp_server(hang))
    cleanup.callback(over.set)
    program = start(f"http://127.0.0.1:{port}")
    assert was_asked.wait(10)
    return program


def waiting_for_the_session(start: Start, cleanup: ExitStack, folder: Path) -> Program:
    service = cleanup.enter_context(StandIn(faults=["no-session"]))
    program = start(service.endpoint)
    assert service.wait_for(lambda: service.sessions, timeout=10)
    program.wait_for(lambda: "SessionID: sess_" in program.conversation_log)
    return program


def reconnecting(start: Start, cleanup: ExitStack, folder: Path) -> Program:
    service = cleanup.enter_context(StandIn(faults=["drop-after=0.1:1", "503:2-99"]))
    program = start(service.endpoint)
    program.wait_for(lambda: "Trying again for 120 s" in program.stderr)
    return program


def closing(start: Start, cleanup: ExitStack, folder: Path) -> Program:
    service = cleanup.enter_context(StandIn(faults=["freeze-after=0"]))
    program = start(service.endpoint)
    program.wait_for(lambda: "Speak." in program.stderr)
    program.type("q")
    program.wait_for(lambda: "closing the connection" in program.technical_log)
    return program


MOMENTS = [signing_in, connecting, waiting_for_the_session, reconnecting, closing]


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_ends_the_run_at_once(
    tmp_path: Path,
    start: Start,
    cleanup: ExitStack,
    moment: Callable[[Start, ExitStack, Path], Program],
    times: int,
) -> None:
    program = moment(start, cleanup, tmp_path)

    def press() -> None:
        program.process.send_signal(signal.SIGINT)
        if times == 2:  # the second one while the first is still being obeyed
            program.wait_for(lambda: "Ended after" in program.stderr or program.process.poll() is not None)
            program.process.send_signal(signal.SIGINT)

    exit_code, seconds = program.end(press)

    # The second one may meet a process that has done all, and only ends: a shell says 130 to both.
    assert exit_code in ((130,) if times == 1 else (130, -signal.SIGINT))
    assert seconds < ENDS_WITHIN_S
    assert "Traceback" not in program.stderr + program.stdout
    assert program.conversation_log.endswith("\n")
    assert "Ended after" in program.stderr or moment is not closing
