"""The live part of a terminal: a real one (a pseudo-terminal), real keys, and what is left behind."""

import math
import os
import re
import signal
from pathlib import Path

import pytest
from emulator import Terminal, terminal
from program import NAMED, SAMPLE, on_linux
from servers import websocket_server
from service import ScriptedService

from standin.server import StandIn
from voicelive.app.terminal import is_live, level

TYPED_ONLY = ("--no-mic", "--output", os.devnull)


@on_linux
def test_who_has_no_sound_card_can_type_when_the_sample_has_spoken(logs: Path) -> None:
    with terminal("demo", log_dir=logs) as screen:
        screen.wait_for("Agent: You spoke")
        screen.wait_for(" listening")
        screen.type("Hello\r")
        screen.wait_for('Agent: You wrote "Hello".')
        screen.type("q\r")

        assert screen.wait() == 0


@pytest.mark.parametrize("columns", [80, 120])
def test_what_is_typed_is_answered_above_a_status_that_stays(
    stand_in: StandIn, logs: Path, columns: int
) -> None:
    arguments = ("project", "--endpoint", stand_in.endpoint, *NAMED, *TYPED_ONLY)
    with terminal(*arguments, log_dir=logs, columns=columns) as screen:
        screen.wait_for(" listening")
        screen.type("Hello\r")
        screen.wait_for("You (typed): Hello")
        screen.wait_for('Agent: You wrote "Hello".')
        screen.wait_for(" agent speaking")
        screen.wait_for("answered after 0.")
        screen.type("half a line")
        screen.wait_for("> half a line")
        screen.type(" more\x7f\x7f\x7f\x7f\x7f, and Hi\r")
        screen.wait_for("You (typed): half a line, and Hi")
        screen.wait_for('Agent: You wrote "half a line, and Hi".')
        seen = screen.text.rstrip().splitlines()
        screen.type("?\r")
        screen.wait_for("Ctrl-Z")
        screen.type("q\r")
        assert screen.wait() == 0
        screen.wait_for("First sound after")

    assert b"\x1b[6n" not in screen.raw, "a slow terminal would answer after the end"
    assert seen[-2].startswith(">") and seen[-1].startswith(" agent speaking"), "both stay below"
    assert len(seen[-1]) <= columns
    typed = [line for line in screen.lines if line.startswith("You (typed): ")]
    assert typed == ["You (typed): Hello", "You (typed): half a line, and Hi"]
    assert "  m               mute or unmute the microphone" in screen.lines
    assert any(line.startswith("Ended after 0:0") for line in screen.lines)
    assert not any(line.startswith((" listening", " agent speaking", ">")) for line in screen.lines)


def test_the_end_of_a_long_answer_is_in_sight_though_the_window_is_too_low_for_all_of_it(logs: Path) -> None:
    service = ScriptedService()
    with websocket_server(service.serve) as url:
        endpoint = url.replace("ws://", "http://")
        arguments = ("project", "--endpoint", endpoint, *NAMED, *TYPED_ONLY)
        with terminal(*arguments, log_dir=logs, columns=20) as screen:
            service.wait_for_blocks()
            service.begin_reply()
            service.end_reply("Once upon a time ... " * 40 + "\nThe end.")
            screen.wait_for("\n    The end.\n>")


def test_a_window_of_three_rows_keeps_no_copy_of_the_prompt(stand_in: StandIn, logs: Path) -> None:
    arguments = ("project", "--endpoint", stand_in.endpoint, *NAMED, *TYPED_ONLY)
    with terminal(*arguments, log_dir=logs, rows=3) as screen:
        screen.wait_for(" listening")
        screen.type("Hello\r")
        screen.wait_for(" speaking")
        screen.wait_for("recording.\n>")
        screen.type("q\r")
        assert screen.wait() == 0
        screen.wait_for("_voicelive.log")

    assert screen.text.count("Agent: You wrote") == 1
    assert not [line for line in screen.lines if line.startswith((">", " listening", " agent speaking"))]


@pytest.mark.parametrize("reflows", [True, False])
@pytest.mark.parametrize("typed", ["", "half a line"])
def test_resizing_while_a_line_grows_leaves_nothing_behind(logs: Path, reflows: bool, typed: str) -> None:
    service, words = ScriptedService(), [f"word-{number}, " for number in range(24)]
    with websocket_server(service.serve) as url:
        endpoint = url.replace("ws://", "http://")
        with terminal("project", "--endpoint", endpoint, *NAMED, *TYPED_ONLY, log_dir=logs) as screen:
            screen.reflows = reflows
            screen.wait_for(" listening")
            screen.type(typed)
            service.begin_reply()
            for number, width in enumerate((120, 60, 100, 40, 120, 40, 80)):
                service.send_words("".join(words[3 * number : 3 * number + 3]))
                screen.wait_for(f"word-{3 * number + 2},")
                screen.resize(width)
            service.end_reply("".join(words))
            screen.wait_for("word-23,")
            seen = screen.text

    for once in ("Type, and press Enter.", "Agent: word-0,", "\n>", "no microphone  0:"):
        assert seen.count(once) == 1, seen
    assert re.findall(r"word-(\d+),", seen) == [str(number) for number in range(24)]


