"""A kind of agent. To add another kind, write one of these."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from voicelive.app.settings import Setting, Settings
from voicelive.service import AgentTarget


@dataclass(frozen=True)
class AgentKind:
    """What there is to know of the agents that are named in one way."""

    name: str  # of its command
    help: str  # of its command
    title: str  # before the name of the project, on the screen
    settings: tuple[Setting, ...]  # that name an agent: options of its commands
    find_target: Callable[[Settings], AgentTarget]  # notes in the settings what is missing or impossible
    made_up: Mapping[str, str]  # values of these settings, by name, for a service that takes any
    log_title: str = "Project name"  # before the name of the project, in the conversation log
