"""The shape of each event that the stand-in sends, as the service sends it: exactly these fields."""

import re
from typing import Any

Shape = Any

TEXT, WHOLE, NUMBER, FLAG, LIST, OBJECT = str, int, (int, float), bool, list, dict
MAYBE_TEXT = (str, type(None))
MAYBE_OBJECT = (dict, type(None))
MAYBE_WHOLE = (int, type(None))
ID = re.compile(r"(event|sess|item|msg|resp|conv|thread|call|mcp|mcpl|mcpr|ws|fs)_[A-Za-z0-9]{20,24}")
MAYBE_ID = re.compile(ID.pattern + "|")  # a cascade of models shows no conversation

PLACE = {"response_id": ID, "item_id": ID, "output_index": WHOLE, "content_index": WHOLE}
CALL_PLACE = {"response_id": ID, "item_id": ID, "output_index": WHOLE}
CACHED = {"text_tokens": WHOLE, "audio_tokens": WHOLE, "image_tokens": WHOLE}
USAGE = {
    "total_tokens": WHOLE,
    "input_tokens": WHOLE,
    "output_tokens": WHOLE,
    "input_token_details": {
        "cached_tokens": WHOLE,
        "cache_write_tokens": WHOLE,
        **CACHED,
        "cached_tokens_details": CACHED,
    },
    "output_token_details": {"text_tokens": WHOLE, "audio_tokens": WHOLE, "reasoning_tokens": WHOLE},
}
RESPONSE = {
    "id": ID,
    "object": TEXT,
    "status": TEXT,
    "status_details": MAYBE_OBJECT,
    "output": LIST,
    "conversation_id": MAYBE_ID,
    "modalities": LIST,
    "voice": (str, dict),
    "output_audio_format": TEXT,
    "temperature": NUMBER,
    "max_output_tokens": (str, int, type(None)),
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
        "language": TEXT,
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
    "response.audio_transcript.annotation.added": {
        "annotation_index": WHOLE,
        "annotation": OBJECT,
        **PLACE,
    },
    "response.function_call_arguments.delta": {**CALL_PLACE, "call_id": ID, "delta": TEXT},
    "response.function_call_arguments.done": {
        **CALL_PLACE,
        "call_id": ID,
        "name": TEXT,
        "arguments": TEXT,
    },
    "mcp_list_tools.in_progress": {"item_id": ID},
    "mcp_list_tools.completed": {"item_id": ID},
    "mcp_list_tools.failed": {"item_id": ID},
    "response.mcp_call_arguments.delta": {**CALL_PLACE, "delta": TEXT, "obfuscation": MAYBE_TEXT},
    "response.mcp_call_arguments.done": {**CALL_PLACE, "arguments": TEXT},
    "response.mcp_call.in_progress": {"item_id": ID, "output_index": WHOLE},
    "response.mcp_call.completed": {"item_id": ID, "output_index": WHOLE},
    "response.mcp_call.failed": {"item_id": ID, "output_index": WHOLE},
    "response.invocation.delta": {"delta": OBJECT},
    **{
        f"response.{kind}_search_call.{state}": {**CALL_PLACE, "sequence_number": WHOLE}
        for kind in ("web", "file")
        for state in ("in_progress", "searching", "completed")
    },
}

SPOKEN_ITEM = {
    "id": ID,
    "object": TEXT,
    "type": TEXT,
    "status": TEXT,
    "role": TEXT,
    "content": LIST,
}
CALLS: dict[str, dict[str, Shape]] = {
    "function_call": {"status": TEXT, "name": TEXT, "call_id": TEXT, "arguments": TEXT},
    "mcp_list_tools": {"server_label": TEXT, "tools": LIST},
    "mcp_approval_request": {"server_label": TEXT, "name": TEXT, "arguments": TEXT},
    "mcp_call": {
        "approval_request_id": MAYBE_TEXT,
        "server_label": TEXT,
        "name": TEXT,
        "arguments": TEXT,
        "output": MAYBE_TEXT,
        "error": MAYBE_OBJECT,
    },
    "web_search_call": {"status": TEXT},
    "file_search_call": {"status": TEXT, "queries": LIST, "results": (list, type(None))},
}
VOICE = {
    "name": TEXT,
    "type": TEXT,
    "temperature": (int, float, type(None)),
    "prefer_locales": (list, type(None)),
    **dict.fromkeys(
        ("custom_lexicon_url", "custom_text_normalization_url", "locale", "style", "pitch"), MAYBE_TEXT
    ),
    **dict.fromkeys(("rate", "volume"), MAYBE_TEXT),
}
TRANSCRIPTION = {
    "model": TEXT,
    **dict.fromkeys(("language", "prompt", "delay"), MAYBE_TEXT),
    "custom_speech": MAYBE_OBJECT,
    "phrase_list": (list, type(None)),
}
SESSION = {
    "id": ID,
    "object": TEXT,
    "model": TEXT,
    "modalities": LIST,
    "voice": OBJECT,
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
    **dict.fromkeys(("truncation_strategy", "greeting", "handoff"), MAYBE_OBJECT),
    "include": (list, type(None)),
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
    if item is not None and item.get("type") in CALLS:
        head: dict[str, Shape] = {"id": ID, "object": TEXT, "type": TEXT}
        _match(item, head | CALLS[item["type"]], f"{kind}.item")
    if kind == "response.done" and event["response"]["usage"] is not None:
        _match(event["response"]["usage"], USAGE, "usage")
    if kind.startswith("session."):
        _check_session(event["session"])


def _check_session(session: dict[str, Any]) -> None:
    known = {name: session.get(name, KeyError) for name in SESSION}
    _match(known, SESSION, "session")
    if session["voice"]["type"] == "azure-standard":
        _match(session["voice"], VOICE, "session.voice")
    if session["input_audio_transcription"] is not None:
        _match(session["input_audio_transcription"], TRANSCRIPTION, "session.input_audio_transcription")


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
