"""The conversation's items, in order: what was said and typed, and how much sound it has."""

from typing import Any

from standin import fields
from standin.events import Event, RefusedError, new_id
from standin.route import Route

MOST_ITEMS = 500


class Items:
    """The items of one session; the oldest are forgotten beyond 500.

    In a cascade typed items have no previous one: `""`.
    """

    def __init__(self, route: Route) -> None:
        self._route = route
        self._items: dict[str, Event] = {}
        self._audio_ms: dict[str, int] = {}
        self._typed_last = False

    @property
    def last_id(self) -> str | None:
        """The id of the newest item, to be named as the next one's `previous_item_id`."""
        return next(reversed(self._items), None)

    @property
    def previous_id(self) -> str | None:
        """What stands before the agent's next item: in a cascade nothing, where that was typed."""
        return "" if self._typed_last and self._route.is_cascaded else self.last_id

    def add(self, item: Event, audio_ms: int = 0) -> None:
        """Append an item or replace it; `audio_ms` is the length of an assistant's sound."""
        self._typed_last = False
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
            "content": [{"type": "input_audio", "transcript": transcript}],
        }
        created = {"previous_item_id": self.last_id, "item": item}
        self.add(item)
        return {"type": "conversation.item.created", **created}

    def create(self, message: Event) -> Event:
        """Answer `conversation.item.create`."""
        item: Any = message.get("item")
        fields.check_item(item, self._route.version)
        previous = message.get("previous_item_id")
        if previous not in (None, "", "root", *self._items):
            raise RefusedError(f"Item {previous!r} does not exist", param="previous_item_id")
        known = {"id": item.get("id") or new_id("item"), "object": "realtime.item"}
        if known["id"] in self._items:
            raise RefusedError("item.id must be new", param="item.id")
        self._refuse_what_answers_nothing(item)
        status = {"status": "completed"} if item["type"] in ("message", "function_call") else {}
        last = "" if self._route.is_cascaded else self.last_id
        answer: Event = {
            "type": "conversation.item.created",
            "previous_item_id": previous or last,
            "item": known | {name: value for name, value in item.items() if name not in known} | status,
        }
        self.add(answer["item"])
        self._typed_last = True
        return answer

    def _refuse_what_answers_nothing(self, item: Event) -> None:
        """An approval needs its request, an output its call; the service's words for it are not known."""
        items = self._items.values()
        if item["type"] == "mcp_approval_response":
            request = self._items.get(item["approval_request_id"], {})
            if request.get("type") != "mcp_approval_request":
                text = f"Approval request {item['approval_request_id']!r} does not exist"
                raise RefusedError(text, param="item.approval_request_id")
        if item["type"] == "function_call_output" and not any(
            one["type"] == "function_call" and one["call_id"] == item["call_id"] for one in items
        ):
            raise RefusedError(f"Tool call {item['call_id']!r} does not exist", param="item.call_id")

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


def typed_text(item: Event) -> str:
    """The text of a message that someone typed; empty for other items."""
    parts = item.get("content") if item.get("type") == "message" else None
    return " ".join(str(part.get("text") or "") for part in parts or []).strip()
