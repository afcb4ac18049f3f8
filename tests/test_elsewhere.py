"""What docs/run-it-elsewhere.md gives to systemd and Docker."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from program import ROOT, environment

DOCUMENT = (ROOT / "docs" / "run-it-elsewhere.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    found = re.search(rf"^```{language}\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)
    assert found
    return found[1]


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="there is no systemd")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    started = re.search(r"^ExecStart=%h/(\S+)", block("ini"), re.MULTILINE)
    assert started
    python = tmp_path / started[1]
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    unit = tmp_path / "voicelive.service"
    unit.write_text(block("ini"))
    env = environment(HOME=str(tmp_path), XDG_RUNTIME_DIR=str(tmp_path))

    verified = subprocess.run(
        ["systemd-analyze", "verify", "--user", unit], env=env, capture_output=True, text=True
    )

    assert (verified.returncode, verified.stderr) == (0, "")


def test_the_options_of_both_are_options_of_the_program() -> None:
    started = re.search(r"^ExecStart=\S+ (.*)", block("ini"), re.MULTILINE)
    assert started
    script, command, *options = shlex.split(started[1])
    shown = subprocess.check_output(
        [sys.executable, script, command, "--help"], cwd=ROOT, env=environment(), text=True
    )

    assert set(options) | set(re.findall(r"`(--(?:wait|keep)\S*?)[ `]", DOCUMENT)) <= set(
        re.findall(r"--[a-z-]+", shown)
    )


def test_the_image_runs_what_pip_installs() -> None:
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    project = re.search(r'^name = "(.*)"', pyproject, re.MULTILINE)
    program = re.search(r"^\[project\.scripts\]\n(\w+) =", pyproject, re.MULTILINE)
    assert project and program

    image = block("dockerfile")
    assert f" {project[1]}\n" in image
    assert f'ENTRYPOINT ["{program[1]}"]' in image
