"""What the stand-in answers to typed messages, requests for a response, items, and to nonsense."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from standin_client import CLASSIC, MS, Client, refusal, sample, silence, sound, types

from standin.server import StandIn


@pytest.fixture(scope="module")
def stand_in() -> Iterator[StandIn]:
    with StandIn(pace=1000) as running:
        yield running


@pytest.fixture
def client(stand_in: StandIn) -> Iterator[Client]:
    with Client(stand_in.endpoint) as connected:
        connected.configure()
        yield connected


@pytest.fixture
def patient() -> Iterator[Client]:
    """A client whose agent takes its time."""
    with StandIn(pace=1) as stand_in, Client(stand_in.endpoint) as connected:
        connected.configure()
        yield connected


def message(text: str, role: str = "user", **fields: Any) -> dict[str, Any]:
    return {
        "type": "message",
        "role": role,
        "content": [{"type": "input_text", "text": text}],
        **fields,
    }


def said(events: list[dict[str, Any]]) -> str:
    return str(events[-1]["response"]["output"][0]["content"][0]["transcript"])


def test_a_typed_message_is_answered_with_the_sample(client: Client) -> None:
    client.send("conversation.item.create", item=message("Good morning"))
    created = client.receive()
    client.send("response.create")
    answer = client.until("response.done")

    assert created["item"]["content"][0]["text"] == "Good morning"
    assert created["item"]["status"] == "completed"
    assert created["previous_item_id"] == answer[2]["previous_item_id"] == "", "as in a cascade"
    assert sound(answer) == sample()
    assert said(answer) == 'You wrote "Good morning". I am only a stand-in and play my one recording.'


def test_without_a_reason_the_agent_speaks_all_the_same(client: Client) -> None:
    client.send("response.create")

    answer = client.until("response.done")

    assert sound(answer) == sample()
    assert said(answer).startswith("You asked me to speak.")


def test_a_prepared_greeting_is_said(client: Client) -> None:
    greeting = {"type": "message", "role": "assistant", "content": [{"type": "text", "text": "Hi!"}]}

    client.send("response.create", response={"pre_generated_assistant_message": greeting})

    assert said(client.until("response.done")) == "Hi!"


def test_an_answer_can_be_text_alone(client: Client) -> None:
    client.update(modalities=["text"])
    client.say(sample() + silence(700))

    events = client.until("response.done")

    assert sound(events) == b""
    assert types(events)[-5:] == [
        "(deltas)",
        "response.text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.done",
    ]
    text = "".join(event["delta"] for event in events if event["type"] == "response.text.delta")
    assert text == "You spoke for 3.5 s. I cannot understand it, because I am only a stand-in."


def test_word_times_come_where_they_were_asked_for(client: Client) -> None:
    client.update(output_audio_timestamp_types=["word"])
    client.send("response.create")

    events = client.until("response.done")

    words = [event for event in events if event["type"] == "response.audio_timestamp.delta"]
    assert " ".join(word["text"] for word in words) == said(events)
    ends = [word["audio_offset_ms"] + word["audio_duration_ms"] for word in words]
    assert ends == sorted(ends)
    assert ends[-1] == pytest.approx(len(sample()) / MS, abs=30)
    assert types(events)[-6:-4] == ["response.audio.done", "response.audio_timestamp.done"]


@pytest.mark.parametrize("rate_hz", [8000, 16000, 48000])
def test_the_answer_comes_at_the_rate_that_was_asked_for(client: Client, rate_hz: int) -> None:
    client.update(output_audio_format=f"pcm16_{rate_hz}hz")
    client.send("response.create")

    heard = sound(client.until("response.done"))

    assert len(heard) == len(sample()) * rate_hz // 24000 // 2 * 2


@pytest.mark.parametrize(
    "wishes",
    [
        {"max_response_output_tokens": 100},
        {"conversation": "auto"},
        {"animation": {"outputs": ["viseme_id"]}},
        {"output_audio_format": "g711_ulaw", "max_output_tokens": "inf"},
    ],
)
def test_a_response_may_be_wished_for_as_the_service_takes_it(client: Client, wishes: dict[str, Any]) -> None:
    client.send("response.create", response=wishes)

    assert client.until("response.done")[-1]["response"]["status"] == "completed"


def test_usage_adds_up_and_reads_from_the_cache(client: Client) -> None:
    client.say(sample() + silence(700))
    spoken = client.until("response.done")[-1]["response"]["usage"]
    client.send("conversation.item.create", item=message("one two three"), previous_item_id="")
    client.send("response.create")
    typed = client.until("response.done")[-1]["response"]["usage"]

    assert spoken["input_token_details"]["audio_tokens"] == 35, "ten for a second"
    assert spoken["input_token_details"]["cached_tokens"] == 0
    assert typed["input_token_details"]["cached_tokens"] == spoken["input_tokens"]
    assert typed["input_token_details"]["text_tokens"] > spoken["input_token_details"]["text_tokens"]
    for usage in (spoken, typed):
        assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
        assert usage["output_token_details"]["audio_tokens"] > usage["output_token_details"]["text_tokens"]


def test_a_response_can_be_cancelled_once(patient: Client) -> None:
    patient.send("response.create")
    running = patient.until("response.audio.delta")
    patient.send("response.create")
    again = patient.until("error")
    patient.send("response.cancel", response_id="resp_other")
    other = patient.until("error")
    patient.send("response.cancel", response_id=running[0]["response"]["id"])
    done = patient.until("response.done")
    patient.send("response.cancel", event_id="mine")
    none = patient.receive()

    assert refusal(again[-1]) == ("conversation_already_has_active_response", None)
    assert refusal(other[-1]) == ("response_cancel_not_active", None)
    assert done[-1]["response"]["status"] == "cancelled"
    assert done[-1]["response"]["status_details"]["reason"] == "client_cancelled"
    assert none["error"]["message"] == "Cancellation failed: no active response found"
    assert none["error"]["event_id"] == "mine"


def test_an_answer_is_truncated_to_what_was_heard(client: Client) -> None:
    client.send("response.create")
    events = client.until("response.done")
    item_id = events[-1]["response"]["output"][0]["id"]
    length_ms = len(sound(events)) // MS
    place = {"item_id": item_id, "content_index": 0}

    client.send("conversation.item.truncate", **place, audio_end_ms=length_ms + 1)
    too_long = client.receive()
    client.send("conversation.item.truncate", **place, audio_end_ms=1000)
    truncated = client.receive()
    client.send("conversation.item.retrieve", item_id=item_id)
    retrieved = client.receive()
    client.send("conversation.item.truncate", **place, audio_end_ms=1001)
    twice = client.receive()

    shorter = f"Audio content of {length_ms}ms is already shorter than {length_ms + 1}ms"
    assert too_long["error"]["message"] == shorter
    assert truncated["audio_end_ms"] == 1000
    kept = retrieved["item"]["content"][0]["transcript"]
    assert kept and said(events).startswith(kept) and kept != said(events)
    assert "Audio content of 1000ms is already shorter" in twice["error"]["message"]


def test_items_are_kept_until_they_are_deleted(client: Client) -> None:
    client.send("conversation.item.create", item=message("one", "system", id="item_of_mine"))
    created = client.receive()
    client.send("conversation.item.retrieve", item_id="item_of_mine")
    retrieved = client.receive()
    client.send("conversation.item.delete", item_id="item_of_mine")
    deleted = client.receive()
    client.send("conversation.item.retrieve", item_id="item_of_mine")
    gone = client.receive()

    assert retrieved["item"] == created["item"]
    assert deleted["item_id"] == "item_of_mine"
    assert refusal(gone) == ("invalid_request_error", "item_id")


@pytest.mark.parametrize(
    ("kind", "fields", "param"),
    [
        ("conversation.item.create", {}, "item"),
        ("conversation.item.create", {"item": {"type": "poem"}}, "item.type"),
        ("conversation.item.create", {"item": {"type": "message", "role": "user"}}, "item.content"),
        ("conversation.item.create", {"item": message("x", role="cat")}, "item.role"),
        (
            "conversation.item.create",
            {"item": message("x"), "previous_item_id": "item_unknown"},
            "previous_item_id",
        ),
        ("conversation.item.truncate", {"item_id": "item_unknown"}, "item_id"),
        ("conversation.item.delete", {"item_id": 5}, "item_id"),
        ("response.create", {"response": {"instructions": "Sing."}}, "response.instructions"),
        ("response.create", {"response": {"nonsense": 1}}, "response.nonsense"),
        ("response.create", {"response": {"modalities": 5}}, "response.modalities"),
        (
            "response.create",
            {"response": {"output_audio_format": {}}},
            "response.output_audio_format",
        ),
        ("response.create", {"response": {"temperature": 0.5}}, "response.temperature"),
        ("response.create", {"response": {"conversation": "mine"}}, "response.conversation"),
        (
            "conversation.item.create",
            {"item": {"type": "function_call_output", "call_id": "call_unknown", "output": ""}},
            "item.call_id",
        ),
        (
            "conversation.item.create",
            {"item": {"type": "mcp_approval_response", "approval_request_id": "x", "approve": True}},
            "item.approval_request_id",
        ),
        ("conversation.item.create", {"item": message("x", nonsense=1)}, "item.nonsense"),
        (
            "conversation.item.create",
            {"item": {**message("x"), "content": [{"type": "poem"}]}},
            "item.content[0].type",
        ),
        (
            "conversation.item.create",
            {"item": {**message("x"), "content": [{"type": "input_text", "txt": "x"}]}},
            "item.content[0].txt",
        ),
        ("response.create", {"response": "now"}, "response"),
        ("input_audio_buffer.append", {"audio": "no base64!"}, "audio"),
        ("input_audio_buffer.append", {"audio": "AAAA"}, "audio"),
        ("input_audio_buffer.append", {}, "audio"),
        ("some.future.message", {}, "type"),
    ],
)
def test_a_wrong_message_is_an_error_and_the_session_goes_on(
    client: Client, kind: str, fields: dict[str, Any], param: str
) -> None:
    client.send(kind, **fields)

    assert refusal(client.receive())[1] == param
    client.send("response.create")
    assert client.until("response.done")[-1]["response"]["status"] == "completed"


@pytest.mark.parametrize("frame", ["", "no JSON", "[]", "5", '{"type": 5}', "[" * 100_000, b"{}"])
def test_nonsense_is_an_error_and_the_session_goes_on(client: Client, frame: str | bytes) -> None:
    if isinstance(frame, bytes):
        client.socket.send_binary(frame)
    else:
        client.socket.send(frame)

    assert client.receive()["type"] == "error"
    client.send("input_audio_buffer.clear")
    assert client.receive()["type"] == "input_audio_buffer.cleared"


def test_a_classic_session_ends_with_its_thread(stand_in: StandIn) -> None:
    with Client(stand_in.endpoint, CLASSIC) as connected:
        created = connected.receive()

    assert json.dumps(created).rstrip("}").endswith(created["session"]["agent"]["thread_id"] + '"')
