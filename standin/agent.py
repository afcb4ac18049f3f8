"""What the agent does with a turn: it speaks, calls functions, asks for approval, searches.

A function is the client's to run, and nothing is said until each call has its output: as with the
service, an agent that is not answered hangs. What is remembered here is what still waits.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from standin.ear import Speech
from standin.events import Event
from standin.functions import Call, arguments_of, asked_functions, in_words, places, time_calls
from standin.mouth import Mouth
from standin.outputs import ApprovalRequest, FunctionCall, McpCall, McpTool, Output, Search
from standin.reply import Reply

TOOL = McpTool("azure_doc", "microsoft_docs_search")
MCP_SECONDS = 0.5
MCP_TURNS = {"mcp-approval", "mcp-call", "mcp-call-failed"}
MCP_ERROR = "The server did not answer."
INTERIM_THRESHOLD_MS = 2000
INTERIM_WORDS = "One moment, please."
CITATION: Event = {"type": "url_citation", "title": "Voice Live", "url": "https://example.org/voice-live"}
FILE_CITATION: Event = {
    "type": "file_citation",
    "filename": "voice-live.pdf",
    "file_id": "file_1",
    "index": 0,
}


class Agent:
    """The agent of one session; `scenes` are the names of what it is to do, with their seconds."""

    def __init__(self, scenes: Mapping[str, float], *, is_model: bool) -> None:
        self._scenes = scenes
        self._is_model = is_model  # its functions are the session's, not its own
        self._calls: dict[str, str] = {}  # call_id → function, of calls without an output
        self._returned: list[tuple[str, str]] = []  # function and output, since the last message
        self._rounds = 0  # of calls, since the last message
        self._asked: ApprovalRequest | None = None
        self._call: McpCall | None = None  # that was announced
        self._verdict = ""  # what became of the last approval

    @property
    def waits(self) -> bool:
        """Whether the client owes it an output or an approval."""
        return bool(self._calls or self._asked)

    @property
    def uses_mcp(self) -> bool:
        """Whether it has a remote server with tools."""
        return any(scene.startswith("mcp-") for scene in self._scenes)

    def take(self, item: Event) -> McpCall | None:
        """An item of the client's; the call that it allows, if it does."""
        if name := self._calls.pop(str(item.get("call_id")), None):
            self._returned.append((name, item["output"]))
        asked = self._asked
        if item["type"] != "mcp_approval_response" or asked is None:
            return None
        self._asked = None
        if not item["approve"]:
            self._verdict = f"You did not allow it, so I did not ask {TOOL.server}."
            return None
        call = self._mcp_call(asked.item_id)
        call.place = {**asked.place, "item_id": call.item_id}
        return call

    def answer(self, subject: Speech | str, mouth: Mouth) -> list[Reply]:
        """The responses that answer what was said or typed."""
        calls = self._next_calls(subject, mouth.settings)
        if calls:
            self._rounds += 1
            outputs = [FunctionCall(name, arguments) for name, arguments in calls]
            self._calls |= {output.call_id: output.name for output in outputs}
            return [mouth.reply(outputs)]
        if not self._verdict and self._scenes.keys() & MCP_TURNS:
            if "mcp-approval" in self._scenes:
                self._asked = ApprovalRequest(TOOL)
                return [mouth.reply([self._asked])]
            self._call = self._mcp_call(None)
            return [mouth.reply([self._call])]
        return self._speak(subject, mouth)

    def next_call(self) -> McpCall | None:
        """The call of a remote tool that is to be made now, once."""
        call, self._call = self._call, None
        return call

    def _speak(self, subject: Speech | str, mouth: Mouth) -> list[Reply]:
        """What it says in the end, after what it does by itself."""
        first = self._searches()
        tools = " ".join(in_words(name, output) for name, output in self._returned)
        message = mouth.message(tools or self._verdict, subject)
        if "web-search" in self._scenes:
            message.citations.append(CITATION)
        if "file-search" in self._scenes:
            message.citations.append(FILE_CITATION)
        self._returned, self._rounds, self._verdict = [], 0, ""
        interim, waited_s = self._interim(mouth, bool(first))
        delay_s = max(0.0, self._scenes.get("slow-answer", 0.0) - waited_s)
        return [*interim, mouth.reply([*first, message], delay_s)]

    def _searches(self) -> list[Output]:
        """The searches, which the service runs within the answer."""
        found = {kind: self._scenes.get(f"{kind}-search") for kind in ("web", "file")}
        return [
            Search(f"{kind}_search_call", seconds) for kind, seconds in found.items() if seconds is not None
        ]

    def _mcp_call(self, approval_id: str | None) -> McpCall:
        error = MCP_ERROR if "mcp-call-failed" in self._scenes else None
        said = f"{TOOL.server} failed: {error}" if error else f"{TOOL.server} found a page about Voice Live."
        self._verdict = said
        return McpCall(TOOL, self._scenes.get("mcp-call", MCP_SECONDS), error, approval_id)

    def _interim(self, mouth: Mouth, uses_tools: bool) -> tuple[list[Reply], float]:
        """A response that fills the wait, where the session asks for it, and after how many seconds."""
        wanted: dict[str, Any] = mouth.settings.get("interim_response") or {}
        triggers = wanted.get("triggers") or ["latency"]
        threshold_s = (wanted.get("latency_threshold_ms") or INTERIM_THRESHOLD_MS) / 1000
        late = "latency" in triggers and self._scenes.get("slow-answer", 0.0) > threshold_s
        if not wanted or not (late or ("tool" in triggers and uses_tools)):
            return [], 0.0
        words = (wanted.get("texts") or [INTERIM_WORDS])[0]
        after_s = threshold_s if late else 0.0
        return [mouth.reply([mouth.message(words, words)], after_s)], after_s

    def _next_calls(self, subject: Speech | str, settings: Mapping[str, Any]) -> Sequence[Call]:
        """The functions that it calls now, with their arguments in JSON."""
        text = subject if isinstance(subject, str) else ""
        if self._is_model:
            return [] if self._rounds else self._model_calls(subject, settings)
        match self._rounds:
            case 0 if "function-call" in self._scenes:
                return time_calls(places(text))
            case 0 if "function-calls" in self._scenes:
                return time_calls(["Berlin", "Tokyo"])
            case 1 if "function-calls" in self._scenes:
                return time_calls(["Lima"])
            case 0 if "unknown-function" in self._scenes:
                return [("launch_rocket", '{"pad": 39}')]
            case 0 if "wrong-arguments" in self._scenes:
                return [("time_in", '{"place": '), ("time_in", '{"town": "Berlin"}')]
            case 0 if asked_functions(text, ["time_in"]):
                return time_calls(places(text))
        return []

    def _model_calls(self, subject: Speech | str, settings: Mapping[str, Any]) -> Sequence[Call]:
        """Of the session's functions, those that a text names; for speech without words, the first."""
        tools = {tool["name"]: tool for tool in settings["tools"] if tool.get("type") == "function"}
        choice = settings.get("tool_choice")
        text = subject if isinstance(subject, str) else ""
        wanted = asked_functions(text, list(tools))
        if isinstance(choice, dict) and choice.get("name") in tools:
            wanted = [choice["name"]]
        elif choice == "none" or not tools:
            return []
        elif choice == "required" or isinstance(subject, Speech):
            wanted = wanted or list(tools)[:1]
        place = places(text)[0]
        return [(name, json.dumps(arguments_of(tools[name], place))) for name in wanted]
