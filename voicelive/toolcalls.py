"""What the agent does besides speaking: functions of yours, tools that ask first, searches."""

import json
import logging
import re
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Literal

from voicelive import failures, session
from voicelive.session import Message
from voicelive.text import brief, printable
from voicelive.transcript import TOOL, Transcript

log = logging.getLogger(__name__)

SHOWN_CHARACTERS = 200  # of a call's arguments
KNOWN_ITEMS = 64  # so many calls are remembered, approved, asked about, under way
MOST_REPLIES = 256  # that wait until no response runs

Approve = Literal["none", "ask", "all"]


@dataclass(frozen=True)
class FunctionCall:
    """A function of ours that the agent wants to be run; `arguments` should be a JSON object."""

    id: str
    name: str
    arguments: str

    def __str__(self) -> str:
        return in_words(self.name, self.arguments)


Answer = Callable[[str], None]
"""Takes a function's output, for the agent: at any time, from any thread; the first one counts."""
RunFunction = Callable[[FunctionCall, Answer], bool]
"""Has a function run, and returns at once: False where there is none of that name."""


@dataclass(frozen=True)
class Approval:
    """A tool of an MCP server, which the service runs when a person agrees."""

    id: str
    server: str
    tool: str
    arguments: str

    def __str__(self) -> str:
        return f"{in_words(self.tool, self.arguments)} of {in_words(self.server)}"


@dataclass(frozen=True)
class Activity:
    """What the service does while the agent is silent, such as `searching the web`."""

    what: str
    response: str  # with which it ends at the latest; '' where it is part of none
    since: float = field(default_factory=time.monotonic)


