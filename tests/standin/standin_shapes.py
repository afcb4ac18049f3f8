"""The shape of each event that the stand-in sends, as the service sends it: exactly these fields."""

import re
from typing import Any

Shape = Any

TEXT, WHOLE, NUMBER, FLAG, LIST, OBJECT = str, int, (int, float), bool, list, dict
MAYBE_TEXT = (str, type(None))
MAYBE_OBJECT = (dict, type(None))
ID = re.compile(r"(event|sess|item|resp|conv|thread)_[A-Za-z0-9]{20,24}")

PLACE = {"response_id": ID, "item_id": ID, "output_index": WHOLE, "content_index": WHOLE}
RESPONSE = {
    "id": ID,
    "object": TEXT,
    "status": TEXT,
    "status_details": MAYBE_OBJECT,
    "output": LIST,
    "conversation_id": ID,
    "modalities": LIST,
    "voice": (str, dict),
    "output_audio_format": TEXT,
    "temperature": NUMBER,
    "max_output_tokens": (str, int),
    "usage": MAYBE_OBJECT,
    "metadata": MAYBE_OBJECT,
}
ITEM_IN_RESPONSE = {"response_id": ID, "output_index": WHOLE, "item": OBJECT}
ERROR = {
    "type": TEXT,
    "code": TEXT,
    "message": TEXT,
    "param": MAYBE_TEXT,
    "event_id": MAYBE_TEXT,
}

SHAPES: dict[str, Shape] = {
    "session.created": {"session": OBJECT},
    "session.updated": {"session": OBJECT},
    "error": {"error": ERROR},
    "input_audio_buffer.speech_started": {"audio_start_ms": WHOLE, "item_id": ID},
    "input_audio_buffer.speech_stopped": {"audio_end_ms": WHOLE, "item_id": ID},
    "input_audio_buffer.committed": {"previous_item_id": MAYBE_TEXT, "item_id": ID},
    "input_audio_buffer.cleared": {},
    "conversation.item.created": {"previous_item_id": MAYBE_TEXT, "item": OBJECT},
    "conversation.item.retrieved": {"item": OBJECT},
    "conversation.item.deleted": {"item_id": TEXT},
    "conversation.item.truncated": {
        "item_id": ID,
        "content_index": WHOLE,
        "audio_end_ms": WHOLE,
    },
    "conversation.item.input_audio_transcription.completed": {
        "item_id": ID,
        "content_index": WHOLE,
        "transcript": TEXT,
    },
    "response.created": {"response": RESPONSE},
    "response.done": {"response": RESPONSE},
    "response.output_item.added": ITEM_IN_RESPONSE,
    "response.output_item.done": ITEM_IN_RESPONSE,
    "response.content_part.added": {"part": OBJECT, **PLACE},
    "response.content_part.done": {"part": OBJECT, **PLACE},
    "response.text.delta": {"delta": TEXT, **PLACE},
    "response.text.done": {"text": TEXT, **PLACE},
    "response.audio_transcript.delta": {"delta": TEXT, **PLACE},
    "response.audio_transcript.done": {"transcript": TEXT, **PLACE},
    "response.audio.delta": {"delta": TEXT, **PLACE},
    "response.audio.done": PLACE,
    "response.audio_timestamp.delta": {
        "audio_offset_ms": WHOLE,
        "audio_duration_ms": WHOLE,
        "text": TEXT,
        "timestamp_type": TEXT,
        **PLACE,
    },
    "response.audio_timestamp.done": PLACE,
}

SPOKEN_ITEM = {
    "id": ID,
    "object": TEXT,
    "type": TEXT,
    "status": TEXT,
    "role": TEXT,
    "content": LIST,
}
SESSION = {
    "id": ID,
    "model": TEXT,
    "modalities": LIST,
    "voice": (str, dict),
    "input_audio_format": TEXT,
    "output_audio_format": TEXT,
    "input_audio_sampling_rate": WHOLE,
    "turn_detection": MAYBE_OBJECT,
    "input_audio_noise_reduction": MAYBE_OBJECT,
    "input_audio_echo_cancellation": MAYBE_OBJECT,
    "input_audio_transcription": MAYBE_OBJECT,
    "output_audio_timestamp_types": (list, type(None)),
    "avatar": MAYBE_OBJECT,
    "animation": MAYBE_OBJECT,
    "tools": LIST,
    "tool_choice": (str, dict),
    "temperature": NUMBER,
    "max_response_output_tokens": (str, int),
}


def check(event: dict[str, Any]) -> None:
    """Fail where an event has not exactly the fields of its type, with values of their types."""
    kind = event["type"]
    if kind not in SHAPES:
        raise AssertionError(f"an event that the service does not send: {kind}")
    _match(event, {"type": TEXT, "event_id": ID, **SHAPES[kind]}, kind)
    item = event.get("item")
    if item is not None and item.get("role") in ("user", "assistant"):
        _match(item, SPOKEN_ITEM, f"{kind}.item")
    if kind.startswith("session."):
        known = {name: event["session"].get(name, KeyError) for name in SESSION}
        _match(known, SESSION, "session")


def _match(value: Any, shape: Shape, where: str) -> None:
    if isinstance(shape, dict):
        assert isinstance(value, dict) and value.keys() == shape.keys(), (where, value)
        for name, inner in shape.items():
            _match(value[name], inner, f"{where}.{name}")
    elif isinstance(shape, re.Pattern):
        assert isinstance(value, str) and shape.fullmatch(value), (where, value)
    else:
        assert isinstance(value, shape), (where, value)
        assert not isinstance(value, bool), (where, value)
