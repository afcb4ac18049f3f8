"""Talk to an agent in an Azure AI Foundry project, through the Voice Live API.

Without a command: `run`.
"""

import typer

from hub_variant import hub, hub_target
from voicelive.app import cli, commands
from voicelive.app.options import IS_INSTALLED, Options
from voicelive.app.settings import (
    AGENT_ID,
    AGENT_NAME,
    AGENT_VERSION,
    CONVERSATION_ID,
    PROJECT_NAME,
    Settings,
)
from voicelive.auth import AI_SCOPE
from voicelive.service import AgentTarget

app = typer.Typer(
    help=__doc__, add_completion=IS_INSTALLED, pretty_exceptions_enable=False, rich_markup_mode=None
)


def project_target(settings: Settings) -> AgentTarget:
    """The agent that the settings name: by its name (current route), else by its id (classic route).

    An id, or a version, that is an option of this run wins over a name, or `name:version`, that is not.
    Either way the token of the header has the audience ai.azure.com; a classic agent gets it as its
    own token, too.
    """
    project = settings.require(PROJECT_NAME)
    if "/" in project:
        last = project.rstrip("/").rpartition("/")[2]
        settings.reject(f"project name must be the name only, such as {last!r}")
    by_option = settings.is_option(AGENT_NAME)
    by_id = settings.is_option(AGENT_ID) and not by_option
    name, colon, version = ("" if by_id else settings.get(AGENT_NAME)).partition(":")
    if settings.is_option(AGENT_VERSION) and not by_option:
        version = ""
    if colon and not name:
        settings.reject("agent name must stand before its version: name:3")
    if not name and (agent_id := settings.get(AGENT_ID)):
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
@cli.takes(PROJECT_NAME, AGENT_NAME, AGENT_VERSION, CONVERSATION_ID, AGENT_ID)
def project(options: Options) -> None:
    """Talk to an agent in a Foundry project."""
    cli.start(project_target, options)


app.command()(hub)
commands.add_to(app, {"project": project_target, "hub": hub_target})

if __name__ == "__main__":
    app()
