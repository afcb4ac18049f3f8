"""What a person sees of a conversation, on a terminal and elsewhere, and which of it is hidden."""

import io

import pytest

from voicelive import transcript as module
from voicelive.app.screen import Screen
from voicelive.app.terminal import Wrap, wrapped
from voicelive.text import Redactor
from voicelive.transcript import AGENT_AUDIO, USER, Transcript


class Written:
    """A transcript on a screen, and what stood there at its end."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        redact = Redactor()
        redact.hide("hunter2hunter2")
        self.screen = Screen(redact)
        self.transcript = Transcript(self.screen, io.StringIO().write, lambda *_: None)

    def close(self) -> str:
        self.transcript.close()
        self.screen.close()
        return self._capsys.readouterr().out


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Written:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "dumb")
    return Written(capsys)


def test_where_it_is_no_terminal_a_line_comes_when_it_is_whole(
    capsys: pytest.CaptureFixture[str],
) -> None:
    screen = Screen(Redactor())
    screen.say("line", "Once upo", "Agent: Once upo")
    screen.note("a note, which the sentence does not wait for")
    screen._writer.drain()

    assert capsys.readouterr() == ("", "a note, which the sentence does not wait for\n")
    screen.say("line", "n a time", "")
    screen.end_line()
    screen.close()

    assert capsys.readouterr().out == "Agent: Once upon a time\n"


def test_on_a_terminal_a_line_grows_by_words_and_breaks_between_them(
    terminal: Written, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminal.screen, "_wrap", Wrap(lambda: 15))
    terminal.transcript.add("a1", AGENT_AUDIO, "Once upo")
    terminal.screen._writer.drain()
    assert capsys.readouterr().out == "Agent: Once"

    for piece in ("n a ti", "me, a fro", "g"):
        terminal.transcript.add("a1", AGENT_AUDIO, piece)
    terminal.transcript.finish("a1", AGENT_AUDIO)

    assert terminal.close() == "\nupon a time, a\nfrog\n"


def test_characters_of_two_columns_are_broken_anywhere_and_accents_take_none() -> None:
    wrap = Wrap(lambda: 6)

    assert wrap("ab \u4e16\u754c\u4e16 e\u0301e\u0301e\u0301e\u0301\n") == (
        "ab \u4e16\n\u754c\u4e16\ne\u0301e\u0301e\u0301e\u0301\n"
    )


def test_an_emoji_of_several_characters_is_not_torn() -> None:
    family, thumb = "\U0001f469\u200d\U0001f469\u200d\U0001f467", "\U0001f44d\U0001f3fd"

    assert Wrap(lambda: 8)(f"a {family} {thumb} b\n") == f"a {family}\n{thumb} b\n"


def test_a_word_that_fills_its_row_is_followed_by_a_row_without_a_space_before_it() -> None:
    assert Wrap(lambda: 6)("ab cde fg\n") == "ab cde\nfg\n"
    assert Wrap(lambda: 3)("abcdefg hi\n") == "abcdefg\nhi\n"


def test_enter_typed_within_a_line_begins_a_row_and_no_second_one(
    terminal: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    terminal.transcript.add("a1", AGENT_AUDIO, "Once upon a")
    terminal.screen.begin_row()  # the terminal has shown "m" and a line break
    terminal.screen.note("The microphone is muted.")
    terminal.transcript.add("a1", AGENT_AUDIO, " time there ")
    terminal.screen.begin_row()
    terminal.transcript.add("a1", AGENT_AUDIO, " was a frog.")
    terminal.transcript.finish("a1", AGENT_AUDIO)
    terminal.transcript.finish("a2", AGENT_AUDIO, "The end.")

    assert terminal.close() == "Agent: Once upona\nAgent: time therewas a frog.\nAgent: The end.\n"


def test_a_note_is_broken_at_spaces_but_not_within_a_command() -> None:
    note = "Wrong. See `make check` or\n  a-long-word-of-one and `a command too long`."

    assert wrapped(note, 16).splitlines() == [
        *("Wrong. See", "`make check` or"),
        *("  a-long-word-of-one", "    and", "    `a command too long`."),
    ]
    assert wrapped(note, 80) == note


def test_the_name_before_a_line_is_bold_where_that_can_be_shown(terminal: Written) -> None:
    terminal.screen._has_bold = True
    terminal.transcript.finish("a1", AGENT_AUDIO, "Time: now.")

    assert terminal.close() == "\x1b[1mAgent:\x1b[0m Time: now.\n"


def test_the_mark_of_a_line_that_is_whole_has_a_line_of_its_own(terminal: Written) -> None:
    terminal.transcript.finish("a1", AGENT_AUDIO, "Once upon a time")
    terminal.transcript.interrupt("a1")

    assert terminal.close() == "Agent: Once upon a time\n(interrupted)\n"


def test_on_a_terminal_nothing_grows_but_the_line_that_it_belongs_to(
    terminal: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LATE_S", -1.0)
    terminal.transcript.expect("u1", USER)
    terminal.transcript.add("a1", AGENT_AUDIO, "Once upon")
    terminal.transcript.finish("u1", USER, "Tell me a story.")
    terminal.transcript.add("a1", AGENT_AUDIO, " a time")
    terminal.transcript.finish("a1", AGENT_AUDIO)
    terminal.transcript.add("a2", AGENT_AUDIO, "There was")
    terminal.transcript.interrupt("a1")

    assert terminal.close().splitlines() == [
        "Agent: Once upon",
        "You (late): Tell me a story.",
        "Agent: a time",
        "Agent: There was",
        "(interrupted)",
    ]


def test_secrets_that_the_service_repeats_are_hidden(capsys: pytest.CaptureFixture[str]) -> None:
    written = Written(capsys)
    written.transcript.finish("a1", AGENT_AUDIO, "Your key is hunter2hunter2.")

    assert written.close() == "Agent: Your key is [hidden].\n"
