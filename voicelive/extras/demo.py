"""The demo: a conversation with the stand-in, which needs no Azure account."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import typer

from voicelive.app import cli
from voicelive.app.extras import Extra
from voicelive.app.kinds import AgentKind
from voicelive.app.options import RunOptions
from voicelive.app.screen import own_command
from voicelive.errors import EXIT_USAGE, VoiceLiveError


class Demo(Extra):
    """The command, and what `run` does where no endpoint is set."""

    def add_to(self, app: typer.Typer, kinds: Sequence[AgentKind]) -> None:
        """Add demo."""

        @app.command()
        @cli.takes(*kinds, by_name=False)
        def demo(options: RunOptions, kind: AgentKind) -> None:
            """Talk to a local stand-in, without an account.

            `run` does the same if no endpoint is set.
            """
            hold_demo(kind, options)

    def without_endpoint(self, kind: AgentKind, options: RunOptions, why: str) -> None:
        """Hold it, and say so."""
        cli.say(f"{why}: this is the demo, with a stand-in.")
        hold_demo(kind, options)

    def hint(self, kind: AgentKind) -> str:
        """That it needs no settings."""
        return f"`{own_command('demo')}` needs no settings."


def hold_demo(kind: AgentKind, options: RunOptions) -> None:
    """Hold the conversation with the stand-in, whose names are made up; shell and .env are not asked."""
    import standin
    from standin.server import StandIn

    if options.flags.get("endpoint"):
        raise VoiceLiveError(
            "The demo takes no --endpoint: it brings its own service.", "Use `project` or `hub`.", EXIT_USAGE
        )
    with StandIn() as stand_in:
        flags = {**options.flags, **kind.made_up, "endpoint": stand_in.endpoint}
        sample = Path(standin.__file__).with_name("sample.wav")
        cli.start(kind, replace(options, flags=flags, sample=sample))


EXTRA = Demo()
