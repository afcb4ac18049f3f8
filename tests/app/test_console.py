"""What a person sees while the conversation lasts: the status, the keys, the summary."""

import io
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

import pytest
from held import SESSION_UPDATE
from servers import websocket_server
from test_link import Blocks, wait_until
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection

from voicelive.app.console import Console
from voicelive.app.run import Events
from voicelive.app.screen import Screen
from voicelive.audio import BLOCK_BYTES
from voicelive.connection import Connection
from voicelive.conversation import Conversation
from voicelive.playback import Playback
from voicelive.reconnect import Link
from voicelive.text import Redactor
from voicelive.transcript import Transcript
from voicelive.turns import Turns
from voicelive.uplink import Meter, Mute

UPDATED = {"type": "session.updated", "session": {"id": "sess_1"}}
STARTED = {"type": "input_audio_buffer.speech_started", "audio_start_ms": 0, "item_id": "u1"}
STOPPED = {"type": "input_audio_buffer.speech_stopped", "audio_end_ms": 0, "item_id": "u1"}
CREATED = {"type": "response.created", "response": {"id": "r1"}}
AUDIO = {"type": "response.audio.delta", "response_id": "r1", "item_id": "i1", "delta": "AQEBAQ=="}
ASKS = {
    "type": "conversation.item.created",
    "item": {
        "id": "a1",
        "type": "mcp_approval_request",
        "server_label": "disk",
        "name": "delete",
        "arguments": "{}",
    },
}
DONE = {"type": "response.done", "response": {"id": "r1", "status": "completed"}}


class Service:
    """Says what it is told to say."""

    def __init__(self) -> None:
        self.has_client = threading.Event()
        self._client: ServerConnection | None = None

    def serve(self, client: ServerConnection) -> None:
        client.recv()
        self._client = client
        self.has_client.set()
        with suppress(ConnectionClosed):
            while True:
                client.recv()

    def say(self, *events: Mapping[str, object]) -> None:
        assert self.has_client.wait(10) and self._client
        for event in events:
            self._client.send(json.dumps(event))


