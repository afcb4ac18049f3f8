"""Who we are: tokens and headers."""

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from voicelive import failures
from voicelive.service import AgentTarget, Service

AI_SCOPE = "https://ai.azure.com/.default"
ML_SCOPE = "https://ml.azure.com/.default"
Result = TypeVar("Result")


@dataclass(frozen=True)
class Access:
    """What opens the door. Never shown: not even by repr()."""

    headers: Mapping[str, str] = field(repr=False)
    agent_token: str | None = field(default=None, repr=False)


def sign_in(service: Service, target: AgentTarget, api_key: str, hide: Callable[[str], None]) -> Access:
    """Fetch what the handshake needs, all tokens at the same time. Blocks: seconds, with a slow CLI.

    An API key, '' for none, takes the place of the header's token. Every secret is given to `hide` before
    anything can log it. To a plain-text endpoint on this machine a made-up token is sent and nobody signs
    in. Raises VoiceLiveError (exit code 4) where no credential of azure-identity's DefaultAzureCredential
    answers.
    """
    scopes = needed_scopes(target, api_key)
    tokens = dict.fromkeys(scopes, "made-up-token") if service.is_local else fetch_tokens(scopes)
    return access_with(tokens, target, api_key, hide)


def prepare(service: Service) -> None:
    """Load what signs in, before anything else is: it takes 0.2 s, and then waits for others for longer."""
    if not service.is_local:
        import azure.identity  # noqa: F401

        logging.getLogger("azure").addHandler(logging.NullHandler())  # else warnings are shown as they are


def needed_scopes(target: AgentTarget, api_key: str) -> list[str]:
    """For what tokens are needed: the header, unless a key takes its place, and a classic agent."""
    header = "" if api_key else AI_SCOPE
    return sorted({scope for scope in (header, target.agent_token_scope) if scope})


def access_with(
    tokens: Mapping[str, str], target: AgentTarget, api_key: str, hide: Callable[[str], None]
) -> Access:
    """What opens the door [how-to], of a token for each of the `needed_scopes`, or of the key."""
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
