"""Talk to an agent in an Azure AI Foundry project, through the Voice Live API.

Without a command: `run`, with the options of `run`.
"""

from hub_variant import HUB
from voicelive.app import cli, commands
from voicelive.app.kinds import AgentKind
from voicelive.app.settings import (
    AGENT_ID,
    AGENT_NAME,
    AGENT_VERSION,
    CONVERSATION_ID,
    FOUNDRY_RESOURCE,
    IDENTITY,
    PROJECT_NAME,
    Settings,
)
from voicelive.auth import AI_SCOPE
from voicelive.service import AgentTarget


def project_target(settings: Settings) -> AgentTarget:
    """The agent that the settings name: by its name (current route), else by its id (classic route).

    An id, or a version, that is an option of this run wins over a name, or `name:version`, that is not.
    Either way the token of the header has the audience ai.azure.com; a classic agent gets it as its
    own token, too.
    """
    project = settings.require(PROJECT_NAME)
    by_option = settings.is_option(AGENT_NAME)
    by_id = settings.is_option(AGENT_ID) and not by_option
    name, _, version = ("" if by_id else settings.get(AGENT_NAME)).partition(":")
    if settings.is_option(AGENT_VERSION) and not by_option:
        version = ""
    if not name and (agent_id := settings.get(AGENT_ID)):
        query = {"agent-id": agent_id, "agent-project-name": project}
        return AgentTarget(agent_id, project, query, agent_token_scope=AI_SCOPE)
    query = {
        "agent-name": name or settings.require(AGENT_NAME, or_else=AGENT_ID),
        "agent-project-name": project,
        "agent-version": version or settings.get(AGENT_VERSION),
        "foundry-resource-override": settings.get(FOUNDRY_RESOURCE),
        "agent-authentication-identity-client-id": settings.get(IDENTITY),
    }
    return AgentTarget(name, project, query, conversation_id=settings.get(CONVERSATION_ID))


PROJECT = AgentKind(
    name="project",
    help="Talk to an agent in a Foundry project.",
    title="Foundry project",
    settings=(
        *(PROJECT_NAME, AGENT_NAME, AGENT_VERSION, CONVERSATION_ID, AGENT_ID),
        *(FOUNDRY_RESOURCE, IDENTITY),
    ),
    find_target=project_target,
    made_up={"project_name": "demo", "agent_name": "stand-in"},
)
app = cli.new_app(__doc__)
commands.add_to(app, PROJECT, HUB)

if __name__ == "__main__":
    app()
