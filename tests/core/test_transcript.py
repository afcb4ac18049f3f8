"""What is shown and written, and in which order."""

import io
import re
import time
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from held import Shown

from voicelive import transcript as module
from voicelive.text import printable
from voicelive.transcript import AGENT_AUDIO, AGENT_TEXT, USER, Transcript


class Written:
    """A transcript, its log, and what it showed."""

    def __init__(self) -> None:
        self._screen = Shown()
        self.log = io.StringIO()
        self.transcript = Transcript(self._screen, self.log.write, lambda *_: None)

    @property
    def shown(self) -> str:
        return self._screen.text


@pytest.fixture
def written() -> Written:
    return Written()


def test_the_question_stands_above_the_answer_though_it_is_transcribed_later(written: Written) -> None:
    transcript = written.transcript
    transcript.expect("u1", USER)
    transcript.add("a1", AGENT_AUDIO, "It is ")
    assert written.shown == ""
    transcript.finish("u1", USER, "How late is it?")
    transcript.add("a1", AGENT_AUDIO, "noon.")
    transcript.finish("a1", AGENT_AUDIO, "It is noon.")

    assert written.shown == "You: How late is it?\nAgent: It is noon.\n"
    assert written.log.getvalue() == "User Input:\tHow late is it?\nAgent Audio Response:\tIt is noon."


