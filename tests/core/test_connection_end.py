"""How a connection ends: by whom, with what code, and what it takes along."""

import json
import queue
import socket
import threading
import time

import pytest
from servers import read_head, tcp_server, websocket_server
from test_connection import Reader
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection

from voicelive import connection as module
from voicelive.audio import BACKLOG_BLOCKS
from voicelive.connection import Connection


def test_the_service_s_code_and_reason_are_kept() -> None:
    with websocket_server(lambda client: client.close(1008, "too many tries")) as url:
        connection = Connection(url, {})
        assert list(connection) == []

    assert (connection.close_code, connection.close_reason) == (1008, "too many tries")


def test_they_are_kept_also_where_what_was_said_meets_a_socket_that_is_closed() -> None:
    told = queue.Queue[bool]()

    def handler(client: socket.socket) -> None:
        accept(client)
        client.recv(1)
        event, reason = b'{"type": "a"}', b"too many tries"
        close = bytes([0x88, 2 + len(reason)]) + (1008).to_bytes(2, "big") + reason
        client.sendall(bytes([0x81, len(event)]) + event + close)
        client.close()
        told.put(True)

    with tcp_server(handler) as port:
        connection = Connection(f"ws://127.0.0.1:{port}/", {})
        connection.send_audio(bytes(96_000))
        for _ in connection:  # while the event is handled, the socket is closed, and answers no more
            assert told.get(timeout=10)
            connection.send_audio(bytes(960))
            connection._writer.join(0.2)

    assert (connection.close_code, connection.close_reason) == (1008, "too many tries")


def test_a_line_that_is_cut_ends_the_iteration() -> None:
    with websocket_server(lambda client: client.socket.shutdown(socket.SHUT_RDWR)) as url:
        connection = Connection(url, {})
        assert list(connection) == []

    assert connection.close_code is None


def test_closing_says_goodbye_and_frees_the_reader() -> None:
    code: queue.Queue[int | None] = queue.Queue()

    def handler(client: ServerConnection) -> None:
        try:
            client.recv()
        except ConnectionClosed as closed:
            code.put(closed.rcvd.code if closed.rcvd else None)

    with websocket_server(handler) as url:
        connection = Connection(url, {})
        reader = Reader(connection)
        connection.close()
        reader.join()

    assert code.get(timeout=10) == 1000


def accept(client: socket.socket) -> None:
    """Answer the handshake."""
    from websockets.http11 import Request
    from websockets.server import ServerProtocol

    protocol = ServerProtocol()
    protocol.receive_data(read_head(client))
    (request,) = protocol.events_received()
    assert isinstance(request, Request)
    protocol.send_response(protocol.accept(request))
    for data in protocol.data_to_send():
        client.sendall(data)


def accepts_and_reads_nothing(client: socket.socket) -> None:
    """A service that takes the connection and then never reads again."""
    accept(client)
    threading.Event().wait(30)


def test_a_service_that_stops_reading_costs_a_second_of_speech_and_no_more() -> None:
    with tcp_server(accepts_and_reads_nothing) as port:
        connection = Connection(f"ws://127.0.0.1:{port}/", {})
        reader = Reader(connection)
        block = bytes(960)

        sent = -1
        while connection._blocks_sent > sent:  # until the buffers between are full
            sent = connection._blocks_sent
            for _ in range(1_000):
                connection.send_audio(block)
            time.sleep(0.2)  # for the writer, which must not get any further

        assert len(connection._blocks) == BACKLOG_BLOCKS
        started = time.monotonic()
        connection.close()
        reader.join()
        assert time.monotonic() - started < 2


def test_a_peer_that_shows_no_sign_of_life_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PING_INTERVAL_S", 0.2)
    with tcp_server(accepts_and_reads_nothing) as port:
        connection = Connection(f"ws://127.0.0.1:{port}/", {})

        assert list(connection) == []

    assert connection.close_code is None


def test_a_quiet_service_that_answers_pings_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PING_INTERVAL_S", 0.1)

    def quiet(client: ServerConnection) -> None:
        threading.Event().wait(0.7)
        client.send('{"type": "still there"}')

    with websocket_server(quiet) as url:
        assert list(Connection(url, {})) == [{"type": "still there"}]


def test_the_end_of_a_turn_comes_after_all_of_its_sound() -> None:
    kinds: queue.Queue[str] = queue.Queue()

    def handler(client: ServerConnection) -> None:
        for message in client:
            kinds.put(json.loads(message)["type"])

    with websocket_server(handler) as url:
        connection = Connection(url, {})
        for _ in range(BACKLOG_BLOCKS - 1):
            connection.send_audio(bytes(960))
        connection.send({"type": "input_audio_buffer.commit"})
        connection.send({"type": "response.create"})

        received = [kinds.get(timeout=10) for _ in range(BACKLOG_BLOCKS + 1)]
        connection.cut()
        list(connection)

    assert set(received[:-2]) == {"input_audio_buffer.append"}
    assert received[-2:] == ["input_audio_buffer.commit", "response.create"]
