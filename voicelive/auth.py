"""Who we are and where the agent lives: tokens, headers, URL."""

import ipaddress
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar
from urllib.parse import quote, urlencode, urlsplit

from voicelive import failures
from voicelive.app.settings import API_KEY, API_VERSION, ENDPOINT, Settings

AI_SCOPE = "https://ai.azure.com/.default"
ML_SCOPE = "https://ml.azure.com/.default"
PATH = "/voice-live/realtime"

# Which agents an api-version knows [SDK, reports].
NEWEST_API_VERSION = "2026-07-15"
CLASSIC_API_VERSION = "2025-05-01-preview"
FIRST_API_VERSION_WITHOUT_CLASSIC = "2026-04-10"
FIRST_API_VERSION_WITH_NAMES = "2026-01-01"

Result = TypeVar("Result")


@dataclass(frozen=True)
class AgentTarget:
    """One agent: the query parameters that name it [agents, classic], and the audience of a token of its own.

    Parameters without a value are left out. `agent_token_scope` is set on the classic routes only,
    where the agent gets a second token in the query.
    """

    variant: str
    agent: str
    project: str
    query: Mapping[str, str]
    agent_token_scope: str | None = None

    @property
    def is_classic(self) -> bool:
        """Whether it is an agent by id (`asst_…`), deprecated since 2026-08-31."""
        return "agent-id" in self.query


@dataclass(frozen=True)
class Service:
    """Where the service answers, and in which version of its API."""

    url: str  # wss://host[:port]/…/voice-live/realtime, without a query
    api_version: str

    @property
    def host(self) -> str:
        """`host[:port]`"""
        return urlsplit(self.url).netloc

    @property
    def is_local(self) -> bool:
        """Whether it is a plain-text socket to this machine: no real token is sent there."""
        return self.url.startswith("ws:")


@dataclass(frozen=True)
class Access:
    """What opens the door. Never shown: not even by repr()."""

    headers: Mapping[str, str] = field(repr=False)
    agent_token: str | None = field(default=None, repr=False)


def find_service(settings: Settings, target: AgentTarget) -> Service:
    """The service that the settings name; what is impossible in them is noted in `settings`."""
    url = ""
    if endpoint := settings.require(ENDPOINT):
        try:
            url = websocket_url(endpoint)
        except ValueError as problem:
            settings.reject(f"endpoint {without_credentials(endpoint)!r}: {problem}")
    default = CLASSIC_API_VERSION if target.is_classic else NEWEST_API_VERSION
    api_version = settings.get(API_VERSION) or default
    source = settings.find(API_VERSION).source
    if not re.fullmatch(r"\d{4}-\d\d-\d\d(-preview)?", api_version):
        settings.reject(f"api version {api_version!r} ({source}): must look like {default}")
    elif target.is_classic and api_version >= FIRST_API_VERSION_WITHOUT_CLASSIC:
        settings.reject(
            f"agent id {target.agent} is of the classic kind, which the service refuses from api-version "
            f"{FIRST_API_VERSION_WITHOUT_CLASSIC} on: leave out {api_version} ({source}), or name a "
            "current agent (AI_FOUNDRY_AGENT_NAME)"
        )
    elif not target.is_classic and api_version < FIRST_API_VERSION_WITH_NAMES:
        settings.reject(
            f"agent name {target.agent} needs api-version {FIRST_API_VERSION_WITH_NAMES}-preview or "
            f"later: leave out {api_version} ({source}), or name a classic agent (AI_FOUNDRY_AGENT_ID)"
        )
    return Service(url, api_version)


def without_credentials(endpoint: str) -> str:
    """An endpoint as it can be shown: no key, no password."""
    return endpoint.rpartition("@")[2].partition("?")[0]


