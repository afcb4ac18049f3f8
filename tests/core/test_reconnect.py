"""What a lost connection costs: the pause, and nothing else."""

import io
import itertools
import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest
from held import SESSION_UPDATE, Shown
from servers import answers, tcp_server, websocket_server
from test_link import BLOCK, UPDATED, Blocks, wait_until
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection

from voicelive import reconnect as module
from voicelive.connection import Connection
from voicelive.conversation import Conversation
from voicelive.errors import VoiceLiveError
from voicelive.playback import Playback
from voicelive.reconnect import Link, delays
from voicelive.transcript import Transcript
from voicelive.turns import Turns

CREATED = json.dumps({"type": "response.created", "response": {"id": "resp_1", "conversation_id": "conv_1"}})
DONE = json.dumps({"type": "response.done", "response": {"id": "resp_1", "status": "completed"}})


class Line:
    """A link to a service of one's own, and what it does."""

    def __init__(self, url: str, is_current: bool = True) -> None:
        self.notes: list[str] = []
        self.log = io.StringIO()
        self.asked: list[str] = []  # the conversation that each connection was to go on with
        sink = Playback()
        turns = Turns(sink.account)
        transcript = Transcript(Shown(), self.log.write, turns.write)
        self.conversation = Conversation(
            sink, transcript, turns, self.notes.append, SESSION_UPDATE, is_current=is_current
        )
        self.source = Blocks(endless=True)

        def connect(conversation_id: str) -> Connection:
            self.asked.append(conversation_id)
            return Connection(url, {})

        self.link = Link(connect, self.conversation, self.source)


@contextmanager
def linked(*services: Callable[[ServerConnection], None], is_current: bool = True) -> Iterator[Line]:
    """A link; its first connection is with the first service, the second with the second, ..."""
    following = iter(services)
    ids = itertools.count(1)

    def handler(client: ServerConnection) -> None:
        service = next(following, talks())
        client.recv()
        session = {"id": f"sess_{next(ids)}"}
        client.send(json.dumps({"type": "session.created", "session": session}))
        with suppress(ConnectionClosed):
            service(client)

    with websocket_server(handler) as url:
        line = Line(url, is_current)
        line.link.start()
        try:
            yield line
        finally:
            line.link.end()


def talks(*events: str, code: int | None = None) -> Callable[[ServerConnection], None]:
    """A service that accepts the session, sends events, and reads; or closes with `code`."""

    def service(client: ServerConnection) -> None:
        for event in (UPDATED, *events):
            client.send(event)
        if code:
            client.close(code, "so it is")
        while True:
            client.recv()

    return service


def cuts(*events: str) -> Callable[[ServerConnection], None]:
    """A service that accepts the session, sends events, and is gone without a word."""

    def service(client: ServerConnection) -> None:
        for event in (UPDATED, *events):
            client.send(event)
        client.ping().wait(5)  # all was read
        client.socket.shutdown(socket.SHUT_RDWR)

    return service


@pytest.mark.parametrize("end", [cuts(), *(talks(code=code) for code in (1001, 1011, 1012, 1013))])
def test_a_connection_that_is_lost_is_replaced_and_told(end: Callable[[ServerConnection], None]) -> None:
    with linked(end) as line:
        wait_until(line.link, lambda: len(line.asked) == 2 and line.conversation.ready.is_set())
        wait_until(line.link, lambda: any("Connected again" in note for note in line.notes))

    assert any("Trying again." in note for note in line.notes)
    assert "(reconnected as sess_2)" in line.log.getvalue()


def test_a_named_agent_goes_on_with_the_conversation() -> None:
    with linked(cuts(CREATED, DONE), talks(CREATED)) as line:
        wait_until(line.link, lambda: "The conversation goes on." in line.notes)

    assert line.asked == ["", "conv_1"]


def test_a_conversation_that_began_anew_in_silence_is_not_said_to_go_on() -> None:
    other = CREATED.replace("conv_1", "conv_2")
    with linked(cuts(CREATED, DONE), talks(other)) as line:
        wait_until(line.link, lambda: any("the agent starts anew" in note for note in line.notes))

    assert not any("goes on" in note for note in line.notes)


def test_a_classic_agent_starts_anew_and_says_so() -> None:
    with linked(cuts(CREATED, DONE), is_current=False) as line:
        wait_until(line.link, lambda: any("The agent starts anew." in note for note in line.notes))

    assert line.asked == ["", ""]


