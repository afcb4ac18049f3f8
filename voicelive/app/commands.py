"""The commands that serve both kinds of project: run, demo, check and devices."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Annotated, Literal

import typer

from voicelive import __version__
from voicelive.app import cli
from voicelive.app.options import Options
from voicelive.app.settings import ENDPOINT, OF_AN_AGENT
from voicelive.errors import EXIT_USAGE, VoiceLiveError
from voicelive.text import printable

Variant = Literal["project", "hub"]

TALKING = ("greet", "verbose", "record", "log_dir")  # what `check` has no use for


def add_to(app: typer.Typer, targets: Mapping[str, cli.FindTarget]) -> None:
    """Add them to the app of a script, whose `targets` find the agent, by variant."""
    add_run(app, targets)
    add_demo(app, targets)
    add_check(app, targets)
    app.command()(devices)


def add_run(app: typer.Typer, targets: Mapping[str, cli.FindTarget]) -> None:
    """Add run to the app of a script, and let it be what happens without a command."""

    def agent_or_demo(options: Options, variant: Variant) -> None:
        settings = cli.find_settings(options)
        if settings.get(ENDPOINT):
            cli.start(targets[variant], options)
        why = "still holds a placeholder" if settings.is_unfilled(ENDPOINT) else "is not set"
        cli.say(f"{ENDPOINT.variables[0]} {why}: this is the demo, with a stand-in.")
        hold_demo(targets[variant], options)

    @app.command()
    @cli.takes(*OF_AN_AGENT)
    def run(
        options: Options, variant: Annotated[Variant, typer.Argument(help="The kind of project.")] = "project"
    ) -> None:
        """Talk to your agent, or to the stand-in where no endpoint is set."""
        agent_or_demo(options, variant)

    @app.callback(invoke_without_command=True)
    def begin(
        context: typer.Context,
        version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False,
    ) -> None:
        if version:
            print(f"voicelive {__version__}")
            raise typer.Exit
        if not context.invoked_subcommand:
            with cli.failures_told():
                agent_or_demo(Options(), "project")


def add_demo(app: typer.Typer, targets: Mapping[str, cli.FindTarget]) -> None:
    """Add the demo to the app of a script."""

    @app.command()
    @cli.takes()
    def demo(
        options: Options, variant: Annotated[Variant, typer.Argument(help="The route to take.")] = "project"
    ) -> None:
        """Talk to a local stand-in of the service: no Azure account."""
        hold_demo(targets[variant], options)


def add_check(app: typer.Typer, targets: Mapping[str, cli.FindTarget]) -> None:
    """Add check to the app of a script."""

    @app.command()
    @cli.takes(*OF_AN_AGENT, without=TALKING)
    def check(
        options: Options,
        variant: Annotated[Variant, typer.Argument(help="The kind of project.")] = "project",
        tone: Annotated[bool, typer.Option("--tone", help="Play a short tone on the speaker.")] = False,
        talk: Annotated[
            bool, typer.Option("--talk", help="Have the agent answer a hello: this costs, and it may act.")
        ] = False,
    ) -> None:
        """Find out what is missing before talking: settings, sound, sign-in, network, service."""
        from voicelive.extras.check import check_all

        raise typer.Exit(check_all(cli.make_plan(targets[variant], options), tone, talk))


def hold_demo(find_target: cli.FindTarget, options: Options) -> None:
    """Hold the conversation with the stand-in, whose names are made up; shell and .env are not asked."""
    from standin.server import StandIn

    if options.flags.get("endpoint"):
        raise VoiceLiveError(
            "The demo takes no --endpoint: it brings its own service.", "Use `project` or `hub`.", EXIT_USAGE
        )
    with StandIn() as stand_in:
        made_up = {
            "endpoint": stand_in.endpoint,
            "project_name": "demo",
            "agent_name": "stand-in",
            "agent_id": "asst_standin",
            "connection_string": "local.api.azureml.ms;0000;demo;demo",
        }
        cli.start(find_target, replace(options, flags={**options.flags, **made_up}, is_demo=True))


def devices() -> None:
    """List the microphones and the speakers."""
    from voicelive.devices import import_sounddevice, table

    with cli.failures_told(), suppress(OSError):  # nobody reads
        print(printable(table(import_sounddevice(), "input", "output")))
