"""What was said, and when, as a recording's JSON lines tell it."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from voicelive import failures
from voicelive.app.options import ROOT
from voicelive.errors import VoiceLiveError
from voicelive.text import printable, shown

ENDING = "_conversation.jsonl"
HINT = "A recording is made with --record: logs/<time>_conversation.jsonl, one object for each turn."
MOST_S = 1_000_000  # no recording is so long: a WAV file ends at 4 GiB
BEGINNING = b'{"role": '  # of each of its lines


@dataclass(frozen=True)
class Spoken:
    """A turn. Times in milliseconds from the beginning of the recording's WAV file."""

    who: str  # "You", "You (typed)", "Agent"
    text: str  # printable, of one line or more, none of them empty
    begin: int  # where it is not known: the end of the turn before
    end: int | None  # never before `begin`; None where it is not known
    is_timed: bool = True  # `begin` is known
    is_interrupted: bool = False
    is_interim: bool = False


def find(log: Path) -> Path:
    """The JSON lines that a path means: their own, that of the WAV file or the log beside them, or a time.

    Raises VoiceLiveError (exit code 2) where there are none.
    """
    if log.suffix in (".wav", ".log"):
        places = [log.with_suffix(".jsonl")]
    else:
        places = [log, *(folder / f"{log}{ENDING}" for folder in (Path(), ROOT / "logs"))]
    for place in places:
        if place.is_file() or place.is_fifo():
            return place
    missing = "such file" if places[0] == log else f"{places[0].name} beside it"
    problem = "it is a folder" if log.is_dir() else f"there is no {missing}"
    raise failures.unusable_file(log, problem, HINT)


def read(path: Path, note: Callable[[str], None]) -> list[Spoken]:
    """The turns, in the order in which they began. `note` is told where the last line breaks off.

    Raises VoiceLiveError (exit code 2) for a file that is no recording of ours.
    """
    try:
        spoken = list(_turns(path, note))
    except OSError as error:
        raise failures.unusable_file(path, error.strerror or error) from error
    if not spoken:
        note(f"{shown(path)}: nothing was said.")
    return sorted(spoken, key=lambda turn: turn.begin)


def _turns(path: Path, note: Callable[[str], None]) -> Iterator[Spoken]:
    before = 0  # the end of the turn before
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                turn = _turn(line, before)
            except (ValueError, RecursionError):
                is_torn = not line.endswith(b"\n") and line[: len(BEGINNING)] == BEGINNING[: len(line)]
                if not is_torn:
                    _refuse(path, number)
                note(f"{shown(path)}: line {number}, the last, is incomplete and is left out.")
                return
            if turn.text:
                before = turn.end or turn.begin
                yield turn


def _refuse(path: Path, number: int) -> NoReturn:
    problem: VoiceLiveError = failures.unusable_file(path, f"line {number} is not a recorded turn", HINT)
    raise problem from None


def _turn(line: bytes, before: int) -> Spoken:
    """One line. Raises ValueError for any other."""
    match json.loads(line):
        case {"role": "user" | "agent" as role, "text": str(text), "start": start, "end": end, **others}:
            pass
        case _:
            raise ValueError("no turn")
    begin, stop = _milliseconds(start), _milliseconds(end)
    is_typed = role == "user" and begin is not None and begin == stop  # speech takes time
    return Spoken(
        "Agent" if role == "agent" else "You (typed)" if is_typed else "You",
        "\n".join(filter(None, map(str.strip, printable(text).split("\n")))),
        before if begin is None else begin,
        None if stop is None else max(stop, begin or 0),
        begin is not None,
        others.get("interrupted") is True,
        others.get("interim") is True,
    )


def _milliseconds(seconds: object) -> int | None:
    if seconds is None:
        return None
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds < MOST_S:
        raise ValueError("no time")
    return round(1000 * seconds)
