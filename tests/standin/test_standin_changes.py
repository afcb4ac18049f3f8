"""The stand-in's faults in what it says: broken, late and failed events, seen by a plain client."""

import json
from collections.abc import Iterator

from standin_client import DETECTION, Client, Event, sample, silence, sound, types

from standin.faults.malformed import EVENTS, FRAMES, HUGE_CHARACTERS, PARTS
from standin.server import StandIn

HASTY = 1000
TRANSCRIBED = "conversation.item.input_audio_transcription.completed"
NOT_TRANSCRIBED = "conversation.item.input_audio_transcription.failed"


def event_in(data: bytes) -> Event:
    """The event in a message; {} where it is none."""
    try:
        event = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return event if isinstance(event, dict) and isinstance(event.get("type"), str) else {}


def messages(client: Client, last: str = "response.done") -> Iterator[bytes]:
    """What comes, up to an ordinary event of this type: only those have an event_id."""
    event: Event = {}
    while "event_id" not in event or event["type"] != last:
        data: bytes = client.socket.recv_data()[1]
        event = event_in(data)
        yield data


def turn(*faults: str, last: str = "response.done") -> list[Event]:
    """The events from session.updated on, for one spoken turn."""
    with StandIn(pace=HASTY, faults=faults) as stand_in, Client(stand_in.endpoint) as client:
        client.receive()
        client.send("session.update", session={"turn_detection": DETECTION})
        client.say(sample() + silence(700))
        return [event for data in messages(client, last) if (event := event_in(data))]


def of(events: list[Event], kind: str) -> Event:
    """The only event of a type."""
    (event,) = [event for event in events if event["type"] == kind]
    return event


def test_every_malformed_event_comes_in_one_of_some_answers() -> None:
    with StandIn(pace=HASTY, faults=["malformed"]) as stand_in, Client(stand_in.endpoint) as client:
        client.configure()
        came: set[bytes] = set()
        for _ in range(3):
            client.send("response.create")
            came.update(messages(client))

        assert stand_in.wait_for(lambda: "(malformed)" in stand_in.sessions[0].sent, 5)

    assert {frame.encode() if isinstance(frame, str) else frame for frame in FRAMES} <= came
    assert {json.dumps(event).encode() for event in EVENTS} <= came
    assert any(len(data) > HUGE_CHARACTERS for data in came)


def test_what_is_hostile_comes_as_a_part_of_the_answer() -> None:
    events = turn("malformed")

    ordinary = next(event for event in events if event["type"] == "response.content_part.added")
    hostile = [event for event in events if "\x1b" in str(event.get("delta"))]
    assert hostile
    assert {event["response_id"] for event in hostile} == {ordinary["response_id"]}
    assert {event["delta"] for event in hostile} <= {str(part["delta"]) for part in PARTS}


def test_no_ordinary_event_is_lost_among_malformed_ones() -> None:
    ordinary, mixed = turn(), turn("malformed")

    genuine = [event for event in mixed if "event_id" in event]
    assert len(mixed) > len(genuine)
    assert types(genuine) == types(ordinary)
    assert sound(genuine) == sound(ordinary)


def test_an_answer_fails_before_its_first_word() -> None:
    events = turn("fail-response")

    response = events[-1]["response"]
    assert types(events)[-2:] == ["response.created", "response.done"]
    assert (response["status"], response["output"]) == ("failed", [])
    assert response["status_details"]["error"]["code"] == "message_creation_failed"


def test_a_failing_answer_that_is_interrupted_is_cancelled() -> None:
    with StandIn(pace=1, faults=["fail-response"]) as stand_in, Client(stand_in.endpoint) as client:
        client.configure()
        client.send("response.create")
        client.send("response.cancel")

        response = client.until("response.done")[-1]["response"]

    assert (response["status"], response["output"]) == ("cancelled", [])


def test_an_answer_ends_early() -> None:
    events = turn("incomplete-response")

    response = events[-1]["response"]
    assert response["status"] == "incomplete"
    assert response["status_details"] == {"type": "incomplete", "reason": "max_output_tokens"}
    assert response["output"][0]["status"] == "incomplete"
    assert of(events, "response.output_item.done")["item"]["status"] == "incomplete"


def test_what_the_user_says_is_not_transcribed() -> None:
    events = turn("fail-transcription")

    failed = of(events, NOT_TRANSCRIBED)
    item = next(event["item"] for event in events if event["type"] == "conversation.item.created")
    assert failed["item_id"] == item["id"]
    assert failed["error"]["code"] == "transcription_failed"
    assert item["content"][0]["transcript"] is None
    assert TRANSCRIBED not in types(events)


def test_a_warning_follows_the_session() -> None:
    events = turn("warning")

    assert types(events)[:2] == ["session.updated", "warning"]
    assert events[1]["warning"].keys() == {"code", "message", "param"}


def test_a_transcript_comes_after_the_answer_began() -> None:
    events = turn("late-transcript=0.1", last=TRANSCRIBED)

    assert "response.audio.delta" in {event["type"] for event in events}
    assert events[-1]["transcript"] == "(3.5 s of speech)"


def test_faults_can_be_played_together() -> None:
    events = turn("warning", "late-transcript=0", "fail-transcription", last=NOT_TRANSCRIBED)

    assert "warning" in types(events)
    assert "response.created" in types(events)
