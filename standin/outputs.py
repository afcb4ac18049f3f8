"""The items of a response, one class for each kind: what is sent from its beginning to its end.

Of a message, the shapes and their order are those of the service's recordings; of the other kinds, the
shapes are the SDK's, and the order within MCP is that which the SDK's sample expects.
"""

import base64
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any

from standin.events import Event, new_id

DELTA_MS = (40, 170, 95, 200, 63, 128)  # as uneven as a network
WORDS_AHEAD = 3
SEARCH_EVENTS_S = 0.3  # between "in progress" and "searching"


@dataclass(frozen=True)
class Step:
    """Events that go out together, the sound in them, and how long nothing follows."""

    events: list[Event]
    sound: bytes = b""
    pause_s: float = 0.0


class Output:
    """One item; its response tells it its place before it begins."""

    kind = ""
    statuses: tuple[str, ...] = ("in_progress", "completed")  # of the item, before and after; () for none
    prefix = "item"

    def __init__(self) -> None:
        self.item_id = new_id(self.prefix)
        self.place: Event = {}  # response_id, item_id, output_index
        self.words = ""  # all that is said in it, for the count of tokens

    def item(self, done: bool, status: str | None = None) -> Event:
        """The item as it is shown, finished or not."""
        head: Event = {"id": self.item_id, "object": "realtime.item", "type": self.kind}
        if self.statuses:
            head["status"] = status or self.statuses[done]
        return head | self.body(done)

    def body(self, done: bool) -> Event:
        """What this kind of item has besides its head."""
        raise NotImplementedError

    def opening(self, previous_item_id: str | None) -> list[Event]:
        """The item appears."""
        item = self.item(False)
        added = {name: self.place[name] for name in ("response_id", "output_index")}
        created = {"previous_item_id": previous_item_id, "item": item}
        return [
            {"type": "response.output_item.added", **added, "item": item},
            {"type": "conversation.item.created", **created},
        ]

    def steps(self) -> Iterator[Step]:
        """What happens in between."""
        return iter(())

    def closing(self, status: str) -> list[Event]:
        """The item is finished: `completed`, or `incomplete` where it was broken off."""
        added = {name: self.place[name] for name in ("response_id", "output_index")}
        return [{"type": "response.output_item.done", **added, "item": self.final(status)}]

    def final(self, status: str) -> Event:
        """The item as it stays."""
        return self.item(True, status if status == "incomplete" else None)


class Message(Output):
    """What the agent says: a message of one part, sound or text.

    `pcm` is PCM16 mono at `rate_hz`; `coded` makes the bytes of it that are sent. With `citations` it
    names what it refers to.
    """

    kind = "message"

    def __init__(
        self, words: str, pcm: bytes, rate_hz: int, settings: dict[str, Any], *, is_cascaded: bool = True
    ) -> None:
        self.prefix = "msg" if is_cascaded else "item"
        self.statuses = ("incomplete" if is_cascaded else "in_progress", "completed")
        super().__init__()
        self.rate_hz = rate_hz
        self.in_sound = "audio" in settings["modalities"]
        self.sent_bytes = 0
        self.coded: Callable[[bytes], bytes] = bytes
        self.citations: list[Event] = []
        self._pcm = pcm if self.in_sound else b""
        self._words: list[str] = re.findall(r"\s*\S+", words)
        self._said = 0  # words
        self._times = bool(settings["output_audio_timestamp_types"])

    @property
    def transcript(self) -> str:
        """What was said so far."""
        return "".join(self._words[: self._said])

    @property
    def sent_ms(self) -> int:
        """How much sound was handed out so far."""
        return self.sent_bytes * 1000 // (2 * self.rate_hz)

    def body(self, done: bool) -> Event:
        """The content is empty while the message is in progress."""
        return {"role": "assistant", "content": [self._part(self.transcript)] if done else []}

    def opening(self, previous_item_id: str | None) -> list[Event]:
        self.place["content_index"] = 0
        part = {"type": "response.content_part.added", **self.place, "part": self._part("")}
        return [*super().opening(previous_item_id), part]

    def steps(self) -> Iterator[Step]:
        """The words and the sound, in small steps."""
        if not self.in_sound:
            yield from (Step(self._text_until(self._said + 1)) for _ in self._words)
            return
        for begin, end in self._cuts():
            ahead = WORDS_AHEAD + end * len(self._words) // max(len(self._pcm), 1)
            events = self._words_until(ahead if end < len(self._pcm) else len(self._words))
            sound = self._pcm[begin:end]
            self.sent_bytes = end
            delta = base64.b64encode(self.coded(sound)).decode("ascii")
            events.append({"type": "response.audio.delta", **self.place, "delta": delta})
            yield Step(events, sound)

    def closing(self, status: str) -> list[Event]:
        self.words = text = self.transcript
        dones: list[Event] = [
            {"type": "response.audio_transcript.annotation.added", "annotation_index": at, "annotation": one}
            for at, one in enumerate(self.citations if status == "completed" else ())
        ]
        if self.in_sound:
            dones.append({"type": "response.audio.done"})
            if self._times:
                dones.append({"type": "response.audio_timestamp.done"})
            dones.append({"type": "response.audio_transcript.done", "transcript": text})
        else:
            dones.append({"type": "response.text.done", "text": text})
        dones.append({"type": "response.content_part.done", "part": self._part(text)})
        return [*({**done, **self.place} for done in dones), *super().closing(status)]

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
        for index in range(begin, self._said) if self._times else ():
            events.append(
                {
                    "type": "response.audio_timestamp.delta",
                    "audio_offset_ms": round(index * spans),
                    "audio_duration_ms": round(spans),
                    "text": self._words[index].strip(),
                    "timestamp_type": "word",
                }
            )
        return [{**event, **self.place} for event in events]

    def _text_until(self, count: int) -> list[Event]:
        begin, self._said = self._said, count
        delta = "".join(self._words[begin:count])
        return [{"type": "response.text.delta", "delta": delta, **self.place}]

    def _part(self, text: str) -> Event:
        if self.in_sound:
            return {"type": "audio", "transcript": text}
        return {"type": "text", "text": text}


