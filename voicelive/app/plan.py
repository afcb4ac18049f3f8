"""The plan of a run: everything that is decided before anything is opened."""

import json
import re
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from voicelive import failures
from voicelive.app.extras import echo_kinds, extras
from voicelive.app.kinds import AgentKind
from voicelive.app.options import Options
from voicelive.app.settings import API_VERSION, ECHO_CANCELLATION, ENDPOINT, TRUSTED_HOSTS, Settings
from voicelive.service import (
    AZURE_HOSTS,
    CLASSIC_API_VERSION,
    FIRST_API_VERSION_WITH_NAMES,
    FIRST_API_VERSION_WITHOUT_CLASSIC,
    NEWEST_API_VERSION,
    AgentTarget,
    Service,
    is_this_machine,
    websocket_url,
    without_credentials,
)
from voicelive.session import ECHO, SINCE_2025_10_01, Message, Offer

LONGEST_SESSION = 1_000_000  # characters of a file of session fields: more is none, and may have no end
FIXED_FIELDS = ("input_audio_format", "output_audio_format", "input_audio_sampling_rate")


@dataclass(frozen=True)
class Plan:
    """All that is decided before anything is opened."""

    kind: AgentKind
    target: AgentTarget
    service: Service
    settings: Settings
    options: Options
    first_message: Message  # session.update
    offer: Offer  # a part of it that the service may refuse


def find_service(settings: Settings, target: AgentTarget) -> Service:
    """The service that the settings name; what is impossible in them is noted in `settings`."""
    url = ""
    if endpoint := settings.require(ENDPOINT):
        try:
            url = service_url(endpoint, settings.get(TRUSTED_HOSTS))
        except ValueError as problem:
            settings.reject(f"endpoint {without_credentials(endpoint)!r}: {problem}", ENDPOINT)
    default = CLASSIC_API_VERSION if target.is_classic else NEWEST_API_VERSION
    api_version = settings.get(API_VERSION) or default
    source = settings.find(API_VERSION).source
    if not re.fullmatch(r"v1|\d{4}-\d\d-\d\d(-preview)?", api_version):
        settings.reject(f"api version {api_version!r} ({source}): must look like {default}", API_VERSION)
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


def service_url(endpoint: str, trusted: str) -> str:
    """The URL of an endpoint; `trusted` are the hosts that a person has named.

    Raises ValueError, in words for people, for one that cannot be, or that gets no token.
    """
    url = websocket_url(endpoint)
    if not is_trusted(url, trusted):
        raise ValueError(untrusted(url))
    return url


def is_trusted(url: str, named: str) -> bool:
    """Whether a host may get a token: Azure's, this machine, and those that a person has `named`."""
    host = urlsplit(url).hostname or ""
    others = [other.strip().lower() for other in named.split(",")]
    return host.endswith(AZURE_HOSTS) or is_this_machine(host) or host in others


def untrusted(url: str) -> str:
    """Why a host gets no token, for the end of a sentence."""
    host = urlsplit(url).hostname or ""
    resource, _, domain = host.partition(".")
    alike = get_close_matches(f".{domain}", AZURE_HOSTS, 1)
    meant = f" Did you mean {resource}{alike[0]}?" if alike else ""
    return (
        f"is not one of Azure's hosts, and your token goes only to those: name {host} in "
        f"{TRUSTED_HOSTS.variables[0]} if it is yours.{meant}"
    )


def find_echo(settings: Settings, api_version: str) -> Message:
    """The fields of the session for the kind that the settings name; an impossible one is noted in them."""
    echo = settings.get(ECHO_CANCELLATION)
    if echo not in echo_kinds():
        *others, last = echo_kinds()
        must = f"must be {', '.join(others)} or {last}"
        settings.reject(f"echo cancellation {echo!r}: {must}", ECHO_CANCELLATION)
    return next(
        (one.echo_fields(api_version) for one in extras() if echo in one.echo_kinds), ECHO.get(echo, {})
    )


def find_offer(first_message: Message) -> Offer:
    """What a session.update has that the service may refuse."""
    offers = (extra.offer(first_message) for extra in extras())
    return next((offer for offer in offers if offer), Offer())


def read_overrides(path: Path) -> dict[str, Any]:
    """A person's session fields from a JSON file. Raises VoiceLiveError (exit code 2) for anything else."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            text = file.read(LONGEST_SESSION + 1)
        if len(text) > LONGEST_SESSION:
            raise failures.unusable_file(path, f"it is longer than {LONGEST_SESSION} characters")
        session = json.loads(text)
    except OSError as error:
        raise failures.unusable_file(path, error.strerror or error) from error
    except (ValueError, RecursionError) as error:
        raise failures.unusable_file(path, f"not JSON ({error})") from error
    if not isinstance(session, dict):
        raise failures.unusable_file(path, "not a JSON object of session fields, such as {...}")
    for field in FIXED_FIELDS:
        if session.get(field, SINCE_2025_10_01[field]) != SINCE_2025_10_01[field]:
            wanted = json.dumps(SINCE_2025_10_01[field])
            raise failures.unusable_file(path, f"{field} must stay {wanted}: that is what is sent and played")
    return session
