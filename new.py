"""Your own project, made from this one, without the extras that you do not want.

    python new.py ../my-agent --without check standin
    make new DIR=../my-agent WITHOUT="check standin"

It takes what git tracks; without git, what .gitignore does not name. An extra that is left out takes along
its modules, the folders of its name below tests/, the packages that it alone needs, its targets in the
Makefile, and what the documents say about it: the section, row, line or sentence that names it. This script
stays behind: the new project is somebody's own, and no template. It stands beside the Makefile, for people
without make.
"""

import argparse
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from shlex import quote
from textwrap import TextWrapper

ROOT = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Extra:
    """What may be left out."""

    commands: tuple[str, ...] = ()  # of the program, and targets of make
    words: str = ""  # a pattern of what else gives it away in a document
    parts: tuple[str, ...] = ()  # modules and folders that go with it, besides those of its name


EXPORT = r"(?:\.py|voicelive|`)\s?export\b"  # no name of a command: in a Makefile the word is make's own
EXTRAS = {
    "check": Extra(("check",)),
    "init": Extra(("init",)),
    "tools": Extra((), r"\btools\.py\b|@tool\b|functions? of yours"),
    "echo": Extra((), r"[Ee]cho reference|[Ee]cho behind|echo, away|`client`|--echo-cancellation client"),
    "hotplug": Extra((), r"unplugged|hotplug|looking for another|lost later|sound server that hangs"),
    "live": Extra((), r"status line|at the prompt|--plain\b|\bEsc\b"),
    "recording": Extra((), rf"--record\b|\b(a r|R|r)ecordings?\b(?= is a valid| \(`)|{EXPORT}", ("export",)),
    "export": Extra((), EXPORT),
    "standin": Extra(("demo", "soak"), r"[Ss]tand-?in\b|--fault\b|\bdemo\b", ("demo",)),
}
ITSELF = Extra(("new",), r"\bnew\.py\b")
SENTENCE = re.compile(r"(?<=[^.][.!?])(?<!e\.g\.)\s+(?=[^a-z])|(?<=[.!?][)`*])\s+(?=[^a-z])")
WIDTH = 118
# In these an extra has a line of its own.
TABLES = ("pyproject.toml", "tests/conftest.py", "voicelive/app/extras.py", "voicelive/extras/__init__.py")


def main() -> None:
    """Make the project, or say in a line why not (exit code 2)."""
    parser = argparse.ArgumentParser(prog="new.py", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", help="the new folder; its name becomes the project's")
    parser.add_argument(
        "--without", nargs="*", default=[], metavar="EXTRA", help=f"any of: {', '.join(EXTRAS)}"
    )
    given = parser.parse_args()
    if not given.folder:
        parser.error('name a folder: make new DIR=../my-agent WITHOUT="check standin"')
    folder = Path(given.folder).expanduser().resolve()
    if unknown := sorted(set(given.without) - set(EXTRAS)):
        parser.error(f"there is no extra {', '.join(unknown)}; there are {', '.join(EXTRAS)}")
    if folder.is_relative_to(ROOT):
        parser.error(f"{folder} is a part of this project: name a folder beside it")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        parser.error(f"{folder} exists, and is not empty")
    make(folder, given.without)
    print(f"{folder} is ready. Next:\n  cd {quote(str(folder))} && git init && make run")


class Gone:
    """What is left out, as it is found in paths and texts."""

    def __init__(self, names: list[str]) -> None:
        extras = {"new": ITSELF, **{name: EXTRAS[name] for name in names}}
        self.parts = {part for name, extra in extras.items() for part in (name, *extra.parts)}
        self.commands = "|".join(command for extra in extras.values() for command in extra.commands)
        told = [
            rf"(?:make|\.py|voicelive|`)\s?(?:{self.commands})\b",
            rf"extras[./](?:{'|'.join(self.parts)})\b",
            rf"tests/(?:\w+/)*(?:{'|'.join(self.parts)})/",
            *(extra.words for extra in extras.values() if extra.words),
        ]
        self.told = re.compile("|".join(told), re.MULTILINE)


def make(folder: Path, without: list[str]) -> None:
    """Write the project into a folder that is empty, or does not exist."""
    gone = Gone(without)
    for path in tracked():
        if is_of(path, gone.parts):
            continue
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, target)
        if path.suffix == ".md" or path.name in ("Makefile", "requirements.txt") or path.as_posix() in TABLES:
            text = target.read_text(encoding="utf-8")
            if left := changed(path, text, gone, folder.name).lstrip():
                target.write_text(left, encoding="utf-8", newline="\n")
            else:  # a document about what is left out
                target.unlink()


def tracked() -> list[Path]:
    """The files of this project, as git or .gitignore tells."""
    if (ROOT / ".git").exists() and shutil.which("git"):
        listed = subprocess.check_output(["git", "ls-files", "-z"], cwd=ROOT, text=True)
        paths = [Path(name) for name in listed.split("\0") if name]
        return [path for path in paths if (ROOT / path).is_file()]
    paths = [path.relative_to(ROOT) for path in sorted(ROOT.rglob("*")) if path.is_file()]
    lines = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    return [
        path for path in paths if not is_ignored(path, [line for line in lines if line and line[0] != "#"])
    ]


def is_ignored(path: Path, patterns: list[str]) -> bool:
    """Whether the lines of a .gitignore name it; a later line wins over an earlier one."""
    ignored = ".git" in path.parts
    for pattern in patterns:
        plain = pattern.lstrip("!").rstrip("/")
        if any(fnmatch(name, plain) for name in (path.as_posix(), *path.parts)):
            ignored = not pattern.startswith("!")
    return ignored


