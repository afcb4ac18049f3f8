"""Who we are: tokens and headers."""

import logging
import os
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeVar

from voicelive import failures
from voicelive.service import AgentTarget, Service

AI_SCOPE = "https://ai.azure.com/.default"
ML_SCOPE = "https://ml.azure.com/.default"
PROCESS_TIMEOUT_S = 60  # for `az` to answer: on a slow disk, or behind a proxy, it takes 12 s
INSTANCE_METADATA = "169.254.169.254"  # of a machine in Azure, which only the machine itself reaches
# Loggers that tell the names of people and tenants below these levels.
QUIET = {
    "azure": logging.WARNING,
    "azure.identity": logging.INFO,
    "msal": logging.WARNING,
    "urllib3": logging.INFO,
}
# What a service principal needs [identity]: all of it, with one of the last two.
PRINCIPAL = ("AZURE_TENANT_ID", "AZURE_CLIENT_ID")
PROOFS = ("AZURE_CLIENT_SECRET", "AZURE_CLIENT_CERTIFICATE_PATH")
FILES = ("AZURE_CLIENT_CERTIFICATE_PATH", "AZURE_FEDERATED_TOKEN_FILE")
Result = TypeVar("Result")


class Credential:
    """azure-identity's DefaultAzureCredential, one for a whole run: it goes on with what answered once."""

    def token(self, scope: str) -> str:
        """A Microsoft Entra ID token. Blocks. Raises VoiceLiveError (exit code 4)."""
        from azure.core.exceptions import AzureError

        try:
            return str(self._chain.get_token(scope).token)
        except (AzureError, ValueError, OSError) as error:  # the latter two of what variables name
            raise failures.not_signed_in(str(error), scope, leftovers(os.environ)) from error

    @cached_property
    def _chain(self) -> Any:
        from azure.identity import DefaultAzureCredential

        direct = os.environ.get("no_proxy") or os.environ.get("NO_PROXY")
        no_proxy = ",".join(filter(None, (direct, INSTANCE_METADATA)))
        return DefaultAzureCredential(process_timeout=PROCESS_TIMEOUT_S, proxies={"no_proxy": no_proxy})


def leftovers(variables: Mapping[str, str]) -> list[str]:
    """What is set for signing in, and cannot be of use, each in a clause."""
    found = [
        f"{name} names {variables[name]}, which does not exist"
        for name in FILES
        if variables.get(name) and not Path(variables[name]).is_file()
    ]
    missing = " and ".join(name for name in PRINCIPAL if not variables.get(name))
    proof = next((name for name in PROOFS if variables.get(name)), "")
    return [*found, f"{proof} is set, but not {missing}"] if proof and missing else found


@dataclass(frozen=True)
class Access:
    """What opens the door. Never shown: not even by repr()."""

    headers: Mapping[str, str] = field(repr=False)
    agent_token: str | None = field(default=None, repr=False)


def sign_in(
    service: Service,
    target: AgentTarget,
    api_key: str,
    hide: Callable[[str], None],
    credential: Credential | None = None,
) -> Access:
    """Fetch what the handshake needs, all tokens at the same time. Blocks: seconds, with a slow CLI.

    An API key, '' for none, takes the place of the header's token. Every secret is given to `hide` before
    anything can log it. To a plain-text endpoint on this machine a made-up token is sent and nobody signs
    in. Raises VoiceLiveError (exit code 4) where the credential gives none.
    """
    scopes = needed_scopes(target, api_key)
    is_asked = scopes and not service.is_local
    tokens = (
        fetch_tokens(scopes, credential or Credential())
        if is_asked
        else dict.fromkeys(scopes, "made-up-token")
    )
    return access_with(tokens, target, api_key, hide)


def prepare(service: Service) -> None:
    """Load what signs in, before anything else is: it takes 0.2 s, and then waits for others for longer."""
    if not service.is_local:
        import azure.identity  # noqa: F401

        logging.getLogger("azure").addHandler(logging.NullHandler())  # else warnings are shown as they are
        for name, level in QUIET.items():
            logging.getLogger(name).setLevel(level)


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


def fetch_tokens(scopes: Iterable[str], credential: Credential) -> dict[str, str]:
    """A token for each scope, fetched at the same time. Raises VoiceLiveError (exit code 4)."""
    pending = {scope: in_background(partial(credential.token, scope)) for scope in scopes}
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