def websocket_url(endpoint: str) -> str:
    """`https://host/path` → `wss://host/path/voice-live/realtime` [how-to].

    Raises ValueError, in words for people, for an endpoint that cannot be.
    """
    try:
        parts = urlsplit(endpoint)
        host, _ = parts.hostname, parts.port
        scheme = {"https": "wss", "wss": "wss", "http": "ws", "ws": "ws"}[parts.scheme if host else ""]
    except (ValueError, KeyError):  # ValueError, of a port that is no number, may tell a part of a password
        raise ValueError("must look like https://my-resource.services.ai.azure.com") from None
    assert host
    path = parts.path.partition("/api/projects/")[0].rstrip("/").removesuffix(PATH)
    bare = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{path}"
    if "/api/projects/" in parts.path:
        project = parts.path.partition("/api/projects/")[2].partition("/")[0]
        raise ValueError(f"is a project's: set the endpoint to {bare} and the project name to {project}")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError(f"must have no user, no ? and no #: set it to {bare}")
    if scheme == "ws" and not is_this_machine(host):
        raise ValueError("plain text leaves this machine unprotected: use https")
    return f"{scheme}://{parts.netloc}{path}{PATH}"


def is_this_machine(host: str) -> bool:
    """Whether a host name or address is the loopback, by its spelling alone: nothing is looked up."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def request_url(service: Service, target: AgentTarget, access: Access, features: str = "") -> str:
    """The URL of the handshake, everything in its query percent-encoded. May hold a token.

    `features` are those that the service wants to be asked for in it [how-to].
    """
    query = {"api-version": service.api_version, **target.query, "features": features}
    query["agent-access-token"] = access.agent_token or ""
    return f"{service.url}?" + urlencode({k: v for k, v in query.items() if v}, quote_via=quote)


def sign_in(service: Service, target: AgentTarget, settings: Settings, hide: Callable[[str], None]) -> Access:
    """Fetch what the handshake needs, all tokens at the same time. Blocks: seconds, with a slow CLI.

    Every secret is given to `hide` before anything can log it. To a plain-text endpoint on this machine
    a made-up token is sent and nobody signs in. Raises VoiceLiveError (exit code 4) where no credential
    of azure-identity's DefaultAzureCredential answers.
    """
    scopes = needed_scopes(target, settings)
    tokens = dict.fromkeys(scopes, "made-up-token") if service.is_local else fetch_tokens(scopes)
    return access_with(tokens, target, settings, hide)


def needed_scopes(target: AgentTarget, settings: Settings) -> list[str]:
    """For what tokens are needed: the header, unless a key takes its place, and a classic agent."""
    header = "" if settings.get(API_KEY) else AI_SCOPE
    return sorted({scope for scope in (header, target.agent_token_scope) if scope})


def access_with(
    tokens: Mapping[str, str], target: AgentTarget, settings: Settings, hide: Callable[[str], None]
) -> Access:
    """What opens the door [how-to], of a token for each of the `needed_scopes`, or of the key."""
    api_key = settings.get(API_KEY)
    for secret in (api_key, *tokens.values()):
        hide(secret)
    headers = {"api-key": api_key} if api_key else {"Authorization": f"Bearer {tokens[AI_SCOPE]}"}
    return Access(headers, tokens.get(target.agent_token_scope or ""))


def fetch_tokens(scopes: Iterable[str]) -> dict[str, str]:
    """A Microsoft Entra ID token for each scope, fetched at the same time."""
    from azure.core.exceptions import AzureError
    from azure.identity import DefaultAzureCredential

    def fetch(scope: str) -> str:
        try:
            return DefaultAzureCredential().get_token(scope).token
        except (AzureError, ValueError) as error:  # ValueError: AZURE_TOKEN_CREDENTIALS is off
            raise failures.not_signed_in(str(error), scope) from error

    pending = {scope: in_background(partial(fetch, scope)) for scope in scopes}
    return {scope: future.result() for scope, future in pending.items()}


def in_background(function: Callable[[], Result]) -> Future[Result]:
    """Run a function on a daemon thread of its own, which ends with it; its result or error is kept.

    Unlike an executor's, such a thread never holds up the end of the process.
    """
    future: Future[Result] = Future()

    def run() -> None:
        try:
            future.set_result(function())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, name="background", daemon=True).start()
    return future
