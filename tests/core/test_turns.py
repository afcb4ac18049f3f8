"""Who spoke when, how soon the answer was heard, and who was cut off."""

import time

import pytest
from held import SPEECH_STARTED, SPEECH_STOPPED, UPDATED, Held, added, audio, created, done, words

from voicelive.turns import HASTY_TIMES, Turn

SAID = {
    "type": "conversation.item.input_audio_transcription.completed",
    "item_id": "u2",
    "transcript": "What time is it?",
}
COMMITTED = {"type": "input_audio_buffer.committed", "previous_item_id": None, "item_id": "u2"}
ANSWERED = {
    "type": "response.audio_transcript.done",
    "transcript": "Noon.",
    "item_id": "item_1",
    "response_id": "resp_1",
}


class Kept(Held):
    """A conversation, and its turns as they are over."""

    def __init__(self) -> None:
        self.over: list[Turn] = []
        super().__init__(keep=self.over.append)

    def settle(self) -> None:
        self.turns.settle(self.playback.wait_until_heard(0))


def test_a_question_and_its_answer() -> None:
    kept = Kept()
    kept.handle(UPDATED, SPEECH_STARTED, SPEECH_STOPPED, COMMITTED, SAID, created(), added())
    kept.handle(audio(b"\1\1" * 480), ANSWERED, done())

    kept.settle()
    assert [turn.text for turn in kept.over] == ["What time is it?"], "the answer is still to be heard"
    kept.render(480)
    kept.settle()

    question, answer = kept.over
    assert (question.role, answer.role, answer.text) == ("user", "agent", "Noon.")
    assert not (question.interrupted or answer.interrupted)
    assert question.start and question.end and answer.start and answer.end
    assert question.start <= question.end <= answer.start <= answer.end
    assert answer.latency_s == pytest.approx(answer.start - question.end)
    assert kept.turns.latencies_s == [answer.latency_s]
    assert (kept.turns.answers, kept.turns.interruptions) == (1, 0)


def test_an_answer_that_was_cut_off() -> None:
    kept = Kept()
    kept.handle(UPDATED, created(), added(), words("Once upon"), audio(b"\1\1" * 24_000))
    kept.render(480)
    kept.handle(SPEECH_STARTED, done(status="cancelled"))

    kept.settle()

    (answer,) = kept.over
    assert answer.interrupted and answer.text == "Once upon"
    assert kept.turns.interruptions == 1


def test_a_typed_message_is_a_turn_and_waited_for() -> None:
    kept = Kept()
    kept.handle(UPDATED)
    kept.conversation.say("Hello")
    item = {"id": "t1", "role": "user", "content": [{"type": "input_text", "text": "Hello"}]}
    kept.handle({"type": "conversation.item.created", "item": item})
    kept.handle(created(), added(), audio(b"\1\1" * 480), ANSWERED, done())
    kept.render(480)

    kept.settle()

    assert [(turn.role, turn.text) for turn in kept.over] == [("user", "Hello"), ("agent", "Noon.")]
    assert len(kept.turns.latencies_s) == 1


def test_what_was_said_before_the_line_dropped_is_no_longer_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Kept()
    kept.handle(UPDATED, SPEECH_STARTED, SPEECH_STOPPED)
    kept.conversation.pause()
    later = time.monotonic() + 30
    monkeypatch.setattr(time, "monotonic", lambda: later)
    kept.conversation.say("Hello")

    kept.handle(UPDATED, created(), added(), audio(b"\1\1" * 480), ANSWERED, done())
    kept.render(480)
    kept.settle()

    assert kept.turns.latencies_s == [0.0]


def test_an_agent_that_speaks_unasked_has_no_latency() -> None:
    kept = Kept()
    kept.handle(UPDATED, created(), audio(b"\1\1" * 480))
    kept.render(480)

    kept.settle()

    assert kept.turns.latencies_s == []


def test_what_is_not_over_at_the_end_is_kept_too() -> None:
    kept = Kept()
    kept.handle(UPDATED, SPEECH_STARTED, COMMITTED, SAID, created(), added(), audio(b"\1\1" * 480), ANSWERED)

    kept.turns.settle(is_all_heard=True)

    assert [turn.text for turn in kept.over] == ["What time is it?", "Noon."]


def test_an_agent_that_is_cut_off_at_once_again_and_again_may_hear_itself() -> None:
    kept = Kept()
    kept.handle(UPDATED)
    for number in range(HASTY_TIMES):
        assert not kept.turns.seems_to_hear_itself
        kept.handle(created(f"r{number}"), audio(b"\1\1" * 4_800, f"r{number}", f"i{number}"))
        kept.render(480)
        kept.handle(SPEECH_STARTED, done(f"r{number}", status="cancelled"))

    assert kept.turns.seems_to_hear_itself


def test_who_types_over_the_agent_is_no_echo() -> None:
    kept = Kept()
    kept.handle(UPDATED)
    for number in range(HASTY_TIMES):
        kept.handle(created(f"r{number}"), audio(b"\1\1" * 4_800, f"r{number}", f"i{number}"))
        kept.render(480)
        kept.conversation.say("Wait.")
        typed = {"id": f"u{number}", "role": "user", "content": [{"type": "input_text", "text": "Wait."}]}
        kept.handle(done(f"r{number}"), {"type": "conversation.item.created", "item": typed})

    assert kept.turns.interruptions == HASTY_TIMES
    assert not kept.turns.seems_to_hear_itself


def test_an_answer_in_text_counts() -> None:
    kept = Kept()
    text = {"type": "response.text.done", "text": "Noon.", "response_id": "resp_1", "item_id": "item_1"}
    kept.handle(UPDATED, created(), added(), text, done())

    assert kept.turns.answers == 1


def test_noise_without_words_does_not_pile_up() -> None:
    kept = Kept()
    for number in range(1_000):
        kept.handle({**SPEECH_STARTED, "item_id": f"u{number}"}, {**SPEECH_STOPPED, "item_id": f"u{number}"})
        kept.settle()

    assert len(kept.turns._turns) <= 101