class FunctionCall(Output):
    """A function that the client is to run."""

    kind = "function_call"

    def __init__(self, name: str, arguments: str) -> None:
        super().__init__()
        self.call_id = new_id("call")
        self.name = name
        self.words = self._arguments = arguments

    def body(self, done: bool) -> Event:
        arguments = self._arguments if done else ""
        return {"name": self.name, "call_id": self.call_id, "arguments": arguments}

    def steps(self) -> Iterator[Step]:
        place = {**self.place, "call_id": self.call_id}
        for piece in re.findall(r"\W+|\w+", self._arguments):
            yield Step([{"type": "response.function_call_arguments.delta", **place, "delta": piece}])
        done = {"name": self.name, "arguments": self._arguments}
        yield Step([{"type": "response.function_call_arguments.done", **place, **done}])


@dataclass(frozen=True)
class McpTool:
    """A tool of a remote server, and with what it is called."""

    server: str
    name: str
    arguments: str = field(default='{"query":"voice live"}')

    def body(self, arguments: str) -> Event:
        """The fields of items about it."""
        return {"server_label": self.server, "name": self.name, "arguments": arguments}

    def argument_events(self, place: Event) -> list[Event]:
        """The arguments, in one piece."""
        delta = {"delta": self.arguments, "obfuscation": None}
        return [
            {"type": "response.mcp_call_arguments.delta", **place, **delta},
            {"type": "response.mcp_call_arguments.done", **place, "arguments": self.arguments},
        ]


class ApprovalRequest(Output):
    """Whether a tool may be called; its `conversation.item.created` comes with the arguments."""

    kind = "mcp_approval_request"
    statuses = ()
    prefix = "mcpr"

    def __init__(self, tool: McpTool) -> None:
        super().__init__()
        self.tool = tool

    def body(self, done: bool) -> Event:
        return self.tool.body(self.tool.arguments if done else "")

    def opening(self, previous_item_id: str | None) -> list[Event]:
        added, created = super().opening(previous_item_id)
        arguments = self.tool.argument_events(self.place)
        return [added, *arguments, {**created, "item": self.item(True)}]


class McpCall(Output):
    """A call of a remote tool that the service makes; it takes `seconds`, and may fail.

    Its response is done when the call begins, or long before, where the call was approved.
    """

    kind = "mcp_call"
    statuses = ()
    prefix = "mcp"

    def __init__(self, tool: McpTool, seconds: float, error: str | None, approval_id: str | None) -> None:
        super().__init__()
        self.tool = tool
        self._seconds = seconds
        self._error = error
        self._approval_id = approval_id
        self._is_over = False

    def body(self, done: bool) -> Event:
        output = "A page about Voice Live." if self._is_over and self._error is None else None
        told = self._is_over and self._error is not None
        error = {"type": "tool_execution_error", "message": self._error} if told else None
        arguments = self.tool.arguments if done or self._approval_id else ""
        body = {"approval_request_id": self._approval_id, "output": output, "error": error}
        return self.tool.body(arguments) | body

    def opening(self, previous_item_id: str | None) -> list[Event]:
        """An approved call was announced by its request: it only appears in the conversation."""
        added, created = super().opening(previous_item_id)
        if self._approval_id is not None:
            return [created]
        return [added, created, *self.tool.argument_events(self.place)]

    def closing(self, status: str) -> list[Event]:
        """Nothing: the item is done later than its response."""
        return []

    def calling(self) -> Iterator[Step]:
        """The call itself, to its end."""
        place = {"item_id": self.item_id, "output_index": self.place["output_index"]}
        yield Step([{"type": "response.mcp_call.in_progress", **place}], pause_s=self._seconds)
        self._is_over = True
        end = "completed" if self._error is None else "failed"
        done = {"type": f"response.mcp_call.{end}", **place}
        yield Step([done, *super().closing("completed")])


class Search(Output):
    """A search on the web or in files, by the service; `kind` is `web_search_call` or `file_search_call`."""

    def __init__(self, kind: str, seconds: float) -> None:
        self.kind = kind
        self.prefix = f"{kind[0]}s"
        super().__init__()
        self._seconds = seconds

    def body(self, done: bool) -> Event:
        return {"queries": ["voice live"], "results": None} if self.kind.startswith("file") else {}

    def steps(self) -> Iterator[Step]:
        seconds = (SEARCH_EVENTS_S, max(0.0, self._seconds - SEARCH_EVENTS_S), 0.0)
        for number, state in enumerate(("in_progress", "searching", "completed")):
            event = {"type": f"response.{self.kind}.{state}", **self.place, "sequence_number": number + 1}
            yield Step([event], pause_s=seconds[number])
