"""Talk to an agent in an Azure AI Foundry project, through the Voice Live API.

Without a command: `project` where an endpoint is set, else `demo`.
"""

from enum import Enum
from functools import partial
from typing import Annotated

import typer

from hub_variant import AgentId, ConnectionString, hub, hub_target
from voicelive import cli
from voicelive.auth import AI_SCOPE, AgentTarget
from voicelive.settings import (
    AGENT_ID,
    AGENT_NAME,
    AGENT_VERSION,
    CONVERSATION_ID,
    ENDPOINT,
    PROJECT_NAME,
    Settings,
)

app = typer.Typer(help=__doc__, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)

ProjectName = Annotated[str | None, typer.Option(help="Name of the Foundry project.")]
AgentName = Annotated[str | None, typer.Option(help="Name of the agent, or name:version.")]
AgentVersion = Annotated[str | None, typer.Option(help="Its version; else the latest.")]
ConversationId = Annotated[str | None, typer.Option(help="Foundry conversation to go on with.")]


def project_target(settings: Settings) -> AgentTarget:
    """The agent that the settings name: by its name (current route), else by its id (classic route).

    Either way the token of the header has the audience ai.azure.com; a classic agent gets it as its
    own token, too.
    """
    project = settings.require(PROJECT_NAME)
    name, colon, version = settings.get(AGENT_NAME).partition(":")
    if colon and not name:
        settings.reject("agent name must stand before its version: name:3")
    if not name and settings.get(AGENT_ID):
        agent_id = settings.get(AGENT_ID)
        query = {"agent-id": agent_id, "agent-project-name": project}
        return AgentTarget("project", agent_id, project, query, agent_token_scope=AI_SCOPE)
    query = {
        "agent-name": name or settings.require(AGENT_NAME, or_else=AGENT_ID),
        "agent-project-name": project,
        "agent-version": version or settings.get(AGENT_VERSION),
        "conversation-id": settings.get(CONVERSATION_ID),
    }
    return AgentTarget("project", name, project, query)


@app.command()
@cli.shared_options
def project(
    options: cli.Options,
    project_name: ProjectName = None,
    agent_name: AgentName = None,
    agent_version: AgentVersion = None,
    conversation_id: ConversationId = None,
    agent_id: AgentId = None,
) -> None:
    """Talk to an agent in a Foundry project."""
    settings = options.settings(
        project_name=project_name,
        agent_name=agent_name,
        agent_version=agent_version,
        conversation_id=conversation_id,
        agent_id=agent_id,
    )
    cli.start(project_target(settings), settings, options)


class Variant(str, Enum):
    """The two kinds of project."""

    project = "project"
    hub = "hub"


TARGETS = {Variant.project: project_target, Variant.hub: hub_target}
app.command()(hub)
app.command()(cli.devices)


@app.command()
@cli.shared_options
def demo(
    options: cli.Options,
    variant: Annotated[Variant, typer.Argument(help="The route to take.")] = Variant.project,
) -> None:
    """Talk to a local stand-in of the service: no Azure account."""
    cli.demo(TARGETS[variant], options)


@app.command()
@partial(cli.shared_options, without=cli.TALKING)
def check(
    options: cli.Options,
    variant: Annotated[Variant, typer.Argument(help="The kind of project.")] = Variant.project,
    tone: Annotated[bool, typer.Option("--tone", help="Play a short tone on the speaker.")] = False,
    talk: Annotated[
        bool, typer.Option("--talk", help="Say hello to the agent, in writing: this costs, and it may act.")
    ] = False,
    project_name: ProjectName = None,
    agent_name: AgentName = None,
    agent_version: AgentVersion = None,
    conversation_id: ConversationId = None,
    agent_id: AgentId = None,
    connection_string: ConnectionString = None,
) -> None:
    """Find out what is missing before talking: settings, sound, sign-in, network, service."""
    settings = options.settings(
        project_name=project_name,
        agent_name=agent_name,
        agent_version=agent_version,
        conversation_id=conversation_id,
        agent_id=agent_id,
        connection_string=connection_string,
    )
    cli.check(TARGETS[variant], settings, options, tone=tone, hello=talk)


@app.callback(invoke_without_command=True)
def choose(
    context: typer.Context,
    variant: Annotated[
        Variant, typer.Option(help="Without a command: the kind of project.")
    ] = Variant.project,
    version: cli.Version = False,
) -> None:
    if context.invoked_subcommand:
        return
    cli.run(lambda: project_hub_or_demo(variant))


def project_hub_or_demo(variant: Variant) -> None:
    """Without a command: the agent where an endpoint is set, else the demo, and why."""
    if cli.Options().settings().get(ENDPOINT):
        (project if variant is Variant.project else hub)()
    else:
        cli.say(f"{ENDPOINT.variables[0]} is not set: this is the demo, with a stand-in.")
        demo(variant=variant)


if __name__ == "__main__":
    app()
