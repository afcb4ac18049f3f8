"""`make new`: somebody's own project out of this one."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from program import NAMED, NOT_COPIED, ROOT, Program, environment

import new
from standin.server import StandIn
from voicelive.app.extras import EXTRAS


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


DOCUMENT = """# Ours

Speak. The stand-in answers, too. Listen: it is
worth it. To try it with the stand-in:

    .venv/bin/python -m standin

| place | what it is | to play it |
|---|---|---|
| `standin/` | a server | |
| `voicelive/` | the core; the stand-in has none | `--fault 401` |

- The stand-in is slow.
- It is quick. The demo of
  it, `make demo`, is not.

## Playing with the stand-in

### More of it

Gone.

## The end

```
make run      talk
make demo     talk to the stand-in
```
"""
WITHOUT_STAND_IN = """# Ours

Speak. Listen: it is worth it.

| place | what it is |
|---|---|
| `voicelive/` | the core |

- It is quick.

## The end

```
make run      talk
```
"""


def test_what_may_be_left_out_can_be() -> None:
    parts = {part for name, extra in new.EXTRAS.items() for part in (name, *extra.parts)}

    assert parts == {"standin", *(name.rpartition(".")[2] for name in EXTRAS)}


def test_a_document_says_nothing_of_what_is_left_out() -> None:
    assert new.document(DOCUMENT, new.Gone(["standin"]).told) == WITHOUT_STAND_IN
    assert new.document(DOCUMENT, new.Gone([]).told) == DOCUMENT


# Nothing left out, each extra, and all of them.
PROJECTS = {"whole": (), **{f"without {name}": (name,) for name in new.EXTRAS}, "bare": tuple(new.EXTRAS)}
# All of its tests are collected; of those only some are run, unless VOICELIVE_WHOLE_PROJECTS is set.
SOME = ("-k", "test_rooms or test_settings or test_elsewhere or (test_template and not command)")
# Neither those of make, nor those that try the stand-in alone, have to do with what is left out.
ALL = ("-n4", "--dist=loadfile", "--ignore-glob=*/test_make.py", "--ignore-glob=*/test_standin_*.py")


@pytest.fixture(scope="module", params=PROJECTS)
def project(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = Path(tmp_path_factory.mktemp("projects"), request.param)
    new.make(folder, list(PROJECTS[request.param]))
    return folder


def in_it(project: Path, *command: str) -> None:
    """Run a module of Python in a project; what it said, where it failed."""
    run = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=project,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert run.returncode == 0, run.stdout


@pytest.mark.timeout(300)
@pytest.mark.skipif(
    "PIP_CONSTRAINT" in os.environ, reason="types are checked with the newest packages, as by `make lint`"
)
def test_its_lint_passes(project: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    shared = tmp_path_factory.getbasetemp() / "mypy"  # most is the same in all of them

    in_it(project, "ruff", "check", "--no-cache", ".")
    in_it(project, "ruff", "format", "--no-cache", "--check", ".")
    in_it(project, "mypy", "--cache-dir", str(shared))


@pytest.mark.timeout(600)
def test_its_own_tests_pass(project: Path) -> None:
    which = ALL if os.environ.get("VOICELIVE_WHOLE_PROJECTS") else SOME
    in_it(project, "pytest", "-q", "-m", "not soundcard", *which)


def test_a_conversation_with_it(project: Path, logs: Path, question: str) -> None:
    with StandIn() as stand_in:
        program = Program(
            *("project", "--endpoint", stand_in.endpoint, *NAMED),
            *("--input", question, "--output", str(logs / "heard.wav")),
            log_dir=logs,
            cwd=project,
        )

        assert program.wait() == 0, program.stderr
    assert "Agent: You spoke for" in program.stdout
