"""What each event means: no thread, no network and no sound is needed for it."""

import pytest
from held import SPEECH_STARTED, UPDATED, Event, Held, added, audio, created, done, words

from voicelive import EXIT_NO_ACCESS, VoiceLiveError
from voicelive.audio import RAMP_FRAMES


def test_the_agents_sound_is_played_and_its_words_are_written() -> None:
    held = Held()
    held.handle(UPDATED, created(), added(), words("Yes."), audio(b"\1\0\2\0"), done())

    assert held.render(3) == b"\1\0\2\0\0\0"
    assert held.log.getvalue() == "Agent Audio Response:\tYes."
    assert held.conversation.is_resting


def test_speaking_over_the_agent_silences_it_for_good() -> None:
    held = Held()
    held.handle(UPDATED, created(), audio(bytes([1]) * 9_600))
    held.render(480)

    held.handle(SPEECH_STARTED, audio(bytes([1]) * 9_600), done(), audio(bytes([1]) * 960))

    assert not any(held.render(4_800)[2 * RAMP_FRAMES :])


def test_speaking_over_an_answer_that_was_sent_whole_silences_it_too() -> None:
    held = Held()
    held.handle(UPDATED, created(), audio(bytes([1]) * 9_600), done(), SPEECH_STARTED, audio(b"\1\1" * 99))

    assert not any(held.render(4_800)[2 * RAMP_FRAMES :])


def test_the_next_answer_is_heard_from_its_first_frame() -> None:
    held = Held()
    held.handle(UPDATED, created(), audio(b"\1\1" * 480), SPEECH_STARTED, audio(b"\2\2" * 480), done())
    held.handle(created("resp_2"), audio(b"\3\3" * 480, "resp_2", "item_2"))

    assert held.render(RAMP_FRAMES + 480)[2 * RAMP_FRAMES :] == b"\3\3" * 480


def test_the_service_is_told_how_much_was_heard() -> None:
    held = Held(is_current=True)
    held.handle(UPDATED, created(), audio(b"\1\1" * 24_000))
    held.render(12_000)

    held.handle(SPEECH_STARTED)

    (truncate,) = held.sent
    assert (truncate["type"], truncate["item_id"]) == ("conversation.item.truncate", "item_1")
    assert (truncate["content_index"], truncate["audio_end_ms"]) == (0, 504)


def test_an_error_about_a_truncation_is_for_the_technical_log() -> None:
    held = Held(is_current=True)
    held.handle(UPDATED, created(), audio(b"\1\1" * 24_000), SPEECH_STARTED)
    about = held.sent[0]["event_id"]

    held.handle({"type": "error", "error": {"message": "No such item", "event_id": about}})

    assert held.notes == []
    held.handle(SPEECH_STARTED)
    assert len(held.sent) == 1, "once"


def test_what_waited_behind_the_item_that_was_cut_off_was_not_heard_at_all() -> None:
    held = Held(is_current=True)
    held.handle(UPDATED, created(), added(item="a"), added(item="b"), words("One", item="a"))
    held.handle(words("Two", item="b"), audio(b"\1\1" * 4_800, item="a"), audio(b"\1\1" * 480, item="b"))
    held.handle(done())
    held.render(480)

    held.handle(SPEECH_STARTED)

    assert [(sent["item_id"], sent["audio_end_ms"]) for sent in held.sent] == [("a", 24), ("b", 0)]


def test_an_answer_that_ran_dry_when_it_was_cut_off_is_truncated_too() -> None:
    held = Held(is_current=True)
    held.handle(UPDATED, created(), added(), audio(b"\1\1" * 2_400))
    held.render(4_800)

    held.handle(SPEECH_STARTED)

    assert [sent["audio_end_ms"] for sent in held.sent] == [100]


def test_an_answer_that_was_cut_off_before_its_first_sound_leaves_no_line() -> None:
    held = Held()
    held.handle(UPDATED, created(), SPEECH_STARTED, added(), words("Never heard"), audio(b"\1\1" * 480))
    whole = {"type": "response.audio_transcript.done", "transcript": "Never heard"}
    held.handle({**whole, "response_id": "resp_1", "item_id": "item_1"}, done(status="cancelled"))

    assert held.log.getvalue() == ""
    assert not any(held.render(480))


def test_nothing_is_truncated_when_all_was_heard() -> None:
    held = Held(is_current=True)
    held.handle(UPDATED, created(), audio(b"\1\1" * 480), done())
    held.render(480)

    held.handle(SPEECH_STARTED)

    assert held.sent == []
    assert "interrupted" not in held.log.getvalue()


def test_another_session_is_not_told_of_an_answer_that_it_does_not_know() -> None:
    held = Held(is_current=True)
    held.handle(UPDATED, created(), audio(b"\1\1" * 24_000))
    held.render(480)

    held.conversation.pause()
    held.handle(UPDATED, SPEECH_STARTED)

    assert held.sent == []
    assert not any(held.render(4_800)[2 * RAMP_FRAMES :]), "but it is cut off"


def test_the_classic_routes_are_told_nothing() -> None:
    held = Held(is_current=False)
    held.handle(UPDATED, created(), audio(b"\1\1" * 480), SPEECH_STARTED)

    assert held.sent == []


def test_the_log_marks_an_answer_that_was_cut_off() -> None:
    held = Held()
    held.handle(UPDATED, created(), added(), words("Once upon"), audio(b"\1\1" * 4_800), SPEECH_STARTED)
    held.handle(words(" a time"), done(status="cancelled"))

    assert held.log.getvalue() == "Agent Audio Response:\tOnce upon (interrupted)"


def test_a_session_may_forbid_interruptions() -> None:
    held = Held(interrupts=False)
    held.handle(UPDATED, created(), audio(b"\1\1" * 480), SPEECH_STARTED)

    assert held.render(480) == b"\1\1" * 480


def test_a_turn_is_open_until_its_answer_begins() -> None:
    held = Held()
    held.handle(UPDATED)
    states = []
    for event in (SPEECH_STARTED, {"type": "input_audio_buffer.speech_stopped"}, created(), done()):
        held.handle(event)
        states.append(held.conversation.is_resting)

    assert states == [False, False, False, True]
    assert held.conversation.heard_user


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
            "The agent's answer is failed: Failed to create message",
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


def test_an_error_before_the_session_stands_ends_the_run() -> None:
    error = {
        "type": "error",
        "error": {"code": "invalid_request_error", "message": "Unauthorized to AI Agent service"},
    }

    with pytest.raises(VoiceLiveError, match="Unauthorized") as failure:
        Held().handle(error)

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


def test_events_that_mean_nothing_here_are_passed_over() -> None:
    held = Held()
    held.handle(UPDATED)
    for kind in ("response.function_call_arguments.done", "mcp_list_tools.failed", "rate_limits.updated"):
        held.handle(
            {"type": kind, "event_id": "e", "response_id": "resp_1", "item_id": "i", "output_index": 0}
        )

    assert held.conversation.is_resting


def test_an_echo_reference_that_is_refused_is_no_failure_where_one_was_offered() -> None:
    refusal = {"type": "error", "error": {"message": "No.", "code": "invalid_ec_reference_channels"}}
    held = Held()
    with pytest.raises(VoiceLiveError, match="invalid_ec_reference_channels"):
        held.handle(refusal)

    held.conversation.offers_reference = True
    held.handle(refusal)

    assert not held.conversation.offers_reference
    assert held.notes == [
        "The service refuses the client's echo reference: invalid_ec_reference_channels: No."
    ]
