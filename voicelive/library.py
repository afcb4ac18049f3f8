"""One call that holds a conversation, with any source and sink, on any thread: for your own programs."""

import threading
import uuid
from collections.abc import Callable
from concurrent import futures
from contextlib import closing
from dataclasses import replace
from functools import partial

from voicelive.audio import Source
from voicelive.auth import Access, Credential, access_with, in_background, needed_scopes, sign_in
from voicelive.connection import Connection
from voicelive.conversation import Conversation
from voicelive.errors import EXIT_USAGE, VoiceLiveError
from voicelive.handshake import proxy_before
from voicelive.playback import Playback, kept
from voicelive.reconnect import Link
from voicelive.service import (
    CLASSIC_API_VERSION,
    DEFAULT_VOICE,
    NEWEST_API_VERSION,
    USER_AGENT,
    AgentTarget,
    Service,
    request_url,
    websocket_url,
    without_credentials,
)
from voicelive.session import ECHO, Message, Offer, session_update
from voicelive.text import Redactor
from voicelive.tls import tls_context
from voicelive.toolcalls import RunFunction
from voicelive.transcript import Screen, Transcript
from voicelive.turns import Turn, Turns

PATIENCE_S = 4.0  # before the person is told that signing in is slow
Token = str | Callable[[str], str]  # of Microsoft Entra ID, or what gives one for a scope


class Connector:
    """Connects to the service, each time with fresh tokens; the first ones are fetched right away."""

    def __init__(
        self,
        service: Service,
        target: AgentTarget,
        access: Callable[[], Access],
        offer: Offer,
        first: futures.Future[Access] | None = None,
        note: Callable[[str], object] = bool,
    ) -> None:
        """`access` fetches tokens, and `first` is where it has begun to; the `offer` is the conversation's.
        `note` tells a person what takes long.

        Raises VoiceLiveError (exit code 2) for a proxy or for roots that the environment names, and are none.
        """
        self.request_id = ""  # of the newest handshake, for the service's support
        self._service = service
        self._target = target
        if not service.is_local:  # before it is asked for a token, which may tell its password
            proxy_before(service.host)
            tls_context()  # takes a while, and is kept
        self._access = access
        self._offer = offer
        self._note = note
        self._first = [first or in_background(access)]

    def __call__(self, conversation_id: str) -> Connection:
        """A new connection; '' begins a new conversation.

        Blocks, and raises VoiceLiveError.
        """
        access = self._wait_for(self._first.pop() if self._first else in_background(self._access))
        self.request_id = str(uuid.uuid4())
        target = replace(self._target, conversation_id=conversation_id)
        return open_connection(self._service, target, access, self._offer, self.request_id)

    def _wait_for(self, access: "futures.Future[Access]") -> Access:
        try:
            return access.result(PATIENCE_S)
        except futures.TimeoutError:
            self._note("Signing in is slow: az, or another source of the token, may need a minute.")
            return access.result()


def open_connection(
    service: Service, target: AgentTarget, access: Access, offer: Offer, request_id: str
) -> Connection:
    """Open one connection, with what the offer asks for.

    Raises VoiceLiveError where the service is not reached or refuses.
    """
    program = {"User-Agent": USER_AGENT, "x-ms-client-request-id": request_id}
    headers = {**access.headers, **program}
    return Connection(request_url(service, target, access.agent_token, offer.feature), headers)


class Unseen:
    """A screen that shows nothing."""

    def say(self, whose: object, more: str, begun: str) -> None:
        """Nothing."""

    def end_line(self) -> None:
        """Nothing."""

    def close_line(self) -> None:
        """Nothing."""


def hold(
    endpoint: str,
    project: str,
    agent: str | AgentTarget,
    *,
    source: Source,
    sink: Playback,
    token: Token | None = None,
    session: Message | None = None,
    voice: str = DEFAULT_VOICE,
    api_version: str = "",
    greet: bool = False,
    run_function: RunFunction | None = None,
    on_turn: Callable[[Turn], object] = bool,
    on_note: Callable[[str], object] = bool,
    screen: Screen | None = None,
    over: threading.Event | None = None,
) -> list[Turn]:
    """Hold one conversation, until the source has ended and all was answered and heard, or `over` is set.

    `agent` is a name, `name:version`, or any target, whose project counts. Without a `token` the credentials
    of DefaultAzureCredential are asked. `session` has fields that are merged over the default session. The
    agent speaks first with `greet`. `on_turn` gets each turn as soon as it is over, `on_note` what else a
    person may want to know (a lost connection), `screen` the words as they come: on other threads, which
    are not to wait. Source and sink are closed at the end. Nothing is printed.

    Returns the turns. Raises VoiceLiveError, whose `remedy` says what to do.
    """
    redact, turns = Redactor(), list[Turn]()

    def keep(turn: Turn) -> None:
        turn = replace(turn, text=redact(turn.text))
        turns.append(turn)
        on_turn(turn)

    def note(text: str) -> None:
        on_note(redact(text))

    with closing(source), kept(sink, note):
        service, target = find(endpoint, project, agent, api_version)
        connector = Connector(
            service,
            target,
            partial(fetch_access, service, target, token, redact.hide, Credential()),
            Offer(),
            note=note,
        )
        book = Turns(sink.account, keep)
        conversation = Conversation(
            sink,
            Transcript(screen or Unseen(), len, book.write),
            book,
            note,
            session_update(service.api_version, voice, ECHO["server"], session or {}),
            is_current=not target.is_classic,
            run_function=run_function,
            id=target.conversation_id,
        )
        if greet:
            conversation.greet()
        try:
            Link(connector, conversation, source, over=over or threading.Event()).hold()
        except VoiceLiveError as failure:
            failure.message = redact(failure.message)
            raise
    return turns


def find(
    endpoint: str, project: str, agent: str | AgentTarget, api_version: str
) -> tuple[Service, AgentTarget]:
    """Where the service is, and which agent is meant. Raises VoiceLiveError (exit code 2)."""
    try:
        url = websocket_url(endpoint)
    except ValueError as problem:
        message = f"endpoint {without_credentials(endpoint)!r}: {problem}."
        raise VoiceLiveError(message, exit_code=EXIT_USAGE) from None
    if isinstance(agent, str):
        name, _, version = agent.partition(":")
        query = {"agent-name": name, "agent-project-name": project, "agent-version": version}
        agent = AgentTarget(name, project, query)
    default = CLASSIC_API_VERSION if agent.is_classic else NEWEST_API_VERSION
    return Service(url, api_version or default), agent


def fetch_access(
    service: Service,
    target: AgentTarget,
    token: Token | None,
    hide: Callable[[str], None],
    credential: Credential,
) -> Access:
    """What opens the door, with a token that was given, else with one of the credential's."""
    if token is None or service.is_local:
        return sign_in(service, target, "", hide, credential)
    scopes = needed_scopes(target, "")
    tokens = {scope: token if isinstance(token, str) else token(scope) for scope in scopes}
    return access_with(tokens, target, "", hide)
