"""`make run` and its like: options get through, and the documented ways out are no errors."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from program import ROOT, environment

pytestmark = pytest.mark.skipif(not shutil.which("make"), reason="there is no make")


@pytest.fixture
def venv(tmp_path: Path) -> str:
    """What make takes for a virtual environment with everything in it: the Python that runs the tests."""
    python = tmp_path / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    (tmp_path / "venv" / ".installed").touch()
    return f"VENV={tmp_path / 'venv'}"


def test_options_get_through(venv: str, logs: Path, sound: tuple[str, ...]) -> None:
    options = " ".join(f'"{option}"' for option in (*sound, "--log-dir", str(logs)))

    run = subprocess.run(
        ["make", "run", venv, f"ARGS={options}"], cwd=ROOT, env=environment(), capture_output=True, text=True
    )

    assert run.returncode == 0, run.stderr
    assert f"Microphone: {sound[1]}" in run.stderr


def test_ctrl_c_is_no_error_of_make(venv: str, logs: Path) -> None:
    command = ["make", "demo", venv, f"ARGS=--no-mic --output {os.devnull} --log-dir '{logs}'"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=ROOT, env=environment(), start_new_session=True, **pipes) as run:  # type: ignore[call-overload]
        said = iter(run.stderr.readline, b"")
        assert any(b"Type, and press Enter." in line for line in said)

        os.killpg(run.pid, signal.SIGINT)  # as a terminal does

        rest = b"".join(said)
    assert b"Ended after" in rest
    assert b"***" not in rest
    assert run.returncode in (0, -signal.SIGINT)  # make itself ends by the signal


def test_a_run_that_fails_is_one_of_make(venv: str, logs: Path) -> None:
    command = ["make", "demo", venv, f"ARGS=--input no-such.wav --log-dir '{logs}'"]

    run = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True)

    assert run.returncode == 2
    assert "no-such.wav" in run.stderr
