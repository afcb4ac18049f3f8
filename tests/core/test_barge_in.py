"""Speaking over the agent: what falls silent, what is written, and what the service is told."""

from held import SPEECH_STARTED, UPDATED, Held, added, audio, created, done, whole, words

from voicelive.playback import RAMP_FRAMES


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


def test_what_was_said_and_heard_whole_is_not_cut_off_while_a_tool_runs() -> None:
    held = Held(is_current=True)
    held.handle(UPDATED, created(), added(), words("One moment."), audio(b"\1\1" * 480), whole())
    held.render(480)
    held.handle(added(item="tool"), SPEECH_STARTED, done(status="cancelled"))

    assert held.log.getvalue() == "Agent Audio Response:\tOne moment."
    assert (held.sent, held.turns.interruptions) == ([], 0)


def test_a_session_may_forbid_interruptions() -> None:
    session = {"turn_detection": {"type": "server_vad", "interrupt_response": False}}
    held = Held(first_message={"type": "session.update", "session": session})
    held.handle(UPDATED, created(), audio(b"\1\1" * 480), SPEECH_STARTED)

    assert held.render(480) == b"\1\1" * 480
