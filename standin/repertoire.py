"""What the stand-in can answer to a typed text: little, always the same, and never as if it understood."""

import re
from collections.abc import Callable
from datetime import datetime

LONGEST_QUOTE = 60  # characters
LONGEST_READ = 1_000  # of a text that is more than quoted
HIGHEST_COUNT = 20

WHO = (
    "I am the stand-in for Azure AI Voice Live, a program on this machine. "
    "I understand nothing: I know a few sentences by heart."
)
HELP = (
    "You can ask me what time it is in a place, what day it is, who I am and what I am called. I can "
    "repeat a sentence, count to a number up to twenty, and add two numbers. Whatever else you write, I only "
    "repeat the beginning of it."
)
NUMBERS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen"),
    *("nineteen", "twenty"),
)


def _count(match: re.Match[str]) -> str:
    wanted = match["number"].lower()
    highest = NUMBERS.index(wanted) if wanted in NUMBERS else int(wanted) if wanted.isdecimal() else 0
    if not 1 <= highest <= HIGHEST_COUNT:
        return "I count from one to twenty at most."
    return ", ".join(NUMBERS[1 : highest + 1]).capitalize() + "."


def _sum(match: re.Match[str]) -> str:
    one, other = int(match["one"]), int(match["other"])
    return f"{one} + {other} = {one + other}."


def _day(match: re.Match[str]) -> str:
    return f"Today is {datetime.now():%A, %d %B %Y}, by this machine's clock."


_SENTENCES: tuple[tuple[str, Callable[[re.Match[str]], str]], ...] = (
    (r"(repeat|say)( after me)?[:,]? (?P<rest>.+)", lambda match: match["rest"]),
    (r".*\bcount (up )?to (?P<number>\w{1,9}).*", _count),
    (r".*?(?P<one>\d{1,9}) ?(\+|plus|and) ?(?P<other>\d{1,9})\W*", _sum),
    (r".*\b(what day|which day|what's the date|the date|today's date)\b.*", _day),
    (r".*\b(your name|are you called)\b.*", lambda _: "I have no name of my own. I am the stand-in."),
    (r".*\b(who|what) are you\b.*", lambda _: WHO),
    (r".*\b(are you (real|human|a person|an ai|a robot))\b.*", lambda _: WHO),
    (r"(please )?help\W*|.*\bwhat can (you|i)\b.*", lambda _: HELP),
    (r"(many )?(thanks|thank you)\b.*", lambda _: "You are welcome."),
    (r"(good ?bye|bye)\b.*", lambda _: "Goodbye. Nobody was here, but it was nice to be asked."),
)
_REPERTOIRE = [(re.compile(pattern, re.IGNORECASE | re.DOTALL), make) for pattern, make in _SENTENCES]


def answer_to(text: str, in_sound: bool) -> str:
    """The answer to a typed text; what is not in the repertoire is only quoted."""
    for pattern, make in _REPERTOIRE:
        if match := pattern.fullmatch(text[:LONGEST_READ].strip()):
            return make(match)
    quote = text if len(text) <= LONGEST_QUOTE else f"{text[:LONGEST_QUOTE]} ..."
    why = f'You wrote "{quote}".' if text else "You asked me to speak."
    deed = "I am only a stand-in and play my one recording." if in_sound else "I am only a stand-in."
    return f"{why} {deed}"