def test_a_service_that_has_forgotten_the_conversation_is_asked_once_more_without() -> None:
    error = {"code": "agent_initialization_failed", "message": "No such conversation."}

    def refuses(client: ServerConnection) -> None:
        client.send(json.dumps({"type": "error", "error": error}))
        client.close(1008)

    with linked(cuts(CREATED, DONE), refuses) as line:
        wait_until(line.link, lambda: len(line.asked) == 3 and line.conversation.ready.is_set())

    assert line.asked == ["", "conv_1", ""]


def test_a_conversation_that_has_no_id_here_goes_on_by_the_one_it_was_asked_for() -> None:
    nameless = json.dumps({"type": "response.created", "response": {"id": "resp_1", "conversation_id": ""}})

    with linked(cuts(CREATED, DONE), cuts(nameless, DONE)) as line:
        wait_until(line.link, lambda: len(line.asked) == 3)

    assert line.asked == ["", "conv_1", "conv_1"]


def test_what_was_under_way_is_no_longer_waited_for() -> None:
    with linked(cuts(CREATED)) as line:
        wait_until(line.link, lambda: len(line.asked) == 2 and line.conversation.ready.is_set())
        assert line.conversation.is_resting


def test_three_connections_in_a_row_that_last_seconds_are_enough() -> None:
    with linked(cuts(), cuts(), cuts()) as line, pytest.raises(VoiceLiveError, match="3 times in a row"):
        wait_until(line.link, lambda: False)

    assert len(line.asked) == 3


def test_a_service_that_gives_no_further_session_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SESSION_TIMEOUT_S", 0.5)

    def deaf(client: ServerConnection) -> None:
        client.recv()

    with linked(cuts(), deaf) as line:
        wait_until(line.link, lambda: len(line.asked) == 3 and line.conversation.ready.is_set())

    assert any("did not accept the session within" in note for note in line.notes)

    with linked(cuts(), deaf, deaf) as line, pytest.raises(VoiceLiveError, match="3 times in a row"):
        wait_until(line.link, lambda: False)


def test_a_connection_that_breaks_the_rules_is_not_tried_again() -> None:
    with linked(talks(code=1008)) as line, pytest.raises(VoiceLiveError, match=r"1008\): so it is"):
        wait_until(line.link, lambda: False)

    assert len(line.asked) == 1


def test_what_is_said_meanwhile_is_dropped_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    with linked(cuts()) as line:
        wait_until(line.link, lambda: len(line.asked) == 2 and line.conversation.ready.is_set())
        line.conversation.ready.clear()
        line.link._send_block(BLOCK)
        connection = line.link._connection
        assert "blocks of speech dropped on the way: " in caplog.text, "of the connection that was lost"

    assert connection is not None
    assert not connection._blocks


def test_a_normal_close_is_told_and_ends_the_conversation() -> None:
    with linked(talks(code=1000)) as line:
        wait_until(line.link, line.link.over.is_set)
        assert line.link.failure is None

    assert any("code 1000): so it is" in note for note in line.notes)
    assert len(line.asked) == 1


def test_a_normal_close_before_the_session_stands_is_a_failure() -> None:
    with linked(lambda client: client.close(1000)) as line, pytest.raises(VoiceLiveError, match="1000"):
        wait_until(line.link, lambda: False)


def test_a_service_that_asks_to_come_back_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    busy = "HTTP/1.1 503 Busy\nRetry-After: 0\nContent-Length: 0\n\n"
    with tcp_server(answers(busy)) as port:
        line = Line(f"ws://127.0.0.1:{port}/")
        monkeypatch.setattr(module, "AT_THE_DOOR_S", 2.0)
        line.link.start()
        with pytest.raises(VoiceLiveError, match="HTTP 503"):
            wait_until(line.link, lambda: False)
        line.link.end()

    assert len(line.asked) >= 3
    assert "Trying again for 2 s at most." in line.notes[0]


def test_nobody_at_the_door_is_told_at_once() -> None:
    line = Line("ws://127.0.0.1:9/")
    line.link.start()
    with pytest.raises(VoiceLiveError, match="nobody listens there"):
        wait_until(line.link, lambda: False)
    line.link.end()

    assert len(line.asked) == 1


def test_the_pauses_between_tries_double_up_to_eight_seconds() -> None:
    first = itertools.islice(delays(), 7)

    for pause, longest in zip(first, (0.5, 1, 2, 4, 8, 8, 8), strict=True):
        assert 0.75 * longest <= pause <= longest
