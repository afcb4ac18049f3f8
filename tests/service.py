"""The service's side of a conversation, which says what it is told, when it is told."""

import base64
import itertools
import json
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection

DELTA_BYTES = 4800  # 100 ms of PCM16 at 24 kHz
TIMEOUT_S = 10

Event = dict[str, Any]


class ScriptedService:
    """Serves one client at a time; `serve` is the handler of a WebSocket server."""

    def __init__(self) -> None:
        self.blocks: list[tuple[float, bytes]] = []
        """When each block of the microphone arrived, in seconds of time.monotonic(), and its PCM."""
        self.clients = 0  # so far
        self._grown = threading.Condition()  # guards both, notified when one of them grows
        self._client: ServerConnection | None = None
        self._numbers = itertools.count(1)
        self._response = self._item = ""

    def serve(self, client: ServerConnection) -> None:
        """Accept the session, then collect what the microphone hears."""
        with self._grown:
            self._client = client
            self.clients += 1
            self._grown.notify_all()
        session: Event = {"id": "sess_bench", "model": "anna", "modalities": ["text", "audio"]}
        self._send("session.created", session=session)
        with suppress(ConnectionClosed):  # cut() does not say goodbye
            for message in client:
                self._receive(json.loads(message), session)

    def _receive(self, event: Event, session: Event) -> None:
        now = time.monotonic()
        if event["type"] == "input_audio_buffer.append":
            with self._grown:
                self.blocks.append((now, base64.b64decode(event["audio"])))
                self._grown.notify_all()
        elif event["type"] == "session.update":
            self._send("session.updated", session={**session, **event["session"]})

    def wait_for_client(self, number: int) -> None:
        """Wait until the client has connected so many times, and its microphone is heard."""
        with self._grown:
            blocks = len(self.blocks)
            if not self._grown.wait_for(
                lambda: self.clients >= number and len(self.blocks) > blocks, TIMEOUT_S
            ):
                raise TimeoutError("the client did not connect again")

    def wait_for_blocks(self) -> float:
        """Wait for the first block; when it arrived."""
        with self._grown:
            if not self._grown.wait_for(lambda: self.blocks, TIMEOUT_S):
                raise TimeoutError("no sound from the microphone")
            return self.blocks[0][0]

    def wait_for_sound(self, condition: Callable[[bytes], bool]) -> bytes:
        """Wait until `condition` holds for all that the microphone heard, and return that."""
        with self._grown:
            if not self._grown.wait_for(lambda: condition(b"".join(b for _, b in self.blocks)), TIMEOUT_S):
                raise TimeoutError("not heard by the microphone")
            return b"".join(block for _, block in self.blocks)

    def begin_reply(self) -> None:
        """All that comes before the first audio delta of a response."""
        number = next(self._numbers)
        self._response, self._item = f"resp_{number}", f"item_{number}"
        item = {"id": self._item, "object": "realtime.item", "type": "message", "role": "assistant"}
        response = {"id": self._response, "object": "realtime.response", "status": "in_progress"}
        self._send("response.created", response={**response, "output": []})
        self._send_of_reply("response.output_item.added", item={**item, "status": "in_progress"})
        self._send("conversation.item.created", previous_item_id=None, item={**item, "content": []})
        self._send_of_reply("response.content_part.added", part={"type": "audio", "transcript": ""})

    def send_audio(self, pcm: bytes) -> float:
        """Send a piece of the reply as deltas of 100 ms; the time just before the first of them."""
        began = time.monotonic()
        for at in range(0, len(pcm), DELTA_BYTES):
            delta = base64.b64encode(pcm[at : at + DELTA_BYTES]).decode()
            self._send_of_reply("response.audio.delta", delta=delta)
        return began

    def send_words(self, words: str) -> None:
        """Send a piece of what the reply says."""
        self._send_of_reply("response.audio_transcript.delta", delta=words)

    def end_reply(self, words: str = "A loud noise.") -> None:
        """All that comes after the last audio delta of a response."""
        self._send_of_reply("response.audio.done")
        self._send_of_reply("response.audio_transcript.done", transcript=words)
        self._send("response.done", response={"id": self._response, "status": "completed", "output": []})

    def interrupt(self) -> float:
        """The user begins to speak; the time just before the event is sent."""
        item = f"item_user_{next(self._numbers)}"
        began = time.monotonic()
        self._send("input_audio_buffer.speech_started", audio_start_ms=0, item_id=item)
        return began

    def end_turn(self) -> None:
        """The user has spoken."""
        item = f"item_user_{next(self._numbers)}"
        self._send("input_audio_buffer.speech_stopped", audio_end_ms=0, item_id=item)
        self._send("input_audio_buffer.committed", previous_item_id=None, item_id=item)
        kind = "conversation.item.input_audio_transcription.completed"
        self._send(kind, item_id=item, content_index=0, transcript="Be loud.")

    def cut(self) -> None:
        """Cut the line without a word."""
        assert self._client
        self._client.socket.shutdown(socket.SHUT_RDWR)

    def settle(self) -> None:
        """Wait until the client has read everything that was sent: it answers a ping after that."""
        assert self._client
        if not self._client.ping().wait(TIMEOUT_S):
            raise TimeoutError("the client does not read")

    def _send_of_reply(self, kind: str, **fields: object) -> None:
        ids = {"response_id": self._response, "item_id": self._item}
        self._send(kind, **ids, output_index=0, content_index=0, **fields)

    def _send(self, kind: str, **fields: object) -> None:
        assert self._client
        event = {"event_id": f"event_{next(self._numbers)}", "type": kind, **fields}
        self._client.send(json.dumps(event))
