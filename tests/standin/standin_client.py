"""A plain client of the stand-in, for its tests: JSON over a WebSocket, every event checked."""

import base64
import json
import math
import socket
import struct
import wave
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlencode

import standin_shapes
import websocket

from standin.server import SAMPLE

Event = dict[str, Any]

TIMEOUT_S = 10.0
BEARER = {"Authorization": "Bearer made-up"}
KEY = {"api-key": "made-up"}
NAMED = {"api-version": "2026-07-15", "agent-name": "agent", "agent-project-name": "project"}
CLASSIC = {
    "api-version": "2025-10-01",
    "agent-id": "asst_1",
    "agent-project-name": "project",
    "agent-access-token": "made-up",
}
HUB = {
    "api-version": "2025-05-01-preview",
    "agent-id": "asst_1",
    "agent-connection-string": "region.api.azureml.ms;subscription;group;project",
    "agent-access-token": "made-up",
}
DETECTION = {
    "type": "azure_semantic_vad",
    "prefix_padding_ms": 200,
    "silence_duration_ms": 200,
    "end_of_utterance_detection": {"model": "semantic_detection_v1"},
}
ECHO_CANCELLATION = {"type": "server_echo_cancellation"}
TURN = [
    "input_audio_buffer.speech_started",
    "input_audio_buffer.speech_stopped",
    "input_audio_buffer.committed",
    "conversation.item.input_audio_transcription.completed",
    "conversation.item.created",
    "response.created",
]
END_OF_ANSWER = [
    "response.audio.done",
    "response.audio_transcript.done",
    "response.content_part.done",
    "response.output_item.done",
    "response.done",
]
MS = 48  # bytes of PCM16 at 24 kHz


def agent_on(version: str) -> dict[str, str]:
    """A query for an agent that this api-version has."""
    return {**(NAMED if version >= "2026-01-01-preview" else CLASSIC), "api-version": version}


def sample(path: Path = SAMPLE) -> bytes:
    """The bundled speech as PCM16 at 24 kHz."""
    with wave.open(str(path)) as file:
        pcm: bytes = file.readframes(file.getnframes())
    return pcm


def silence(ms: int) -> bytes:
    """Digital silence at 24 kHz."""
    return bytes(ms * MS)


def loud(ms: int) -> bytes:
    """A tone at 24 kHz that is loud from its first sample on: 375 Hz."""
    return struct.pack("<64h", *(round(12_000 * math.sin(math.tau * i / 64)) for i in range(64))) * (
        ms * MS // 128
    )


class Client:
    """One connection to the stand-in."""

    def __init__(
        self,
        endpoint: str,
        query: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
        path: str = "/voice-live/realtime",
    ) -> None:
        address = endpoint.replace("http", "ws", 1) + path
        url = f"{address}?{urlencode(NAMED if query is None else query)}"
        self.socket = websocket.create_connection(
            url, timeout=TIMEOUT_S, header=BEARER if headers is None else headers
        )

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.socket.close(timeout=1)
        if self.socket.sock is not None:  # the server closed first
            self.socket.sock.close()

    def vanish(self) -> None:
        """Cut the line without a word."""
        line = self.line()
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        line.close()

    def line(self) -> socket.socket:
        """The TCP connection below."""
        assert self.socket.sock is not None
        return self.socket.sock

    def configure(self, **session: Any) -> Event:
        """Send a session.update over sensible values; answers with what came for it."""
        if self.receive()["type"] != "session.created":
            raise AssertionError("no session.created")
        return self.update(**{"turn_detection": DETECTION, **session})

    def update(self, **session: Any) -> Event:
        """Send a session.update with just these fields; answers with what came for it."""
        self.send("session.update", session=session)
        return self.receive()

    def send(self, kind: str, **fields: Any) -> None:
        """Send one message."""
        self.socket.send(json.dumps({"type": kind, **fields}))

    def say(self, pcm: bytes) -> None:
        """Send sound, faster than real time."""
        self.send("input_audio_buffer.append", audio=base64.b64encode(pcm).decode())

    def receive(self) -> Event:
        """The next event, checked against its shape."""
        event: Event = json.loads(self.socket.recv())
        standin_shapes.check(event)
        return event

    def until(self, kind: str) -> list[Event]:
        """All events up to the next one of this type, itself included."""
        events = [self.receive()]
        while events[-1]["type"] != kind:
            events.append(self.receive())
        return events

    def close_code(self) -> int:
        """Wait for the server to close; the code that it gave."""
        opcode, frame = 0, b""
        while opcode != websocket.ABNF.OPCODE_CLOSE:
            opcode, frame = self.socket.recv_data(control_frame=True)
        return int.from_bytes(frame[:2], "big")


def types(events: list[Event]) -> list[str]:
    """Their types, each run of deltas as one."""
    kinds = [event["type"] for event in events]
    kinds = ["(deltas)" if kind.endswith(".delta") else kind for kind in kinds]
    return [kind for index, kind in enumerate(kinds) if kinds[index - 1 : index] != [kind]]


def sound(events: list[Event]) -> bytes:
    """What the agent said, as PCM16."""
    deltas = [event for event in events if event["type"] == "response.audio.delta"]
    return b"".join(base64.b64decode(event["delta"]) for event in deltas)


def refusal(event: Event) -> tuple[str, str | None]:
    """Code and parameter of an `error` event."""
    assert event["type"] == "error", event
    return event["error"]["code"], event["error"]["param"]
