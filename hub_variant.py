"""Talk to an agent in a hub-based project, through the Voice Live API.

Hub-based projects know classic agents (asst_...) only, and name the project by a connection string.
"""

import typer

from voicelive.app import cli
from voicelive.app.options import Options
from voicelive.app.settings import AGENT_ID, CONNECTION_STRING, Settings
from voicelive.auth import ML_SCOPE
from voicelive.service import AgentTarget

app = typer.Typer(help=__doc__, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


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
    return AgentTarget("hub", agent_id, project, query, agent_token_scope=ML_SCOPE)


@app.command()
@cli.takes(AGENT_ID, CONNECTION_STRING)
def hub(options: Options) -> None:
    """Talk to an agent in a hub-based project."""
    cli.start(hub_target, options)


if __name__ == "__main__":
    app()
