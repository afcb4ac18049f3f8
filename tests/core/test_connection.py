"""One WebSocket against real servers on this machine."""

import base64
import json
import queue
import ssl
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from servers import certificate, forwards_to, tcp_server, websocket_server
from websockets.sync.server import ServerConnection

from voicelive.connection import Connection
from voicelive.tls import tls_context


def says(*frames: str | bytes) -> Callable[[ServerConnection], None]:
    """A service that sends these frames, and closes."""

    def handler(client: ServerConnection) -> None:
        for frame in frames:
            client.send(frame)

    return handler


class Reader:
    """Iterates a connection on a thread of its own, as the client does."""

    def __init__(self, connection: Connection) -> None:
        self.events: queue.Queue[dict[str, Any] | None] = queue.Queue()  # None: the iteration ended
        self._connection = connection
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with closing(self._connection.__iter__()) as events:
            for event in events:
                self.events.put(event)
        self.events.put(None)

    def join(self, timeout_s: float = 10) -> None:
        self._thread.join(timeout_s)
        assert not self._thread.is_alive()


def test_events_come_as_dicts() -> None:
    with websocket_server(says('{"type": "a"}', '{"type": "b", "n": [1]}')) as url:
        connection = Connection(url, {})

        assert list(connection) == [{"type": "a"}, {"type": "b", "n": [1]}]
        assert connection.close_code == 1000


@pytest.mark.parametrize(
    "frame", ["not json", "[1, 2]", "7", "null", b"\xff\xfe\x00", b"{\xff}", "{" * 100_000, "[" * 100_000, ""]
)
def test_a_message_that_is_no_event_costs_itself_and_nothing_else(
    frame: str | bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with websocket_server(says(frame, '{"type": "next"}')) as url:
        assert list(Connection(url, {})) == [{"type": "next"}]

    assert "not JSON" in caplog.text or "no JSON object" in caplog.text


def test_the_event_that_ends_the_iteration_is_logged_too(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    with (
        websocket_server(says('{"type": "error", "event_id": "event_7"}')) as url,
        closing(iter(Connection(url, {}))) as events,
    ):
        next(events)

    assert 'received: {"type": "error", "event_id": "event_7"}' in caplog.text


def test_messages_and_speech_reach_the_service_in_order() -> None:
    received: queue.Queue[Any] = queue.Queue()

    def handler(client: ServerConnection) -> None:
        for frame in client:
            received.put(json.loads(frame))

    with websocket_server(handler) as url:
        connection = Connection(url, {})
        reader = Reader(connection)
        connection.send({"type": "session.update", "session": {}})
        connection.send_audio(b"\1\2")
        connection.send_audio(b"\3\4")

        messages = [received.get(timeout=10) for _ in range(3)]
        connection.close()
        reader.join()

    assert messages[0] == {"type": "session.update", "session": {}}
    assert [base64.b64decode(message["audio"]) for message in messages[1:]] == [b"\1\2", b"\3\4"]
    assert messages[1]["type"] == "input_audio_buffer.append"


def overlapping(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The calls of a TLS socket that are made during another one; more come with each."""
    found: list[str] = []
    locks: dict[ssl.SSLSocket, threading.Lock] = {}

    def watched(call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(tls: ssl.SSLSocket, *arguments: object) -> Any:
            lock = locks.setdefault(tls, threading.Lock())
            if not (is_alone := lock.acquire(blocking=False)):
                found.append(call.__name__)
            try:
                return call(tls, *arguments)
            finally:
                if is_alone:
                    lock.release()

        return wrapper

    for call in ssl.SSLSocket.recv, ssl.SSLSocket.send:
        monkeypatch.setattr(ssl.SSLSocket, call.__name__, watched(call))
    return found


def test_over_tls_one_thread_sends_while_another_receives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trusted, context = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    monkeypatch.setattr("voicelive.handshake.tls_context", tls_context.__wrapped__)  # read it anew
    overlaps = overlapping(monkeypatch)

    def echo(client: ServerConnection) -> None:
        for frame in client:
            client.send(frame)

    with (
        websocket_server(echo) as url,
        tcp_server(forwards_to(int(url.split(":")[2].split("/")[0])), context) as port,
    ):
        connection = Connection(f"wss://localhost:{port}/", {})
        reader = Reader(connection)
        for number in range(500):
            connection.send({"type": "n", "n": number, "filler": "x" * 1_000})
        received = [reader.events.get(timeout=10) for _ in range(500)]
        connection.close()
        reader.join()

    assert [event and event["n"] for event in received] == list(range(500))
    assert not overlaps, "OpenSSL takes one call at a time"
