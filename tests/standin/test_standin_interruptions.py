"""Speaking while the stand-in speaks: what it breaks off, in which order, and what it keeps."""

from standin_client import DETECTION, END_OF_ANSWER, MS, TURN, Client, sample, silence, sound, types

from standin.server import StandIn

INTERRUPTION = ["input_audio_buffer.speech_started", *END_OF_ANSWER]


def test_speech_interrupts_the_answer(calm: StandIn) -> None:
    with Client(calm.endpoint) as client:
        client.configure()
        client.say(sample() + silence(700))
        answer = client.until("response.audio.delta")
        client.say(sample() + silence(700))

        events = client.until("response.done")
        next_turn = client.until("response.created")
        next_answer = [client.receive() for _ in range(16)]

    first_id = answer[-1]["response_id"]
    response = events[-1]["response"]
    assert [kind for kind in types(events) if kind != "(deltas)"] == INTERRUPTION
    assert types(next_turn) == TURN[1:]
    assert (response["id"], response["status"]) == (first_id, "cancelled")
    assert response["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
    assert response["output"][0]["status"] == "incomplete"
    assert {event.get("response_id") for event in next_answer} <= {
        next_turn[-1]["response"]["id"],
        None,
    }
    assert first_id != next_turn[-1]["response"]["id"]


def test_the_speech_that_interrupts_is_heard_from_its_beginning(calm: StandIn) -> None:
    with Client(calm.endpoint) as client:
        client.configure()
        client.say(sample() + silence(700))
        client.until("response.audio.delta")
        client.say(silence(500) + sample() + silence(700))
        events = client.until("response.done") + client.until("response.audio.delta")

    position_ms = len(sample()) // MS + 700 + 500
    started = next(e for e in events if e["type"] == "input_audio_buffer.speech_started")
    assert position_ms - 200 <= started["audio_start_ms"] <= position_ms
    begin = (started["audio_start_ms"] - position_ms + 500) * MS
    assert (silence(500) + sample())[begin:].startswith(sound([events[-1]]))


def test_auto_truncate_cuts_what_was_not_heard(calm: StandIn) -> None:
    with Client(calm.endpoint) as client:
        client.configure(turn_detection={**DETECTION, "auto_truncate": True})
        client.say(sample() + silence(700))
        answer = client.until("response.audio.delta")
        client.say(sample())
        events = client.until("conversation.item.truncated")

    sent_ms = len(sound(answer + events)) // MS
    truncated = events[-1]
    assert events[-2]["type"] == "response.done"
    assert truncated["item_id"] == answer[-1]["item_id"]
    assert 0 < truncated["audio_end_ms"] <= sent_ms


def test_speech_after_the_response_is_done_cancels_nothing(hasty: StandIn) -> None:
    with Client(hasty.endpoint) as client:
        client.configure()
        client.say(sample() + silence(700))
        client.until("response.done")
        client.say(sample() + silence(700))

        events = client.until("response.done")

    assert types(events)[:6] == TURN
    assert events[-1]["response"]["status"] == "completed"


def test_speech_that_must_not_interrupt_is_answered_afterwards(hasty: StandIn) -> None:
    with Client(hasty.endpoint) as client:
        client.configure(turn_detection={**DETECTION, "interrupt_response": False})
        client.say(sample() + silence(700) + sample() + silence(700))

        first, second = client.until("response.done"), client.until("response.done")

    assert types(first).count("input_audio_buffer.speech_stopped") == 2
    assert first[-1]["response"]["status"] == second[-1]["response"]["status"] == "completed"
