"""One answer, from `response.created` to `response.done`: a message of one part, sound or text."""

import base64
import re
from collections.abc import Iterator
from itertools import cycle
from typing import Any

import numpy as np

from standin.events import Event, new_id

DELTA_MS = (40, 170, 95, 200, 63, 128)  # as uneven as a network
WORDS_AHEAD = 3


class Reply:
    """The events of one response; the caller sends them, and decides when to stop.

    `settings` are the fields of the session, overridden by those of `response.create`.
    `pcm` is the answer's sound, PCM16 mono at `rate_hz`.
    """

    def __init__(
        self, words: str, pcm: bytes, rate_hz: int, settings: dict[str, Any], conversation_id: str
    ) -> None:
        self.id = new_id("resp")
        self.item_id = new_id("item")
        self.rate_hz = rate_hz
        self.in_sound = "audio" in settings["modalities"]
        self.sent_bytes = 0
        self._pcm = pcm if self.in_sound else b""
        self._words: list[str] = re.findall(r"\s*\S+", words)
        self._said = 0  # words
        self._settings = settings
        self._conversation_id = conversation_id
        self._place = {
            "response_id": self.id,
            "item_id": self.item_id,
            "output_index": 0,
            "content_index": 0,
        }

    @property
    def transcript(self) -> str:
        """What was said so far."""
        return "".join(self._words[: self._said])

    @property
    def sent_ms(self) -> int:
        """How much sound was handed out so far."""
        return self.sent_bytes * 1000 // (2 * self.rate_hz)

    def opening(self, previous_item_id: str | None) -> list[Event]:
        """Everything up to the first word."""
        item = self.item("in_progress")
        place = {"response_id": self.id, "output_index": 0}
        return [
            {"type": "response.created", "response": self._response("in_progress", None)},
            {"type": "response.output_item.added", **place, "item": item},
            {
                "type": "conversation.item.created",
                "previous_item_id": previous_item_id,
                "item": item,
            },
            {"type": "response.content_part.added", "part": self._part(""), **self._place},
        ]

    def pieces(self) -> Iterator[tuple[list[Event], bytes]]:
        """The words and the sound, in small steps: events, and the sound that they carry."""
        if not self.in_sound:
            for _ in self._words:
                yield self._text_until(self._said + 1), b""
            return
        for begin, end in self._cuts():
            ahead = WORDS_AHEAD + end * len(self._words) // max(len(self._pcm), 1)
            events = self._words_until(ahead if end < len(self._pcm) else len(self._words))
            sound = self._pcm[begin:end]
            self.sent_bytes = end
            delta = base64.b64encode(sound).decode("ascii")
            events.append({"type": "response.audio.delta", "delta": delta, **self._place})
            yield events, sound

    def closing(self, status: str, reason: str | None = None) -> list[Event]:
        """Everything after the last word, for a response that was `completed` or `cancelled`."""
        text = self.transcript
        if self.in_sound:
            dones: list[Event] = [{"type": "response.audio.done"}]
            if self._settings["output_audio_timestamp_types"]:
                dones.append({"type": "response.audio_timestamp.done"})
            dones.append({"type": "response.audio_transcript.done", "transcript": text})
        else:
            dones = [{"type": "response.text.done", "text": text}]
        dones.append({"type": "response.content_part.done", "part": self._part(text)})
        item = self.item("completed" if status == "completed" else "incomplete")
        details = {"type": status, "reason": reason} if reason else None
        return [
            *({**done, **self._place} for done in dones),
            {
                "type": "response.output_item.done",
                "response_id": self.id,
                "output_index": 0,
                "item": item,
            },
            {"type": "response.done", "response": self._response(status, details, item)},
        ]

    def item(self, status: str) -> Event:
        """The assistant's message; its content is empty while the answer is in progress."""
        return {
            "id": self.item_id,
            "object": "realtime.item",
            "type": "message",
            "status": status,
            "role": "assistant",
            "content": [] if status == "in_progress" else [self._part(self.transcript)],
        }

    def _cuts(self) -> Iterator[tuple[int, int]]:
        begin = 0
        for length_ms in cycle(DELTA_MS):
            if begin >= len(self._pcm):
                return
            end = min(begin + length_ms * self.rate_hz // 1000 * 2, len(self._pcm))
            yield begin, end
            begin = end

    def _words_until(self, count: int) -> list[Event]:
        """The transcript's next deltas, up to `count` words in all, with times if asked for."""
        events: list[Event] = []
        spans = len(self._pcm) * 1000 // (2 * self.rate_hz) / max(len(self._words), 1)
        begin, self._said = self._said, max(self._said, min(count, len(self._words)))
        for index in range(begin, self._said):
            events.append({"type": "response.audio_transcript.delta", "delta": self._words[index]})
        if self._settings["output_audio_timestamp_types"]:
            for index in range(begin, self._said):
                events.append(
                    {
                        "type": "response.audio_timestamp.delta",
                        "audio_offset_ms": round(index * spans),
                        "audio_duration_ms": round(spans),
                        "text": self._words[index].strip(),
                        "timestamp_type": "word",
                    }
                )
        return [{**event, **self._place} for event in events]

    def _text_until(self, count: int) -> list[Event]:
        begin, self._said = self._said, count
        delta = "".join(self._words[begin:count])
        return [{"type": "response.text.delta", "delta": delta, **self._place}]

    def _part(self, text: str) -> Event:
        if self.in_sound:
            return {"type": "audio", "transcript": text}
        return {"type": "text", "text": text}

    def _response(self, status: str, details: Event | None, *output: Event) -> Event:
        return {
            "id": self.id,
            "object": "realtime.response",
            "status": status,
            "status_details": details,
            "output": list(output),
            "conversation_id": self._conversation_id,
            "modalities": self._settings["modalities"],
            "voice": self._settings["voice"],
            "output_audio_format": self._settings["output_audio_format"],
            "temperature": self._settings["temperature"],
            "max_output_tokens": self._settings.get("max_output_tokens")
            or self._settings["max_response_output_tokens"],
            "usage": None if status == "in_progress" else _usage(self._said),
            "metadata": self._settings.get("metadata"),
        }


def resampled(pcm: bytes, rate_hz: int, wanted_hz: int) -> bytes:
    """PCM16 at another rate, by straight lines between the samples: good enough for a stand-in."""
    if rate_hz == wanted_hz or not pcm:
        return pcm
    samples = np.frombuffer(pcm, "<i2")
    positions = np.arange(len(samples) * wanted_hz // rate_hz) * (rate_hz / wanted_hz)
    moved: bytes = np.interp(positions, np.arange(len(samples)), samples).astype("<i2").tobytes()
    return moved


def _usage(words: int) -> Event:
    """Counts in the service's form; the stand-in has no tokens, so it counts its words."""
    return {
        "total_tokens": words,
        "input_tokens": 0,
        "output_tokens": words,
        "input_token_details": {
            "cached_tokens": 0,
            "text_tokens": 0,
            "audio_tokens": 0,
            "image_tokens": 0,
            "cached_tokens_details": {"text_tokens": 0, "audio_tokens": 0, "image_tokens": 0},
        },
        "output_token_details": {"text_tokens": words, "audio_tokens": 0},
    }
