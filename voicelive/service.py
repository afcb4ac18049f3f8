"""Where the agent lives: which agent, where the service answers, the URL."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode, urlsplit

PATH = "/voice-live/realtime"
USER_AGENT = "voicelive-python/1.0.0"  # with voicelive.__version__
# Of resources, in the public cloud and the sovereign ones.
AZURE_HOSTS = tuple(
    f".{service}.azure.{end}"
    for service in ("services.ai", "cognitiveservices", "openai")
    for end in ("com", "us", "cn")
)

# Which agents an api-version knows [SDK, reports].
NEWEST_API_VERSION = "2026-07-15"
CLASSIC_API_VERSION = "2025-05-01-preview"
FIRST_API_VERSION_WITHOUT_CLASSIC = "2026-04-10"
FIRST_API_VERSION_WITH_NAMES = "2026-01-01"
DEFAULT_VOICE = "en-US-Ava:DragonHDLatestNeural"


@dataclass(frozen=True)
class AgentTarget:
    """One agent: the query parameters that name it [agents, classic], and the audience of a token of its own.

    Parameters without a value are left out. `agent_token_scope` is set on the classic routes only,
    where the agent gets a second token in the query.
    """

    agent: str
    project: str
    query: Mapping[str, str]
    agent_token_scope: str | None = None
    conversation_id: str = ""  # of the Foundry conversation to go on with; '' begins a new one

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


def request_url(service: Service, target: AgentTarget, agent_token: str | None, features: str = "") -> str:
    """The URL of the handshake, everything in its query percent-encoded. May hold a token.

    `features` are those that the service wants to be asked for in it [how-to].
    """
    query = {"api-version": service.api_version, **target.query, "features": features}
    query["conversation-id"] = target.conversation_id
    query["agent-access-token"] = agent_token or ""
    return f"{service.url}?" + urlencode({k: v for k, v in query.items() if v}, quote_via=quote)