def mute(screen: Terminal) -> None:
    screen.type("m\r")
    screen.wait_for("The microphone is muted.")
    screen.type("m\r")
    screen.wait_for("The microphone is on.")


def test_the_microphone_is_muted_and_unmuted(stand_in: StandIn, logs: Path, sound: tuple[str, ...]) -> None:
    with terminal("project", "--endpoint", stand_in.endpoint, *NAMED, *sound, log_dir=logs) as screen:
        screen.wait_for("[#")
        mute(screen)
        screen.type("q\r")
        assert screen.wait() == 0


def test_a_terminal_that_is_dumb_gets_lines_alone(stand_in: StandIn, logs: Path) -> None:
    arguments = ("project", "--endpoint", stand_in.endpoint, *NAMED, *TYPED_ONLY)
    with terminal(*arguments, log_dir=logs, TERM="dumb") as screen:
        screen.wait_for("Type, and press Enter.")
        screen.type("Hello\n")
        screen.wait_for('Agent: You wrote "Hello"')
        screen.type("q\n")
        assert screen.wait() == 0
        screen.wait_for("Ended after")
    assert b"\x1b" not in screen.raw


def test_who_wants_it_plain_says_so(stand_in: StandIn, logs: Path) -> None:
    arguments = ("project", "--endpoint", stand_in.endpoint, *NAMED, *TYPED_ONLY, "--plain")
    with terminal(*arguments, log_dir=logs) as screen:
        screen.wait_for("Type, and press Enter.")
        screen.type("q\n")
        assert screen.wait() == 0
        screen.wait_for("Ended after")
    assert b"\x1b[7m" not in screen.raw


def test_who_wants_no_colour_keeps_the_prompt_and_the_status(stand_in: StandIn, logs: Path) -> None:
    arguments = ("project", "--endpoint", stand_in.endpoint, *NAMED, *TYPED_ONLY)
    with terminal(*arguments, log_dir=logs, NO_COLOR="1") as screen:
        screen.wait_for(" listening")
        screen.wait_for("? lists the keys")
        screen.type("q\r")
        assert screen.wait() == 0
    assert not re.search(rb"\x1b\[([\d;]*;)?[34]\d(;[\d;]*)?m", screen.raw)


def test_a_paste_of_several_lines_is_one_message_and_nothing_is_left_for_the_shell(
    stand_in: StandIn, logs: Path
) -> None:
    arguments = ("project", "--endpoint", stand_in.endpoint, *NAMED, *TYPED_ONLY)
    with terminal(*arguments, log_dir=logs) as screen:
        screen.wait_for(" listening")
        screen.type("\x1b[200~first\nq\nlast\x1b[201~")
        screen.wait_for("(3 lines) > first")
        screen.type("\r")
        screen.wait_for("You (typed): first")
        screen.wait_for('Agent: You wrote "first')
        screen.type("one\rq\rtwo\r")  # a paste in a terminal that does not say so
        screen.wait_for('Agent: You wrote "one\n    q\n    two".')
        screen.process.terminate()
        screen.type("this was typed too late\n")
        assert screen.wait() == 143

        assert screen.unread() == 0


def test_lines_pasted_into_a_plain_terminal_are_one_message(stand_in: StandIn, logs: Path) -> None:
    arguments = ("project", "--endpoint", stand_in.endpoint, *NAMED, *TYPED_ONLY)
    with terminal(*arguments, log_dir=logs, TERM="dumb") as screen:
        screen.wait_for("Type, and press Enter.")
        screen.type("first\nq\nlast\n")
        screen.wait_for('Agent: You wrote "first')
        screen.type("q\n")
        assert screen.wait() == 0


def test_escape_silences_the_agent_and_ctrl_t_mutes(
    stand_in: StandIn, logs: Path, sound: tuple[str, ...]
) -> None:
    with terminal("project", "--endpoint", stand_in.endpoint, *NAMED, *sound, log_dir=logs) as screen:
        screen.wait_for("[#")
        screen.type("\x14")
        screen.wait_for("The microphone is muted.")
        screen.type("\x14")
        screen.wait_for("The microphone is on.")
        screen.type("Hello\r")
        screen.wait_for(" agent speaking")
        screen.type("\x1b")
        screen.wait_for("(interrupted)")
        screen.type("half\x04\x01\x04\x04\x04\x04\x04")  # Ctrl-D deletes, and ends on an empty line
        assert screen.wait() == 0


