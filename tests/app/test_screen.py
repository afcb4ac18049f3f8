"""What a person sees of a conversation, on a terminal and elsewhere, and which of it is hidden."""

import io

import pytest

from voicelive import transcript as module
from voicelive.app.screen import Screen
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
    return Written(capsys)


def test_a_line_appears_as_it_grows(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen(str)
    screen.say("line", "Once", "Agent: Once")
    screen._writer.drain()

    assert capsys.readouterr().out == "Agent: Once"
    screen.say("line", " upon", "")
    screen.end_line()
    screen.close()

    assert capsys.readouterr().out == " upon\n"


def test_on_a_terminal_the_mark_stands_behind_the_words(terminal: Written) -> None:
    terminal.transcript.finish("a1", AGENT_AUDIO, "Once upon a time")
    terminal.transcript.interrupt("a1")

    assert terminal.close() == "Agent: Once upon a time (interrupted)\n"


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
        "Agent:  a time",
        "Agent: There was",
        "(interrupted)",
    ]


def test_secrets_that_the_service_repeats_are_hidden(capsys: pytest.CaptureFixture[str]) -> None:
    written = Written(capsys)
    written.transcript.finish("a1", AGENT_AUDIO, "Your key is hunter2hunter2.")

    assert written.close() == "Agent: Your key is [hidden].\n"
