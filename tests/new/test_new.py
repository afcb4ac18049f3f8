"""`make new`: somebody's own project out of this one."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from program import NOT_COPIED, ROOT, environment

import new


def made(*arguments: str, source: Path = ROOT) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "new.py", *arguments]
    return subprocess.run(command, cwd=source, env=environment(), capture_output=True, text=True)


@pytest.fixture
def tarball(tmp_path: Path) -> Path:
    """This folder as a tarball gives it: without git, and used since."""
    source = shutil.copytree(ROOT, tmp_path / "tarball", ignore=shutil.ignore_patterns(*NOT_COPIED))
    for leftover in (".env", "logs/.gitkeep", "logs/a.log", ".venv/pyvenv.cfg", "build/lib/new.py"):
        (source / leftover).parent.mkdir(parents=True, exist_ok=True)
        (source / leftover).touch()
    return source


def test_a_project_of_one_s_own(tarball: Path, tmp_path: Path) -> None:
    made_of_it = made(str(tmp_path / "my own"), source=tarball)

    assert made_of_it.returncode == 0, made_of_it.stderr
    project = tmp_path / "my own"
    assert (project / "README.md").read_text(encoding="utf-8").startswith("# my own\n")
    assert 'name = "my-own"' in (project / "pyproject.toml").read_text()
    assert [path.name for path in (project / "logs").iterdir()] == [".gitkeep"]
    assert not [
        path for path in (".env", ".venv", "build", "new.py", "tests/new") if (project / path).exists()
    ]
    assert "new" not in subprocess.check_output(["make"], cwd=project, text=True).split()


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="this folder is not under git")
def test_what_git_tracks_and_nothing_else(tarball: Path, tmp_path: Path) -> None:
    shutil.copytree(ROOT / ".git", tarball / ".git")
    (tarball / "notes.txt").touch()
    (tarball / "LICENSE").unlink()

    assert made(str(tmp_path / "mine"), source=tarball).returncode == 0

    assert (tmp_path / "mine" / "README.md").exists()
    assert not (tmp_path / "mine" / "notes.txt").exists()


def test_what_cannot_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").touch()

    refusals = {
        (): "usage: new.py",
        ("",): "",
        (str(tmp_path / "full"),): "exists, and is not empty",
        (str(tmp_path / "full" / "mine"),): "exists, and is not empty",
        (str(ROOT / "within"),): "is a part of this project",
        (
            str(tmp_path / "x"),
            "--without",
            "check",
            "ears",
        ): f"no extra ears; there are {', '.join(new.EXTRAS)}",
    }
    for arguments, why in refusals.items():
        refused = made(*arguments)
        assert refused.returncode == 2
        assert why in refused.stderr
    assert not (tmp_path / "x").exists()
