"""Talk to an agent in a hub-based project, through the Voice Live API.

Hub-based projects know classic agents (asst_...) only, and name the project by a connection string.
"""

from voicelive.app import cli
from voicelive.app.kinds import AgentKind
from voicelive.app.settings import AGENT_ID, CONNECTION_STRING, Settings
from voicelive.auth import ML_SCOPE
from voicelive.service import AgentTarget


def hub_target(settings: Settings) -> AgentTarget:
    """The agent that the settings name, by its id.

    The token of the header has the audience ai.azure.com, the agent's own one ml.azure.com.
    """
    agent_id = settings.require(AGENT_ID)
    connection_string = settings.require(CONNECTION_STRING)
    *place, project = connection_string.split(";")
    if connection_string and (len(place) != 3 or not all([*place, project])):
        settings.reject(
            "connection string must look like "
            "<region>.api.azureml.ms;<subscription>;<resource group>;<project>"
        )
    query = {"agent-id": agent_id, "agent-connection-string": connection_string}
    return AgentTarget(agent_id, project, query, agent_token_scope=ML_SCOPE)


HUB = AgentKind(
    name="hub",
    help="Talk to an agent in a hub-based project.",
    title="Hub project",
    log_title="Hub project",
    settings=(AGENT_ID, CONNECTION_STRING),
    find_target=hub_target,
    made_up={"agent_id": "asst_standin", "connection_string": "local.api.azureml.ms;0000;demo;demo"},
)
app = cli.add_kind(cli.new_app(__doc__), HUB)

if __name__ == "__main__":
    app()
