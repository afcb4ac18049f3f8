"""The functions that a typed text asks for, and the arguments for them."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

Call = tuple[str, str]  # the function's name, its arguments in JSON

DEFAULT_PLACE = "Berlin"
MOST_PLACES = 4
LONGEST_PLACE = 60  # characters

_TIME = re.compile(
    r"\b(what time|what's the time|what is the time|the time|time in|time is it)\b", re.IGNORECASE
)
_EMPTY_WORDS = {"get", "the", "in", "of", "a", "current", "is", "what", "for", "to", "fetch", "find"}


def places(text: str) -> list[str]:
    """The places that a text names after its last "in", at most four; Berlin where it names none."""
    _, found, tail = text.rpartition(" in ")
    names = re.split(r",|\band\b", tail.strip(" ?!.")) if found else []
    named = [name.strip()[:LONGEST_PLACE] for name in names if name.strip()]
    return named[:MOST_PLACES] or [DEFAULT_PLACE]


def time_calls(named: Sequence[str]) -> list[Call]:
    """`time_in` for each place, as the example beside the client has it."""
    return [("time_in", json.dumps({"place": place}, ensure_ascii=False)) for place in named]


def asked_functions(text: str, names: Sequence[str]) -> list[str]:
    """The functions that a text asks for: those with a word of it in their name."""
    words = set(re.findall(r"[a-z]+", text.lower())) - _EMPTY_WORDS
    if not _TIME.search(text):
        words.discard("time")  # "last time I was there" asks for nothing
    return [name for name in names if words & set(re.findall(r"[a-z]+", name.lower()))]


def arguments_of(tool: Mapping[str, Any], place: str) -> dict[str, Any]:
    """Arguments that fit the function's JSON schema; each text is the place."""
    properties: dict[str, Any] = (tool.get("parameters") or {}).get("properties") or {}
    made_up: dict[str, Any] = {"integer": 1, "number": 1, "boolean": True, "array": [], "object": {}}
    return {
        name: (schema.get("enum") or [made_up.get(str(schema.get("type")), place)])[0]
        for name, schema in properties.items()
    }


def in_words(name: str, output: str) -> str:
    """What the agent says of a function's output."""
    try:
        value = json.loads(output)
    except (ValueError, RecursionError):
        value = output
    return f"Your function {name} says: {_spoken(value)}."


def _spoken(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_spoken(inner)}" for key, inner in value.items())
    if isinstance(value, list):
        return ", ".join(_spoken(inner) for inner in value)
    return str(value).rstrip(". ")
