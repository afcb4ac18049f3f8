"""`export`: what was said in a recorded conversation, as Markdown or as subtitles of its sound."""

import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Literal

import typer

from voicelive.app import cli
from voicelive.app.extras import Extra
from voicelive.app.kinds import AgentKind
from voicelive.app.terminal import is_terminal

Log = Annotated[
    Path,
    typer.Argument(
        help="A recording: its .jsonl file, the .wav beside it, or its time (2026-11-22_21-23-27).",
        show_default=False,
    ),
]
Form = Annotated[
    Literal["md", "srt", "vtt"],
    typer.Option("--as", help="md: Markdown; srt, vtt: subtitles (SubRip, WebVTT).", show_default=False),
]


class Export(Extra):
    """The command."""

    def add_to(self, app: typer.Typer, kinds: Sequence[AgentKind]) -> None:
        """Add export."""

        @app.command()
        def export(log: Log, form: Form = "md") -> None:
            """Print a recorded conversation, or subtitles."""
            with cli.failures_told():
                show(log, form)


def show(log: Path, form: Literal["md", "srt", "vtt"]) -> None:
    """Print a recording in this form, in UTF-8; what was left out is told on stderr.

    Raises VoiceLiveError (exit code 2) for a file that is no recording.
    """
    from voicelive.extras.export.forms import markdown, subrip, webvtt
    from voicelive.extras.export.spoken import find, read

    path = find(log)
    spoken = read(path, cli.say)
    match form:
        case "md":
            text = markdown(spoken, path.stem)
        case "srt":
            text = subrip(spoken)
        case "vtt":
            text = webvtt(spoken)
    if not is_terminal(sys.stdout):  # a file is the same on every system
        sys.stdout.reconfigure(encoding="utf-8", newline="")  # type: ignore[union-attr]
    with suppress(OSError):  # nobody reads
        print(text, end="")


EXTRA = Export()