def is_of(path: Path, parts: set[str]) -> bool:
    """Whether a file is one of these parts: a script, a module or a folder of that name."""
    top, *rest = path.parts
    if top == "tests":
        return any(folder in parts for folder in rest[:-1])
    named = path.parts[2] if path.is_relative_to("voicelive/extras") else top
    return named.partition(".")[0] in parts


def changed(path: Path, text: str, gone: Gone, project: str) -> str:
    """The text of a file, without what concerns what is gone, and with the project's name."""
    if path.name == "Makefile":
        return makefile(text, gone.commands)
    if path.suffix == ".md":
        text = document(text, gone.told).replace("voicelive-agent", distribution(project))
        return re.sub(r"\A# .*", f"# {project}", text) if path == Path("README.md") else text
    if path.name == "requirements.txt":
        groups = (group.rstrip() for group in text.split("\n\n") if not is_group_of(group, gone.parts))
        return "\n\n".join(groups) + "\n"
    if path.name == "pyproject.toml":
        text = text.replace('name = "voicelive-agent"', f'name = "{distribution(project)}"')
    if path.as_posix() in TABLES:
        line = re.compile(rf"^[^\w\n]*(?:[\w-]+\.)*(?:{'|'.join(gone.parts)})\W.*\n", re.MULTILINE)
        return re.sub(r'\n\n"""$', '"""', line.sub("", text), flags=re.MULTILINE)  # a list of nothing
    return text


def distribution(project: str) -> str:
    """The name as packages may have one."""
    return re.sub(r"[^A-Za-z0-9]+", "-", project).strip("-") or "agent"


def is_group_of(group: str, parts: set[str]) -> bool:
    """Whether a group of a requirements.txt, headed by the folder that needs it, concerns what is gone."""
    heading = group.partition("\n")[0]
    return heading.startswith("# ") and any(part in heading[2:].split("/") for part in parts)


def makefile(text: str, commands: str) -> str:
    """A Makefile without these targets."""
    targets = re.compile(rf"^(?:#.*\n)*(?:{commands}):.*\n(?:\t.*\n)*\n", re.MULTILINE)
    lists = re.compile(r"^\.PHONY: .*|^[a-z ]+: export .*", re.MULTILINE)
    return lists.sub(lambda line: re.sub(rf" ?\b(?:{commands})\b", "", line[0]), targets.sub("", text))


def document(text: str, told: re.Pattern[str]) -> str:
    """A Markdown document without the sections, rows, lines and sentences that `told` finds."""
    kept: list[str] = []
    gone_level = 0  # of the heading whose section is gone
    led_by_gone = False  # the sentence that leads to the next block is gone
    for block in blocks(text):
        if heading := re.match(r"#+(?= )", block):
            level = len(heading[0])
            gone_level = 0 if level <= gone_level else gone_level
            if not gone_level and told.search(block):
                gone_level = level
        if gone_level:
            continue
        left = block if heading else "" if led_by_gone else without(block, told)
        led_by_gone = block.endswith(":") and not left.endswith(":")
        if left:
            kept.append(left)
        elif kept and kept[-1].endswith(":"):  # the sentence that led to it
            kept[-1] = prose(kept[-1], re.compile(r":\Z"))
    return "\n\n".join(block for block in kept if block) + "\n"


def blocks(text: str) -> Iterator[str]:
    """What stands between blank lines; what stands between fences is one."""
    block: list[str] = []
    fenced = False
    for line in [*text.splitlines(), ""]:
        fenced ^= line.startswith("```")
        if line or fenced:
            block.append(line)
        elif block:
            yield "\n".join(block)
            block = []


def without(block: str, told: re.Pattern[str]) -> str:
    """A block without what `told` finds; '' where nothing is left."""
    if not told.search(block):
        return block
    if block.startswith("|"):
        return table(block, told)
    if not block.startswith(("```", "    ")):
        return "\n".join(filter(None, (prose(item, told) for item in re.split(r"\n(?=- |\d+\. )", block))))
    if block.startswith(("```\n$ ", "```python\n# ", "```diff\n# ")):  # a run, or a piece of one file
        return ""
    left = [line for line in block.splitlines() if not told.search(line)]
    return "\n".join(left) if len(left) > 2 or (left and left[0][0] == " ") else ""


def table(block: str, told: re.Pattern[str]) -> str:
    """A table without rows whose first cell is told, what else is told, and columns that are empty then."""
    head, _, *rows = (
        [cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in block.splitlines()
    )
    left = [
        [first, *("; ".join(part for part in cell.split("; ") if not told.search(part)) for cell in cells)]
        for first, *cells in rows
        if not told.search(first)
    ]
    columns = [place for place in range(len(head)) if any(row[place] for row in left)]
    lines = ["| " + " | ".join(row[place] for place in columns) + " |" for row in [head, *left]]
    return "\n".join([lines[0], "|" + "---|" * len(columns), *lines[1:]]) if left else ""


def prose(text: str, told: re.Pattern[str]) -> str:
    """A paragraph, or an item of a list, without the sentences that are told.

    What begins in bold type, or is an item, is about its first sentence: it goes whole with it.
    """
    if not told.search(text):
        return text
    marker = re.match(r"(?:- |\d+\. )?", text)
    indent = " " * len(marker[0]) if marker else ""
    sentences = SENTENCE.split(" ".join(text.split()))
    if re.match(r"- |\d+\. |\*\*", text) and told.search(sentences[0]):
        return ""
    kept = [sentence for sentence in sentences if not told.search(sentence)]
    filler = TextWrapper(WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    whole = re.sub(r"`[^`]*`", lambda code: code[0].replace(" ", "\0"), " ".join(kept))
    return filler.fill(whole).replace("\0", " ")


if __name__ == "__main__":
    main()
