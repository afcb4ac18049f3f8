"""What the service, the network and the sound card refuse: why, and what to type next."""

import json
import os
import re
import socket
import ssl
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress

from voicelive.errors import EXIT_FAILED, EXIT_NO_ACCESS, EXIT_USAGE, VoiceLiveError
from voicelive.text import brief, in_one_line

QUOTED_CHARACTERS = 300  # of what the service says
SIGN_IN = "Run `az login` (`az login --tenant <tenant>` if the resource is in another tenant) and try again."
ROLES = (
    "In the Azure portal, open the Foundry resource (and the project), Access control (IAM), "
    "Add role assignment: `Cognitive Services User` and `Foundry User` for your account. "
    "A new role takes effect after some minutes."
)
PLACE = (
    "Check the endpoint: https://<resource>.services.ai.azure.com, a Foundry resource "
    "(a Speech resource is not enough), in a region with Voice Live."
)

# HTTP status of a refused handshake, or its first digit → what it means, remedy [reports].
_STATUS = {
    3: ("it redirects to another address, and a token is never sent there", PLACE),
    5: ("the service has a problem", "Wait a minute and try again."),
    400: ("the service does not accept the request", "Check the api-version and the host."),
    401: (
        "the service does not accept the token (audience https://ai.azure.com) or the key",
        f"{SIGN_IN} Agents take no key: unset AZURE_VOICE_LIVE_API_KEY.",
    ),
    403: ("you are signed in, but you have no permission", ROLES),
    404: ("there is no Voice Live at this address", PLACE),
    429: ("too many connections", "Wait a minute and try again."),
}
_ODD = ("the Voice Live service does not answer like this", PLACE)

# Words in an `error` event → remedy, exit code [reports]; the first match counts.
_ERRORS: tuple[tuple[str, str, int], ...] = (
    ("lacks the required", ROLES, EXIT_NO_ACCESS),
    ("conversation_not_found", "Leave the conversation id out to begin a new conversation.", EXIT_FAILED),
    ("conversation_limit_exceeded", "Wait a minute and start again.", EXIT_FAILED),
    (
        "connection string or project name|agent project name|agent_initialization_failed",
        "Check the names of agent and project, and that your account may use the agent. " + ROLES,
        EXIT_FAILED,
    ),
    (
        "Classic foundry agent",
        "Leave the api-version out, or name a current agent with AI_FOUNDRY_AGENT_NAME.",
        EXIT_FAILED,
    ),
    (
        "key.{0,200}(authentication|Agent mode)",
        "Agents take no key: unset AZURE_VOICE_LIVE_API_KEY, then run `az login`.",
        EXIT_NO_ACCESS,
    ),
    ("Tenant provided in token", SIGN_IN, EXIT_NO_ACCESS),
    ("Unauthorized|Authentication error|permission", f"{ROLES} {SIGN_IN}", EXIT_NO_ACCESS),
    ("avatar is configured", "The agent has an avatar with its own voice: use --voice agent.", EXIT_FAILED),
    (
        "(instructions|tools)_configuration_not_supported",
        "Agents have their own instructions and tools: leave these out of --session.",
        EXIT_FAILED,
    ),
    (
        "configuration_not_supported",
        "The session is stored with the agent: use --session-from agent.",
        EXIT_FAILED,
    ),
    (
        "session.?update|max_config_attempts",
        "The service only takes session fields that the api-version and the agent know. Check --session and "
        "the api-version, or use the agent's own session: --session-from agent.",
        EXIT_FAILED,
    ),
    ("region", "Use a Foundry resource in a region with Voice Live and this voice.", EXIT_FAILED),
)

# What is wrong with a certificate, by OpenSSL's number → why, remedy.
_ROOT = "Behind a proxy that opens TLS, let SSL_CERT_FILE name its root certificate."
_CLOCK = "Is this machine's clock right? If so, the owner of that address must renew the certificate."
_STRICT = (
    "breaks rules that Python checks since 3.13",
    "A proxy that opens TLS needs a new root certificate (basicConstraints critical, with key identifiers): "
    "ask its owner for one, or use Python 3.12.",
)
_NAME = ("is for another name", "Check the endpoint. Is a proxy, or a login page of the network, in between?")
_CERTIFICATE = {
    **dict.fromkeys((9, 10), ("is not valid today", _CLOCK)),
    **dict.fromkeys((62, 64), _NAME),
    **dict.fromkeys(range(79, 94), _STRICT),
}

