"""`check`: what is missing before you can talk, row by row (rows, service), and how it is shown (report)."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Annotated

import typer

from voicelive.app import cli
from voicelive.app.extras import Extra
from voicelive.app.kinds import AgentKind
from voicelive.app.options import Options
from voicelive.app.screen import own_command

TALK = "Let the agent answer a hello. This costs, and the agent may act."


class Check(Extra):
    """The command, and the way to it for whom something fails."""

    def add_to(self, app: typer.Typer, kinds: Sequence[AgentKind]) -> None:
        """Add check."""

        @app.command()
        @cli.takes(*kinds)
        def check(
            options: Options,
            kind: AgentKind,
            tone: Annotated[bool, typer.Option("--tone", help="Play a short tone on the speaker.")] = False,
            talk: Annotated[bool, typer.Option("--talk", help=TALK)] = False,
        ) -> None:
            """Find out what is missing before you can talk.

            It looks at settings, sound, sign-in, network and service.
            """
            from voicelive.extras.check.rows import check_all

            raise typer.Exit(check_all(cli.make_plan(kind, options), tone, talk))

    def hint(self, kind: AgentKind) -> str:
        """What it shows."""
        return f"`{own_command('check', kind.name)}` shows each setting and its source."

    def look_closer(self, kind: AgentKind, options: Options) -> str:
        """The same run, checked."""
        return f"To look at each part: `{own_command('check', kind.name, *as_typed(options))}`"


def as_typed(options: Options) -> list[str]:
    """The options of `check` as they were typed: ["--endpoint", "https://…", …]."""
    others = {field.name: field.default for field in fields(Options) if field.name not in ("flags", "sample")}
    typed = []
    for name, value in {**options.flags, **{name: getattr(options, name) for name in others}}.items():
        if value and value != others.get(name):
            flag = "--" + name.replace("_", "-")
            typed += [flag] if value is True else [flag, str(value)]
    return typed


EXTRA = Check()
