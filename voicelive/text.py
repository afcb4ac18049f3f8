"""What may be shown: nothing that moves a cursor, and no secret."""

import os
import re
from contextlib import suppress
from pathlib import Path
from shlex import join
from subprocess import list2cmdline

HIDDEN = "[hidden]"
# What comes before a secret, which stays, and the secret: 16 characters or more, or people's own words
# about a bearer of something would be hidden, too.
_SECRET = re.compile(
    r"""\beyJ[\w-]{8,}\.[\w-]*(?:\.[\w-]*)*                  # a JSON web token
    | (agent-access-token=)[^&\s'"]+
    | (\b(?:bearer|basic|authorization|api-key)\b(?:['"\s:=]|%20)+)[\w.~+/=-]{16,}""",
    re.IGNORECASE | re.VERBOSE,
)
# Escape sequences (CSI, OSC and other strings, two-character ones), and control characters but line breaks.
_UNPRINTABLE = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"
    r"|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?"
    r"|\x1b[ -/]*[0-~]?"
    r"|[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]"
)


def printable(text: str) -> str:
    """The text without anything that moves a cursor, changes a colour or rings a bell."""
    return _UNPRINTABLE.sub(lambda found: " " if found[0] in "\t\x0b\x0c" else "", text.replace("\r\n", "\n"))


def whole_characters(text: str) -> str:
    """The text with halves of characters (surrogates, which JSON escapes) joined; a single one is U+FFFD."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def without_secrets(text: str) -> str:
    """The text with everything hidden that looks like a token or a key."""
    return _SECRET.sub(rf"\1\2{HIDDEN}", text)


def brief(text: str, most: int) -> str:
    """The start of a text, cut at a space: a secret that is cut in two is hidden no more."""
    return text if len(text) <= most else text[:most].rpartition(" ")[0] + " ..."


class Redactor:
    """Hides secrets: those that it was told (`hide`), and whatever looks like one."""

    def __init__(self) -> None:
        self._secrets: set[re.Pattern[str]] = set()

    def hide(self, secret: str) -> None:
        """From now on this text appears nowhere, nor does its beginning. May be called from any thread."""
        if len(secret) >= 6:  # shorter ones would make confetti of the log, and are no secrets
            beginning = re.escape(secret[: max(12, len(secret) // 3)])  # the service cuts what is too long
            self._secrets.add(re.compile(rf"{re.escape(secret)}|{beginning}[\w.~+/=-]*"))

    def __call__(self, text: str) -> str:
        for secret in tuple(self._secrets):
            text = secret.sub(HIDDEN, text)
        return without_secrets(text)


def shown(path: Path) -> str:
    """A path as short as it can be named from here."""
    with suppress(OSError, ValueError):  # the folder we are in is gone, or another one
        return str(path.relative_to(Path.cwd()))
    return str(path)


def quoted(*words: str) -> str:
    """A command as it can be typed."""
    return list2cmdline(words) if os.name == "nt" else join(words)
