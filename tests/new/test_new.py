"""`make new`: somebody's own project out of this one."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
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

- The stand-in is slow. Nobody minds.
- It is quick. The demo of
  it, `make demo`, is not.

**In the stand-in.** All goes. It has no other subject.

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
    folder = tmp_path_factory.mktemp("projects") / "mine"
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


# What names an extra in words, and the same words in another sense, which stay.
NAMES = {
    "check": (r"\bcheck\b", r"; check the api-version"),
    "init": (r"\binit\b", r"--init\b"),  # docker's
    "tools": (r"tools\.py|@tool\b|functions? of yours", ""),
    "echo": (r"[Ee]cho (reference|behind)|echo, away|`client`|\bclient, off", ""),
    "hotplug": (r"hotplug|unplugged|looking for another", ""),
    "live": (r"status line|at the prompt|\bEsc\b", ""),
    "recording": (r"--record\b|\b[Rr]ecordings?\b|\.jsonl", r"the recording\b"),  # the bench's
    "export": (r"\bexport\b", ""),
    "standin": (r"[Ss]tand-?in|\bdemo\b|\bsoak\b|--fault\b", ""),
}


def told(project: Path) -> Iterator[tuple[str, str]]:
    """Each document and each help of a project, with its name."""
    for path in (*project.glob("*.md"), *project.glob("docs/*.md"), project / ".env.example"):
        yield path.name, path.read_text(encoding="utf-8")
    yield "make", said(project, "make")
    program = (sys.executable, "voicelive_agent.py")
    whole = said(project, *program, "--help")
    yield "--help", whole
    for command in re.findall(r"^  (\w+)  ", whole.partition("Commands:\n")[2], re.MULTILINE):
        yield f"{command} --help", said(project, *program, command, "--help")


def said(project: Path, *command: str) -> str:
    return subprocess.check_output(command, cwd=project, env=environment(), text=True)


def test_nothing_that_is_read_names_what_is_left_out(project: Path, request: pytest.FixtureRequest) -> None:
    left_out = PROJECTS[request.node.callspec.params["project"]]
    texts = dict(told(project))

    assert "run --help" in texts
    for name in left_out:
        words, other_sense = NAMES[name]
        for where, text in texts.items():
            lines = (re.sub(other_sense, "", line) for line in text.splitlines())
            assert [line for line in lines if re.search(words, line)] == [], f"{name} in {where}"


@pytest.mark.parametrize("name", new.EXTRAS)
def test_the_whole_project_names_each_extra(name: str) -> None:
    assert any(re.search(NAMES[name][0], text) for _, text in told(ROOT))


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
