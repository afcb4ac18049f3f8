"""Messages that are typed: sent between responses, one answer each, and no error shown for a near miss."""

import time

from held import SPEECH_STARTED, UPDATED, Event, Held, added, audio, created, done, words

from voicelive.playback import RAMP_FRAMES


def kinds(held: Held) -> list[str]:
    return [message["type"] for message in held.sent]


def texts(held: Held) -> list[str]:
    items = [message["item"] for message in held.sent if message["type"] == "conversation.item.create"]
    return [item["content"][0]["text"] for item in items]


def error(code: str) -> Event:
    return {"type": "error", "error": {"message": "No.", "code": code, "event_id": None}}


def test_a_typed_message_is_sent_and_its_answer_asked_for() -> None:
    held = Held()
    held.handle(UPDATED)

    held.conversation.say("Hello")

    (create, respond) = held.sent
    content = [{"type": "input_text", "text": "Hello"}]
    item = {"type": "message", "role": "user", "content": content}
    assert create == {"type": "conversation.item.create", "item": item}
    assert respond["type"] == "response.create"
    assert not held.conversation.is_resting, "its answer is to be waited for"


def test_a_message_that_was_typed_too_early_waits_for_the_session() -> None:
    held = Held()
    held.conversation.say("Hello")
    assert held.sent == []

    held.handle(UPDATED)

    assert texts(held) == ["Hello"]


def test_typing_while_the_agent_talks_interrupts_it() -> None:
    held = Held()
    held.handle(UPDATED, created(), added(), words("Once upon"), audio(b"\1\1" * 24_000))
    held.render(480)

    held.conversation.say("Stop")

    assert kinds(held) == ["response.cancel"], "the service makes one response at a time"
    assert not any(held.render(4_800)[2 * RAMP_FRAMES :])
    held.handle(audio(b"\1\1" * 480), done(status="cancelled"))
    assert kinds(held) == ["response.cancel", "conversation.item.create", "response.create"]
    assert not any(held.render(480)), "what came late is not heard"
    assert "Once upon (interrupted)" in held.log.getvalue()


def test_typing_while_the_rest_of_an_answer_is_heard_silences_it() -> None:
    held = Held()
    held.handle(UPDATED, created(), audio(b"\1\1" * 24_000), done())

    held.conversation.say("Stop")

    assert kinds(held) == ["conversation.item.create", "response.create"]
    assert not any(held.render(4_800)[2 * RAMP_FRAMES :])


def test_two_messages_in_a_row_are_both_sent() -> None:
    held = Held()
    held.handle(UPDATED, created())
    held.conversation.say("One")
    held.conversation.say("Two")

    held.handle(done(status="cancelled"))

    assert texts(held) == ["One", "Two"]
    assert kinds(held).count("response.create") == 1


def test_an_answer_that_was_asked_for_too_early_is_asked_for_again() -> None:
    """A turn of speech may have begun a response in the very moment."""
    resting: list[bool] = []
    held = Held(on_line=lambda *_: resting.append(held.conversation.is_resting))
    held.handle(UPDATED, SPEECH_STARTED)
    held.conversation.say("Hello")

    held.handle(created(), error("conversation_already_has_active_response"))
    held.handle(added(), words("Yes?"), done())

    assert kinds(held) == ["conversation.item.create", "response.create", "response.create"]
    assert held.notes == []
    assert resting == [False] and not held.conversation.is_resting, "the answer is still to come"


def test_a_cancellation_that_came_too_late_is_no_news() -> None:
    held = Held()
    held.handle(UPDATED, created())
    held.conversation.say("Stop")

    held.handle(error("response_cancel_not_active"))

    assert held.notes == []


def test_a_typed_message_stands_in_the_log_as_such() -> None:
    held = Held()
    item = {"id": "t1", "role": "user", "content": [{"type": "input_text", "text": "Hello"}]}
    held.handle(UPDATED, {"type": "conversation.item.created", "item": item})

    assert held.log.getvalue() == "User Input (typed):\tHello"


def test_a_message_that_waits_outlives_its_connection() -> None:
    held = Held()
    held.handle(UPDATED, created())
    held.conversation.say("Hello")

    held.conversation.pause()
    held.handle(UPDATED)

    assert texts(held) == ["Hello"]


def test_a_greeting_is_asked_for_once_there_is_a_session_and_only_once() -> None:
    held = Held()
    held.conversation.greet()
    held.conversation.pause()  # the first connection was none
    assert not held.conversation.is_resting

    held.handle(UPDATED)
    held.conversation.pause()
    held.handle(UPDATED)

    assert kinds(held) == ["response.create"]


def test_what_was_asked_too_early_is_timed_from_the_session_on() -> None:
    held = Held()
    held.conversation.greet()
    held.conversation.say("Hello")
    assert held.turns._asked_at is None

    before = time.monotonic()
    held.handle(UPDATED)

    assert held.turns._asked_at and held.turns._asked_at >= before
