"""Who may come in: what is checked in the URL and the headers, before and after HTTP 101."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from urllib.parse import parse_qsl, urlsplit

from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from standin.events import RefusedError

PATH = "/voice-live/realtime"
API_VERSIONS = (
    "2025-05-01-preview",
    "2025-10-01",
    "2026-01-01-preview",
    "2026-04-10",
    "2026-06-01-preview",
    "2026-07-15",
    "v1",  # the one that is always the newest, as the specification has it; whether it is served is not known
)
LOCAL_NAMES = ("127.0.0.1", "localhost", "::1")
NAMED_AGENTS_SINCE = "2026-01-01-preview"
CLASSIC_AGENTS_UNTIL = "2026-04-10"

_AGENT_KEYS = frozenset(
    {"agent-name", "agent-id", "agent-project-name", "agent-connection-string"}
    | {"agent-access-token", "agent-version", "conversation-id", "foundry-resource-override"}
    | {"agent-authentication-identity-client-id"}
)


@dataclass(frozen=True)
class Route:
    """Whom a client talks to: an agent by name, a classic agent by id, or a model alone."""

    version: str
    kind: str  # "agent", "classic" or "model"
    name: str
    agent_version: str = "1"
    features: frozenset[str] = frozenset()
    conversation_id: str = ""  # the conversation that is to go on

    @property
    def is_cascaded(self) -> bool:
        """Whether speech is written down before it is answered: an agent's is, as with most models."""
        return self.kind != "model" or "realtime" not in self.name

    @property
    def has_agent(self) -> bool:
        """Whether an agent answers, whose instructions and tools are not the client's to set."""
        return self.kind != "model"


def address(request: Request) -> tuple[str, dict[str, str], dict[str, str]]:
    """The path, the query, and the headers by their lower-case names."""
    url = urlsplit(request.path)
    query = dict(parse_qsl(url.query, keep_blank_values=True))
    return url.path, query, {name.lower(): value for name, value in request.headers.raw_items()}


def refuse_over_http(connection: ServerConnection, request: Request) -> Response | None:
    """The answer to an upgrade that is refused: a status and a JSON body; None lets it in."""
    refusal = _http_refusal(*address(request))
    if refusal is None:
        return None
    status, sentence = refusal
    error = {"code": str(status.value), "message": sentence}
    response = connection.respond(status, json.dumps({"error": error}))
    del response.headers["Content-Type"]
    response.headers["Content-Type"] = "application/json"
    return response


def _http_refusal(
    path: str, query: Mapping[str, str], headers: Mapping[str, str]
) -> tuple[HTTPStatus, str] | None:
    if refusal := _of_another_site(headers):
        return HTTPStatus.FORBIDDEN, refusal
    if path != PATH:
        return HTTPStatus.NOT_FOUND, f"Nothing is served at {path}."
    if query.get("api-version") not in API_VERSIONS:
        return HTTPStatus.BAD_REQUEST, f"The api-version must be one of {', '.join(API_VERSIONS)}."
    bearer = headers.get("authorization") or query.get("Authorization", "")
    scheme, _, token = bearer.partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return None
    if _has_key(query, headers):
        return None
    return HTTPStatus.UNAUTHORIZED, "A Bearer token or an API key is missing."


def _of_another_site(headers: Mapping[str, str]) -> str:
    """Why a page in a browser may not have a session: one of another site, or by a name that leads here."""
    host, origin = headers.get("host", ""), headers.get("origin")
    name = urlsplit(f"//{host}").hostname or ""
    if name not in LOCAL_NAMES:
        return f"The Host header must name this machine: {', '.join(LOCAL_NAMES)}."
    if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
        return "The Origin header, where there is one, must be this server's own."
    return ""


def route_of(query: Mapping[str, str], headers: Mapping[str, str]) -> Route:
    """Whom the query names; raises RefusedError for what is reported only after HTTP 101."""
    features = frozenset(query.get("features", "").split(","))
    conversation_id = query.get("conversation-id", "")
    return replace(_named(query, headers), features=features, conversation_id=conversation_id)


def _named(query: Mapping[str, str], headers: Mapping[str, str]) -> Route:
    version = query["api-version"]
    hyphened = {key.replace("_", "-") for key in query}
    if not hyphened & _AGENT_KEYS and "model" in query:
        return Route(version, "model", query["model"])
    if _has_key(query, headers):
        raise RefusedError("Key authentication is not supported in Agent mode")
    agent = _agent(query, version)
    for key in query:
        if "_" in key and key.replace("_", "-") in _AGENT_KEYS:
            raise RefusedError(f"{key} must be written with hyphens", code="agent_initialization_failed")
    return agent


def _agent(query: Mapping[str, str], version: str) -> Route:
    if query.get("agent-name") and not query.get("agent-id"):
        return _named_agent(query, version)
    if query.get("agent-id") and not query.get("agent-name"):
        return _classic_agent(query, version)
    if query.get("agent-id"):
        raise _named_twice("agent-name", "agent-id")
    if not (query.get("agent-project-name") or query.get("agent-connection-string")):
        raise RefusedError("Missing required agent connection string or project name")
    raise RefusedError("Missing required agent name or agent id", code="agent_initialization_failed")


def _named_agent(query: Mapping[str, str], version: str) -> Route:
    if query.get("agent-connection-string"):
        raise _named_twice("agent-name", "agent-connection-string")
    if version < NAMED_AGENTS_SINCE:
        raise RefusedError(
            f"agent-name is not supported in API versions before {NAMED_AGENTS_SINCE}",
            code="agent_initialization_failed",
        )
    if not query.get("agent-project-name"):
        raise RefusedError("Missing required agent project name")
    return Route(version, "agent", query["agent-name"], query.get("agent-version") or "1")


def _classic_agent(query: Mapping[str, str], version: str) -> Route:
    if version >= CLASSIC_AGENTS_UNTIL:
        raise RefusedError(
            f"Classic foundry agent is not supported in API version {CLASSIC_AGENTS_UNTIL} and above"
        )
    places = [query.get("agent-project-name"), query.get("agent-connection-string")]
    if not any(places):
        raise RefusedError("Missing required agent connection string or project name")
    if all(places):
        raise _named_twice("agent-project-name", "agent-connection-string")
    if not query.get("agent-access-token"):
        raise RefusedError("Missing required agent access token")
    return Route(version, "classic", query["agent-id"])


def _has_key(query: Mapping[str, str], headers: Mapping[str, str]) -> bool:
    return bool(headers.get("api-key") or query.get("api-key"))


def _named_twice(one: str, other: str) -> RefusedError:
    return RefusedError(f"{one} and {other} exclude each other", code="agent_initialization_failed")