class ToolCalls:
    """Those that are under way. All but an answer is called with the conversation's lock held."""

    def __init__(
        self,
        run: RunFunction | None,
        approve: Approve,
        note: Callable[[str], None],
        transcript: Transcript,
        lock: AbstractContextManager[object],
        go_on: Callable[[], None],
    ) -> None:
        """`run` is None where no function may be run. `lock` is the conversation's; `go_on` sends what is
        owed, with the lock held."""
        self.activity: Activity | None = None
        """The newest; may be read without the lock."""
        self.waiting: dict[str, FunctionCall] = {}
        """Calls that have no output yet, by id."""
        self.replies: deque[Message] = deque(maxlen=MOST_REPLIES)
        """For the service, as soon as it may be told."""
        self.owes_words = False
        """After these, or what the service itself has run, the agent is to be asked to go on."""
        self._run = run
        self._approve = approve
        self._note = note
        self._transcript = transcript
        self._lock = lock
        self._go_on = go_on
        self._seen: deque[str] = deque(maxlen=KNOWN_ITEMS)  # ids: the service tells most things twice
        self._items: dict[str, Message] = {}  # what the service runs itself, by item
        self._questions: deque[Approval] = deque()  # the first one is asked
        self._approved: deque[str] = deque(maxlen=KNOWN_ITEMS)  # requests, until their call begins
        self._doing: dict[str, Activity] = {}  # by item
        self._failed: dict[str, str] = {}  # calls whose reason may still come: what failed, by item

    @property
    def keeps_waiting(self) -> bool:
        """Whether the agent waits for an output of ours, or for a yes or no: until then it may answer
        nothing [reference]."""
        return bool(self.waiting or self._questions)

    @property
    def is_busy(self) -> bool:
        """Whether the agent waits for something else than the user's words. Needs no lock: what begins is
        noted before what it follows from ends."""
        return bool(
            self.waiting
            or self._questions
            or self._approved
            or self._doing
            or self.replies
            or self.owes_words
        )

    @property
    def is_asking(self) -> bool:
        """Whether a person is asked something. Needs no lock."""
        return bool(self._questions)

    def handle(self, event: Message) -> None:
        """One event of the service; nothing happens where it is about something else [reference, SDK]."""
        match event:
            case {"type": "conversation.item.created" | "response.output_item.added", "item": item}:
                self._on_item(item)
            case {"type": "response.output_item.done", "item": item}:
                self._on_item(item, is_whole=True)
            case {
                "type": "response.mcp_call_arguments.done",
                "item_id": str(item_id),
                "arguments": arguments,
            }:
                self._on_item({**self._items.get(item_id, {}), "arguments": arguments})
            case {"type": "response.done", "response": Mapping() as response}:
                self._on_response_done(response)
            case {"type": "mcp_list_tools.failed", "item_id": str(item_id)}:
                known = self._items.get(item_id, {})
                reason = failures.reason_given(event.get("error") or known.get("error"))
                server = in_words(str(known.get("server_label", "an MCP server")))
                self._note(f"The agent cannot use the tools of {server}: listing them failed{reason}")
            case {"type": str(kind)} if kind.startswith("response.invocation."):
                self._begin("invocation", "at work", "")
            case {"type": str(kind), "item_id": str(item_id)}:
                self._on_progress(kind, item_id, str(event.get("response_id", "")))

    def _on_item(self, item: object, is_whole: bool = False) -> None:
        """An item that is no message, as far as it is known."""
        if not isinstance(item, Mapping):
            return
        match item:
            case {"type": "function_call", "call_id": str(call_id), "name": str(name)} if is_whole:
                if item.get("status") != "incomplete" and self._is_new(call_id):
                    self._call(FunctionCall(call_id, name, str(item.get("arguments") or "{}")))
            case {"type": "mcp_approval_request", "id": str(item_id)}:
                self._items[item_id] = item
                arguments = str(item.get("arguments") or "")
                if (is_whole or arguments) and self._is_new(item_id):
                    server, tool = str(item.get("server_label")), str(item.get("name"))
                    self._ask(Approval(item_id, server, tool, arguments))
            case {"type": "mcp_call" | "mcp_list_tools", "id": str(item_id)}:
                self._items[item_id] = item
                if (request := str(item.get("approval_request_id"))) in self._approved:
                    self._approved.remove(request)
                if is_whole and (error := item.get("error")):
                    self._failed.pop(item_id, None)
                    self._note(
                        f"The agent failed in {self._in_words('mcp', item_id)}{failures.reason_given(error)}"
                    )
        keep_newest(self._items, KNOWN_ITEMS)

    def _is_new(self, one: str) -> bool:
        is_new = one not in self._seen
        self._seen.append(one)
        return is_new

    def _on_response_done(self, response: Message) -> None:
        items = response.get("output")
        for item in items if isinstance(items, list) else []:
            self._on_item(item, is_whole=True)
        # What a hosted agent tells of its work names no response [SDK].
        self._end(lambda item, activity: item == "invocation" or activity.response == response.get("id"))
        for what in self._failed.values():
            self._note(f"The agent failed in {what}.")
        self._failed.clear()

    def _call(self, call: FunctionCall) -> None:
        """Have a function run, and its output sent."""
        self.waiting[call.id] = call
        self._transcript.finish(call.id, TOOL, str(call))

        def answer(output: str) -> None:
            with self._lock:
                if call.id in self.waiting:
                    self.replies.append(session.function_output(call.id, output))
                    self.owes_words = True
                    del self.waiting[call.id]
                    self._go_on()
                else:
                    log.info("too late, or twice: the output of %s", call.name)

        if self._run is None or not self._run(call, answer):
            name = in_words(call.name)
            self._note(
                f'{name} is not available here: docs/make-it-yours.md, "A function of yours", adds one.'
            )
            answer(json.dumps({"error": f"{call.name} is not available here."}))

    def _ask(self, approval: Approval) -> None:
        if len(self._questions) == KNOWN_ITEMS:  # nobody is there, as it seems
            self.decide(False)
        self._questions.append(approval)
        if self._approve != "ask":
            self._decide(self._approve == "all")
        elif len(self._questions) == 1:
            self._show_question()

    def _show_question(self) -> None:
        self._note(f"The agent wants to use {self._questions[0]}. Type y or n, then Enter.")

    def decide(self, agrees: bool) -> bool:
        """What a person says to what is asked; whether anything is."""
        if not self._questions:
            return False
        self._decide(agrees)
        if self._questions:
            self._show_question()
        return True

    def leave(self) -> None:
        """There is no person any more: what is asked, and will be, is denied."""
        self._approve = "none" if self._approve == "ask" else self._approve
        while self._questions:
            self._decide(False)

    def _decide(self, agrees: bool) -> None:
        approval = self._questions[0]
        decision = f"{approval} ({'approved' if agrees else 'denied'})"
        self._transcript.finish(f"{approval.id} decision", TOOL, decision)  # the item itself ends sooner
        self.replies.append(session.approval(approval.id, agrees))
        if agrees:
            self._approved.append(approval.id)
        else:
            self.owes_words = True
        self._questions.popleft()

    def _on_progress(self, kind: str, item: str, response: str) -> None:
        """A search, or a call that the service makes itself, begins or ends."""
        found = re.fullmatch(r"response\.(mcp|web_search|file_search)_call\.(\w+)", kind)
        if not found:
            return
        what = self._in_words(found[1], item)
        if found[2] in ("in_progress", "searching"):
            self._begin(item, what, response)
        elif found[2] in ("completed", "failed"):
            if found[2] == "failed":
                self._failed[item] = what
                keep_newest(self._failed, KNOWN_ITEMS)
            self.owes_words |= found[1] == "mcp"  # of which the agent tells when it is asked to go on [SDK]
            self._end(lambda known, _: known == item)

    def _in_words(self, kind: str, item: str) -> str:
        if kind != "mcp":
            return {"web_search": "searching the web", "file_search": "searching files"}[kind]
        known = self._items.get(item, {})
        tool, server = str(known.get("name", "a tool")), str(known.get("server_label", "an MCP server"))
        return f"using {in_words(tool)} of {in_words(server)}"

    def _begin(self, item: str, what: str, response: str) -> None:
        if item not in self._doing:
            self._doing[item] = self.activity = Activity(what, response)
            keep_newest(self._doing, KNOWN_ITEMS)  # of an older one the end is lost

    def _end(self, is_over: Callable[[str, Activity], bool]) -> None:
        self._doing = {item: doing for item, doing in self._doing.items() if not is_over(item, doing)}
        self.activity = next(reversed(self._doing.values()), None)

    def forget(self) -> None:
        """The connection is gone: nothing of it is answered any more."""
        for call in self.waiting.values():
            self._note(f"What {in_words(call.name)} returned comes too late: the connection was lost.")
        if self._questions:
            self._note("There is nothing left to approve: the connection was lost.")
        self.owes_words = False
        for under_way in (self.waiting, self._questions, self._approved, self._failed, self._items):
            under_way.clear()
        self.replies.clear()
        self._end(lambda *_: True)


def keep_newest(known: dict[str, Any], most: int) -> None:
    """Forget the oldest of what is known, where there are more."""
    while len(known) > most:
        del known[next(iter(known))]


def in_words(name: str, arguments: str = "") -> str:
    """A call in one line, as it would be written: `time_in(place="Tokyo")`; or a name alone."""
    name = brief(printable(" ".join(name.split())), SHOWN_CHARACTERS)
    if not arguments:
        return name
    try:
        given = json.loads(arguments)
        shown = ", ".join(f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in given.items())
    except (ValueError, AttributeError, RecursionError):
        shown = arguments
    return f"{name}({brief(' '.join(shown.split()), SHOWN_CHARACTERS)})"
