"""A session that is refused, in a conversation and in `check`: what it is, and what to do."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from program import NAMED, Program
from servers import websocket_server
from websockets.sync.server import ServerConnection

REFUSED = {"code": "invalid_session_update_message", "message": "Invalid session update.", "param": "type"}
COMMANDS = [("project",), ("check", "project")]


def voice_agent(client: ServerConnection) -> None:
    client.send(json.dumps({"type": "session.created", "session": {"id": "sess_1"}}))
    for _ in range(5):
        client.send(json.dumps({"type": "error", "error": REFUSED}))
    client.close(1008)


def refuses_once(client: ServerConnection) -> None:
    client.send(json.dumps({"type": "session.created", "session": {"id": "sess_1"}}))
    client.send(json.dumps({"type": "error", "error": REFUSED}))
    for _ in client:
        pass


def has_an_avatar(client: ServerConnection) -> None:
    asked = json.loads(client.recv())["session"]
    client.send(json.dumps({"type": "session.created", "session": {"id": "sess_1"}}))
    error = {"code": "unsupported", "message": "Cannot update voice when avatar is configured"}
    refused = {"type": "error", "error": error}
    client.send(json.dumps(refused if "voice" in asked else {"type": "session.updated", "session": asked}))
    for _ in client:
        pass


@pytest.fixture
def quiet(logs: Path) -> Iterator[list[str]]:
    yield ["--no-mic", "--output", str(logs / "heard.wav")]


def run(command: tuple[str, ...], url: str, logs: Path, quiet: list[str]) -> Program:
    endpoint = url.replace("ws:", "http:").partition("/voice-live")[0]
    options = ("--endpoint", endpoint, *NAMED, *quiet)
    program = Program(*command, *options, log_dir=None if command[0] == "check" else logs)
    assert program.process.stdin
    program.process.stdin.close()
    return program


@pytest.mark.parametrize("command", COMMANDS)
def test_a_voice_agent_is_recognised(command: tuple[str, ...], logs: Path, quiet: list[str]) -> None:
    with websocket_server(voice_agent) as url:
        program = run(command, url, logs, quiet)
        assert program.wait() == 1

    said = " ".join((program.stdout + program.stderr).split())
    assert "of the kind `voice`" in said
    assert "prompt agents and hosted agents" in said


@pytest.mark.parametrize("command", COMMANDS)
def test_a_session_that_is_refused_as_a_whole_is_told(
    command: tuple[str, ...], logs: Path, quiet: list[str]
) -> None:
    with websocket_server(refuses_once) as url:
        program = run(command, url, logs, quiet)
        assert program.wait() == 1

    assert "Invalid session update." in program.stdout + program.stderr
    assert "--session-from agent" in program.stdout + program.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_an_agent_that_brings_its_voice_is_asked_once_more_without(
    command: tuple[str, ...], logs: Path, quiet: list[str]
) -> None:
    with websocket_server(has_an_avatar) as url:
        program = run(command, url, logs, quiet)
        assert program.wait() == 0, program.stderr

    assert "without voice" in program.stdout or "The service refuses voice" in program.stderr
