"""The commands of the program: one for each kind of agent, run, those of the extras, devices."""

from contextlib import suppress
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from voicelive import __version__
from voicelive.app import cli
from voicelive.app.extras import extras
from voicelive.app.kinds import AgentKind
from voicelive.app.options import RunOptions
from voicelive.app.settings import ENDPOINT
from voicelive.errors import EXIT_USAGE, VoiceLiveError
from voicelive.text import printable


def add_to(app: typer.Typer, *kinds: AgentKind) -> None:
    """Add them all to the app of a script; the first kind is the default."""
    for kind in kinds:
        cli.add_kind(app, kind)
    add_run(app, *kinds)
    for extra in extras():
        extra.add_to(app, kinds)
    app.command()(devices)


class RunByDefault(TyperGroup):
    """The commands; options without a command are those of `run`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put `run` before an option that is not the program's own."""
        own = {"--", *(name for parameter in self.get_params(ctx) for name in parameter.opts)}
        is_of_run = args[:1] and args[0].startswith("-") and args[0] not in own
        return super().parse_args(ctx, ["run", *args] if is_of_run else args)


def add_run(app: typer.Typer, *kinds: AgentKind) -> None:
    """Add run to the app of a script, and let it be what happens without a command."""

    @app.command()
    @cli.takes(*kinds)
    def run(options: RunOptions, kind: AgentKind) -> None:
        """Talk to your agent."""
        talk_to_agent(options, kind)

    def talk_to_agent(options: RunOptions, kind: AgentKind) -> None:
        settings = cli.find_settings(options)
        if not settings.get(ENDPOINT):
            why = "still holds a placeholder" if settings.is_unfilled(ENDPOINT) else "is not set"
            for extra in extras():
                extra.without_endpoint(kind, options, f"{ENDPOINT.variables[0]} {why}")
        cli.start(kind, options)

    @app.callback(cls=RunByDefault, invoke_without_command=True)
    def begin(
        context: typer.Context,
        version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False,
    ) -> None:
        if version:
            print(f"voicelive {__version__}")
            raise typer.Exit
        if not context.invoked_subcommand:
            with cli.failures_told():
                talk_to_agent(RunOptions(), kinds[0])


def _tested(help: str) -> Any:
    return typer.Option(help=f"{help} With --test.", show_default=False)


def devices(
    test: Annotated[bool, typer.Option("--test", help="Record three seconds, and play them.")] = False,
    input_device: Annotated[str | None, _tested("Microphone: its number or a part of its name.")] = None,
    output_device: Annotated[str | None, _tested("Speaker: its number or a part of its name.")] = None,
    input_channel: Annotated[int | None, _tested("Channel, from 1; else the loudest.")] = None,
) -> None:
    """List microphones and speakers, or try them."""
    with cli.failures_told(), suppress(OSError):  # nobody reads
        if test:
            from voicelive.app.soundtest import hear_yourself

            hear_yourself(input_device, output_device, input_channel)
            return
        if (input_device, output_device, input_channel) != (None, None, None):
            raise VoiceLiveError("A device is named for --test only.", "", EXIT_USAGE)
        from voicelive.devices import import_sounddevice, table

        print(printable(table(import_sounddevice(), "input", "output")))
