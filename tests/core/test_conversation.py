"""What each event means: no thread, no network and no sound is needed for it."""

import pytest
from held import SPEECH_STARTED, SPEECH_STOPPED, UPDATED, Event, Held, added, audio, created, done, words

from voicelive.conversation import MOST_RUNNING
from voicelive.errors import EXIT_NO_ACCESS, VoiceLiveError
from voicelive.session import ECHO, session_update


def test_the_agents_sound_is_played_and_its_words_are_written() -> None:
    held = Held()
    held.handle(UPDATED, created(), added(), words("Yes."), audio(b"\1\0\2\0"), done())

    assert held.render(3) == b"\1\0\2\0\0\0"
    assert held.log.getvalue() == "Agent Audio Response:\tYes."
    assert held.conversation.is_resting


def test_a_turn_is_open_until_its_answer_begins() -> None:
    held = Held()
    held.handle(UPDATED)
    states = []
    for event in (SPEECH_STARTED, SPEECH_STOPPED, created(), done()):
        held.handle(event)
        states.append(held.conversation.is_resting)

    assert states == [False, False, False, True]
    assert held.conversation.heard_user


def test_an_answer_to_something_else_does_not_end_a_turn() -> None:
    held = Held()
    held.handle(UPDATED, SPEECH_STARTED)
    states = []
    for event in (created("greeting"), done("greeting"), SPEECH_STOPPED, created(), done()):
        held.handle(event)
        states.append(held.conversation.is_resting)

    assert states == [False, False, False, False, True]


def test_the_question_stands_above_the_answer() -> None:
    held = Held()
    held.handle(
        UPDATED,
        {"type": "input_audio_buffer.committed", "previous_item_id": None, "item_id": "u1"},
        created(),
        words("Noon."),
        {
            "type": "conversation.item.input_audio_transcription.completed",
            "item_id": "u1",
            "content_index": 0,
            "transcript": "How late is it?",
        },
        {
            "type": "response.audio_transcript.done",
            "transcript": "Noon.",
            "response_id": "resp_1",
            "item_id": "item_1",
        },
    )

    assert held.log.getvalue() == "User Input:\tHow late is it?\nAgent Audio Response:\tNoon."


def test_words_that_will_not_come_any_more_hold_nothing_back() -> None:
    held = Held()
    held.handle(UPDATED, {"type": "input_audio_buffer.committed", "item_id": "u1"})
    held.handle(created(), added(), words("It is"))
    held.conversation.pause()
    held.handle({"type": "session.created", "session": {"id": "sess_2"}})
    assert held.notes == [] and "reconnected" not in held.log.getvalue(), "it may still be refused"

    held.handle(UPDATED)

    assert held.notes == ["Connected again. The agent starts anew."]

    assert held.log.getvalue() == "Agent Audio Response:\tIt is\n(reconnected as sess_2)"


def test_a_session_without_transcription_holds_no_answer() -> None:
    held = Held()
    held.handle({"type": "session.updated", "session": {"input_audio_transcription": None}})
    held.handle(
        {"type": "input_audio_buffer.committed", "item_id": "u1"}, created(), added(), words("Yes."), done()
    )

    assert held.log.getvalue() == "Agent Audio Response:\tYes."


def test_text_answers_are_written_as_such() -> None:
    held = Held()
    held.handle(
        UPDATED,
        created(),
        {"type": "response.text.delta", "delta": "Su", "response_id": "resp_1", "item_id": "item_1"},
        {"type": "response.text.done", "text": "Sure!", "response_id": "resp_1", "item_id": "item_1"},
    )

    assert held.log.getvalue() == "Agent Text Response:\tSure!"


