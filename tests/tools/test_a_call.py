"""The program, whose agent wants more than to talk: a service of one's own asks for it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from program import NAMED, Program
from servers import websocket_server
from test_toolcalls import call, goes, mcp_call, request
from websockets.sync.server import ServerConnection

from voicelive.session import ANSWER_REQUEST

Event = dict[str, Any]


def answers(text: str, number: int) -> list[Event]:
    """A response in text."""
    ids = {"response_id": f"resp_{number}", "item_id": f"msg_{number}"}
    item = {"id": ids["item_id"], "type": "message", "role": "assistant"}
    usage = {"total_tokens": 30, "input_tokens": 20, "output_tokens": 10}
    return [
        {"type": "response.created", "response": {"id": ids["response_id"]}},
        {"type": "response.output_item.added", **ids, "item": item},
        {"type": "response.text.done", **ids, "text": text},
        {"type": "response.output_item.done", **ids, "item": item},
        {
            "type": "response.done",
            "response": {"id": ids["response_id"], "status": "completed", "output": [item], "usage": usage},
        },
    ]


def asks(*events: Event) -> list[Event]:
    """A response that wants something."""
    begun = {"type": "response.created", "response": {"id": "resp_1"}}
    done = {"type": "response.done", "response": {"id": "resp_1", "status": "completed"}}
    return [begun, *events, done]


class Agent:
    """Answers each `response.create` with the next of its responses, and each approval with what follows."""

    def __init__(self, *responses: list[Event], approved: list[Event] | None = None) -> None:
        self.told: list[Event] = []
        self._responses = iter(responses)
        self._approved = approved or []

    def serve(self, client: ServerConnection) -> None:
        for text in client:
            message = json.loads(text)
            if message["type"] == "session.update":
                client.send(json.dumps({"type": "session.created", "session": {"id": "sess_1"}}))
                client.send(json.dumps({"type": "session.updated", "session": {}}))
            if message["type"] == "input_audio_buffer.append":
                continue
            self.told.append(message)
            for event in self._following(message):
                client.send(json.dumps(event))

    def _following(self, message: Event) -> list[Event]:
        if message["type"] == ANSWER_REQUEST["type"]:
            return next(self._responses)
        return self._approved if message.get("item", {}).get("approve") else []


@pytest.fixture
def run(logs: Path) -> Iterator[Callable[..., Program]]:
    """Run the program with an agent."""
    servers = []

    def start(agent: Agent, *options: str) -> Program:
        server = websocket_server(agent.serve)
        servers.append(server)
        endpoint = server.__enter__().replace("ws:", "http:").partition("/voice-live")[0]
        sound = ("--no-mic", "--output", str(logs / "heard.wav"))
        return Program("project", "--endpoint", endpoint, *NAMED, *sound, *options, log_dir=logs)

    yield start
    for server in servers:
        server.__exit__(None, None, None)


def outputs(agent: Agent) -> list[Any]:
    items = [message.get("item", {}) for message in agent.told]
    return [json.loads(item["output"]) for item in items if item.get("type") == "function_call_output"]


def test_what_the_agent_asks_the_worked_example_it_is_told_and_all_is_shown(
    run: Callable[..., Program],
) -> None:
    agent = Agent(asks(call()), answers("It is noon.", 2))
    program = run(agent)
    program.type("What time is it in Tokyo?")
    program.wait_for(lambda: "Agent: It is noon." in program.stdout)
    program.type("q")

    assert program.wait() == 0
    assert "day, " in outputs(agent)[0]
    assert program.conversation_log.splitlines()[-2:] == [
        'Agent Tool Call:\ttime_in(place="Tokyo")',
        "Agent Text Response:\tIt is noon.",
    ]


def test_a_person_is_asked_and_agrees(run: Callable[..., Program]) -> None:
    approved = [goes("in_progress"), goes("completed"), mcp_call()]
    agent = Agent(asks(request()), answers("Found it.", 2), approved=approved)
    program = run(agent)
    program.type("Look it up.")
    program.wait_for(lambda: "Type y or n, then Enter" in program.stderr)
    program.type("y")
    program.wait_for(lambda: "Agent: Found it." in program.stdout)
    program.type("q")

    assert program.wait() == 0


def test_without_a_keyboard_what_is_asked_is_denied_at_once(run: Callable[..., Program]) -> None:
    agent = Agent(asks(request()), answers("Then not.", 2))
    program = run(agent)
    program.type("Look it up.")
    assert program.process.stdin
    program.process.stdin.close()

    assert program.wait() == 0
    assert "Agent: Then not." in program.stdout
    assert [m["item"]["approve"] for m in agent.told if "approval_request_id" in m.get("item", {})] == [False]
