"""Values that are clearly something else, caught before the service is asked."""

import re
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from urllib.parse import unquote

# What copying from a document, a chat or a portal leaves around a value: invisible characters and quotes.
_AROUND = (
    "\u200b\u200c\u200d\u2060\ufeff\u00ad\u200e\u200f\u00a0 \t\r\n" + "\u2018\u2019\u201c\u201d\u00ab\u00bb`"
)
_VOICE = re.compile(r"[a-z]{2,3}(-[A-Za-z]{2,})+-?\w*(:\w+)?|agent")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")
HOST_SUFFIX = ".services.ai.azure.com"
PORTALS = ("ai.azure.com", "portal.azure.com", "oai.azure.com", "ml.azure.com")
OUR_PREFIXES = ("AZURE_VOICE_LIVE_", "AZURE_VOICELIVE_", "VOICELIVE_", "AI_FOUNDRY_")
ALIKE = 0.85  # of difflib's ratio: a letter or two are wrong

Look = Callable[[str], str]
"""Returns the value as it is meant, completed where that is safe; raises ValueError, in words for people."""


def bare(value: str) -> str:
    """The value without what copying left around it."""
    return value.strip(_AROUND)


def whole(value: str) -> str:
    """The value, if it is one: for bytes that are no characters, Python puts halves of some there."""
    if re.search("[\ud800-\udfff]", value):
        raise ValueError("is not UTF-8")
    return value


def endpoint(value: str) -> str:
    """`contoso` and `contoso.services.ai.azure.com` are completed; a portal's address is no resource's."""
    host = re.sub(r"^\w+://", "", value).partition("/")[0].lower()
    if host in PORTALS:
        raise ValueError(
            f"is a portal's address, not a resource's: https://<resource>{HOST_SUFFIX}, "
            "the beginning of the Project endpoint on the project's welcome screen"
        )
    if "://" in value or not re.fullmatch(r"[\w.-]+(:\d+)?(/.*)?", value):
        return value
    if "." not in value and ":" not in value and value != "localhost":
        return f"https://{value}{HOST_SUFFIX}"
    return f"https://{value}" if host.endswith(".azure.com") else value


def project_name(value: str) -> str:
    """`my-project`"""
    return _no_address(value, "projects")


def agent_name(value: str) -> str:
    """`anna` or `anna:3`."""
    if value.startswith("asst_"):
        raise ValueError("is the id of a classic agent: set AI_FOUNDRY_AGENT_ID to it, and unset the name")
    name, colon, version = _no_address(value, "agents").partition(":")
    if colon and not name:
        raise ValueError("must have a name before its version: anna:3")
    if colon and not version.isdecimal():
        raise ValueError("must have a number as its version: anna:3")
    return value


def _no_address(value: str, kind: str) -> str:
    """A name. Raises ValueError for a URL or a host, with the name in it: what follows the `kind`."""
    if "/" not in value and not re.search(r"\.azure\.(com|us|cn)(:\d+)?$", value, re.IGNORECASE):
        return value
    found = re.search(rf"/{kind}/([^/?#]+)", value)
    such = f", such as {unquote(found[1])!r}" if found else ""
    raise ValueError(f"is an address: it must be the name only{such}")


def agent_id(value: str) -> str:
    """`asst_…`"""
    if not value.startswith("asst_"):
        raise ValueError("is not an id (asst_...): set AI_FOUNDRY_AGENT_NAME to an agent's name")
    return value


def api_key(value: str) -> str:
    """Anything that a header can carry."""
    if not re.fullmatch("[!-~]+", value):
        raise ValueError("is no key: there is a space in it, or a character that no key has")
    return value


def voice(value: str) -> str:
    """`en-US-AvaNeural`, `en-US-Ava:DragonHDLatestNeural`: a locale and a name."""
    if not _VOICE.fullmatch(value):
        raise ValueError("is not the name of an Azure voice, such as en-US-AvaNeural")
    return value


def language(value: str) -> str:
    """`de-DE`, or several: `de-DE,fr-FR`"""
    languages = [one.strip() for one in value.split(",")]
    if odd := [one for one in languages if not _LANGUAGE.fullmatch(one)]:
        which = f"has {odd[0]!r}, which is" if len(languages) > 1 else "is"
        raise ValueError(f"{which} not a language such as de-DE or fr")
    return ",".join(languages)


def misspelt(variables: Iterable[str], known: Iterable[str]) -> dict[str, str]:
    """Variables that look like one of ours and are none, each with what was probably meant."""
    ours = set(known)
    found = {}
    for name in variables:
        is_ours = name in ours or not name.upper().startswith(OUR_PREFIXES)
        if not is_ours and (alike := get_close_matches(name.upper(), ours, 1, ALIKE)):
            found[name] = alike[0]
    return found
