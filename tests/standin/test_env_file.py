"""The .env beside the program, on a machine that others use as well."""

import os
import shutil
from pathlib import Path

import pytest
from program import NOT_COPIED, ROOT, Program

from standin.server import StandIn

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, stand_in: StandIn) -> Path:
    """A copy of this folder, with settings."""
    folder = tmp_path_factory.mktemp("shared") / "project"
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(*NOT_COPIED))
    values = (stand_in.endpoint, "p", "anna")
    names = ("AZURE_VOICE_LIVE_ENDPOINT", "AI_FOUNDRY_PROJECT_NAME", "AI_FOUNDRY_AGENT_NAME")
    text = "".join(f"{name}={value}\n" for name, value in zip(names, values, strict=True))
    (folder / ".env").write_text(text)
    return folder


@pytest.mark.parametrize(
    ("command", "mode", "times"), [("run", 0o644, 1), ("run", 0o600, 0), ("demo", 0o644, 0)]
)
def test_one_that_others_may_read_is_told_once_with_the_remedy(
    project: Path, logs: Path, question: str, command: str, mode: int, times: int
) -> None:
    (project / ".env").chmod(mode)

    sound = ("--input", question, "--output", os.devnull)
    program = Program(command, *sound, log_dir=logs, cwd=project)

    assert program.wait() == 0, program.stderr
    assert program.stderr.count("Others on this machine may read .env: `chmod 600 .env`.\n") == times
    assert program.stderr.count("chmod") == times
