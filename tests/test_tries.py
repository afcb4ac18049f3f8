"""A test that passes at the second try says so."""

import subprocess
import sys
from pathlib import Path

from program import ROOT

SHAKY = """
import pathlib, pytest

@pytest.mark.{mark}
def test_shaky():
    tried = pathlib.Path(__file__).with_suffix(".tried")
    assert tried.exists() or tried.touch()

def test_firm():
    pass
"""


def summary(folder: Path, mark: str) -> str:
    """What the end of a run says, in which one test passes when it is tried again."""
    test = folder / "test_it.py"
    test.write_text(SHAKY.format(mark=mark))
    options = ["-p", "conftest", "-p", "no:cacheprovider", f"--rootdir={ROOT}", "-c", "pyproject.toml"]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *options, str(test)], cwd=ROOT, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def test_a_sound_card_test_that_was_tried_again_is_told(tmp_path: Path) -> None:
    assert "\nSound-card tests that needed a second try (1): " in summary(tmp_path, "soundcard")


def test_any_other_test_that_was_tried_again_is_told(tmp_path: Path) -> None:
    said = summary(tmp_path, "flaky(reruns=2)")

    assert "\nOther tests that needed a second try (1): " in said
    assert said.partition("needed a second try (1): ")[2].partition("\n")[0].endswith("::test_shaky")