# HTTP status of a proxy that refuses to connect us → why, remedy.
_PASSWORD = (
    "HTTPS_PROXY=http://user:password@host:port, with special characters percent-encoded (@ is %40, "
    ": is %3A). Basic is the only way to sign in to a proxy that works here."
)
_PROXY = {
    403: ("does not let this program through to {}", "Ask its owner to allow that host and port."),
    407: ("wants a user and a password", f"Write {_PASSWORD}"),
}

# Words of azure-identity → what happened, remedy; the first match counts. {} is the scope.
_SIGN_IN: tuple[tuple[str, str, str], ...] = (
    (
        "AADSTS",
        "",
        "Run `az login --scope {}` (with --tenant <tenant> if the resource is in another tenant).",
    ),
    (
        "Failed to invoke the Azure CLI",
        "az did not answer within a minute",
        f"See whether {{az}} does. {SIGN_IN}",
    ),
    ("Unexpected output from Azure CLI", "", "See what {az} prints besides JSON, and correct that."),
    (
        "Failed to execute|bad interpreter|No such file|Traceback",
        "az does not start",
        "Install it again: {url}.",
    ),
    ("not found", "", f"Install the Azure CLI: {{url}}. {SIGN_IN}"),
    ("AZURE_TOKEN_CREDENTIALS", "", "Correct that variable, or unset it."),
)

_PORTAUDIO = {
    "linux": "Install it: `sudo apt install libportaudio2` (Fedora: `sudo dnf install portaudio`).",
    "darwin": "Install it: `brew install portaudio`.",
    "win32": "Reinstall it: `python -m pip install --force-reinstall sounddevice`.",
}
NO_HOST, NO_LISTENER = "there is no such host", "nobody listens there"
_MICROPHONE_ALLOWED = {
    "darwin": "Is the terminal allowed to use it (System Settings, Privacy & Security, Microphone)?",
    "win32": "Are desktop apps allowed to use it (Settings, Privacy & security, Microphone)?",
}


def in_words(failure: VoiceLiveError) -> str:
    """A failure as a person reads it: what happened, and what to do."""
    return f"{failure.message}\n{failure.remedy}".rstrip()


def bug() -> VoiceLiveError:
    """Something that no other function here explains; its traceback is in the technical log."""
    return VoiceLiveError(
        "Something went wrong that should never happen.", "Please report it, with the technical log."
    )


def not_signed_in(reason: str, scope: str, leftovers: Sequence[str] = ()) -> VoiceLiveError:
    """No credential gave a token for `scope`; `reason` is azure-identity's own, long, explanation.

    `leftovers` are variables that cannot be of use, each in a clause: they are the reason, then.
    """
    reason = re.sub(r"^To mitigate this issue.*", "", reason, flags=re.MULTILINE)
    said = re.split(r"^\s*(?=\w+Credential: )", reason, flags=re.MULTILINE)
    said = [part.strip() for part in said if re.match(r"\w+Credential: ", part)]
    telling = [part for part in said if "AADSTS" in part or part.startswith("AzureCliCredential")]
    why = in_one_line((telling or said or [reason or "no reason given"])[0])
    remedy = SIGN_IN
    for words, instead, what_to_do in _SIGN_IN:
        if re.search(words, why):
            ask = f"`az account get-access-token --scope {scope}`"
            why, remedy = instead or why, what_to_do.format(scope, az=ask, url="https://aka.ms/azure-cli")
            break
    if leftovers:
        why, remedy = "; ".join(leftovers), f"Correct what is named, or unset it. {SIGN_IN}"
    message = f"Not signed in for {scope.removesuffix('/.default')}: {why.rstrip('.')}."
    return VoiceLiveError(message, remedy, EXIT_NO_ACCESS, passing=True)


