"""Scenes that the stand-in can play: each `--fault` names one.

The scenes above function-call are faults. The scenes from function-call on are what the agent does in
each turn before it answers. With `:N` after it, a scene is only played to the first N connections; with
`:M-N`, only to connections M to N: `503:2`, `drop-after=5:1`. Several scenes can be played at once. With
slow-answer and searches the agent says an interim response, if the session asks for one. Without any
scene, a typed "what time is it in Tokyo?" makes the agent call time_in for that place. After a function
call the stand-in waits for its output and a response.create, and hangs without them. After a remote
call, and after an approval that was denied, it waits for a response.create.

    400 401 403 404 500   the handshake is refused with this HTTP status
    429 503               the same, with Retry-After: 1
    302                   a redirect to another port; `redirected` counts who follows
    mute-handshake        the handshake is never answered
    no-session            session.update is never answered
    error=CODE            an error event after 101, then close 1008; CODE is
                          wrong-scope missing-role key wrong-names wrong-tenant
                          missing-project classic-agent wrong-region
                          conversation-limit
    forget-conversation   the same, for a conversation-id in the query
    no-client-reference   the feature client_ec_reference in the query is not known
    drop-after=S          the line is cut, S seconds after session.updated
    close-after=S,CODE    closed then; CODE is 1000 1001 1005 (none) 1006 (cut)
                          1008 1011 1012 1013 4000
    freeze-after=S        then it does not read, send, or answer pings
    stop-reading-after=S  then it reads nothing, and finishes what it says
    expires-in=S          session.expires_at is that soon, then close 1001
    session-expired=S,CODE  the error event session_expired, S seconds after
                          session.updated, then closed with CODE
    warning               a warning event after session.updated
    malformed             broken and hostile events among those of each answer
    fail-response         each answer fails: message_creation_failed
    incomplete-response   each answer ends early: max_output_tokens
    fail-transcription    what the user says is never transcribed
    late-transcript=S     the user's words, S seconds after the answer began
    content-filter        each answer ends early: content_filter
    empty-response        each answer is completed, but empty
    invocation            response.invocation.delta events before each answer
    voice-agent           an agent of kind voice: five errors unasked, close 1008
    stored=FIELD          the agent keeps this field of the session for itself: an
                          update with it is refused, and names it in param; avatar
                          for the voice of an agent with an avatar, all for all
                          fields but modalities and formats
    stored-in-words=FIELD the same, but only the message names the field
    new-conversation      a conversation with another id than the one asked for

    function-call         calls the client's function time_in
    function-calls        calls it twice at once, and once more after that
    unknown-function      calls a function that does not exist
    wrong-arguments       calls time_in with broken JSON, and with another argument
    mcp-approval          asks for approval; if it gets it, calls a remote tool
    mcp-call=S            calls a remote tool without asking; it takes S seconds
    mcp-call-failed       that call fails, also after an approval
    mcp-list-failed       the tools of the remote server cannot be listed
    web-search=S          searches on the web for S seconds, and cites a page
    file-search=S         searches in files, and cites one
    slow-answer=S         thinks for S seconds
"""

import asyncio
import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from http import HTTPStatus

from websockets.asyncio.server import ServerConnection
from websockets.http11 import Response

from standin.fields import SESSION

MOVED = "302"
RETRY_AFTER_S = 1

# The service's texts are not documented; these say what it is known to mean.
REFUSALS = {
    MOVED: "The resource has moved.",
    "400": "The api-version is not supported.",
    "401": "Access denied due to invalid subscription key, token or wrong API endpoint.",
    "403": "The principal lacks the required data action for this resource.",
    "404": "Resource not found.",
    "429": "Too many requests: the rate limit of new connections is exceeded.",
    "500": "The server had an error while processing your request.",
    "503": "The service is temporarily unavailable.",
}
CLOSE_REASONS = {
    1000: "",
    1001: "going away",
    1005: "",
    1006: "",
    1008: "policy violation",
    1011: "internal error",
    1012: "service restart",
    1013: "try again later",
    4000: "the session has ended",
}
# Code and message after the handshake, as users reported them; for missing-role in the words of the
# Agent Service, for wrong-names and conversation-limit the message is made up.
ERRORS = {
    "wrong-scope": ("invalid_request_error", "Authentication error to AI Agent service: Unauthorized"),
    "missing-role": (
        "agent_initialization_failed",
        "The principal lacks the required data action "
        "Microsoft.CognitiveServices/accounts/AIServices/agents/read",
    ),
    "key": ("invalid_request_error", "Key authentication is not supported in Agent mode"),
    "wrong-names": ("agent_initialization_failed", "Failed to initialize the agent"),
    "missing-project": (
        "invalid_request_error",
        "Missing required agent connection string or project name",
    ),
    "classic-agent": (
        "invalid_request_error",
        "Classic foundry agent is not supported in API version 2026-04-10 and above",
    ),
    "wrong-tenant": ("invalid_request_error", "Tenant provided in token does not match resource token"),
    "wrong-region": ("invalid_model", "Model gpt-realtime is not supported in this region."),
    "conversation-limit": ("conversation_limit_exceeded", "The limit of conversations is exceeded"),
}
_PLAIN = (
    *("mute-handshake", "no-session", "forget-conversation", "no-client-reference"),
    *("warning", "malformed"),
    *("fail-response", "incomplete-response", "fail-transcription"),
    *("content-filter", "empty-response", "invocation", "voice-agent", "new-conversation"),
)
_TIMED = ("drop-after", "freeze-after", "stop-reading-after", "expires-in", "late-transcript")
_DEEDS = (
    *("function-call", "function-calls", "unknown-function", "wrong-arguments"),
    *("mcp-approval", "mcp-call-failed", "mcp-list-failed"),
)
_TIMED_DEEDS = ("mcp-call", "web-search", "file-search", "slow-answer")
DEEDS = frozenset((*_DEEDS, *_TIMED_DEEDS))
"""The scenes that the agent plays, and not the line."""

