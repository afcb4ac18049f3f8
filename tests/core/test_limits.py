"""What a service may send, and how long it may take: no end is waited for, and nobody slow is given up."""

import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from servers import answers, certificate, read_head, tcp_server
from test_connection_end import accept

from voicelive import connection, failures, handshake
from voicelive.connection import Connection
from voicelive.errors import VoiceLiveError
from voicelive.tls import tls_context

TEXT, MORE, LAST, MASKED = 0x01, 0x00, 0x80, 0x80
EVENT = b'{"type": "it arrives"}'


def test_a_handshake_that_drips_ends_by_the_time_that_all_of_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handshake, "CONNECT_TIMEOUT_S", 0.5)

    def drips(client: socket.socket) -> None:
        read_head(client)
        for byte in b"HTTP/1.1 101 Switching Protocols\r\n" * 100:
            client.sendall(bytes([byte]))
            time.sleep(0.05)

    started = time.monotonic()
    with tcp_server(drips) as port, pytest.raises(VoiceLiveError, match="it does not answer"):
        Connection(f"ws://127.0.0.1:{port}/", {})
    assert time.monotonic() - started < 3


def endless(start: bytes) -> Callable[[socket.socket], None]:
    """A service whose answer goes on for ever."""

    def handler(client: socket.socket) -> None:
        read_head(client)
        client.sendall(start)
        while True:
            client.sendall(b"x" * 65_536)

    return handler


@pytest.mark.parametrize(
    "start",
    [
        b"HTTP/1.1 101 ",
        b"HTTP/1.1 101 Fine\r\nX: ",
        b"HTTP/1.1 403 No\r\nContent-Length: 99999999999\r\n\r\n",
    ],
    ids=["status line", "header", "body"],
)
def test_an_answer_without_end_is_not_waited_for(start: bytes) -> None:
    with tcp_server(endless(start)) as port, pytest.raises(VoiceLiveError, match="longer than 65536 bytes"):
        Connection(f"ws://127.0.0.1:{port}/", {})


def test_an_answer_without_a_status_is_none_of_the_service_s() -> None:
    with (
        tcp_server(answers("\n\n")) as port,
        pytest.raises(VoiceLiveError, match="does not answer like this"),
    ):
        Connection(f"ws://127.0.0.1:{port}/", {})


def frame(head: int, data: bytes, length: int | None = None) -> bytes:
    """A frame of the server, which may promise more than it has."""
    promised = len(data) if length is None else length
    return bytes([head, 127]) + promised.to_bytes(8, "big") + data


def says(*pieces: bytes, pause_s: float = 0.0) -> Callable[[socket.socket], None]:
    """A service that accepts, and sends these bytes one after the other; then it waits for the end."""

    def handler(client: socket.socket) -> None:
        accept(client)
        for piece in pieces:
            client.sendall(piece)
            time.sleep(pause_s)
        with suppress(OSError):
            while client.recv(65_536):
                pass

    return handler


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ([frame(LAST | TEXT, b"", 1001)], "a message of more than"),
        ([frame(TEXT, b"x" * 600), frame(LAST | MORE, b"x" * 600)], "a message of more than"),
        ([frame(TEXT, b"x" * 600), *[frame(MORE, b"x" * 300)] * 99], "a message of more than"),
        ([bytes([LAST | TEXT, MASKED | 2]) + b"mask" + b"{}"], "masks its frames"),
    ],
    ids=["a frame", "two frames", "frames without end", "masked"],
)
def test_what_no_service_sends_ends_the_connection_and_is_told(
    monkeypatch: pytest.MonkeyPatch, sent: list[bytes], said: str
) -> None:
    monkeypatch.setattr(handshake, "MESSAGE_BYTES", 1000)
    with tcp_server(says(*sent)) as port:
        broken = Connection(f"ws://127.0.0.1:{port}/", {})
        assert list(broken) == []

    told = failures.connection_ended(broken.close_code, broken.close_reason)
    assert told.message.startswith("The connection was lost: the service ")
    assert said in told.message


def test_a_message_in_many_pieces_is_put_together_in_linear_time() -> None:
    text = b'{"type": "long", "text": "' + b"x" * 400_000 + b'"}'
    pieces = [frame(MORE, text[at : at + 10]) for at in range(10, len(text), 10)]
    sent = b"".join([frame(TEXT, text[:10]), *pieces, frame(LAST | MORE, b"")])
    with tcp_server(says(sent + frame(LAST | 0x08, b"\x03\xe8"))) as port:
        started = time.monotonic()
        (event,) = Connection(f"ws://127.0.0.1:{port}/", {})

    assert len(event["text"]) == 400_000
    assert time.monotonic() - started < 20


def test_a_message_that_takes_its_time_is_no_dead_peer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "PING_INTERVAL_S", 0.2)
    whole = frame(LAST | TEXT, EVENT)
    pieces = [whole[at : at + 1] for at in range(len(whole))]
    waits = 0
    with tcp_server(says(*pieces, frame(LAST | 0x08, b"\x03\xe8"), pause_s=0.05)) as port:
        received = []
        for event in Connection(f"ws://127.0.0.1:{port}/", {}).events():
            waits += event is None
            received += [event] if event else []

    assert received == [{"type": "it arrives"}]
    assert waits >= 3, "other things are looked after meanwhile"


@pytest.fixture
def many_files() -> Iterator[None]:
    """So many open files that a new one has a number beyond select's 1024."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 1500:
        pytest.skip("the system allows too few")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 1500), hard))
    files = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    yield
    for file in files:
        os.close(file)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("many_files")
@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_a_socket_with_a_high_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    trusted, context = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    monkeypatch.setattr(handshake, "tls_context", tls_context.__wrapped__)
    told = threading.Event()

    def handler(client: socket.socket) -> None:
        accept(client)
        told.wait(10)
        client.sendall(frame(LAST | TEXT, EVENT) + frame(LAST | 0x08, b"\x03\xe8"))

    with tcp_server(handler, context if scheme == "wss" else None) as port:
        opened = Connection(f"{scheme}://localhost:{port}/", {})
        assert opened._socket.sock and opened._socket.sock.fileno() > 1024
        threading.Timer(0.4, told.set).start()
        assert list(opened) == [{"type": "it arrives"}]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a full queue answers otherwise")
@pytest.mark.parametrize("first", ["silent", "unreachable"])
def test_a_host_whose_first_address_is_of_no_use_is_reached_by_the_next(
    monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    monkeypatch.setattr(handshake, "ADDRESS_TIMEOUT_S", 0.3)
    full, waiting = socket.socket(), [socket.socket() for _ in range(4)]
    full.bind(("127.0.0.1", 0))
    full.listen(0)  # and nobody accepts: who comes then hears nothing
    for client in waiting:
        client.setblocking(False)
        client.connect_ex(full.getsockname())
    no_use = {"silent": full.getsockname(), "unreachable": ("255.255.255.255", 9)}[first]

    with tcp_server(says(frame(LAST | TEXT, EVENT) + frame(LAST | 0x08, b"\x03\xe8"))) as port:
        addresses = [no_use, ("127.0.0.1", port)]
        monkeypatch.setattr(
            socket, "getaddrinfo", lambda *_, **__: [(socket.AF_INET, 1, 6, "", one) for one in addresses]
        )
        started = time.monotonic()
        assert list(Connection(f"ws://two-addresses.example:{port}/", {})) == [{"type": "it arrives"}]

    assert time.monotonic() - started < 3
    for client in (full, *waiting):
        client.close()
