"""The stand-in's faults: how they are written, and those of the handshake."""

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import websocket
from standin_client import BEARER, Client, Event
from websocket import WebSocketBadStatusException

from standin import faults
from standin.faults import CLOSE_REASONS, ERRORS, REFUSALS, SCENES, Fault, parsed
from standin.server import StandIn

ROOT = Path(__file__).resolve().parents[2]
HANDSHAKE = (
    b"GET /voice-live/realtime?api-version=2026-07-15&model=any HTTP/1.1\r\nHost: localhost\r\n"
    b"Connection: Upgrade\r\nUpgrade: websocket\r\napi-key: made-up\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
)


def refused(stand_in: StandIn) -> tuple[int, dict[str, str], Event]:
    """Status, headers and JSON body of a handshake that is refused."""
    url = stand_in.endpoint.replace("http", "ws", 1) + "/voice-live/realtime"
    with pytest.raises(WebSocketBadStatusException) as caught:
        websocket.create_connection(url, timeout=5, header=BEARER)
    error = caught.value
    return error.status_code, error.resp_headers or {}, json.loads(error.resp_body or b"{}")


@pytest.mark.parametrize("status", sorted(REFUSALS.keys() - {"302"}))
def test_a_handshake_is_refused_with_a_status(status: str) -> None:
    with StandIn(faults=[status]) as stand_in:
        code, headers, body = refused(stand_in)

        assert code == int(status)
        assert body["error"] == {"code": status, "message": REFUSALS[status]}
        assert headers["content-type"] == "application/json"
        assert ("retry-after" in headers) == (status in ("429", "503"))
        assert stand_in.handshakes == 1
        assert stand_in.sessions == []


def test_a_redirect_tells_whether_it_is_followed() -> None:
    with StandIn(faults=["302"]) as stand_in:
        careful = websocket.WebSocket()
        with pytest.raises(websocket.WebSocketException):
            careful.connect(stand_in.endpoint.replace("http", "ws", 1), redirect_limit=0)
        assert (careful.status, stand_in.redirected) == (302, 0)

        with pytest.raises((websocket.WebSocketException, OSError)):
            Client(stand_in.endpoint)

        assert stand_in.wait_for(lambda: stand_in.redirected == 1, 5)


def test_a_handshake_can_stay_without_an_answer(caplog: pytest.LogCaptureFixture) -> None:
    with StandIn(faults=["mute-handshake:2"]) as stand_in:
        address = urlsplit(stand_in.endpoint)
        assert address.port
        for _ in range(2):
            line = socket.create_connection((address.hostname, address.port), timeout=0.2)
            line.sendall(HANDSHAKE)
            with pytest.raises(TimeoutError):
                line.recv(1)
            line.close()

        with Client(stand_in.endpoint) as client:
            assert client.receive()["type"] == "session.created"

    assert stand_in.handshakes == 3
    assert caplog.records == []


def test_a_fault_can_be_limited_to_some_connections() -> None:
    with StandIn(faults=["503:2-3", "drop-after=0:1"]) as stand_in:
        with Client(stand_in.endpoint) as client:
            client.configure()
            with pytest.raises((websocket.WebSocketException, OSError)):
                client.receive()
        assert [refused(stand_in)[0] for _ in range(2)] == [503, 503]
        with Client(stand_in.endpoint) as client:
            client.configure()
            client.send("input_audio_buffer.clear")

            assert client.receive()["type"] == "input_audio_buffer.cleared"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("401", Fault("401")),
        ("503:2", Fault("503", last=2)),
        ("drop-after=5:1", Fault("drop-after", 5, last=1)),
        ("close-after=0.5,1011:2-3", Fault("close-after", 0.5, "1011", 2, 3)),
        ("error=wrong-scope", Fault("error", code="wrong-scope")),
    ],
)
def test_how_a_fault_is_written(text: str, fault: Fault) -> None:
    assert parsed(text) == fault


@pytest.mark.parametrize(
    "text",
    [
        *("", "402", "drop-after", "drop-after=", "drop-after=-1", "drop-after=nan", "drop-after=1,1000"),
        *("close-after=1", "close-after=1,999", "error=", "error=nonsense"),
        *("401=1", "401:0", "401:x", "401:"),
    ],
)
def test_what_is_no_fault_is_refused_in_a_short_line(text: str) -> None:
    with pytest.raises(ValueError, match="is not a fault") as caught:
        StandIn(faults=[text])

    assert str(caught.value).count("\n") == 0
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("text", "how"),
    [
        ("bogus", "'bogus' is not a fault. `python -m standin --help` lists all faults."),
        ("drop-afer=5", ": did you mean drop-after? `python -m standin --help`"),
        ("drop-after", ": write drop-after=S; S is a number of seconds. With :N"),
        ("error=nonsense", ": write error=CODE; CODE is one of wrong-scope, missing-role, key,"),
        ("401:0", ": write 401. With :N after it"),
    ],
)
def test_how_to_write_what_was_meant_is_said(text: str, how: str) -> None:
    with pytest.raises(ValueError, match=re.escape(how)):
        parsed(text)


def command(*options: str) -> Any:
    line = [sys.executable, "-m", "standin", *options]
    environment = {**os.environ, "COLUMNS": "80"}
    return subprocess.run(line, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=20)


def test_the_command_names_a_fault_that_it_does_not_know() -> None:
    done = command("--fault", "401", "--fault", "nonsense")

    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith("'nonsense' is not a fault")


def test_the_help_lists_every_fault_in_unbroken_lines() -> None:
    shown = [line.strip() for line in command("--help").stdout.splitlines()]
    documented = [line.strip() for line in (faults.__doc__ or "").splitlines()]

    table = documented[documented.index("") + 1 :]
    table = table[table.index("") + 1 :]
    assert [line for line in table if line not in shown] == []
    named = {word.partition("=")[0] for line in table for word in line.partition("  ")[0].split()}
    assert SCENES.keys() <= named
    assert all(str(code) in " ".join(table) for code in (*ERRORS, *CLOSE_REASONS))
