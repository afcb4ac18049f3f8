"""What a copy of this folder relies on: its claims, its map, and the changes that people make."""

import ast
import difflib
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from program import NOT_COPIED, ROOT

from voicelive.app import settings

DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
PARTS = {
    path.relative_to(ROOT / "voicelive").with_suffix("").as_posix(): path
    for path in sorted((ROOT / "voicelive").rglob("*.py"))
    if path.name != "__init__.py" or path.parent.name == "check"
}
MOST_DIFFERENT_LINES = 100


def blocks(path: Path) -> list[str]:
    """The indented and the fenced parts of a document."""
    text = path.read_text(encoding="utf-8")
    return re.findall(r"^```\w*\n(.*?)^```$", text, re.MULTILINE | re.DOTALL) + re.findall(
        r"(?:^    \S.*\n)+", text, re.MULTILINE
    )


def test_every_variable_of_the_example_is_read_and_every_setting_is_in_it() -> None:
    example = (ROOT / ".env.example").read_text()
    known = [value for value in vars(settings).values() if isinstance(value, settings.Setting)]

    assert set(re.findall(r"^#?([A-Z_]+)=", example, re.MULTILINE)) == {one.variables[0] for one in known}


@pytest.mark.parametrize("room", ["voicelive", "voicelive/app", "voicelive/extras"])
def test_each_room_lists_what_is_in_it(room: str) -> None:
    told = (ROOT / room / "__init__.py").read_text(encoding="utf-8")
    there = {path.stem for path in (ROOT / room).glob("[!_]*") if path.name not in ("app", "extras")}

    assert set(re.findall(r"^(?:    )?([a-z]+)  +", told, re.MULTILINE)) == there


def readme() -> str:
    return (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_readme_is_short() -> None:
    assert len(readme().splitlines()) <= 200


def test_every_make_target_has_its_sentence() -> None:
    makefile = (ROOT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.*)", makefile, re.MULTILINE)

    assert phony
    assert set(re.findall(r"^([a-z]+):.*## .+\.$", makefile, re.MULTILINE)) == set(phony[1].split())


def commands() -> Iterator[str]:
    """Each command line in README and docs, without what stands behind two spaces."""
    for document in DOCUMENTS:
        for block in blocks(document):
            for line in block.splitlines():
                command = line.strip().removeprefix("$ ").partition("  ")[0]
                if command.startswith(("make ", ".venv/bin/python ", "python ")):
                    yield command.partition(" = ")[0].strip()


@pytest.mark.parametrize("command", sorted(one for one in set(commands()) if one.startswith("make ")))
def test_every_make_command_in_the_documents_is_there(command: str) -> None:
    make = subprocess.run([*shlex.split(command), "-n"], cwd=ROOT, capture_output=True, text=True)

    assert make.returncode == 0, make.stderr


def test_who_has_filled_in_the_env_file_runs_the_tests_without_it(tmp_path: Path) -> None:
    mine = shutil.copytree(ROOT, tmp_path / "mine", ignore=shutil.ignore_patterns(*NOT_COPIED))
    (mine / ".env").write_text("AZURE_VOICE_LIVE_ENDPOINT=https://contoso.services.ai.azure.com\n")
    code = "from program import ROOT; print((ROOT / '.env').exists(), (ROOT / 'hub_variant.py').exists())"

    said = subprocess.check_output([sys.executable, "-c", code], cwd=mine / "tests", text=True)

    assert said.split() == ["False", "True"]


def test_the_two_scripts_differ_by_a_screenful() -> None:
    one, other = ((ROOT / name).read_text().splitlines() for name in ("voicelive_agent.py", "hub_variant.py"))
    different = [line for line in difflib.ndiff(one, other) if line.startswith(("+ ", "- "))]

    assert len(different) <= MOST_DIFFERENT_LINES


INHERITED = {
    "name",
    "close",
    "write",
    "format",
    "handleError",
    "feature",
    "channels",
    "is_refusal",
    "left_out_of",
    "asked_with",
    "write_to_screen",
}  # explained where they are declared


@pytest.mark.parametrize("name", PARTS)
def test_what_is_public_is_explained(name: str) -> None:
    tree = ast.parse(PARTS[name].read_text(encoding="utf-8"))
    assert ast.get_docstring(tree), "the module"
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), node.name
            for part in node.body if isinstance(node, ast.ClassDef) else ():
                if isinstance(part, ast.FunctionDef) and not part.name.startswith("_"):
                    assert part.name in INHERITED or ast.get_docstring(part), f"{node.name}.{part.name}"
