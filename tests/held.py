"""A conversation with no thread, no network and no sound, and the events that it is told."""

import base64
import io
from collections.abc import Callable
from typing import Any

from voicelive.conversation import Conversation
from voicelive.playback import Playback
from voicelive.session import Offer
from voicelive.toolcalls import Approve, RunFunction
from voicelive.transcript import Transcript
from voicelive.turns import Turn, Turns

Event = dict[str, Any]
SESSION_UPDATE: Event = {"type": "session.update", "session": {}}


class Shown:
    """What a transcript shows, in lines, as where it is read by a program."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._whose: object = None  # whose line is open

    @property
    def text(self) -> str:
        return "".join(self._pieces)

    def say(self, whose: object, more: str, begun: str) -> None:
        if whose is not self._whose:
            self.close_line()
            self._whose, more = whose, begun
        self._pieces.append(more)

    def end_line(self) -> None:
        self.close_line()

    def close_line(self) -> None:
        if self._whose:
            self._pieces.append("\n")
        self._whose = None


class Held:
    """A conversation, and all that it does."""

    def __init__(
        self,
        *,
        is_current: bool = False,
        first_message: Event | None = None,
        on_line: Callable[[str, str, str], None] | None = None,
        keep: Callable[[Turn], None] | None = None,
        run_function: RunFunction | None = None,
        approve: Approve = "none",
        offer: Offer | None = None,
    ) -> None:
        self.playback = Playback()
        self.log = io.StringIO()
        self.notes: list[str] = []
        self.sent: list[Any] = []
        self.turns = Turns(self.playback.account, keep)
        self.transcript = Transcript(Shown(), self.log.write, on_line or self.turns.write)
        self.conversation = Conversation(
            *(self.playback, self.transcript, self.turns, self.notes.append),
            first_message=first_message or SESSION_UPDATE,
            is_current=is_current,
            run_function=run_function,
            approve=approve,
            offer=offer or Offer(),
        )
        self.conversation.connect(self.sent.append)

    def handle(self, *events: Event) -> None:
        for event in events:
            self.conversation.handle(event)

    def render(self, frames: int) -> bytes:
        out = bytearray(2 * frames)
        self.playback.render(memoryview(out))
        return bytes(out)


UPDATED: Event = {"type": "session.updated", "session": {"id": "sess_1"}}
SPEECH_STARTED: Event = {"type": "input_audio_buffer.speech_started", "audio_start_ms": 0, "item_id": "u2"}
SPEECH_STOPPED: Event = {"type": "input_audio_buffer.speech_stopped", "audio_end_ms": 100, "item_id": "u2"}


def created(response: str = "resp_1") -> Event:
    return {"type": "response.created", "response": {"id": response, "status": "in_progress"}}


def added(response: str = "resp_1", item: str = "item_1") -> Event:
    return {"type": "response.output_item.added", "response_id": response, "item": {"id": item}}


def whole(response: str = "resp_1", item: str = "item_1") -> Event:
    return {"type": "response.output_item.done", "response_id": response, "item": {"id": item}}


def audio(pcm: bytes, response: str = "resp_1", item: str = "item_1") -> Event:
    delta = base64.b64encode(pcm).decode()
    return {"type": "response.audio.delta", "delta": delta, "response_id": response, "item_id": item}


def words(text: str, response: str = "resp_1", item: str = "item_1") -> Event:
    return {
        "type": "response.audio_transcript.delta",
        "delta": text,
        "response_id": response,
        "item_id": item,
    }


def done(response: str = "resp_1", **details: object) -> Event:
    return {"type": "response.done", "response": {"id": response, "status": "completed", **details}}
