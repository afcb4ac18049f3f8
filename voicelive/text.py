"""What may be shown: nothing that moves a cursor, nothing that looks like a line of ours, and no secret."""

import os
import re
import string
from collections.abc import Iterator
from contextlib import suppress
from itertools import takewhile
from pathlib import Path
from shlex import join
from subprocess import list2cmdline
from urllib.parse import quote

HIDDEN = "[hidden]"
INDENT = "    "  # of what goes on in a further line
LINE_CHARACTERS = 2_000  # of what somebody else says
LEAST_SECRET = 6  # characters: shorter ones would make confetti of the log, and are no secrets
LEAST_PART = 12  # so many characters in a row give a longer one away
PIECE = 6  # of LEAST_PART in a row, one of a secret's pieces of this size, cut side by side, is whole

# Patterns for text of others take time that is linear in it: whatever they scan in vain is bounded.
_TOKEN = r"[\w.~+/=%-]"
_TOKEN_CHARACTERS = string.ascii_letters + string.digits + "_.~+/=%-"
_BEGIN = r"(?:(?<![A-Za-z0-9])|(?<=%[0-9A-Fa-f]{2}))"
_NAMED = r"""\b(?i:bearer|basic|authorization|api-key)(?:['"\s:=\\]|%\w\w){1,8}"""
# A secret, or in its group what follows upon a name, which stays; 16 characters or more, or people's own
# words about a bearer of something would be hidden, too.
_SECRET = re.compile(
    rf"{_BEGIN}eyJ[\w-]{{8}}{_TOKEN}*"  # a JSON web token
    rf"|(?i:agent-access-token(?:=|%3D))({_TOKEN}+)"
    rf"|{_NAMED}([\w.~+/-]{_TOKEN}{{15,}})",
    re.ASCII,
)
# At the end of a text, what may become one with what follows, which is in its group.
_MAYBE_SECRET = re.compile(
    rf"{_BEGIN}(e|ey|eyJ[\w-]{{0,7}})\Z|{_NAMED}([\w.~+/-]{_TOKEN}{{0,14}})\Z", re.ASCII
)
_REST_OF_TOKEN = re.compile(rf"{_TOKEN}*", re.ASCII)
_CONTEXT = 64  # characters: more than what these look at before what they hide
_WITHIN_TOKEN = "\neyJ00000000"  # as a context: what follows is the rest of a token

# Escape sequences (CSI, OSC and other strings, two-character ones), and control characters but line breaks:
# C0, C1, those that change the direction of writing, halves of characters.
_CONTROLS = r"\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2028\u2029\u2066-\u2069\ud800-\udfff"
_UNPRINTABLE = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"
    r"|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?"
    r"|\x1b[ -/]*[0-~]?"
    rf"|[{_CONTROLS}]"
)
_CONTROL = re.compile(f"[{_CONTROLS}]")
_INSTEAD = {
    **dict.fromkeys("\t\x0b\x0c", " "),
    **dict.fromkeys("\u2028\u2029", "\n"),
    **dict.fromkeys(map(chr, range(0xD800, 0xE000)), "\ufffd"),
}


def printable(text: str) -> str:
    """The text without anything that moves a cursor, changes a colour or rings a bell."""
    return _UNPRINTABLE.sub(lambda found: _INSTEAD.get(found[0], ""), text.replace("\r\n", "\n"))


def escaped(text: str) -> str:
    r"""The text with control characters as a program would write them: `\x1b`, `\u202e`."""
    return _CONTROL.sub(lambda found: ascii(found[0])[1:-1], text)


def indented(text: str) -> str:
    """The text, or a piece of one, whose further lines cannot be taken for lines of somebody else."""
    return text.replace("\n", f"\n{INDENT}")


def in_one_line(text: object) -> str:
    """What somebody else says, as a part of a line of ours; nothing for None."""
    return brief(" ".join(str(text or "").split()), LINE_CHARACTERS)


def brief(text: str, most: int) -> str:
    """The start of a text, not cut within a token: a part of a secret is not always known as one."""
    if len(text) <= most:
        return text
    return text[:most].rstrip(_TOKEN_CHARACTERS) + " ..."