@pytest.mark.parametrize(
    ("event", "note"),
    [
        ({"type": "warning", "warning": {"message": "Ignored."}}, "The service warns: Ignored."),
        (
            {
                "type": "error",
                "error": {"code": "rate_limit_exceeded", "message": "Wait."},
            },
            "The service reports rate_limit_exceeded: Wait.",
        ),
        (
            done(status="failed", status_details={"error": {"message": "Failed to create message"}}),
            "The agent's answer failed: Failed to create message",
        ),
        (
            done(status="incomplete", status_details={"reason": "max_output_tokens"}),
            "The agent's answer is incomplete: max_output_tokens",
        ),
        (
            {
                "type": "conversation.item.input_audio_transcription.failed",
                "item_id": "u1",
                "error": {"message": "No words."},
            },
            "Your words could not be transcribed: No words.",
        ),
    ],
)
def test_what_goes_wrong_is_shown_and_the_conversation_goes_on(event: Event, note: str) -> None:
    held = Held()
    held.handle(UPDATED, event, created(), audio(b"\1\0"))

    assert held.notes == [note]
    assert held.render(1) == b"\1\0"


@pytest.mark.parametrize("conversation", ["", "conv_1"])
def test_an_error_before_the_session_stands_ends_the_run(conversation: str) -> None:
    held = Held()
    held.conversation.id = conversation
    held.handle({"type": "session.created", "session": {"id": "sess_1"}})
    error = {
        "type": "error",
        "error": {"code": "invalid_request_error", "message": "Unauthorized to AI Agent service"},
    }

    with pytest.raises(VoiceLiveError, match="Unauthorized") as failure:
        held.handle(error)

    assert failure.value.exit_code == EXIT_NO_ACCESS
    assert "Foundry User" in failure.value.remedy


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"type": None},
        {"type": 7},
        {"type": "some.future.event", "foo": 1},
        {"type": "session.created", "session": None},
        {"type": "response.created"},
        {"type": "response.audio.delta", "delta": 5, "item_id": "item_1"},
        {
            "type": "response.audio.delta",
            "delta": "not base64!",
            "response_id": "resp_1",
            "item_id": "item_1",
        },
        {"type": "response.audio.delta", "delta": "AAAA", "item_id": ["item_1"]},
        {"type": "response.done", "response": {"id": None}},
        {"type": "error", "error": "broken"},
        {"type": "conversation.item.created", "item": None},
    ],
)
def test_a_malformed_or_unknown_event_changes_nothing(event: Event) -> None:
    held = Held()
    held.handle(UPDATED, event)

    held.handle(created(), audio(b"\1\0"))

    assert held.render(1) == b"\1\0"
    assert held.notes == []


def test_an_answer_of_the_past_holds_up_nothing() -> None:
    past = {"id": "item_0", "type": "message", "role": "assistant", "status": "completed", "content": []}
    held = Held()
    held.handle(UPDATED, {"type": "conversation.item.created", "previous_item_id": None, "item": past})

    held.handle(created(), added(), words("Once"), done())

    assert held.log.getvalue().endswith("Agent Audio Response:\tOnce")


def test_a_tool_that_is_called_holds_up_no_words() -> None:
    call = {"id": "item_0", "type": "mcp_call", "name": "search", "arguments": "{}"}
    held = Held()
    held.handle(UPDATED, created(), added(item="item_0"))
    held.handle({"type": "conversation.item.created", "previous_item_id": None, "item": call})

    whole = {**words(""), "type": "response.audio_transcript.done", "transcript": "Once upon a time"}
    held.handle(added(), words("Once"), whole)

    assert held.log.getvalue().endswith("Agent Audio Response:\tOnce upon a time")


def test_an_answer_in_text_is_written_as_such_even_where_none_of_it_came_before() -> None:
    item = {"id": "item_1", "type": "message", "role": "assistant", "status": "in_progress", "content": []}
    text = {"type": "response.text.done", "text": "Once", "response_id": "resp_1", "item_id": "item_1"}
    held = Held()
    held.handle(UPDATED, created(), added(), {"type": "conversation.item.created", "item": item})

    held.handle(text, done())

    assert held.log.getvalue().endswith("Agent Text Response:\tOnce")