@contextmanager
def hosted() -> Iterator[tuple[Console, Service]]:
    service, screen, sink = Service(), Screen(Redactor()), Playback()
    turns = Turns(sink.account)
    transcript = Transcript(screen, io.StringIO().write, turns.write)
    conversation = Conversation(sink, transcript, turns, screen.note, SESSION_UPDATE, approve="ask")
    source = Blocks(b"\xff\x7f" * (BLOCK_BYTES // 2), endless=True)
    with websocket_server(service.serve) as url:
        meter, mute = Meter(), Mute()
        link = Link(lambda _: Connection(url, {}), conversation, source, [meter, mute])
        link.start()
        try:
            yield Console(link, screen, meter, mute), service
        finally:
            link.end()


def test_the_status_tells_who_is_talking_and_the_latency() -> None:
    with hosted() as (console, service):
        sink = console.link.conversation.sink
        assert console.status(80).startswith(" connecting ")
        service.say(UPDATED)
        wait_until(console.link, lambda: console.status(80).startswith(" listening       [##########]"))
        service.say(STARTED)
        wait_until(console.link, lambda: console.status(80).startswith(" hearing you "))
        service.say(STOPPED)
        wait_until(console.link, lambda: console.status(80).startswith(" thinking "))
        service.say(CREATED, AUDIO, DONE)
        wait_until(console.link, lambda: console.status(80).startswith(" agent speaking "))
        sink.render(memoryview(bytearray(BLOCK_BYTES)))
        console.link.conversation.turns.settle(is_all_heard=True)
        wait_until(console.link, lambda: console.status(80).startswith(" listening "))
        assert "answered after 0." in console.status(80)
        assert "? lists the keys" in console.status(80)
        assert console.status(60).rstrip().endswith("s") and "answered after" in console.status(60)
        assert [console.status(columns).split()[0] for columns in (20, 30)] == ["listening", "listening"]
        assert all(len(console.status(columns)) <= columns for columns in range(10, 100))


def test_keys_mute_send_and_end() -> None:
    with hosted() as (console, service):
        service.say(UPDATED)
        wait_until(console.link, console.link.conversation.ready.is_set)
        console.obey("m")
        assert console.muting.on and " muted " in console.status(80)
        console.obey("M")  # with Caps Lock on
        assert not console.muting.on
        console.obey("")
        console.obey("Hello")
        assert console.status(80).startswith(" thinking ")
        console.obey("Q")
        assert console.link.over.is_set()


@pytest.mark.parametrize("typed", ["quit", "Exit", "/q", "/quit"])
def test_who_wants_to_leave_need_not_know_the_key(typed: str) -> None:
    with hosted() as (console, _):
        console.obey(typed)
        assert console.link.over.is_set()


@pytest.mark.parametrize(
    ("typed", "sent"),
    [
        ("/say q", ["q"]),
        ("q\nrm -rf x\n", ["q\nrm -rf x"]),
        ("quit it", ["quit it"]),
        ("\x1a", []),
        ("He\x1allo", ["Hello"]),
        ("/mistyped hello", []),
        ("/say", []),
    ],
)
def test_commands_are_not_sent_and_messages_are_no_commands(
    typed: str, sent: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    with hosted() as (console, _):
        monkeypatch.setattr(console.link.conversation, "say", said.append)
        console.obey(typed)

        assert said == sent
        assert not console.link.over.is_set()


def test_where_no_answer_comes_to_what_was_piped_the_conversation_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("voicelive.app.console.NO_ANSWER_S", 0.2)
    with hosted() as (console, service):
        service.say(UPDATED)
        wait_until(console.link, console.link.conversation.ready.is_set)
        console.take("Hello")

        console.take("Is anybody there?")

        assert console.link.over.is_set()
        assert "no answer" in str(console.link.failure)


def test_a_question_of_the_agent_s_is_answered_by_the_next_line_of_a_pipe() -> None:
    with hosted() as (console, service):
        service.say(UPDATED)
        wait_until(console.link, console.link.conversation.ready.is_set)
        console.take("Delete it all")
        service.say(CREATED, ASKS)

        console.take("n")

        assert not console.link.conversation.tools.is_asking
        assert not console.link.over.is_set()


def test_who_only_types_is_never_told_that_a_microphone_is_on(capsys: pytest.CaptureFixture[str]) -> None:
    with hosted() as (console, _):
        console.types_only = True
        console.obey("m")
        console.obey("m")
        console.screen.close()

        assert capsys.readouterr().err == 2 * "There is no microphone to mute (--no-mic).\n"


def test_the_summary_counts() -> None:
    with hosted() as (console, service):
        service.say(UPDATED, STARTED, STOPPED, CREATED, AUDIO)
        wait_until(console.link, lambda: console.link.conversation.turns.answers == 1)
        console.link.conversation.sink.render(memoryview(bytearray(BLOCK_BYTES)))
        console.link.conversation.turns.settle(is_all_heard=True)

        first, second = console.summary().splitlines()

    assert first.endswith(": 1 answer, 0 interrupted, 0 reconnects.")
    assert second.startswith("First sound after 0.")


def test_the_name_of_an_event_is_a_part_of_one_line() -> None:
    shown: list[str] = []
    events = Events(shown.append)
    events.show("a\nTool: b")
    events.show("c" * 1_000_000)

    assert shown[0] == "Received event: a Tool: b"
    assert len(shown[1]) < 3000


def test_deltas_in_a_row_are_one_line_for_each_kind() -> None:
    shown: list[str] = []
    events = Events(shown.append)
    for kind in ("a.delta", "b.delta", "a.delta", "c.done", "a.delta", "c.done"):
        events.show(kind)

    assert [line.removeprefix("Received event: ") for line in shown] == [
        *("a.delta \u00d72", "b.delta", "c.done", "a.delta", "c.done")
    ]
