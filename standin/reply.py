"""One response, from `response.created` to `response.done`, with the items that it puts out."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from standin.events import Event, new_id
from standin.outputs import Message, Output
from standin.usage import Usage


class Reply:
    """The events of one response; the caller sends them, and decides when to stop.

    `settings` are the fields of the session, overridden by those of `response.create`. Between
    `response.created` and its first item pass `delay_s`.
    """

    def __init__(
        self,
        outputs: Sequence[Output],
        settings: dict[str, Any],
        conversation_id: str,
        delay_s: float = 0.0,
    ) -> None:
        self.id = new_id("resp")
        self.outputs = outputs
        self.delay_s = delay_s
        self.current: Output | None = None  # the item that has begun and is not done
        self._settings = settings
        self._conversation_id = conversation_id
        self._done: list[Event] = []

    @property
    def message(self) -> Message | None:
        """The message that is being said."""
        return self.current if isinstance(self.current, Message) else None

    def created(self) -> Event:
        """The response begins."""
        return {"type": "response.created", "response": self._response("in_progress", None, None)}

    def begin(self, index: int, previous_item_id: str | None) -> list[Event]:
        """One of its items begins."""
        self.current = output = self.outputs[index]
        output.place |= {"response_id": self.id, "item_id": output.item_id, "output_index": index}
        return output.opening(previous_item_id)

    def finish_item(self, status: str) -> list[Event]:
        """The item that has begun is done, where there is one."""
        output, self.current = self.current, None
        if output is None:
            return []
        events = output.closing(status)
        self._done.append(output.final(status))
        return events

    def done(self, status: str, reason: str | None, usage: Usage) -> Event:
        """The response is over: `completed`, or `cancelled` for a reason."""
        details = {"type": status, "reason": reason} if reason else None
        messages = [output for output in self.outputs if isinstance(output, Message)]
        sound_ms = sum(message.sent_ms for message in messages)
        spent = usage.of_response(" ".join(output.words for output in self.outputs), sound_ms)
        return {"type": "response.done", "response": self._response(status, details, spent)}

    def _response(self, status: str, details: Event | None, usage: Event | None) -> Event:
        wanted = self._settings
        return {
            "object": "realtime.response",
            "id": self.id,
            "status": status,
            "status_details": details,
            "output": list(self._done),
            "usage": usage,
            "conversation_id": self._conversation_id,
            "modalities": wanted["modalities"],
            "voice": wanted["voice"],
            "output_audio_format": wanted["output_audio_format"],
            "temperature": wanted["temperature"],
            "max_output_tokens": wanted["max_output_tokens"],
            "metadata": wanted.get("metadata"),
        }


def resampled(pcm: bytes, rate_hz: int, wanted_hz: int) -> bytes:
    """PCM16 at another rate, by straight lines between the samples: good enough for a stand-in."""
    if rate_hz == wanted_hz or not pcm:
        return pcm
    samples = np.frombuffer(pcm, "<i2")
    positions = np.arange(len(samples) * wanted_hz // rate_hz) * (rate_hz / wanted_hz)
    moved: bytes = np.interp(positions, np.arange(len(samples)), samples).astype("<i2").tobytes()
    return moved


def of_length(pcm: bytes, rate_hz: int, seconds: float) -> bytes:
    """The same sound again and again, or only its beginning, for so long."""
    wanted = max(1, round(rate_hz * seconds)) * 2
    return (pcm * (wanted // max(len(pcm), 1) + 1))[:wanted]