def test_events_that_mean_nothing_here_are_passed_over() -> None:
    held = Held()
    held.handle(UPDATED)
    for kind in ("response.function_call_arguments.done", "mcp_list_tools.failed", "rate_limits.updated"):
        held.handle(
            {"type": kind, "event_id": "e", "response_id": "resp_1", "item_id": "i", "output_index": 0}
        )

    assert held.conversation.is_resting


AVATAR = {"code": "unsupported", "message": "Cannot update voice when avatar is configured"}


@pytest.mark.parametrize(
    ("error", "field"),
    [
        ({"code": "x", "message": "No.", "param": "session.voice"}, "voice"),
        ({"code": "x", "message": "No.", "param": "voice.temperature"}, "voice.temperature"),
        ({"code": "x", "message": "No.", "param": "session.turn_detection.window"}, "turn_detection"),
        ({**AVATAR, "param": None}, "voice"),
        (
            {"code": "x", "message": "session.turn_detection.silence_duration_ms is too short."},
            "turn_detection.silence_duration_ms",
        ),
        ({"code": "x", "message": "Extra inputs are not permitted: 'modalities'"}, "modalities"),
    ],
)
def test_a_session_is_asked_for_once_more_without_the_field_that_is_refused(error: Event, field: str) -> None:
    held = Held(first_message=session_update("2026-07-15", "Ava", ECHO["server"], {}))
    held.handle({"type": "session.created", "session": {"id": "sess_1"}}, {"type": "error", "error": error})

    asked = held.conversation.first_message["session"]
    for name in field.split("."):
        assert isinstance(asked, dict)
        asked = asked.get(name)
    assert asked is None
    assert held.notes[-1].startswith(f"The service refuses {field}, so it is left out: ")


@pytest.mark.parametrize(
    "error",
    [
        {"code": "x", "message": "Voice Live is not available: update the agent.", "param": None},
        {
            "code": "invalid_request_error",
            "message": "Missing required agent project name",
            "param": "voices",
        },
    ],
)
def test_an_error_that_names_no_field_of_the_session_ends_the_run(error: Event) -> None:
    held = Held(first_message=session_update("2026-07-15", "Ava", ECHO["server"], {}))

    with pytest.raises(VoiceLiveError):
        held.handle({"type": "error", "error": error})


REFUSED = {
    "type": "error",
    "error": {"code": "invalid_session_update_message", "message": "Invalid.", "param": "type"},
}


def test_an_agent_that_is_refused_any_session_is_a_voice_agent() -> None:
    held = Held(first_message=session_update("2026-07-15", "Ava", ECHO["server"], {}))
    held.handle({"type": "session.created", "session": {"id": "sess_1"}}, REFUSED)
    assert held.conversation.refusal

    with pytest.raises(VoiceLiveError, match="of the kind `voice`") as failure:
        held.handle(REFUSED)

    assert "hosted agents" in failure.value.remedy


def test_a_response_whose_end_is_lost_holds_up_no_message_for_ever() -> None:
    held = Held()
    held.handle(UPDATED, created("lost"), added("lost"), words("Once", "lost"))
    for number in range(MOST_RUNNING):
        assert not held.conversation.is_resting
        held.handle(created(f"r{number}"), done(f"r{number}"))

    assert held.conversation.is_resting
    assert held.log.getvalue() == "Agent Audio Response:\tOnce"
    held.conversation.say("Hello")
    assert held.sent[-1] == {"type": "response.create"}


def test_a_character_that_is_torn_between_two_deltas_is_whole() -> None:
    held = Held()

    held.handle(UPDATED, created(), added(), words("Hi \ud83d"), words("\ude00!"), words(" \ud83d"), done())
    held.transcript.close()

    assert held.log.getvalue() == "Agent Audio Response:\tHi \U0001f600! \ufffd\n"