def test_ctrl_z_stops_the_program_until_the_shell_goes_on_with_it(stand_in: StandIn, logs: Path) -> None:
    arguments = ("project", "--endpoint", stand_in.endpoint, *NAMED, *TYPED_ONLY)
    within = 'set -m; "$@"; stty sane; echo suspended; read line; fg'
    with terminal(*arguments, log_dir=logs, within=within) as screen:
        screen.wait_for(" listening")
        screen.type("half")
        screen.wait_for("> half")
        screen.type("\x1a")
        screen.wait_for("suspended")
        assert "listening" not in screen.text and "> half" not in screen.text
        screen.type("\n")
        screen.wait_for("> half")
        screen.type(" and half\r")
        screen.wait_for('Agent: You wrote "half and half".')
        screen.type("q\r")
        assert screen.wait() == 0


def test_the_prompt_comes_back_once_and_in_its_column_after_a_stop_however_long(
    stand_in: StandIn, logs: Path
) -> None:
    arguments = ("project", "--endpoint", stand_in.endpoint, *NAMED, *TYPED_ONLY)
    longer_than_the_wait = "stty sane; echo suspended; sleep 0.7; fg"
    within = f'set -m; "$@"; {longer_than_the_wait}; {longer_than_the_wait}; {longer_than_the_wait}'
    with terminal(*arguments, log_dir=logs, within=within) as screen:
        screen.wait_for(" listening")
        screen.type("half a line")
        screen.wait_for("> half a line")
        for time in range(1, 4):
            screen.type("\x1a")
            screen.wait_for_match(rf"(suspended[^>]*){{{time}}}> half")
            screen.type("!")
            screen.wait_for("> half a line" + time * "!")

            assert screen.text.count("> half") == screen.text.count("\n> half") == 1
        screen.type("\x15q\r")  # in place of the line
        assert screen.wait() == 0


def test_a_program_that_was_stopped_from_elsewhere_reads_keys_again(stand_in: StandIn, logs: Path) -> None:
    arguments = ("project", "--endpoint", stand_in.endpoint, *NAMED, *TYPED_ONLY)
    with terminal(*arguments, log_dir=logs, within='set -m; "$@"; stty sane; echo suspended; fg') as screen:
        screen.wait_for(" listening")
        screen.signal_foreground(signal.SIGSTOP)
        screen.wait_for_match(r"suspended[^>]*>\n listening")
        screen.type("Hello\r")
        screen.wait_for('Agent: You wrote "Hello".')
        screen.type("q\r")
        assert screen.wait() == 0


def test_ctrl_z_sends_nothing(  # it suspends where a shell can go on with it, which has none here
    stand_in: StandIn, logs: Path
) -> None:
    arguments = ("project", "--endpoint", stand_in.endpoint, *NAMED, *TYPED_ONLY)
    before = len(stand_in.sessions)
    with terminal(*arguments, log_dir=logs) as screen:
        screen.wait_for(" listening")
        screen.type("\x1a")
        screen.type("\r")
        screen.type("?\r")
        screen.wait_for("Ctrl-Z")
        screen.type("q\r")
        assert screen.wait() == 0
    sent = [message["type"] for message in stand_in.sessions[before].received]
    assert "conversation.item.create" not in sent


def test_the_meter_is_in_decibels() -> None:
    assert level(0.0) == "[..........]"
    assert level(1.0) == "[##########]"
    assert level(math.sqrt(0.001)) == "[#####.....]", "30 dB below full scale"
    assert level(1e-5) == "[..........]"


def test_a_pipe_is_not_live() -> None:
    assert not is_live({}), "pytest's own stdin is none"


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_the_space_bar_begins_and_ends_a_turn(stand_in: StandIn, logs: Path, columns: int) -> None:
    before = len(stand_in.sessions)
    sound = ("--input", str(SAMPLE), "--output", os.devnull)
    arguments = ("project", "--endpoint", stand_in.endpoint, *NAMED, *sound, "--push-to-talk")
    with terminal(*arguments, log_dir=logs, columns=columns) as screen:
        screen.wait_for("Press the space bar, speak, and press the space bar again.")
        screen.wait_for(" push to talk ")
        session = stand_in.sessions[before]
        screen.type("?\r")
        screen.wait_for("  space           begin a turn or end it")
        screen.type("Hi there\r")  # within a line it is a space
        screen.wait_for('Agent: You wrote "Hi there"')
        screen.wait_for(" agent speaking")
        screen.type(" ")
        screen.wait_for(" you speak ")
        screen.wait_for("(interrupted)")
        assert stand_in.wait_for(lambda: session.audio_frames > 12_000, timeout=10)
        screen.type(" ")
        screen.wait_for("Agent: You spoke for 0.")
        screen.type("q\r")
        assert screen.wait() == 0
    kinds = [message["type"] for message in session.received]
    assert kinds[-2:] == ["input_audio_buffer.commit", "response.create"]