def whole_characters(text: str) -> str:
    """The text with halves of characters (surrogates, which JSON escapes) joined; a single one is U+FFFD."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def without_secrets(text: str) -> str:
    """The text with everything hidden that looks like a token or a key."""
    return Redactor()(text)


class Redactor:
    """Hides secrets: those that it was told (`hide`), and whatever looks like one."""

    def __init__(self) -> None:
        self._secrets: tuple[str, ...] = ()
        self._pieces: dict[str, tuple[tuple[str, int], ...]] = {}  # → secrets, and where in them this is

    def hide(self, secret: str) -> None:
        """From now on neither it nor LEAST_PART characters of it appear. May be called from any thread."""
        if len(secret) < LEAST_SECRET or secret in self._secrets:
            return
        for form in dict.fromkeys((secret, quote(secret, safe="", errors="replace"))):
            for at in range(0, len(form) - PIECE + 1, PIECE):
                piece = form[at : at + PIECE]
                self._pieces[piece] = (*self._pieces.get(piece, ()), (form, at))
            self._secrets = (*self._secrets, form)

    def __call__(self, text: str) -> str:
        return RedactedStream(self).add(text, is_whole=True)

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Where in a text the secrets are, in its order; the first character is only looked at."""
        looks = (found.span(found.lastindex or 0) for found in _SECRET.finditer(text, 1))
        merged: list[tuple[int, int]] = []
        for start, end in sorted([*looks, *self._known(text)]):
            if merged and start < merged[-1][1]:
                start, end = merged[-1][0], max(end, merged.pop()[1])
            merged.append((start, end))
        return merged

    def maybe_from(self, text: str, start: int) -> int:
        """Where at the end of a text, from `start` on, something begins that may become a secret."""
        found = _MAYBE_SECRET.search(text, max(1, len(text) - _CONTEXT))
        cut = max(start, found.start(found.lastindex or 0)) if found else len(text)
        for secret in self._secrets:
            at = text.find(secret[0], max(start, len(text) - len(secret) + 1))
            while 0 <= at < cut and (text[at - 1].isalnum() or not secret.startswith(text[at:])):
                at = text.find(secret[0], at + 1)
            cut = min(cut, at) if at >= 0 else cut
        return cut

    def _known(self, text: str) -> Iterator[tuple[int, int]]:
        """Where secrets are that it was told, or parts of them, with the rest of what may be a token."""
        at = 0
        while at < len(text):
            piece, at = text[at : at + PIECE], at + 1
            for secret, place in self._pieces.get(piece, ()):
                start, end = _common(secret, place, text, at - 1)
                if end - start >= min(LEAST_PART, len(secret)):
                    is_to_its_end = end - at + 1 + place == len(secret)
                    rest = None if is_to_its_end else _REST_OF_TOKEN.match(text, end)
                    at = rest.end() if rest else end
                    yield start, at
                    break


class RedactedStream:
    """Hides secrets in a text that comes in pieces, wherever they are torn.

    Only what may be the beginning of a secret is held back: at most as much as the longest one.
    """

    def __init__(self, redact: Redactor) -> None:
        self._redact = redact
        self._before = "\n"  # the end of what is through
        self._held = ""

    def add(self, piece: str, is_whole: bool = False) -> str:
        """What may be shown, now that this piece has come; `is_whole`: it was the last one."""
        text, start = self._before + self._held + piece, len(self._before)
        cut = len(text) if is_whole else self._redact.maybe_from(text, start)
        shown, at = [], start
        for begin, end in self._redact.spans(text):
            if start < end and begin < cut:
                is_told = begin < start and self._before == _WITHIN_TOKEN
                shown += [text[at:begin], "" if is_told else HIDDEN]
                at = min(end, cut)
        shown.append(text[at:cut])
        more = [] if is_whole or at < cut else self._redact.spans(f"{text[:cut]}0")
        is_within = any(end > cut for _, end in more)  # what follows belongs to what is hidden already
        self._before, self._held = _WITHIN_TOKEN if is_within else text[:cut][-_CONTEXT:], text[cut:]
        return "".join(shown)


def _common(secret: str, place: int, text: str, at: int) -> tuple[int, int]:
    """How far a text, around `at`, is the secret around `place`."""
    before = _alike(secret[:place][::-1], text[max(0, at - place) : at][::-1])
    return at - before, at + _alike(secret[place:], text[at : at + len(secret) - place])


def _alike(one: str, other: str) -> int:
    """So many characters at the beginning are the same."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other)))  # noqa: B905


def shown(path: Path) -> str:
    """A path as short as it can be named from here."""
    with suppress(OSError, ValueError):  # the folder we are in is gone, or another one
        return str(path.relative_to(Path.cwd()))
    return str(path)


def quoted(*words: str) -> str:
    """A command as it can be typed."""
    return list2cmdline(words) if os.name == "nt" else join(words)
