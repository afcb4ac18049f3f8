"""A conversation in a terminal and in a pipe: rows that are read easily, however wide they are."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from emulator import terminal
from program import NAMED, Program

from standin.script import Script
from standin.server import StandIn

STORY = "Once upon a time there was a little frog who lived in a wide green pond, and that was all. " * 3
TYPED = {"?": "/say q", "/foo": "There is no /foo.", "A story, please.": "The end."}  # and what is shown then
TYPED_ONLY = (*NAMED, "--no-mic", "--output", os.devnull)


def storyteller() -> StandIn:
    return StandIn(pace=20, script=Script((("A story, please.", f"{STORY}The end."),)))


def rows(columns: int, folder: Path, *options: str) -> list[str]:
    """What is left of a conversation in a terminal that is so wide."""
    with storyteller() as service:
        arguments = ("project", "--endpoint", service.endpoint, *TYPED_ONLY, *options)
        with terminal(*arguments, log_dir=Path("logs"), cwd=folder, columns=columns) as screen:
            screen.wait_for("Type, and press Enter.")
            for typed, shown in TYPED.items():
                screen.type(f"{typed}\r")
                screen.wait_for_match(re.escape(shown).replace(r"\ ", r"\s+"))
            screen.type("q\r")
            assert screen.wait() == 0
            screen.wait_for("_voicelive.log")
            return screen.lines


def words(lines: Sequence[str]) -> list[str]:
    """All words, with the same digits in each."""
    return sorted(set(re.sub(r"\d+", "0", "\n".join(lines)).split()))


def type_into(program: Program, typed: str, shown: str) -> None:
    program.type(typed)
    program.wait_for(lambda: shown in program.stdout + program.stderr)


@pytest.mark.parametrize("options", [(), ("--plain",)], ids=["live", "plain"])
def test_a_terminal_tears_no_word(tmp_path: Path, options: tuple[str, ...]) -> None:
    whole = rows(500, tmp_path, *options)
    assert f"Agent: {STORY}The end." in whole

    for columns in (60, 80, 120):
        broken = rows(columns, tmp_path, *options)
        assert words(broken) == words(whole)
        assert not [row for row in broken if row.startswith(" ") and not row.startswith("  ")]


def test_a_pipe_gets_every_line_in_one_piece(logs: Path) -> None:
    with storyteller() as service:
        program = Program("project", "--endpoint", service.endpoint, *TYPED_ONLY, log_dir=logs)
        program.wait_for(lambda: "Type, and press Enter." in program.stderr)
        for typed, shown in TYPED.items():
            type_into(program, typed, shown)
        program.type("q")
        assert program.wait() == 0

    assert program.stdout.splitlines() == ["You (typed): A story, please.", f"Agent: {STORY}The end."]
    assert "Any other text goes to the agent, except a /word.\n" in program.stderr
