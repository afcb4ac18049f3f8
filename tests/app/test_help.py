"""What --help says, in a narrow terminal as well."""

import subprocess
import sys

import pytest
from program import ROOT, environment


@pytest.mark.parametrize("columns", ["60", "80", "120"])
def test_every_command_is_listed_with_the_whole_of_its_sentence(columns: str) -> None:
    shown = subprocess.run(
        [sys.executable, "voicelive_agent.py", "--help"],
        cwd=ROOT,
        env=environment(COLUMNS=columns),
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    _, _, commands = shown.partition("Commands:\n")
    lines = commands.rstrip().splitlines()
    assert len(lines) >= 4
    assert all(line.endswith(".") and not line.endswith("..") for line in lines), shown
