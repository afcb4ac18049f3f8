"""How what `check` found looks on a terminal."""

import os
import re

import pytest
from checked import Checked
from emulator import terminal
from program import NAMED

from standin.server import StandIn


def words(text: str) -> list[str]:
    """All words but those of times and ids, which are never the same."""
    return re.sub(r"\d+ ms|sess_\w+|[0-9a-f-]{36}|\x1b\[[0-9;?]*[A-Za-z]", "", text).split()


@pytest.mark.parametrize("columns", [60, 80, 120])
@pytest.mark.parametrize("fails", [False, True])
def test_a_terminal_gets_a_table_that_tears_no_word(stand_in: StandIn, columns: int, fails: bool) -> None:
    endpoint = "https://contoso-voice-sweden.invalid" if fails else stand_in.endpoint
    arguments = ("--endpoint", endpoint, *NAMED, "--no-mic", "--output", os.devnull)
    with terminal("check", *arguments, log_dir=None, columns=columns, PATH="") as screen:
        assert bool(screen.wait()) is fails
        screen.wait_for("check again" if fails else "All is well.")

    assert b"\x1b[1mSettings" in screen.raw
    assert max(map(len, re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", screen.raw).splitlines())) <= columns
    assert words(screen.text) == words(Checked(*arguments, PATH="").text)
