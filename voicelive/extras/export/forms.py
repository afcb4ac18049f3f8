"""What was said as Markdown, SubRip and WebVTT."""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from textwrap import wrap

from voicelive.extras.export.spoken import Spoken

ROW_CHARACTERS = 42  # of a subtitle, as broadcasters have them
ROWS = 2
LEAST_MS = 1_000  # for so long a subtitle stays at least
READING_MS = 60  # for each of its characters: 17 a second
# Of Markdown that is left as it is written: HTML, entities, escapes, and images, which a viewer would fetch.
_NO_MARKDOWN = re.compile(r"<(?=[A-Za-z/!?])|&(?=#?\w+;)|\\(?=[!-/:-@\[-`{-~])|!(?=\[)")
BLANK = "\u200b"  # has no width: what stands around it means nothing to a player


def markdown(spoken: Iterable[Spoken], name: str) -> str:
    """A list, one entry for each turn: when, who, and what was said."""
    stamp = re.match(r"(\d{4}-\d\d-\d\d)_(\d\d)-(\d\d)-(\d\d)", name)
    title = "{} {}:{}:{}".format(*stamp.groups()) if stamp else name
    entries = (f"- {_entry(turn)}\n" for turn in spoken)
    return "".join([f"# Conversation of {title}\n\n", *entries])


def _entry(turn: Spoken) -> str:
    end = _clock(turn.end) if turn.end is not None else ""
    begin = _clock(turn.begin)
    span = f"{begin}\u2013{end}" if end and end != begin else begin
    when = f"`{span}` " if turn.is_timed else ""
    marks = [*["interim"] * turn.is_interim, *["interrupted"] * turn.is_interrupted]
    mark = f" ({', '.join(marks)})" if marks else ""
    # Two spaces end a line, and further ones belong to the entry.
    said = _NO_MARKDOWN.sub(r"\\\g<0>", turn.text).replace("\n", "  \n  ")
    return f"{when}**{turn.who}**{mark}: {said}"


def _clock(ms: int) -> str:
    """`0:06`, `1:00:06`"""
    minutes, seconds = divmod(ms // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


@dataclass(frozen=True)
class Cue:
    """A subtitle: milliseconds, and rows of text."""

    begin: int
    end: int
    rows: Sequence[str]


def subrip(spoken: Iterable[Spoken]) -> str:
    """The de-facto standard: `00:00:06,661`, lines that end in CR LF.

    It knows no escapes: a character without width keeps players from taking words for tags, or for times.
    """

    def escape(row: str) -> str:
        return re.sub(r"--(?=>)|<(?=[A-Za-z/])|\{(?=\\)", rf"\g<0>{BLANK}", row)

    return "".join(f"{cue}\n" for cue in _numbered(spoken, ",", escape)).replace("\n", "\r\n")


def webvtt(spoken: Iterable[Spoken]) -> str:
    """W3C's WebVTT: `00:00:06.661`, and text with the entities of HTML."""

    def escape(row: str) -> str:
        return row.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

    return "".join(["WEBVTT\n", *(f"\n{cue}" for cue in _numbered(spoken, ".", escape))])


def _numbered(spoken: Iterable[Spoken], point: str, escape: Callable[[str], str]) -> Iterator[str]:
    """The cues, counted from 1, each with its times and a line break at its end."""

    def clock(ms: int) -> str:
        minutes, rest = divmod(ms, 60_000)
        return f"{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02}{point}{rest % 1000:03}"

    for number, cue in enumerate(one_after_the_other(chain.from_iterable(map(cues, spoken))), 1):
        rows = "\n".join(map(escape, cue.rows))
        yield f"{number}\n{clock(cue.begin)} --> {clock(cue.end)}\n{rows}\n"


def cues(turn: Spoken) -> Iterator[Cue]:
    """What was said in a turn, in pieces of ROWS rows, or more where there is no time for so many pieces.

    When each piece was said is not known: their times are as long as their texts.
    """
    mark = " (interrupted)" if turn.is_interrupted else ""
    lines = f"{turn.who}: {turn.text}{mark}".split("\n")
    rows = [row for line in lines for row in wrap(line, ROW_CHARACTERS, break_on_hyphens=False)]
    reading = READING_MS * sum(map(len, rows))
    takes = max(LEAST_MS, (turn.end - turn.begin if turn.end is not None else 0) or reading)
    pieces = max(1, min(math.ceil(len(rows) / ROWS), takes // LEAST_MS))
    each = math.ceil(len(rows) / pieces)
    begin, said = turn.begin, 0
    for at in range(0, len(rows), each):
        said += sum(map(len, rows[at : at + each]))
        end = turn.begin + takes * READING_MS * said // reading
        yield Cue(begin, end, rows[at : at + each])
        begin = end


def one_after_the_other(cues: Iterable[Cue]) -> Iterator[Cue]:
    """In order of their times, each for LEAST_MS at least, and none while another is shown.

    Where there is room, they stay for as long as it takes to read them.
    """
    waiting: Cue | None = None
    for cue in sorted(cues, key=lambda cue: cue.begin):
        if waiting:
            cue = replace(cue, begin=max(cue.begin, waiting.begin + LEAST_MS))
            yield replace(waiting, end=min(_read_at(waiting), cue.begin))
        waiting = cue
    if waiting:
        yield replace(waiting, end=_read_at(waiting))


def _read_at(cue: Cue) -> int:
    """When it has been read."""
    return max(cue.end, cue.begin + max(LEAST_MS, READING_MS * sum(map(len, cue.rows))))
