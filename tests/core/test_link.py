"""The threads of one conversation, and the ways in which it ends."""

import io
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest
from held import SESSION_UPDATE, Shown
from servers import websocket_server
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection

from voicelive import reconnect as module
from voicelive.audio import BLOCK_BYTES
from voicelive.connection import Connection
from voicelive.conversation import Conversation
from voicelive.errors import VoiceLiveError
from voicelive.playback import Playback
from voicelive.reconnect import Link
from voicelive.transcript import Transcript
from voicelive.turns import Turns

UPDATED = '{"type": "session.updated", "session": {"id": "sess_1"}}'
SPEECH_STARTED = '{"type": "input_audio_buffer.speech_started", "audio_start_ms": 0, "item_id": "u1"}'
BLOCK = b"\1" * BLOCK_BYTES


class Blocks:
    """A source that hands out its blocks as fast as they are taken, and then waits for its end."""

    name = "blocks"

    def __init__(self, *blocks: bytes, endless: bool = False) -> None:
        self._blocks = blocks
        self.taken = threading.Event()  # set when the last block was taken
        self._closed = threading.Event()
        if not endless:
            self._closed.set()

    def __iter__(self) -> Iterator[bytes]:
        yield from self._blocks
        self.taken.set()
        self._closed.wait(10)

    def close(self) -> None:
        self._closed.set()


@contextmanager
def linked(
    service: Callable[[ServerConnection], None], source: Blocks, before: Callable[[], object] = bool
) -> Iterator[Link]:
    """A link with a service of one's own, ended with the block; `before` is called before it connects."""
    sink = Playback()
    turns = Turns(sink.account)
    transcript = Transcript(Shown(), io.StringIO().write, turns.write)
    conversation = Conversation(sink, transcript, turns, lambda _: None, SESSION_UPDATE)
    with websocket_server(service) as url:

        def connect(*_: object) -> Connection:
            before()
            return Connection(url, {})

        link = Link(connect, conversation, source)
        link.start()
        try:
            yield link
        finally:
            link.end()


def wait_until(link: Link, condition: Callable[[], object]) -> None:
    """Wait until the condition holds. Raises what the conversation failed of meanwhile."""
    for _ in range(500):
        if link.over.is_set() and link.failure:
            raise link.failure
        if condition():
            return
        threading.Event().wait(0.02)
    raise AssertionError("not so within 10 s")


def listens(
    *events: str, then: Callable[[ServerConnection], None] | None = None
) -> Callable[[ServerConnection], None]:
    """A service that accepts the session, sends these events, and reads until the end."""

    def service(client: ServerConnection) -> None:
        client.recv()
        for event in (UPDATED, *events):
            client.send(event)
        if then:
            then(client)
        with suppress(ConnectionClosed):
            while True:
                client.recv()

    return service


def test_the_session_comes_first_then_the_blocks_then_silence() -> None:
    received: list[str] = []
    enough = threading.Event()

    def service(client: ServerConnection) -> None:
        received.append(str(client.recv()))
        client.send(UPDATED)
        while len(received) < 4:
            received.append(str(client.recv()))
        enough.set()

    with linked(service, Blocks(BLOCK)):
        assert enough.wait(10)

    kinds = [json.loads(message)["type"] for message in received]
    assert kinds == ["session.update"] + ["input_audio_buffer.append"] * 3
    assert "AQEB" in received[1] and "AQEB" not in received[2] + received[3]


def test_no_sound_leaves_before_the_session_stands() -> None:
    sent: list[str | bytes] = []
    asked = threading.Event()

    def service(client: ServerConnection) -> None:
        client.recv()
        asked.set()
        with suppress(TimeoutError):
            sent.append(client.recv(timeout=0.5))

    with linked(service, Blocks(BLOCK)) as link:
        assert asked.wait(10)
        assert link.over.wait(10), "the service closed"

    assert sent == []


def test_a_service_that_does_not_accept_the_session_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SESSION_TIMEOUT_S", 0.2)

    def deaf(client: ServerConnection) -> None:
        threading.Event().wait(2)

    with (
        linked(deaf, Blocks(endless=True)) as link,
        pytest.raises(VoiceLiveError, match="accept the session"),
    ):
        wait_until(link, lambda: False)


def test_a_normal_close_by_the_service_is_no_failure() -> None:
    with linked(listens(then=lambda client: client.close(1000)), Blocks(endless=True)) as link:
        wait_until(link, link.over.is_set)
        assert link.failure is None


def test_any_other_close_is_told_with_the_service_s_reason() -> None:
    service = listens(then=lambda client: client.close(1011, "out of order"))
    with (
        linked(service, Blocks(endless=True)) as link,
        pytest.raises(VoiceLiveError, match=r"1011\): out of"),
    ):
        wait_until(link, lambda: False)


def test_a_source_in_which_the_service_notices_no_speech(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "NO_SPEECH_S", 0.2)
    with (
        linked(listens(), Blocks(BLOCK)) as link,
        pytest.raises(VoiceLiveError, match="no speech in blocks"),
    ):
        wait_until(link, lambda: False)


def test_a_turn_that_is_never_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "NO_ANSWER_S", 0.2)
    service = listens(SPEECH_STARTED)
    with linked(service, Blocks(BLOCK)) as link, pytest.raises(VoiceLiveError, match="gave no answer"):
        wait_until(link, lambda: False)


def test_it_is_over_when_the_source_ended_and_all_was_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "SETTLE_S", 0.1)
    answer = (
        '{"type": "input_audio_buffer.speech_stopped"}',
        '{"type": "response.created", "response": {"id": "resp_1"}}',
        '{"type": "response.done", "response": {"id": "resp_1", "status": "completed"}}',
    )
    with linked(listens(SPEECH_STARTED, *answer), Blocks(BLOCK)) as link:
        wait_until(link, link.over.is_set)


def test_a_connection_that_comes_after_the_end_is_cut() -> None:
    begun, ended, gone = threading.Event(), threading.Event(), threading.Event()

    def service(client: ServerConnection) -> None:
        with suppress(ConnectionClosed):
            while True:
                client.recv()
        gone.set()

    def connecting() -> None:
        begun.set()
        ended.wait(10)

    with linked(service, Blocks(), connecting) as link:
        assert begun.wait(10)
        link.end()
        ended.set()
        assert gone.wait(10)


def test_a_source_that_fails_ends_it_and_says_why() -> None:
    class Broken(Blocks):
        def __iter__(self) -> Iterator[bytes]:
            yield BLOCK
            raise RuntimeError("the line is dead")

    with (
        linked(listens(), Broken()) as link,
        pytest.raises(VoiceLiveError, match="blocks failed: the line is dead"),
    ):
        wait_until(link, link.over.is_set)
