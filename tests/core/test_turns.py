"""Who spoke when, how soon the answer was heard, and who was cut off."""

import time

import pytest
from held import SPEECH_STARTED, SPEECH_STOPPED, UPDATED, Event, Held, added, audio, created, done, words

from voicelive.turns import HASTY_TIMES, Heard, Turn, Usage

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

    def __init__(self, first_message: Event | None = None) -> None:
        self.over: list[Turn] = []
        super().__init__(keep=self.over.append, first_message=first_message)

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

    kept.turns.settle(is_all_heard=True, is_last=True)

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


USAGE = {
    "total_tokens": 30,
    "input_tokens": 20,
    "output_tokens": 10,
    "input_token_details": {"cached_tokens": 8, "text_tokens": 15, "audio_tokens": 5},
    "output_token_details": {"text_tokens": 4, "audio_tokens": 6},
}
USED = Usage(input=20, cached=8, input_audio=5, output=10, output_audio=6)


def test_the_tokens_of_a_call_belong_to_the_answer_that_it_led_to_and_all_add_up() -> None:
    kept = Kept()
    kept.handle(UPDATED, created("call"), done("call", usage=USAGE))
    kept.handle(created(), added(), audio(b"\1\1" * 480), ANSWERED, done(usage=USAGE))
    kept.render(480)
    kept.settle()

    twice = Usage(input=40, cached=16, input_audio=10, output=20, output_audio=12)
    assert [turn.usage for turn in kept.over] == [twice]
    assert kept.turns.usage == twice


def test_a_turn_is_over_when_its_response_is_done() -> None:
    kept = Kept()
    text = {"type": "response.text.done", "text": "Noon.", "response_id": "resp_1", "item_id": "item_1"}
    kept.handle(UPDATED, created(), added(), text)
    kept.settle()
    assert kept.over == []

    kept.handle(done(usage=USAGE))
    kept.settle()

    assert [turn.usage for turn in kept.over] == [USED]


@pytest.mark.parametrize("odd", [None, 7, [], {"input_tokens": "many", "input_token_details": 3}])
def test_usage_that_is_none_counts_nothing(odd: object) -> None:
    assert Usage.of(odd) == Usage()


def sent(*peaks: float) -> Heard:
    """Blocks of 20 ms, the first of which began at 100 s."""
    heard = Heard()
    for number, peak in enumerate(peaks, 1):
        heard.add(0.020, 100 + number * 0.020, peak)
    return heard


def test_speech_is_from_the_first_loud_block_to_the_last_of_the_turn() -> None:
    heard = sent(0.9, 0.0, 0.001, 0.5, 0.03, 0.4, 0.01, 0.0, 0.9)

    speech = heard.speech(20, 160)

    assert speech == pytest.approx((100.060, 100.120))


@pytest.mark.parametrize(("start", "end"), [(None, 100), (0, None), (0, "100"), (9_000, 9_900), (100, 0)])
def test_what_the_service_counts_oddly_is_not_known(start: object, end: object) -> None:
    assert sent(0.5, 0.5).speech(start, end) is None


def test_another_session_counts_anew() -> None:
    heard = sent(0.5)
    heard.clear()
    heard.add(0.020, 200.0, 0.5)

    assert heard.speech(0, 20) == pytest.approx((199.980, 200.0))


def test_the_latency_is_counted_from_the_last_sound_of_the_user() -> None:
    kept = Kept()
    kept.handle(UPDATED)
    last_sound = time.monotonic() - 0.5
    for seconds, peak in ((0.4, 0.5), (0.5, 0.0)):
        kept.turns.heard.add(seconds, last_sound + (0.0 if peak else 0.5), peak)
    kept.handle(SPEECH_STARTED, {**SPEECH_STOPPED, "audio_end_ms": 600}, created(), added())
    kept.handle(audio(b"\1\1" * 480), ANSWERED, done())
    kept.render(480)
    kept.settle()

    assert kept.turns.latencies_s == [pytest.approx(0.5, abs=0.2)]


def test_words_before_the_answer_are_none_and_both_are_timed() -> None:
    kept = Kept(first_message={"type": "session.update", "session": {"interim_response": {}}})
    kept.handle(UPDATED, SPEECH_STARTED, SPEECH_STOPPED, created("wait"), added("wait", "w"))
    kept.handle(audio(b"\1\1" * 480, "wait", "w"), {**ANSWERED, "response_id": "wait", "item_id": "w"})
    kept.handle(done("wait"))
    kept.render(480)
    kept.settle()
    assert kept.over == [], "it may be the answer itself"

    kept.handle(created(), added(), audio(b"\1\1" * 480), ANSWERED, done())
    kept.render(480)
    kept.settle()
    kept.turns.settle(is_all_heard=True, is_last=True)

    assert [turn.is_interim for turn in kept.over] == [True, False]
    assert (kept.turns.answers, len(kept.turns.latencies_s), len(kept.turns.interim_latencies_s)) == (1, 1, 1)
    assert kept.turns.latencies_s >= kept.turns.interim_latencies_s


def test_the_answer_to_another_question_makes_none_interim() -> None:
    kept = Kept(first_message={"type": "session.update", "session": {"interim_response": {}}})
    kept.handle(UPDATED)
    for number in range(2):
        kept.handle(SPEECH_STARTED, SPEECH_STOPPED, created(f"r{number}"))
        kept.handle(audio(b"\1\1" * 480, f"r{number}", f"i{number}"), done(f"r{number}"))
        kept.render(480)
        kept.settle()

    assert (kept.turns.answers, kept.turns.interim_latencies_s) == (2, [])
