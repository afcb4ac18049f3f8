"""What an agent does besides speaking, as a person sees it who types."""

import os
from pathlib import Path

import pytest
from program import NAMED, Program

from standin.server import StandIn

SCENES = {
    "function-calls": ('Tool: time_in(place="Lima")\nAgent: Your function time_in says: ', ""),
    "unknown-function": ("Tool: launch_rocket(pad=39)\n", "launch_rocket is not available here: docs/"),
    "wrong-arguments": ('Tool: time_in(town="Berlin")\n', "time_in failed: missing: place."),
    "mcp-approval": ('Tool: microsoft_docs_search(query="voice live") of azure_doc (denied)\n', ""),
    "mcp-call-failed": ("Agent: azure_doc failed", "failed in using microsoft_docs_search of azure_doc: The"),
    "mcp-list-failed": ("Agent: You wrote", "cannot use the tools of azure_doc"),
    "web-search=1.5": ("Sources: Voice Live (https://example.org/voice-live)", "is searching the web."),
    "content-filter": ("Agent: You wrote", "the content filter stopped it (content_filter)."),
    "empty-response": ("You (typed): Hello\n", "The agent's answer is empty."),
    "invocation": ("Agent: You wrote", ""),
    "stored=turn_detection": ("Agent: You wrote", "refuses turn_detection, so it is left out"),
    "stored-in-words=voice": ("Agent: You wrote", "refuses voice, so it is left out"),
}
REFUSED = {
    "stored=all": "use --session-from agent.",
    "voice-agent": "seems to be of the kind `voice`",
}


def typing_hello(scene: str, logs: Path, *options: str) -> Program:
    """The run of who types Hello, and nothing more."""
    with StandIn(faults=[scene], pace=20) as service:
        arguments = ("project", "--endpoint", service.endpoint, *NAMED, "--no-mic", "--output", os.devnull)
        program = Program(*arguments, *options, log_dir=logs)
        assert program.process.stdin
        program.process.stdin.write(b"Hello\n")
        program.process.stdin.close()
        program.wait()
    return program


@pytest.mark.parametrize("scene", SCENES)
def test_it_is_shown_and_the_conversation_goes_on(scene: str, logs: Path) -> None:
    program = typing_hello(scene, logs)

    assert program.process.returncode == 0, program.stderr
    said, noted = SCENES[scene]
    assert said in program.stdout and noted in program.stderr, program.stdout + program.stderr
    assert "Hello" in program.conversation_log


@pytest.mark.parametrize("scene", REFUSED)
def test_a_session_that_the_agent_does_not_take_is_told_with_what_to_do(scene: str, logs: Path) -> None:
    program = typing_hello(scene, logs)

    assert program.process.returncode == 1
    assert REFUSED[scene] in program.stderr


def test_the_agent_s_own_session_is_left_to_it(logs: Path) -> None:
    program = typing_hello("stored=all", logs, "--session-from", "agent")

    assert program.process.returncode == 0, program.stderr
    assert "Agent: You wrote" in program.stdout


@pytest.mark.parametrize("said, decision", [("y", "approved"), ("n", "denied")])
def test_what_a_person_says_to_a_tool_that_asks_is_shown_and_logged(
    logs: Path, said: str, decision: str
) -> None:
    with StandIn(faults=["mcp-approval"], pace=20) as service:
        arguments = ("project", "--endpoint", service.endpoint, *NAMED, "--no-mic", "--output", os.devnull)
        program = Program(*arguments, log_dir=logs)
        program.wait_for(lambda: "Type, and press Enter." in program.stderr)
        program.type("Hello")
        program.wait_for(lambda: "Type y or n, then Enter." in program.stderr)
        program.wait_for(lambda: '"response.done"' in program.technical_log)  # a person thinks it over
        program.type(said)
        program.wait_for(lambda: "Agent: " in program.stdout)
        program.type("q")
        assert program.wait() == 0

    decided = f'microsoft_docs_search(query="voice live") of azure_doc ({decision})'
    assert f"Tool: {decided}\nAgent: " in program.stdout
    assert f"Agent Tool Call:\t{decided}\n" in program.conversation_log


def test_what_is_typed_while_a_tool_asks_is_answered_when_that_is_decided(logs: Path) -> None:
    with StandIn(faults=["mcp-approval"], pace=20) as service:
        arguments = ("project", "--endpoint", service.endpoint, *NAMED, "--no-mic", "--output", os.devnull)
        program = Program(*arguments, log_dir=logs)
        program.wait_for(lambda: "Type, and press Enter." in program.stderr)
        program.type("Hello")
        program.wait_for(lambda: "Type y or n, then Enter." in program.stderr)
        program.type("maybe")
        program.wait_for(lambda: "You (typed): maybe" in program.stdout)
        program.type("n")
        program.wait_for(lambda: "Agent: You did not allow it" in program.stdout)
        program.type("q")
        assert program.wait() == 0