# Scene → how its value is written.
SCENES = dict.fromkeys((*REFUSALS, *_PLAIN, *_DEEDS), "")
SCENES |= dict.fromkeys((*_TIMED, *_TIMED_DEEDS), "=S")
SCENES |= {
    "close-after": "=S,CODE",
    "session-expired": "=S,CODE",
    "error": "=CODE",
    "stored": "=CODE",
    "stored-in-words": "=CODE",
}
_CODES = {
    **dict.fromkeys(("close-after", "session-expired"), "|".join(map(str, CLOSE_REASONS))),
    "error": "|".join(ERRORS),
}
_CODES |= {"stored": "|".join((*SESSION, "all")), "stored-in-words": "|".join(SESSION)}
_SECONDS = r"(?P<seconds>[0-9]{1,6}(\.[0-9]{1,6})?)"
_CONNECTIONS = "(:((?P<first>[1-9][0-9]{0,8})-)?(?P<last>[1-9][0-9]{0,8}))?"


@dataclass(frozen=True)
class Fault:
    """One scene, and the connections that it is played to: `first` to `last`, counted from 1."""

    scene: str
    seconds: float = 0.0
    code: str = ""
    first: int = 1
    last: float = math.inf


def parsed(text: str) -> Fault:
    """The fault that is written so; raises ValueError with a line that says how to write it."""
    for scene, value in SCENES.items():
        code = f"(?P<code>{_CODES.get(scene)})"
        pattern = scene + value.replace("S", _SECONDS).replace("CODE", code) + _CONNECTIONS
        if match := re.fullmatch(pattern, text):
            found = {name: part for name, part in match.groupdict().items() if part}
            seconds, code = float(found.get("seconds", 0)), found.get("code", "")
            return Fault(scene, seconds, code, int(found.get("first", 1)), float(found.get("last", "inf")))
    raise ValueError(f"{text!r} is not a fault{_how_to_write(text)}")


def _how_to_write(text: str) -> str:
    """How the scene is written that somebody may have meant; without one, where they are listed."""
    name = re.split("[=:]", text)[0]
    if name not in SCENES:
        meant = "".join(f": did you mean {scene}?" for scene in get_close_matches(name, SCENES, 1))
        return f"{meant or '.'} `python -m standin --help` lists all faults."
    form, codes = name + SCENES[name], _CODES.get(name, "").replace("|", ", ")
    parts = [("S is a number of seconds", "S" in SCENES[name]), (f"CODE is one of {codes}", codes)]
    where = "".join(f"; {what}" for what, is_there in parts if is_there)
    return (
        f": write {form}{where}. With :N after it, it is played to the first N connections; with :M-N, to "
        "connections M to N."
    )


def help_text() -> str:
    """The scenes as they are listed above, for `--help`: it is not to break the table's lines."""
    return (__doc__ or "").replace("\n\n    ", "\n\n\b\n    ")


async def refuse(faults: Sequence[Fault], connection: ServerConnection, elsewhere: str) -> Response | None:
    """The answer to a handshake that a fault refuses; None where none does.

    A handshake that is to be mute waits here until the client gives up. A redirect goes `elsewhere`.
    """
    for fault in faults:
        if fault.scene == "mute-handshake":
            await connection.wait_closed()
            raise asyncio.CancelledError  # an answer to nobody would be logged as a bug
        if fault.scene in REFUSALS:
            return _refusal(fault.scene, connection, elsewhere)
    return None


def _refusal(status: str, connection: ServerConnection, elsewhere: str) -> Response:
    error = {"code": status, "message": REFUSALS[status]}
    response = connection.respond(HTTPStatus(int(status)), json.dumps({"error": error}))
    del response.headers["Content-Type"]
    response.headers["Content-Type"] = "application/json"
    if status in ("429", "503"):
        response.headers["Retry-After"] = str(RETRY_AFTER_S)
    if status == MOVED:
        response.headers["Location"] = elsewhere
    return response
