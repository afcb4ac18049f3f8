"""The stand-in's server: who may come in, what it remembers, and how it ends."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from program import ENDS_WITHIN_S
from standin_client import BEARER, CLASSIC, HUB, KEY, NAMED, Client, sample, silence, types
from websocket import WebSocketBadStatusException

from standin import server
from standin.server import MOST_FRAME_BYTES, StandIn

ROOT = Path(__file__).resolve().parents[2]
MODEL = {"api-version": "2026-07-15", "model": "gpt-realtime"}


@pytest.fixture(scope="module")
def stand_in() -> Iterator[StandIn]:
    with StandIn(pace=1000) as running:
        yield running


@pytest.mark.parametrize(
    ("path", "query", "headers", "status"),
    [
        ("/voice-agent/realtime", NAMED, BEARER, 404),
        ("/", NAMED, BEARER, 404),
        ("/voice-live/realtime", {**NAMED, "api-version": "2024-01-01"}, BEARER, 400),
        ("/voice-live/realtime", {"agent-name": "agent"}, BEARER, 400),
        ("/voice-live/realtime", NAMED, {}, 401),
        ("/voice-live/realtime", NAMED, {"Authorization": "Bearer "}, 401),
        ("/voice-live/realtime", NAMED, {"Authorization": "Basic abc"}, 401),
    ],
)
def test_a_wrong_address_or_no_credential_is_refused_before_the_upgrade(
    stand_in: StandIn, path: str, query: dict[str, str], headers: dict[str, str], status: int
) -> None:
    with pytest.raises(WebSocketBadStatusException) as refused:
        Client(stand_in.endpoint, query, headers, path)

    response = refused.value
    assert response.status_code == status
    assert response.resp_headers
    assert response.resp_headers["content-type"] == "application/json"
    assert json.loads(response.resp_body or b"")["error"]["message"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://example.org"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Host": "example.org"},
        {"Host": "127.0.0.1.example.org"},
        {"Host": "example.org", "Origin": "http://example.org"},
    ],
    ids=str,
)
def test_a_page_in_a_browser_gets_no_session(stand_in: StandIn, headers: dict[str, str]) -> None:
    handshake = {
        **BEARER,
        **{"Host": stand_in.endpoint.removeprefix("http://"), "Connection": "Upgrade"},
        **{"Upgrade": "websocket", "Sec-WebSocket-Version": "13"},
        **{"Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==", **headers},
    }
    host, port = stand_in.endpoint.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as line:
        lines = [f"{name}: {value}" for name, value in handshake.items()]
        path = f"/voice-live/realtime?{urlencode(NAMED)}"
        line.sendall("\r\n".join([f"GET {path} HTTP/1.1", *lines, "", ""]).encode())

        assert line.recv(1000).startswith(b"HTTP/1.1 403 ")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_by_its_own_names_it_serves(stand_in: StandIn, host: str) -> None:
    endpoint = stand_in.endpoint.replace("127.0.0.1", host)
    with Client(endpoint) as client:  # sends an Origin of its own accord: that of the address
        assert client.receive()["type"] == "session.created"


def test_half_a_handshake_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HANDSHAKE_TIMEOUT_S", 0.2)
    with StandIn() as stand_in:
        host, port = stand_in.endpoint.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=5) as line:
            line.sendall(b"GET /voice-live/realtime HTTP/1.1\r\n")

            with suppress(ConnectionResetError):
                assert line.recv(1000) == b""


def test_what_is_larger_than_a_message_can_be_ends_the_connection(stand_in: StandIn) -> None:
    with Client(stand_in.endpoint) as client:
        client.configure()
        client.send("conversation.item.create", item={"type": "message", "role": "x" * 2**20})
        too_large = client.receive()
        client.socket.send("x" * (MOST_FRAME_BYTES + 1))

        assert "1 MiB" in too_large["error"]["message"]
        assert client.close_code() == 1009


def without(query: dict[str, str], *names: str) -> dict[str, str]:
    return {name: value for name, value in query.items() if name not in names}


@pytest.mark.parametrize(
    ("query", "headers", "message"),
    [
        ({"api-version": "2026-07-15"}, BEARER, "Missing required agent connection string or"),
        (without(NAMED, "agent-project-name"), BEARER, "Missing required agent project name"),
        (without(NAMED, "agent-name"), BEARER, "Missing required agent name"),
        (
            {**without(NAMED, "agent-project-name"), "agent_project_name": "project"},
            BEARER,
            "Missing required agent project name",
        ),
        ({"api-version": "2026-07-15", "agent_name": "agent"}, BEARER, "Missing required agent"),
        ({**NAMED, "agent_version": "3"}, BEARER, "must be written with hyphens"),
        ({**NAMED, "agent-id": "asst_1"}, BEARER, "exclude each other"),
        ({**NAMED, "agent-connection-string": "a;b;c;d"}, BEARER, "exclude each other"),
        ({**CLASSIC, "agent-connection-string": "a;b;c;d"}, BEARER, "exclude each other"),
        ({**NAMED, "api-version": "2025-10-01"}, BEARER, "not supported in API versions before"),
        (
            {**CLASSIC, "api-version": "2026-04-10"},
            BEARER,
            "Classic foundry agent is not supported in API version 2026-04-10 and above",
        ),
        (without(CLASSIC, "agent-access-token"), BEARER, "Missing required agent access token"),
        (
            without(CLASSIC, "agent-project-name"),
            BEARER,
            "Missing required agent connection string or project name",
        ),
        (NAMED, KEY, "Key authentication is not supported in Agent mode"),
        (HUB, KEY, "Key authentication is not supported in Agent mode"),
    ],
)
def test_a_wrong_agent_is_refused_by_an_error_after_the_upgrade(
    stand_in: StandIn, query: dict[str, str], headers: dict[str, str], message: str
) -> None:
    with Client(stand_in.endpoint, query, headers) as client:
        event = client.receive()

        assert event["type"] == "error"
        assert message in event["error"]["message"]
        assert client.close_code() == 1008


@pytest.mark.parametrize(
    ("query", "headers", "agent"),
    [
        (NAMED, BEARER, "agent:1"),
        ({**NAMED, "agent-version": "3"}, BEARER, "agent:3"),
        ({**NAMED, "api-version": "2026-01-01-preview"}, BEARER, "agent:1"),
        (CLASSIC, BEARER, "asst_1"),
        (HUB, BEARER, "asst_1"),
        (MODEL, BEARER, None),
        (MODEL, KEY, None),
    ],
)
def test_each_way_to_name_an_agent_or_a_model_is_greeted(
    stand_in: StandIn, query: dict[str, str], headers: dict[str, str], agent: str | None
) -> None:
    with Client(stand_in.endpoint, query, headers) as client:
        event = client.receive()

        assert event["type"] == "session.created"
        assert event["session"].get("agent", {}).get("agent_id") == agent
        assert ("expires_at" in event["session"]) == (query["api-version"] >= "2026-07-15")


def test_it_remembers_what_each_client_did(stand_in: StandIn) -> None:
    before = len(stand_in.sessions)

    with Client(stand_in.endpoint, {**NAMED, "conversation-id": "a b;c"}) as client:
        client.configure()
        client.say(silence(100))
        client.send("input_audio_buffer.clear", event_id="e1")
        client.until("input_audio_buffer.cleared")
    seen = stand_in.sessions[before]

    assert stand_in.wait_for(lambda: not seen.open, 5)
    assert seen.path == "/voice-live/realtime"
    assert seen.query["conversation-id"] == "a b;c"
    assert seen.headers["authorization"] == "Bearer made-up"
    assert [message["type"] for message in seen.received] == [
        "session.update",
        "input_audio_buffer.clear",
    ]
    assert seen.audio_frames == 2400
    assert seen.sent == ["session.created", "session.updated", "input_audio_buffer.cleared"]


def test_a_port_that_cannot_be_is_an_error_and_not_a_wait() -> None:
    with pytest.raises(OverflowError), StandIn(port=70_000):
        pass


def test_waiting_for_what_does_not_happen_ends(stand_in: StandIn) -> None:
    assert not stand_in.wait_for(lambda: False, 0.05)


def test_several_clients_talk_independently(stand_in: StandIn) -> None:
    with Client(stand_in.endpoint) as one, Client(stand_in.endpoint, CLASSIC) as other:
        one.configure()
        other.configure()
        one.say(sample() + silence(700))

        answer = one.until("response.done")
        other.send("input_audio_buffer.commit")

        assert "response.audio.done" in types(answer)
        assert other.receive()["error"]["code"] == "input_audio_buffer_commit_empty"


def test_the_end_is_quick_whatever_the_clients_do() -> None:
    with StandIn(pace=1) as stand_in:
        port = int(stand_in.endpoint.rpartition(":")[2])
        silent = socket.create_connection(("127.0.0.1", port))
        talking, deaf = Client(stand_in.endpoint), Client(stand_in.endpoint)
        talking.configure()
        talking.say(sample() + silence(700))
        talking.until("response.audio.delta")
        deaf.line().shutdown(socket.SHUT_WR)
        begin_s = time.monotonic()
    took_s = time.monotonic() - begin_s

    assert took_s < ENDS_WITHIN_S
    assert talking.close_code() == 1001
    with StandIn(port=port) as again, Client(again.endpoint) as client:
        assert client.receive()["type"] == "session.created"
    silent.close()
    deaf.vanish()
    talking.vanish()


@contextmanager
def running_alone(*options: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "standin", *options]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=ROOT, **pipes) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_alone_it_serves_until_it_is_told_to_end(number: int) -> None:
    with running_alone() as process:
        assert process.stdout is not None
        endpoint = process.stdout.readline().strip()
        vanishing = Client(endpoint)
        vanishing.configure()
        vanishing.say(sample() + silence(700))
        vanishing.until("response.audio.delta")
        vanishing.vanish()
        address = endpoint.removeprefix("http://").split(":")
        socket.create_connection((address[0], int(address[1]))).close()
        with Client(endpoint) as client:
            client.configure()
            process.send_signal(number)
            output, errors = process.communicate(timeout=5)

    assert process.returncode == 0
    assert endpoint.startswith("http://127.0.0.1:")
    assert (output, errors) == ("", "")


def test_a_port_in_use_is_one_sentence(stand_in: StandIn) -> None:
    port = stand_in.endpoint.rpartition(":")[2]

    with running_alone("--port", port) as process:
        output, errors = process.communicate(timeout=10)

    assert process.returncode == 1
    assert output == ""
    assert errors.count("\n") == 1
    assert f"Port {port}" in errors