def handshake_refused(
    status: int, body: bytes | str | None, headers: Mapping[str, str] | None, host: str
) -> VoiceLiveError:
    """The service answered the handshake with an HTTP status other than 101."""
    meaning, remedy = _STATUS.get(status) or _STATUS.get(status // 100, _ODD)
    said = _message_of(body)
    quoted = f' The service says: "{said}"' if said else ""
    is_passing = status == 429 or status >= 500
    return VoiceLiveError(
        f"{host} answered HTTP {status}: {meaning}.{quoted}",
        remedy,
        EXIT_NO_ACCESS if status in (401, 403) else EXIT_FAILED,
        passing=is_passing,
        retry_after_s=_retry_after_s(headers or {}) if is_passing else None,
    )


def not_connected(error: Exception, host: str, proxy: str = "") -> VoiceLiveError:
    """There was no answer to the handshake at all; `error` is the socket's, TLS's or websocket's.

    Where there is a `proxy`, it is the one that was not reached.
    """
    import websocket  # which the first start of a program need not wait for

    if isinstance(error, websocket.WebSocketBadStatusException):
        # There is no status where the answer begins with its empty line.
        return handshake_refused(error.status_code or 0, error.resp_body, error.resp_headers, host)
    if isinstance(error, ssl.SSLCertVerificationError):
        return not_trusted(error, host)
    if isinstance(error, socket.gaierror):
        why, remedy = NO_HOST, f"{PLACE} Is there a network?"
    elif isinstance(error, websocket.WebSocketTimeoutException | TimeoutError):
        why, remedy = "it does not answer", "Check the network, the proxy (HTTPS_PROXY) and the host."
    elif isinstance(error, ConnectionRefusedError):
        why, remedy = NO_LISTENER, f"{PLACE} If it is a server of your own, start it first."
    else:
        said = getattr(error, "strerror", None) or str(error) or type(error).__name__
        why = brief(in_one_line(said), QUOTED_CHARACTERS).rstrip(".")
        remedy = "Check the network, the proxy and the host."
    if proxy:
        host, remedy = f"the proxy {proxy}", "Check HTTPS_PROXY; NO_PROXY names hosts that need no proxy."
    return VoiceLiveError(f"No connection to {host}: {why}.", remedy, passing=True)


def not_trusted(error: ssl.SSLCertVerificationError, host: str) -> VoiceLiveError:
    """The certificate of whoever answers there proves nothing."""
    why, remedy = _CERTIFICATE.get(error.verify_code, ("is not trusted", _ROOT))
    others = [name for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE") if os.environ.get(name)]
    if remedy == _ROOT and others and not os.environ.get("SSL_CERT_FILE"):
        remedy = f"{others[0]} is not read here: set SSL_CERT_FILE to the same file, in the shell or in .env."
    return VoiceLiveError(f"No connection to {host}: its certificate {why} ({error.verify_message}).", remedy)


def no_roots(variable: str, value: str, why: str) -> VoiceLiveError:
    """A variable in place of the system's trusted roots names none."""
    remedy = "Unset it, or let it name root certificates in PEM form."
    return VoiceLiveError(f"{variable} names {value}: {why}.", remedy, EXIT_USAGE)


def proxy_refused(status: int, proxy: str, place: str, had_password: bool) -> VoiceLiveError:
    """A proxy does not connect us to `host:port`."""
    why, remedy = _PROXY.get(status, (f"does not reach {{}} (HTTP {status})", "Try again in a minute."))
    if status == 407 and had_password:
        why, remedy = "does not take the user and the password", f"Look at {_PASSWORD}"
    exit_code = EXIT_USAGE if status == 407 else EXIT_FAILED
    return VoiceLiveError(f"The proxy {proxy} {why.format(place)}.", remedy, exit_code, passing=status >= 500)


def unusable_proxy(variable: str, scheme: str = "") -> VoiceLiveError:
    """The proxy that the environment names is none, or is spoken to in another way."""
    what = f"names a proxy of the kind {scheme}://, which this program does not support" if scheme else ""
    remedy = "It must look like http://host:port, for all traffic."
    return VoiceLiveError(
        f"{variable} {what or 'does not name a proxy'}.",
        f"{remedy} NO_PROXY names hosts that need no proxy."
        if scheme
        else "It must look like http://host:port.",
        EXIT_USAGE,
    )


def service_error(error: Mapping[str, object]) -> VoiceLiveError:
    """An `error` event of the service: {type, code?, message, param?, event_id?}."""
    code, message, param = (in_one_line(error.get(key)) for key in ("code", "message", "param"))
    about = f" ({param})" if param else ""
    for words, remedy, exit_code in _ERRORS:
        if re.search(words, f"{code} {message}", re.IGNORECASE):
            return VoiceLiveError(f"{code or 'error'}: {message}{about}", remedy, exit_code)
    return VoiceLiveError(f"{code or 'error'}: {message}{about}")


def is_refusal(failure: VoiceLiveError) -> bool:
    """Whether an error refuses the session as a whole."""
    return failure.message.startswith(("invalid_session_update", "max_config_attempts"))


def is_expiry(failure: VoiceLiveError) -> bool:
    """Whether the service says, in an error or on closing, that the session's time is over."""
    return bool(re.search("session[ _](has )?expired|maximum duration", failure.message, re.IGNORECASE))


def voice_agent() -> VoiceLiveError:
    """The service refused a session more often than it was asked for one: so it does for voice agents."""
    return VoiceLiveError(
        "The agent seems to be of the kind `voice`: the service refuses every session with it.",
        "Voice agents (the Foundry portal offers them first) answer at another address. This program "
        "talks to prompt agents and hosted agents. Make one of these in the portal, with the same "
        "instructions, and name it with AI_FOUNDRY_AGENT_NAME.",
    )


def reason_given(details: object) -> str:
    """What the service says of a failure, for the end of a sentence."""
    match details:
        case {"reason": "content_filter"}:
            return ": the content filter stopped it (content_filter)."
        case {"error": {"message": str(why)}} | {"message": str(why)} | {"reason": str(why)} | str(why) if (
            why
        ):
            return f": {in_one_line(why)}"
    return "."


def no_session(seconds: float) -> VoiceLiveError:
    """The service took the connection, and never answered session.update."""
    return VoiceLiveError(
        f"The service did not accept the session within {seconds:.0f} s.", "Try again in a minute."
    )


def no_answer(seconds: float) -> VoiceLiveError:
    """The agent was spoken to, and is silent."""
    return VoiceLiveError(f"The service gave no answer for {seconds:.0f} s.", "Try again in a minute.")


def connection_ended(code: int | None, reason: str) -> VoiceLiveError:
    """The connection ended, and nobody here asked for it; `code` is None where the line was cut."""
    said = f": {in_one_line(reason)}" if reason else ""
    if code is None:
        return VoiceLiveError(f"The connection was lost{said}.", "Check the network and start again.")
    return VoiceLiveError(f"The service ended the connection (code {code}){said}.", "Start again.")


def keeps_dropping(last: VoiceLiveError, times: int) -> VoiceLiveError:
    """One connection after the other was lost at once; `last` is how the last one ended."""
    return VoiceLiveError(
        f"{last.message} That was {times} times in a row, each within seconds.",
        "Start again later. If it happens again, ask Microsoft's support, with the request id.",
    )


def no_portaudio(error: OSError) -> VoiceLiveError:
    """The PortAudio library is not installed."""
    return VoiceLiveError(f"No sound: {error}.", _PORTAUDIO.get(sys.platform, "Install PortAudio."))


def no_device(kind: str, error: Exception, plugin: str = "") -> VoiceLiveError:
    """There is no microphone or no speaker, or it cannot be opened; `kind` says which.

    `plugin` is the package without which PortAudio sees nothing of the sound server that runs.
    """
    what = f"The {kind} cannot be opened: {error}."
    allowed = _MICROPHONE_ALLOWED.get(sys.platform, "") if kind == "microphone" else ""
    remedy = f"{allowed} Try another one.".lstrip()
    if "querying device -1" in str(error):  # PortAudio's default, where there is none
        what, remedy = f"There is no {kind}.", "Plug one in, or close the program that uses it."
        if plugin:
            remedy = f"A sound server runs, but ALSA cannot reach it: sudo apt install {plugin}."
    elif "Device unavailable" in str(error):  # PortAudio's -9985
        what, remedy = f"The {kind} is in use by another program.", "Close that program."
    return VoiceLiveError(what, remedy)


def silent_microphone() -> VoiceLiveError:
    """Nothing but zeros, as no microphone that works gives."""
    remedy = f"Is it muted? {_MICROPHONE_ALLOWED.get(sys.platform, '')}".rstrip()
    return VoiceLiveError("The microphone gives nothing but silence.", remedy)


def source_failed(name: str, error: Exception) -> VoiceLiveError:
    """What takes the place of the microphone, or the microphone, raised something."""
    why = str(error) or type(error).__name__
    return VoiceLiveError(f"{name} failed: {why}.", "The technical log has the traceback.")


def unusable_file(name: object, problem: object, remedy: str = "") -> VoiceLiveError:
    """A file that a person named cannot be read or written."""
    return VoiceLiveError(f"{name}: {problem}.", remedy, EXIT_USAGE)


def _retry_after_s(headers: Mapping[str, str]) -> float:
    """The seconds of a Retry-After header; 0 where there is none, or where it is a date."""
    value = str(headers.get("retry-after", ""))
    return float(value) if value.isdecimal() else 0.0


def _message_of(body: bytes | str | None) -> str:
    """The service's own words in the body of a refusal: its JSON message, else the start of its text."""
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else body or ""
    with suppress(ValueError, RecursionError):
        match json.loads(text):
            case {"error": {"message": said}} | {"message": said}:
                text = str(said)
    return brief(" ".join(text.split()), QUOTED_CHARACTERS)
