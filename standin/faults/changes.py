"""How faults change what the service says: warnings, failed answers, words that were not understood."""

from collections.abc import Collection
from typing import Any

from standin.events import Event

TRANSCRIPTION = "conversation.item.input_audio_transcription."

_WARNING: Event = {
    "type": "warning",
    "warning": {
        "code": None,
        "message": "Parameter 'tools' is ignored in agent mode.",
        "param": "session.tools",
    },
}
_NOT_TRANSCRIBED = {
    "type": "server_error",
    "code": "transcription_failed",
    "message": "Input audio transcription failed.",
    "param": None,
}
_NOT_CREATED = {
    "type": "server_error",
    "code": "message_creation_failed",
    "message": "Failed to create message",
}
_INVOCATION: tuple[Event, ...] = tuple(
    {"type": "response.invocation.delta", "delta": {"event": "progress", "step": step}}
    for step in ("started", "looked something up")
)


def changed(event: Event, scenes: Collection[str]) -> list[Event]:
    """What is sent in the place of an event; the event itself stays as it is."""
    match event["type"]:
        case "session.updated" if "warning" in scenes:
            return [event, _WARNING]
        case kind if kind.startswith(TRANSCRIPTION) and "fail-transcription" in scenes:
            place = {"item_id": event["item_id"], "content_index": event["content_index"]}
            return [{"type": f"{TRANSCRIPTION}failed", **place, "error": _NOT_TRANSCRIBED}]
        case "conversation.item.created" if event["item"].get("role") == "user":
            wordless = "fail-transcription" in scenes or "late-transcript" in scenes
            return [_without_words(event) if wordless else event]
        case kind if "fail-response" in scenes and _belongs_to_an_answer(event):
            return [_failed(event)] if kind in ("response.created", "response.done") else []
        case kind if "empty-response" in scenes and _belongs_to_an_answer(event):
            return [_empty(event)] if kind in ("response.created", "response.done") else []
        case "response.output_item.done" | "response.done" if "incomplete-response" in scenes:
            return [_incomplete(event, "max_output_tokens")]
        case "response.output_item.done" | "response.done" if "content-filter" in scenes:
            return [_incomplete(event, "content_filter")]
        case "response.created" if "invocation" in scenes:
            return [event, *_INVOCATION]
    return [event]


def _belongs_to_an_answer(event: Event) -> bool:
    kind: str = event["type"]
    if kind == "conversation.item.created":
        return bool(event["item"].get("role") == "assistant")
    return kind.startswith("response.")


def _failed(event: Event) -> Event:
    """An answer that was not said at all; one that was interrupted stays so."""
    response = event["response"]
    if response["status"] != "completed":
        return {**event, "response": {**response, "output": []}}
    details = {"type": "failed", "error": _NOT_CREATED}
    failed: Event = {"status": "failed", "status_details": details, "output": [], "usage": None}
    return {**event, "response": {**response, **failed}}


def _empty(event: Event) -> Event:
    """An answer without a word; its status stays as it is."""
    return {**event, "response": {**event["response"], "output": []}}


def _incomplete(event: Event, reason: str) -> Event:
    if "item" in event:
        return {**event, "item": {**event["item"], "status": "incomplete"}}
    response = event["response"]
    if response["status"] != "completed":
        return event
    details = {"type": "incomplete", "reason": reason}
    output = [{**item, "status": "incomplete"} for item in response["output"]]
    incomplete = {"status": "incomplete", "status_details": details, "output": output}
    return {**event, "response": {**response, **incomplete}}


def _without_words(event: Event) -> Event:
    """A user's item before its sound was understood; typed text stays."""
    content: list[dict[str, Any]] = event["item"]["content"]
    silent = [part | {"transcript": None} if part["type"] == "input_audio" else part for part in content]
    return {**event, "item": {**event["item"], "content": silent}}
