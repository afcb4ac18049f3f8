"""What a person sees while the conversation lasts: the status, the keys, the summary."""

import io
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

import pytest
from held import SESSION_UPDATE
from servers import websocket_server
from test_call import Blocks, wait_until
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection

from voicelive.app.console import Host
from voicelive.app.screen import Screen
from voicelive.audio import BLOCK_BYTES
from voicelive.connection import Connection
from voicelive.conversation import Conversation
from voicelive.playback import Playback
from voicelive.reconnect import Call
from voicelive.transcript import Transcript
from voicelive.turns import Turns

UPDATED = {"type": "session.updated", "session": {"id": "sess_1"}}
STARTED = {"type": "input_audio_buffer.speech_started", "audio_start_ms": 0, "item_id": "u1"}
STOPPED = {"type": "input_audio_buffer.speech_stopped", "audio_end_ms": 0, "item_id": "u1"}
CREATED = {"type": "response.created", "response": {"id": "r1"}}
AUDIO = {"type": "response.audio.delta", "response_id": "r1", "item_id": "i1", "delta": "AQEBAQ=="}
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
def hosted() -> Iterator[tuple[Host, Service]]:
    service, screen, sink = Service(), Screen(str), Playback()
    turns = Turns(sink.account)
    transcript = Transcript(screen, io.StringIO().write, turns.write)
    conversation = Conversation(sink, transcript, turns, screen.note, SESSION_UPDATE)
    source = Blocks(b"\xff\x7f" * (BLOCK_BYTES // 2), endless=True)
    with websocket_server(service.serve) as url:
        call = Call(lambda *_: Connection(url, {}), conversation, source)
        call.start()
        try:
            yield Host(call, screen), service
        finally:
            call.end()


def test_the_status_tells_who_is_talking_and_the_latency() -> None:
    with hosted() as (host, service):
        sink = host.call.conversation.sink
        assert host.status().startswith(" connecting ")
        service.say(UPDATED)
        wait_until(host.call, lambda: host.status().startswith(" listening      [##########] "))
        service.say(STARTED)
        wait_until(host.call, lambda: host.status().startswith(" hearing you "))
        service.say(STOPPED)
        wait_until(host.call, lambda: host.status().startswith(" thinking "))
        service.say(CREATED, AUDIO, DONE)
        wait_until(host.call, lambda: host.status().startswith(" agent speaking "))
        sink.render(memoryview(bytearray(BLOCK_BYTES)))
        host.call.conversation.turns.settle(is_all_heard=True)
        wait_until(host.call, lambda: host.status().startswith(" listening "))
        assert "answered after 0." in host.status()
        assert len(host.status()) < 80


def test_keys_mute_send_and_end() -> None:
    with hosted() as (host, service):
        service.say(UPDATED)
        wait_until(host.call, host.call.conversation.ready.is_set)
        host._obey("m")
        assert host.call.uplink.muted and " muted " in host.status()
        host._obey("M")  # with Caps Lock on
        assert not host.call.uplink.muted
        host._obey("")
        host._obey("Hello")
        assert host.status().startswith(" thinking ")
        host._obey("Q")
        assert host.call.over.is_set()


def test_who_only_types_is_never_told_that_a_microphone_is_on(capsys: pytest.CaptureFixture[str]) -> None:
    with hosted() as (host, _):
        host.types_only = True
        host._obey("m")
        host._obey("m")
        host.screen.close()

        assert capsys.readouterr().err == 2 * "There is no microphone to mute: --no-mic.\n"


def test_the_summary_counts() -> None:
    with hosted() as (host, service):
        service.say(UPDATED, STARTED, STOPPED, CREATED, AUDIO)
        wait_until(host.call, lambda: host.call.conversation.turns.answers == 1)
        host.call.conversation.sink.render(memoryview(bytearray(BLOCK_BYTES)))
        host.call.conversation.turns.settle(is_all_heard=True)

        first, second = host.summary().splitlines()

    assert first.endswith(": 1 answer, 0 interrupted, 0 reconnects, 0 xruns.")
    assert second.startswith("First sound after 0.")
