"""What a run is to be, and how it reaches the service, each time with fresh tokens."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from urllib.parse import urlsplit

from voicelive.app.options import Options
from voicelive.app.settings import Settings
from voicelive.auth import Access, AgentTarget, Service, in_background, request_url, sign_in
from voicelive.connection import Connection, proxy_before
from voicelive.session import Message, wants_reference

CLIENT_REFERENCE_FEATURE = "client_ec_reference:true"


@dataclass(frozen=True)
class Plan:
    """All that is decided before anything is opened."""

    target: AgentTarget
    service: Service
    settings: Settings
    options: Options
    first_message: Message  # session.update


class Dialler:
    """Connects to the service, each time with fresh tokens; the first ones are fetched right away."""

    def __init__(self, plan: Plan, hide: Callable[[str], None]) -> None:
        """Raises VoiceLiveError (exit code 2) for a proxy that is none."""
        self.request_id = ""  # of the newest handshake, for the service's support
        self._plan = plan
        if not plan.service.is_local:  # before it is asked for a token, which may tell its password
            proxy_before(urlsplit(plan.service.url).hostname or "")
        self._sign_in = partial(sign_in, plan.service, plan.target, plan.settings, hide)
        self._first = [in_background(self._sign_in)]

    def __call__(self, conversation_id: str, first_message: Message) -> Connection:
        """A new connection, for a session like this; '' begins a new conversation.

        Blocks, and raises VoiceLiveError.
        """
        access = self._first.pop().result() if self._first else self._sign_in()
        self.request_id = str(uuid.uuid4())
        query = {**self._plan.target.query, "conversation-id": conversation_id}  # '' also where one was set
        target = replace(self._plan.target, query=query)
        plan = replace(self._plan, target=target, first_message=first_message)
        return dial(plan, access, self.request_id)


def dial(plan: Plan, access: Access, request_id: str) -> Connection:
    """Open one connection, for a session like the plan's.

    Raises VoiceLiveError where the service is not reached or refuses.
    """
    features = CLIENT_REFERENCE_FEATURE if wants_reference(plan.first_message) else ""
    headers = {**access.headers, "x-ms-client-request-id": request_id}
    return Connection(request_url(plan.service, plan.target, access, features), headers)