@pytest.mark.parametrize("pieces", [1, 100])
def test_a_line_without_end_is_cut_and_costs_nothing_more(written: Written, pieces: int) -> None:
    words = 2 * module.MOST_CHARACTERS // 5
    for _ in range(pieces):
        written.transcript.add("a1", AGENT_AUDIO, "word " * (words // pieces))
    written.transcript.finish("a1", AGENT_AUDIO, "word " * words)

    for text in written.shown, written.log.getvalue():
        assert 0.9 * words < 2 * text.count("word ") <= words


def test_the_agents_words_appear_as_they_come(written: Written) -> None:
    written.transcript.add("a1", AGENT_AUDIO, "Once")
    assert written.shown == "Agent: Once"
    written.transcript.add("a1", AGENT_AUDIO, " upon")
    assert written.shown == "Agent: Once upon"


def test_a_late_question_does_not_hold_the_answer(written: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    transcript = written.transcript
    transcript.expect("u1", USER)
    transcript.finish("a1", AGENT_TEXT, "Noon.")
    transcript.release_late()
    assert written.shown == ""
    monkeypatch.setattr(module, "LATE_S", -1.0)  # it is late now
    transcript.release_late()
    assert written.shown == "Agent: Noon.\n"
    transcript.finish("u1", USER, "How late?")

    assert written.shown == "Agent: Noon.\nYou (late): How late?\n"
    assert written.log.getvalue() == "Agent Text Response:\tNoon.\nUser Input:\tHow late? (late)"


def test_a_question_that_let_nothing_pass_is_not_late(
    written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LATE_S", -1.0)  # it took its time
    written.transcript.expect("u1", USER)
    written.transcript.release_late()
    written.transcript.finish("u1", USER, "How late?")
    written.transcript.finish("a1", AGENT_TEXT, "Noon.")

    assert written.shown == "You: How late?\nAgent: Noon.\n"


def test_an_item_goes_behind_the_one_that_it_follows(written: Written) -> None:
    transcript = written.transcript
    transcript.expect("u1", USER)
    transcript.expect("u2", USER, after="u1")
    transcript.expect("a1", AGENT_AUDIO, after="u1")
    transcript.finish("u2", USER, "two")
    transcript.finish("a1", AGENT_AUDIO, "answer")
    transcript.finish("u1", USER, "one")

    assert written.shown.splitlines() == ["You: one", "Agent: answer", "You: two"]


def test_an_interruption_marks_the_line_that_is_being_said(written: Written) -> None:
    transcript = written.transcript
    transcript.add("a1", AGENT_AUDIO, "Once upon")
    transcript.interrupt("a1")
    transcript.add("a1", AGENT_AUDIO, " a time")
    transcript.finish("a1", AGENT_AUDIO, "Once upon a time")
    transcript.expect("u1", USER)

    assert written.shown.startswith("Agent: Once upon (interrupted)")
    assert written.log.getvalue() == "Agent Audio Response:\tOnce upon (interrupted)"


def test_an_interruption_marks_the_line_that_was_written_already(written: Written) -> None:
    transcript = written.transcript
    transcript.finish("a1", AGENT_AUDIO, "Once upon a time")
    transcript.interrupt("a1")
    transcript.finish("u1", USER, "Stop!")

    assert written.shown.splitlines() == ["Agent: Once upon a time", "(interrupted)", "You: Stop!"]
    assert written.log.getvalue().splitlines() == [
        "Agent Audio Response:\tOnce upon a time (interrupted)",
        "User Input:\tStop!",
    ]


def test_a_line_is_marked_once_and_one_without_words_never(written: Written) -> None:
    transcript = written.transcript
    transcript.finish("a1", AGENT_AUDIO, "Once upon a time")
    transcript.finish("a2", AGENT_AUDIO, "")
    for item in ("a1", "a2", "a1"):
        transcript.interrupt(item)

    assert written.log.getvalue() == "Agent Audio Response:\tOnce upon a time (interrupted)"


def test_a_mark_never_stands_behind_a_line_that_is_not_its_own(written: Written) -> None:
    transcript = written.transcript
    transcript.finish("a1", AGENT_AUDIO, "Once upon a time")
    transcript.head("(reconnected as sess_2)")
    transcript.interrupt("a1")

    assert written.log.getvalue().splitlines()[1:] == ["(reconnected as sess_2)", "(interrupted)"]


def test_a_turn_without_words_leaves_no_line(written: Written) -> None:
    transcript = written.transcript
    transcript.expect("u1", USER)
    transcript.finish("a1", AGENT_AUDIO, "Yes?")
    transcript.finish("u1", USER, "")

    assert written.shown == "Agent: Yes?\n"
    assert "User Input" not in written.log.getvalue()


def test_the_whole_text_completes_what_was_streamed(written: Written) -> None:
    transcript = written.transcript
    transcript.add("a1", AGENT_AUDIO, "It is")
    transcript.finish("a1", AGENT_AUDIO, "It is noon.")
    transcript.finish("a1", AGENT_AUDIO, "It is noon.")

    assert written.shown == "Agent: It is noon.\n"


def test_a_line_that_waits_is_never_forgotten(written: Written) -> None:
    written.transcript.add("a1", AGENT_AUDIO, "Once")
    for number in range(2 * module.REMEMBERED):
        written.transcript.finish(f"u{number}", USER, "Hm.")
    written.transcript.finish("a1", AGENT_AUDIO, "Once upon a time")

    assert written.log.getvalue().startswith("Agent Audio Response:\tOnce upon a time\nUser Input:\tHm.\n")


def test_what_is_not_finished_is_written_at_the_end(written: Written) -> None:
    transcript = written.transcript
    transcript.head("SessionID: sess_1")
    transcript.expect("u1", USER)
    transcript.add("a1", AGENT_AUDIO, "Half a sent")
    transcript.close()

    assert written.shown == "Agent: Half a sent\n"
    assert written.log.getvalue() == "SessionID: sess_1\nAgent Audio Response:\tHalf a sent\n"


def test_control_characters_never_reach_the_terminal_but_line_breaks_stay(written: Written) -> None:
    evil = "one\r\ntwo\x1b[2J\x1b]0;title\x07\x9b31m\x08\x00 three\tfour\x7f"
    written.transcript.finish("a1", AGENT_AUDIO, evil)

    assert written.shown == "Agent: one\n    two31m three four\n"
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", printable("".join(map(chr, range(0x250)))))


def test_a_place_that_is_kept_for_what_never_comes_holds_nothing_for_long(
    written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    transcript = written.transcript
    transcript.expect("a1", AGENT_AUDIO)  # of an item that breaks off
    transcript.finish("u1", USER, "Hello?")
    transcript.release_late()
    assert written.shown == "", "it may still come"
    monkeypatch.setattr(module, "HELD_S", -1.0)  # it has not
    transcript.release_late()

    assert written.shown == "You: Hello?\n"
    assert written.log.getvalue() == "User Input:\tHello?"


def test_a_line_that_stood_still_goes_on_below(written: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    transcript = written.transcript
    transcript.add("a1", AGENT_AUDIO, "It is")
    transcript.finish("u1", USER, "Hello?")
    with monkeypatch.context() as later:
        later.setattr(module, "HELD_S", -1.0)
        transcript.release_late()
    transcript.finish("a1", AGENT_AUDIO, "It is noon.")
    transcript.finish("a2", AGENT_AUDIO, "Well?")

    assert written.shown.splitlines() == [
        "Agent: It is",
        "You: Hello?",
        "Agent (late): noon.",
        "Agent: Well?",
    ]
    assert written.log.getvalue().splitlines() == [
        "Agent Audio Response:\tIt is",
        "User Input:\tHello?",
        "Agent Audio Response:\t noon. (late)",
        "Agent Audio Response:\tWell?",
    ]


def test_what_stood_still_and_never_went_on_is_in_the_log_at_the_end(
    written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HELD_S", -1.0)
    written.transcript.add("a1", AGENT_AUDIO, "It is")
    written.transcript.finish("u1", USER, "Hello?")
    written.transcript.add("a1", AGENT_AUDIO, " noon")
    written.transcript.close()

    assert written.log.getvalue().endswith("Hello?\nAgent Audio Response:\t noon (late)\n")


def test_a_long_line_is_in_the_log_word_by_word_before_it_is_whole(
    written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    transcript = written.transcript
    for piece in ("Once", " upon", " a ti"):
        transcript.add("a1", AGENT_AUDIO, piece)
    transcript.release_late()
    assert written.log.getvalue() == ""
    monkeypatch.setattr(module, "HELD_S", -1.0)  # seconds have passed
    transcript.release_late()
    assert written.log.getvalue() == "Agent Audio Response:\tOnce upon a "
    transcript.add("a1", AGENT_AUDIO, "me.")
    transcript.finish("a1", AGENT_AUDIO, "Once upon a time.")

    assert written.log.getvalue() == "Agent Audio Response:\tOnce upon a time."
    assert written.shown == "Agent: Once upon a time.\n"


def logged_at(monkeypatch: pytest.MonkeyPatch, *steps: Callable[[Transcript], None]) -> list[str]:
    """The log after each step, three seconds after the one before."""
    written, now = Written(), 1_000.0
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now))
    logs = []
    for step in steps:
        step(written.transcript)
        written.transcript.release_late()
        logs.append(written.log.getvalue())
        now += 3.0
    return logs


def test_words_that_are_held_do_not_wait_anew_when_their_line_is_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def begin(transcript: Transcript) -> None:
        transcript.add("a1", AGENT_AUDIO, "One ")  # of an item that breaks off
        transcript.add("a2", AGENT_AUDIO, "Two ")

    logs = logged_at(
        monkeypatch,
        begin,
        lambda transcript: transcript.finish("a2", AGENT_AUDIO, "Two three."),
        lambda transcript: None,
    )

    assert logs[1] == ""
    assert logs[2].endswith("\nAgent Audio Response:\tTwo three.")


def test_words_that_are_in_the_log_do_not_hide_those_that_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    def begin(transcript: Transcript) -> None:
        transcript.add("a1", AGENT_AUDIO, "One ")
        transcript.add("a2", AGENT_AUDIO, "Two ")

    logs = logged_at(
        monkeypatch,
        begin,
        lambda transcript: transcript.add("a3", AGENT_AUDIO, "Three "),
        lambda transcript: None,  # the first one passes, the second is in the log as far as it is
        lambda transcript: transcript.add("a1", AGENT_AUDIO, "four "),  # and is the first again
    )

    assert "Two" in logs[2] and "Three" not in logs[2]
    assert "Three" in logs[3]


def test_a_hundred_thousand_pieces_take_a_second(written: Written) -> None:
    """Their number counts, not its square, also for lines that are held: that would take hours."""
    transcript, began = written.transcript, time.monotonic()
    transcript.add("first", AGENT_AUDIO, "word ")
    for number in range(50_000):
        transcript.add(f"a{number}", AGENT_AUDIO, "word ")
        transcript.add("first", AGENT_AUDIO, "word ")
    transcript.close()

    assert time.monotonic() - began < 10
    assert written.log.getvalue().count("word ") == 100_001


def test_of_lines_that_never_get_words_only_the_newest_are_remembered(written: Written) -> None:
    for number in range(5 * module.MOST_WAITING):
        written.transcript.expect(f"u{number}", USER)
    written.transcript.release_late()

    remembered = len(written.transcript._lines)
    assert remembered <= module.MOST_WAITING + module.REMEMBERED
    written.transcript.finish(f"u{5 * module.MOST_WAITING - 1}", USER, "Hello.")
    written.transcript.close()
    assert written.log.getvalue().startswith("User Input:\tHello.")
