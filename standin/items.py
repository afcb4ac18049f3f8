"""The conversation's items, in order: what was said and typed, and how much sound it has."""

from typing import Any

from standin.events import Event, RefusedError, new_id

MOST_ITEMS = 500

_ITEM_KEYS: dict[str, tuple[str, ...]] = {
    "message": ("role", "content"),
    "function_call": ("name", "call_id", "arguments"),
    "function_call_output": ("call_id", "output"),
    "mcp_approval_response": ("approval_request_id", "approve"),
}
_ROLES = ("user", "assistant", "system")


class Items:
    """The items of one session; the oldest are forgotten beyond 500."""

    def __init__(self) -> None:
        self._items: dict[str, Event] = {}
        self._audio_ms: dict[str, int] = {}

    @property
    def last_id(self) -> str | None:
        """The id of the newest item, to be named as the next one's `previous_item_id`."""
        return next(reversed(self._items), None)

    def add(self, item: Event, audio_ms: int = 0) -> None:
        """Append an item or replace it; `audio_ms` is the length of an assistant's sound."""
        self._items[item["id"]] = item
        self._audio_ms[item["id"]] = audio_ms
        while len(self._items) > MOST_ITEMS:
            oldest = next(iter(self._items))
            del self._items[oldest], self._audio_ms[oldest]

    def speech(self, item_id: str, transcript: str | None) -> Event:
        """Append what a user said; answers with `conversation.item.created`."""
        item = {
            "id": item_id,
            "object": "realtime.item",
            "type": "message",
            "status": "completed",
            "role": "user",
            "content": [{"type": "input_audio", "audio": None, "transcript": transcript}],
        }
        created = {"previous_item_id": self.last_id, "item": item}
        self.add(item)
        return {"type": "conversation.item.created", **created}

    def create(self, message: Event) -> Event:
        """Answer `conversation.item.create`."""
        item = message.get("item")
        if not isinstance(item, dict):
            raise RefusedError("item must be an object", param="item")
        wanted = _ITEM_KEYS.get(str(item.get("type")))
        if wanted is None:
            raise RefusedError(f"item.type must be one of {', '.join(_ITEM_KEYS)}", param="item.type")
        for name in wanted:
            if name not in item:
                raise RefusedError(f"item.{name}: field required", param=f"item.{name}")
        if item["type"] == "message":
            _check_message(item)
        previous = message.get("previous_item_id")
        if previous is not None and previous not in (*self._items, "root"):
            raise RefusedError(f"Item {previous!r} does not exist", param="previous_item_id")
        known = {"id": item.get("id") or new_id("item"), "object": "realtime.item"}
        if not isinstance(known["id"], str) or known["id"] in self._items:
            raise RefusedError("item.id must be a new string", param="item.id")
        status = {"status": "completed"} if item["type"] in ("message", "function_call") else {}
        answer: Event = {
            "type": "conversation.item.created",
            "previous_item_id": previous or self.last_id,
            "item": {**item, **known, **status},
        }
        self.add(answer["item"])
        return answer

    def retrieve(self, message: Event) -> Event:
        """Answer `conversation.item.retrieve`."""
        item = self._items[self._known(message)]
        return {"type": "conversation.item.retrieved", "item": item}

    def delete(self, message: Event) -> Event:
        """Answer `conversation.item.delete`."""
        item_id = self._known(message)
        del self._items[item_id], self._audio_ms[item_id]
        return {"type": "conversation.item.deleted", "item_id": item_id}

    def truncate(self, message: Event) -> Event:
        """Answer `conversation.item.truncate`: forget what the user did not hear."""
        item_id = self._known(message)
        end_ms, index = message.get("audio_end_ms"), message.get("content_index")
        if index != 0 or isinstance(index, bool):
            raise RefusedError("content_index must be 0", param="content_index")
        if not isinstance(end_ms, int) or isinstance(end_ms, bool) or end_ms < 0:
            raise RefusedError("audio_end_ms must be a whole number", param="audio_end_ms")
        if self._items[item_id].get("role") != "assistant":
            raise RefusedError("Only the agent's messages can be truncated", param="item_id")
        length_ms = self._audio_ms[item_id]
        if end_ms > length_ms:
            raise RefusedError(
                f"Audio content of {length_ms}ms is already shorter than {end_ms}ms",
                param="audio_end_ms",
            )
        self._shorten(item_id, end_ms)
        place = {"item_id": item_id, "content_index": 0, "audio_end_ms": end_ms}
        return {"type": "conversation.item.truncated", **place}

    def _shorten(self, item_id: str, end_ms: int) -> None:
        item, length_ms = self._items[item_id], self._audio_ms[item_id]
        content = [dict(part) for part in item["content"]]
        for part in content:
            words = str(part.get("transcript") or "").split()
            part["transcript"] = " ".join(words[: len(words) * end_ms // max(length_ms, 1)])
        self._items[item_id] = {**item, "content": content}
        self._audio_ms[item_id] = end_ms

    def _known(self, message: Event) -> str:
        item_id: Any = message.get("item_id")
        if not isinstance(item_id, str) or item_id not in self._items:
            raise RefusedError(f"Item {item_id!r} does not exist", param="item_id")
        return item_id


def _check_message(item: Event) -> None:
    if item["role"] not in _ROLES:
        raise RefusedError(f"item.role must be one of {', '.join(_ROLES)}", param="item.role")
    content = item["content"]
    if not isinstance(content, list) or not all(isinstance(part, dict) for part in content):
        raise RefusedError("item.content must be a list of objects", param="item.content")


def typed_text(item: Event) -> str:
    """The text of a message that someone typed; empty for other items."""
    parts = item.get("content") if item.get("type") == "message" else None
    return " ".join(str(part.get("text") or "") for part in parts or []).strip()
