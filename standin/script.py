"""A conversation from a file, to be played: said, answered, said, answered.

A script is a text file in UTF-8: a line `You: …`, then a line `Agent: …`, and so on. A line that is
indented goes on with the one above; empty lines and those that begin with # do not count.
"""

from dataclasses import dataclass
from pathlib import Path

EXAMPLE = Path(__file__).with_name("example.txt")
MOST_BYTES = 1_000_000
SPEAKERS = ("You", "Agent")


@dataclass(frozen=True)
class Script:
    """What is said in the turns, in order, and the answer to each."""

    turns: tuple[tuple[str, str], ...]

    def spoken(self, number: int) -> tuple[str, str] | None:
        """Words and answer of a spoken turn, counted from 0; None after the last."""
        return self.turns[number] if number < len(self.turns) else None

    def answer_to(self, text: str) -> str | None:
        """The answer to a typed text that is in the script, letters large or small."""
        wanted = text.strip().casefold()
        return next((answer for said, answer in self.turns if said.casefold() == wanted), None)


def read(path: Path) -> Script:
    """The script in a file; raises ValueError with file, line and what is wrong, or OSError."""
    with path.open("rb") as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ValueError(f"{path}: a script has at most {MOST_BYTES} bytes.")
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise ValueError(f"{path}: a script is a text file in UTF-8.") from None
    said: list[str] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        if line[0].isspace() and said:
            said[-1] += f" {line.strip()}"
            continue
        expected = SPEAKERS[len(said) % 2]
        speaker, colon, words = line.partition(":")
        if speaker != expected or not colon or not words.strip():
            raise ValueError(f"{path}, line {number}: expected '{expected}: …', found {line[:40]!r}.")
        said.append(words.strip())
    if not said or len(said) % 2:
        raise ValueError(f"{path}: a script needs a line 'You: …' and then a line 'Agent: …', at least once.")
    return Script(tuple(zip(said[::2], said[1::2], strict=True)))
