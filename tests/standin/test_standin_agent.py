"""What the stand-in's agent does besides speaking: functions, remote tools, searches, and waiting."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from standin_client import DETECTION, KEY, MS, NAMED, Client, refusal, sample, silence, sound, types

from standin.server import StandIn

Event = dict[str, Any]
CONVERSATION = "conv_0123456789012345678901"
FUNCTION = {
    "type": "function",
    "name": "get_weather",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    },
}


@contextmanager
def talking(*scenes: str, query: dict[str, str] | None = None, **session: Any) -> Iterator[Client]:
    """A client of a stand-in that plays these scenes."""
    headers = KEY if query and "model" in query else None
    with StandIn(pace=1000, faults=scenes) as stand_in, Client(stand_in.endpoint, query, headers) as client:
        client.configure(**session)
        yield client


def type_in(client: Client, text: str) -> None:
    content = [{"type": "input_text", "text": text}]
    client.send("conversation.item.create", item={"type": "message", "role": "user", "content": content})
    client.send("response.create")


def give_back(client: Client, call: Event, output: str) -> None:
    item = {"type": "function_call_output", "call_id": call["call_id"], "output": output}
    client.send("conversation.item.create", item=item)


def output_of(events: list[Event]) -> list[Event]:
    """The items of the response that these events end with."""
    items: list[Event] = events[-1]["response"]["output"]
    return items


def said(events: list[Event]) -> str:
    return str(output_of(events)[-1]["content"][0]["transcript"])


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("what time is it?", ["Berlin"]),
        ("What time is it in Tokyo?", ["Tokyo"]),
        ("Tell me the time in New York, please.", ["New York", "please"]),
        ("what time is it in Tokyo and Lima?", ["Tokyo", "Lima"]),
    ],
)
def test_who_asks_for_the_time_makes_it_call_a_function(text: str, places: list[str]) -> None:
    with talking() as client:
        type_in(client, text)
        calls = output_of(client.until("response.done"))
        for call in calls:
            give_back(client, call, json.dumps({"time": "14:05"}))
        client.send("response.create")
        answer = client.until("response.done")

    assert [(call["name"], json.loads(call["arguments"])["place"]) for call in calls] == [
        ("time_in", place) for place in places
    ]
    assert said(answer).startswith("Your function time_in says: time 14:05.")


def test_a_function_call_comes_in_the_order_of_the_service() -> None:
    with talking("function-call") as client:
        client.say(sample() + silence(700))
        client.until("response.created")
        events = client.until("response.done")

    assert types(events) == [
        "response.output_item.added",
        "conversation.item.created",
        "(deltas)",
        "response.function_call_arguments.done",
        "response.output_item.done",
        "response.done",
    ]
    pieces = [event["delta"] for event in events if event["type"].endswith("arguments.delta")]
    assert "".join(pieces) == events[-3]["arguments"] == '{"place": "Berlin"}'


def test_an_agent_that_gets_no_output_hangs_and_goes_on_with_it() -> None:
    with talking("function-call") as client:
        type_in(client, "Hello")
        (call,) = output_of(client.until("response.done"))
        client.send("response.create")
        type_in(client, "Are you there?")
        client.until("conversation.item.created")
        client.send("input_audio_buffer.clear")
        silent = client.receive()
        give_back(client, call, "noon")
        client.send("response.create")
        answer = client.until("response.done")

    assert silent["type"] == "input_audio_buffer.cleared", "nothing was said in between"
    assert said(answer) == "Your function time_in says: noon."


def test_parallel_calls_and_another_round() -> None:
    with talking("function-calls") as client:
        type_in(client, "Hello")
        first = output_of(client.until("response.done"))
        for call in first:
            give_back(client, call, "now")
        client.send("response.create")
        second = output_of(client.until("response.done"))
        give_back(client, second[0], "later")
        client.send("response.create")
        answer = client.until("response.done")

    assert [len(first), len(second)] == [2, 1]
    assert len({call["call_id"] for call in first + second}) == 3
    assert said(answer).count("Your function time_in says:") == 3


def test_some_calls_cannot_be_granted() -> None:
    with talking("wrong-arguments") as client, talking("unknown-function") as other:
        type_in(client, "Hello")
        type_in(other, "Hello")
        broken, misnamed = output_of(client.until("response.done"))
        (unknown,) = output_of(other.until("response.done"))

    with pytest.raises(ValueError, match="Expecting value"):
        json.loads(broken["arguments"])
    assert "place" not in json.loads(misnamed["arguments"])
    assert unknown["name"] == "launch_rocket"


@pytest.mark.parametrize(
    ("text", "choice", "called"),
    [
        ("What is the weather in Oslo?", "auto", {"city": "Oslo", "days": 1}),
        ("Hello", "auto", None),
        ("What is the weather?", "none", None),
        ("Hello", "required", {"city": "Berlin", "days": 1}),
        ("Hello", {"type": "function", "name": "get_weather"}, {"city": "Berlin", "days": 1}),
    ],
)
def test_a_model_calls_the_functions_of_the_session(text: str, choice: Any, called: Event | None) -> None:
    model = {"api-version": "2026-07-15", "model": "gpt-4.1"}
    with talking(query=model, tools=[FUNCTION], tool_choice=choice) as client:
        type_in(client, text)
        (item,) = output_of(client.until("response.done"))

    if called is None:
        assert item["type"] == "message"
    else:
        assert item["name"] == "get_weather"
        assert json.loads(item["arguments"]) == called


@pytest.mark.parametrize(
    ("scenes", "approve", "words"),
    [
        (("mcp-approval",), True, "azure_doc found a page about Voice Live."),
        (("mcp-approval",), False, "You did not allow it, so I did not ask azure_doc."),
        (("mcp-approval", "mcp-call-failed"), True, "azure_doc failed: The server did not answer."),
    ],
)
def test_an_approval_is_waited_for_and_both_answers_go_on(
    scenes: tuple[str, ...], approve: bool, words: str
) -> None:
    with talking(*scenes) as client:
        listed = client.until("mcp_list_tools.completed")
        type_in(client, "Hello")
        (asked,) = output_of(client.until("response.done"))
        response = {"type": "mcp_approval_response", "approval_request_id": asked["id"], "approve": approve}
        client.send("conversation.item.create", item=response)
        done = client.until("response.output_item.done") if approve else []
        client.send("response.create")
        answer = client.until("response.done")

    assert listed[0]["item"]["type"] == "mcp_list_tools"
    assert (asked["type"], asked["server_label"]) == ("mcp_approval_request", "azure_doc")
    if approve:
        assert done[-1]["item"]["approval_request_id"] == asked["id"]
        assert (done[-1]["item"]["error"] is None) == ("mcp-call-failed" not in scenes)
    assert said(answer) == words


def test_an_answer_that_is_asked_for_too_early_waits_for_the_remote_tool() -> None:
    with talking("mcp-approval") as client:
        type_in(client, "Hello")
        (asked,) = output_of(client.until("response.done"))
        response = {"type": "mcp_approval_response", "approval_request_id": asked["id"], "approve": True}
        client.send("conversation.item.create", item=response)
        client.send("response.create")
        events = client.until("response.done")

    kinds = types(events)
    assert kinds.index("response.mcp_call.completed") < kinds.index("response.created")


def test_a_remote_tool_that_needs_no_approval_takes_its_time() -> None:
    with talking("mcp-call=0.3") as client:
        client.until("mcp_list_tools.completed")
        type_in(client, "Hello")
        (announced,) = output_of(client.until("response.done"))
        began_s = time.monotonic()
        done = client.until("response.output_item.done")
        took_s = time.monotonic() - began_s

    assert (announced["type"], announced["output"]) == ("mcp_call", None)
    assert types(done) == [
        "response.mcp_call.in_progress",
        "response.mcp_call.completed",
        "response.output_item.done",
    ]
    assert done[-1]["item"]["output"] == "A page about Voice Live."
    assert took_s >= 0.25


def test_tools_that_cannot_be_listed() -> None:
    with talking("mcp-list-failed") as client:
        events = client.until("mcp_list_tools.failed")
        type_in(client, "Hello")

        assert client.until("response.done")[-1]["response"]["status"] == "completed"

    assert events[0]["item"]["id"] == events[-1]["item_id"]


@pytest.mark.parametrize(("kind", "named"), [("web", "url"), ("file", "filename")])
def test_a_search_is_told_and_cited(kind: str, named: str) -> None:
    with talking(f"{kind}-search=0.4") as client:
        type_in(client, "Hello")
        began_s = time.monotonic()
        client.until(f"response.{kind}_search_call.searching")
        events = client.until("response.done")
        took_s = time.monotonic() - began_s

    cited = [event for event in events if event["type"].endswith("annotation.added")]
    assert [item["type"] for item in output_of(events)] == [f"{kind}_search_call", "message"]
    assert named in cited[0]["annotation"]
    assert cited[0]["item_id"] == output_of(events)[1]["id"]
    assert took_s >= 0.35


INTERIM = {"type": "static_interim_response", "texts": ["Let me think."], "latency_threshold_ms": 100}


@pytest.mark.parametrize(
    ("scene", "interim", "expected"),
    [
        ("slow-answer=0.3", INTERIM, 2),
        ("slow-answer=0.3", None, 1),
        ("slow-answer=0.3", {**INTERIM, "triggers": ["tool"]}, 1),
        ("slow-answer=0.05", INTERIM, 1),
        ("web-search=0.3", {**INTERIM, "triggers": ["tool"]}, 2),
    ],
)
def test_an_interim_response_fills_the_wait_where_it_is_asked_for(
    scene: str, interim: Event | None, expected: int
) -> None:
    changes = {} if interim is None else {"interim_response": interim}
    with talking(scene, **changes) as client:
        type_in(client, "Hello")
        responses = [client.until("response.done") for _ in range(expected)]

    assert said(responses[-1]).startswith('You wrote "Hello".')
    if expected == 2:
        assert said(responses[0]) == "Let me think."
        assert responses[0][-1]["response"]["id"] != responses[1][-1]["response"]["id"]


def test_who_speaks_into_the_wait_ends_it() -> None:
    with talking("slow-answer=30", interim_response=INTERIM) as client:
        type_in(client, "Hello")
        client.until("response.created")
        client.say(sample() + silence(700))
        cancelled = client.until("response.done")[-1]["response"]
        client.until("response.created")
        client.send("response.cancel")

        assert client.until("response.done")[-1]["response"]["status"] == "cancelled"

    assert (cancelled["status"], cancelled["status_details"]["reason"]) == ("cancelled", "turn_detected")


@pytest.mark.parametrize(
    ("scene", "status", "reason", "items"),
    [
        ("content-filter", "incomplete", "content_filter", 1),
        ("empty-response", "completed", None, 0),
        ("invocation", "completed", None, 1),
    ],
)
def test_answers_that_end_otherwise(scene: str, status: str, reason: str | None, items: int) -> None:
    with talking(scene) as client:
        type_in(client, "Hello")
        events = client.until("response.done")

    response = events[-1]["response"]
    assert response["status"] == status
    assert (response["status_details"] or {}).get("reason") == reason
    assert len(response["output"]) == items
    progress = [event for event in events if event["type"] == "response.invocation.delta"]
    assert len(progress) == (2 if scene == "invocation" else 0)


def test_an_agent_of_kind_voice_is_not_served() -> None:
    with StandIn(faults=["voice-agent"]) as stand_in, Client(stand_in.endpoint) as client:
        created = client.receive()
        errors = [refusal(client.receive()) for _ in range(5)]

        assert client.close_code() == 1008

    assert created["type"] == "session.created"
    assert errors == [("invalid_session_update_message", "type")] * 5


@pytest.mark.parametrize(
    ("scene", "changes", "code", "param"),
    [
        ("stored=turn_detection", {}, "invalid_session_update_message", "session.turn_detection"),
        ("stored=avatar", {"voice": None}, "invalid_request_error", "session.voice"),
        ("stored=all", {}, "configuration_not_supported", None),
        ("stored-in-words=turn_detection", {}, "invalid_session_update_message", None),
    ],
)
def test_a_session_that_is_stored_with_the_agent_is_not_updated(
    scene: str, changes: Event, code: str, param: str | None
) -> None:
    with StandIn(faults=[scene]) as stand_in, Client(stand_in.endpoint) as client:
        refused = client.configure(**changes)
        accepted = client.update(modalities=["text", "audio"], input_audio_format="pcm16")

    assert refusal(refused) == (code, param)
    assert accepted["type"] == "session.updated"


@pytest.mark.parametrize(("scenes", "goes_on"), [((), True), (("new-conversation",), False)])
def test_a_conversation_goes_on_or_silently_begins_anew(scenes: tuple[str, ...], goes_on: bool) -> None:
    with talking(*scenes, query={**NAMED, "conversation-id": CONVERSATION}) as client:
        client.send("response.create")
        response = client.until("response.done")[-1]["response"]

    assert (response["conversation_id"] == CONVERSATION) == goes_on
    assert response["conversation_id"]


def test_who_pushes_to_talk_is_not_interrupted_by_the_sound_alone() -> None:
    with StandIn(pace=1) as stand_in, Client(stand_in.endpoint) as client:
        client.configure(turn_detection=None)
        client.send("response.create")
        client.until("response.audio.delta")
        client.say(sample())
        client.send("response.cancel")
        events = client.until("response.done")
        client.send("input_audio_buffer.commit")
        committed = client.until("conversation.item.created")
        client.send("input_audio_buffer.commit")
        empty = client.receive()
        client.update(turn_detection=DETECTION)
        client.say(sample() + silence(700))

        assert client.receive()["type"] == "input_audio_buffer.speech_started"

    assert "input_audio_buffer.speech_started" not in types(events)
    assert types(committed)[0] == "input_audio_buffer.committed"
    assert refusal(empty)[0] == "input_audio_buffer_commit_empty"


def test_the_words_of_a_function_are_spoken_as_long_as_the_sample() -> None:
    with talking("function-call") as client:
        type_in(client, "Hello")
        (call,) = output_of(client.until("response.done"))
        give_back(client, call, '"noon"')
        client.send("response.create")

        assert len(sound(client.until("response.done"))) // MS == len(sample()) // MS
