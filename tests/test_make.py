"""What make does by itself: it puts packages where they are found, wherever the environment sends them."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from program import ROOT, environment

pytestmark = pytest.mark.skipif(not shutil.which("make"), reason="there is no make")

METADATA = "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n"
WHEEL = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def make(folder: Path, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    # Of the make that runs the tests nothing gets through.
    env = environment(**variables)
    return subprocess.run(["make", *arguments], cwd=folder, env=env, capture_output=True, text=True)


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A folder with a space in its name, whose requirements.txt names one tiny package."""
    folder, wheels = tmp_path / "a folder", tmp_path / "wheels"
    folder.mkdir()
    wheels.mkdir()
    shutil.copy(ROOT / "Makefile", folder)
    (folder / "requirements.txt").write_text("# Grouped\ntiny>=1.0,<2  # does nothing\n")
    with zipfile.ZipFile(wheels / "tiny-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tiny.py", "")
        wheel.writestr("tiny-1.0.dist-info/METADATA", METADATA)
        wheel.writestr("tiny-1.0.dist-info/WHEEL", WHEEL)
        wheel.writestr("tiny-1.0.dist-info/RECORD", "")
    return folder


def offline(tiny: Path) -> dict[str, str]:
    return {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tiny.parent / "wheels"), "PIP_CONFIG_FILE": os.devnull}


@pytest.mark.parametrize("variable", ["PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT"])
def test_packages_go_where_they_are_found_whatever_pip_is_told(tiny: Path, variable: str) -> None:
    value = "yes" if variable == "PIP_USER" else str(tiny.parent / "elsewhere")

    installed = make(tiny, "install", f"PYTHON={sys.executable}", **{variable: value}, **offline(tiny))

    assert installed.returncode == 0, installed.stderr
    assert "Warning" not in installed.stderr
    subprocess.run([tiny / ".venv" / "bin" / "python", "-c", "import tiny"], check=True)


def test_packages_that_cannot_be_found_are_not_taken_for_installed(tiny: Path) -> None:
    installed = make(tiny, "install", f"PYTHON={sys.executable}", PIP_DRY_RUN="1", **offline(tiny))

    assert installed.returncode == 2
    assert "The installation failed" in installed.stderr
    assert not (tiny / ".venv" / ".installed").exists()
