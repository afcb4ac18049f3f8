"""Broken and hostile events: a client must survive them, and lose only that event.

The frames themselves are in order: a broken one ends a WebSocket, and nothing is left to survive.
"""

import base64
import json
import random
from collections.abc import Iterator

from standin.events import Event

HUGE_CHARACTERS = 4 * 2**20

_PLACE = ("response_id", "item_id", "output_index", "content_index")
_ODD = base64.b64encode(b"odd").decode("ascii")

# Which no time, no place and no count is; no float holds the first.
_NUMBERS = (10**400, -1, float("nan"), "7")

FRAMES: tuple[str | bytes, ...] = (
    *("", " ", "no JSON", "{", "[]", "[{}]", "null", "true", "7", "NaN", '"text"'),
    "[" * 100_000,  # deeper than a parser goes
    '{"type": "rate_limits.updated", "limit": ' + "9" * 5_000 + "}",  # more digits than Python takes
    '{"type": "some.future.event", "type": 7}',
    '{"type": "response.audio.delta", "delta": "AAAA"',
    *(b"", b"\x00\x01\x02\x03", b"\xff\xfe{}", b'{"type": "some.future.event"}'),
)


def _each(kind: str, name: str, *values: object) -> tuple[Event, ...]:
    """Events of one type, each with another value in the same field."""
    return tuple({"type": kind, name: value} for value in values)


EVENTS: tuple[Event, ...] = (
    {},
    {"event_id": "event_without_a_type"},
    *_each("some.future.event", "type", None, 7, True, "", [], {}, ["response.done"], "x\x00\x1b[2J"),
    *_each("some.future.event", "foo", 1),
    *_each("response.created", "response", None, 7, [], "x"),
    *_each("response.done", "response", None, 7, [], "x"),
    *_each("response.output_item.added", "item", None, 7),
    *_each("conversation.item.created", "item", None, 7, [], "x"),
    *_each("conversation.item.created", "item", {"id": None, "role": 7, "content": {"a": 1}}),
    *_each("conversation.item.input_audio_transcription.completed", "transcript", None, 7),
    *_each("conversation.item.input_audio_transcription.failed", "error", None, "x"),
    *_each("conversation.item.truncated", "audio_end_ms", "soon", {}, *_NUMBERS),
    *_each("session.updated", "session", None, *({"expires_at": number} for number in _NUMBERS)),
    *_each(
        "response.done",
        "response",
        *({"id": "resp_0", "usage": {"input_tokens": number}} for number in _NUMBERS),
    ),
    *_each("warning", "warning", None, "careful", {"message": None}),
    {"type": "response.audio.delta"},
    {"type": "response.audio_transcript.delta"},
)
# What an answer is made of, each to be put at its place in the running answer.
PARTS: tuple[Event, ...] = (
    *_each("response.audio.delta", "delta", None, 7, [], {}, "", "A", _ODD, "%%%%", "\ud800"),
    *_each("response.text.delta", "delta", None, 7),
    *_each("response.audio_transcript.delta", "delta", None, 7, ["a"], {}),
    *_each(
        "response.audio_transcript.delta",
        "delta",
        "\x00\x07\x08\x1b[2J\x1b[31m\x7f\x9b1m",  # clears the screen, paints it red
        "\x1b]0;title\x07\x1b]52;c;ZXZpbA==\x07",  # names the window, fills the clipboard
        "\x1b]8;;http://example.org\x1b\\link",
        "[bold red]markup[/] \u202egnorw\u2028\ud800",
    ),
)


def malformed(seed: int) -> Iterator[str | bytes | Event]:
    """All of them in random order, again and again, and with each round one of some MB."""
    order = random.Random(seed)
    while True:
        huge: Event = {"type": "some.future.event", "padding": "x" * HUGE_CHARACTERS}
        once: list[str | bytes | Event] = [*FRAMES, *EVENTS, *PARTS, huge]
        order.shuffle(once)
        yield from once


def placed(frame: str | bytes | Event, beside: Event) -> str | bytes:
    """The frame to send; a part of an answer gets the place that the event `beside` it has."""
    if not isinstance(frame, dict):
        return frame
    if frame in PARTS:
        frame = {**{name: beside[name] for name in _PLACE if name in beside}, **frame}
    return json.dumps(frame)
