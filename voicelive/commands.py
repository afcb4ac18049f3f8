"""The commands that serve both kinds of project: demo, check, devices, and the start without a command."""

import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from voicelive import EXIT_USAGE, VoiceLiveError, __version__, cli
from voicelive.settings import ENDPOINT, Settings

if TYPE_CHECKING:  # imported late below, so that --help need not wait for numpy
    from voicelive.auth import AgentTarget


class Variant(str, Enum):
    """The two kinds of project."""

    project = "project"
    hub = "hub"


Targets = Mapping[str, Callable[[Settings], "AgentTarget"]]


def add_to(app: typer.Typer, targets: Targets, starts: Mapping[str, Callable[[], Any]]) -> None:
    """Add them to the app of a script. By variant, `targets` find the agent, `starts` begin to talk."""

    @app.command()
    @cli.shared_options
    def demo(
        options: cli.Options,
        variant: Annotated[Variant, typer.Argument(help="The route to take.")] = Variant.project,
    ) -> None:
        """Talk to a local stand-in of the service: no Azure account."""
        hold_demo(targets[variant.value], options)

    @app.command()
    @partial(cli.shared_options, without=cli.TALKING)
    def check(
        options: cli.Options,
        variant: Annotated[Variant, typer.Argument(help="The kind of project.")] = Variant.project,
        tone: Annotated[bool, typer.Option("--tone", help="Play a short tone on the speaker.")] = False,
        talk: Annotated[
            bool, typer.Option("--talk", help="Have the agent answer a hello: this costs, and it may act.")
        ] = False,
        project_name: cli.ProjectName = None,
        agent_name: cli.AgentName = None,
        agent_version: cli.AgentVersion = None,
        conversation_id: cli.ConversationId = None,
        agent_id: cli.AgentId = None,
        connection_string: cli.ConnectionString = None,
    ) -> None:
        """Find out what is missing before talking: settings, sound, sign-in, network, service."""
        from voicelive.check import check_all

        settings = options.settings(
            project_name=project_name,
            agent_name=agent_name,
            agent_version=agent_version,
            conversation_id=conversation_id,
            agent_id=agent_id,
            connection_string=connection_string,
        )
        plan = cli.make_plan(targets[variant.value](settings), settings, options)
        if code := check_all(plan, tone, talk):
            raise typer.Exit(code)

    @app.command()
    def devices() -> None:
        """List the microphones and the speakers."""
        cli.run(list_devices)

    @app.callback(invoke_without_command=True)
    def choose(
        context: typer.Context,
        variant: Annotated[
            Variant, typer.Option(help="Without a command: the kind of project.")
        ] = Variant.project,
        version: Annotated[
            bool,
            typer.Option("--version", callback=show_version, is_eager=True, help="Show the version."),
        ] = False,
    ) -> None:
        def start() -> None:
            if cli.Options().settings().get(ENDPOINT):
                starts[variant.value]()
            else:
                cli.say(f"{ENDPOINT.variables[0]} is not set: this is the demo, with a stand-in.")
                demo(variant=variant)

        if context.invoked_subcommand is None:
            cli.run(start)


def hold_demo(find_target: Callable[[Settings], "AgentTarget"], options: cli.Options) -> None:
    """Hold the conversation with the stand-in, whose names are made up; shell and .env are not asked."""
    from voicelive.simulator import Simulator

    if options.endpoint:
        raise VoiceLiveError(
            "The demo takes no --endpoint: it brings its own service.", "Use `project` or `hub`.", EXIT_USAGE
        )
    with Simulator() as simulator:
        names = {
            "project_name": "demo",
            "agent_name": "stand-in",
            "agent_id": "asst_standin",
            "connection_string": "local.api.azureml.ms;0000;demo;demo",
        }
        flags = {**options.flags(), **names, "endpoint": simulator.endpoint}
        settings = Settings(flags, {}, {})
        cli.start(find_target(settings), settings, options, is_demo=True)


def list_devices() -> None:
    """Print them."""
    from voicelive.devices import import_sounddevice, table

    with suppress(OSError):  # nobody reads
        sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]
        print(table(import_sounddevice(), "input", "output"), flush=True)


def show_version(wanted: bool) -> None:
    """Callback of --version."""
    if wanted:
        print(f"voicelive {__version__}")
        raise typer.Exit
