"""The picture in the README: a conversation, drawn anew from a real run and compared."""

import io
import re
import wave
from itertools import groupby
from pathlib import Path
from xml.etree import ElementTree

from emulator import Terminal, terminal
from program import ROOT, SAMPLE
from rich.console import Console
from rich.style import Style
from rich.text import Text

from standin import script
from standin.server import StandIn

PICTURE = ROOT / "docs" / "conversation.svg"
COLUMNS = 92
RATE_HZ = 24_000
SPEECH_S = 1.8  # of the sample
SPEAKS_AT_S = (0.5, 7.5, 17.0)  # the last time over the agent
ENDS_AT_S = 90  # later than the picture is taken
# No two runs share the numbers, the date, and how much of an answer was heard before it was cut off.
VARIES = r"\d+|(?<=time_in says: ).*|(?<=Agent: I have a table)[^()]*(?=\(interrupted\))"
TEMPLATE = """<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg" xml:space="preserve">
<style>
text {{ font: {char_height}px Menlo, Consolas, 'DejaVu Sans Mono', monospace; white-space: pre; }}
{styles}
</style>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})">
{backgrounds}
{matrix}
</g>
</svg>
"""


def speak_thrice(path: Path) -> None:
    """Write what the microphone hears: speech, three times, and silence between."""
    with wave.open(str(SAMPLE)) as sample, wave.open(str(path), "wb") as file:
        file.setparams(sample.getparams())
        speech = sample.readframes(round(SPEECH_S * RATE_HZ))
        sound = b""
        for start_s in SPEAKS_AT_S:
            sound = sound.ljust(2 * round(start_s * RATE_HZ), b"\0") + speech
        file.writeframes(sound.ljust(2 * ENDS_AT_S * RATE_HZ, b"\0"))


def drawn(screen: Terminal) -> str:
    """What is on the terminal, as an SVG that loads nothing."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO())
    for row in screen.rows:
        line = Text(end="")
        for (bold, reverse), cells in groupby(row, lambda cell: (cell.bold, cell.reverse)):
            line.append("".join(cell.data for cell in cells), Style(bold=bold, reverse=reverse))
        line.rstrip()
        if line:
            console.print(line)
    svg = console.export_svg(title="A conversation with the stand-in", code_format=TEMPLATE, unique_id="talk")
    svg = re.sub(r' clip-path="[^"]*"|<text [^>]*>\n</text>', "", svg).replace("><text", ">\n<text")
    return "".join(f"{line.strip()}\n" for line in svg.splitlines() if line.strip())


def words(svg: str) -> str:
    """What stands in a picture, line by line, without what varies."""
    rows: dict[str, str] = {}
    for text in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text"):
        rows[text.get("y", "")] = rows.get(text.get("y", ""), "") + (text.text or "")
    return re.sub(VARIES, "~", "\n".join(rows.values()).replace("\u00a0", " "))


def test_the_picture_shows_what_the_program_shows(tmp_path: Path, logs: Path) -> None:
    speak_thrice(tmp_path / "question.wav")
    with StandIn(pace=1, script=script.read(script.EXAMPLE)) as stand_in:
        arguments = ("project", "--endpoint", stand_in.endpoint, "--project-name", "restaurant")
        sound = ("--agent-name", "anna", "--input", "question.wav", "--output", "answer.wav")
        with terminal(*arguments, *sound, log_dir=logs, columns=COLUMNS, cwd=tmp_path) as screen:
            screen.wait_for("(interrupted)")
            screen.wait_for("Agent: Then it is yours")
            screen.wait_for(" listening ")
            screen.type("What time is it in Tokyo?\r")
            screen.wait_for_match(r"Agent: Your function time_in says: .*\d\d:\d\d\.\n")
            screen.wait_for(" listening ")
            screen.type("And in Lima?")
            screen.wait_for("> And in Lima?")
            new = tmp_path / PICTURE.name
            new.write_text(drawn(screen), encoding="utf-8")
            screen.type("\x15q\r")
            assert screen.wait() == 0

    shown, is_now = (words(path.read_text(encoding="utf-8")) for path in (PICTURE, new))
    assert shown == is_now, f"to show how it is now: cp {new} {PICTURE}"
