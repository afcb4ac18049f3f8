"""What may be left out, and where it takes part: each is one module that offers an `EXTRA`."""

from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, cast

import typer

from voicelive.app.kinds import AgentKind
from voicelive.app.options import Options, RunOptions

if TYPE_CHECKING:  # --help need not wait for it
    from voicelive.toolcalls import RunFunction

EXTRAS: tuple[str, ...] = (
    # To leave one out, delete its line here, its module and its folder of tests: `make new` does.
    "voicelive.extras.demo",  # the stand-in in place of the service
    "voicelive.extras.check",  # what is missing before one can talk
    "voicelive.extras.init",  # asks for the values that an agent needs, and writes .env
    "voicelive.extras.tools",  # functions of yours that the agent may call
)


class Extra:
    """Where an extra can take part; it overrides what it needs. Its module is quick to import."""

    def add_to(self, app: typer.Typer, kinds: Sequence[AgentKind]) -> None:
        """Add commands to the program."""

    def without_endpoint(self, kind: AgentKind, options: RunOptions, why: str) -> None:
        """Take the place of the service, which `why` says is not named, and end with typer.Exit."""

    def hint(self, kind: AgentKind) -> str:
        """Where to turn to when settings are missing, as a part of a sentence."""
        return ""

    def look_closer(self, kind: AgentKind, options: Options) -> str:
        """What to do when a conversation has failed, as a line."""
        return ""

    def functions(self, note: Callable[[str], None]) -> "RunFunction | None":
        """What runs the functions that the agent calls; `note` shows a line. Raises VoiceLiveError."""
        return None


def extras() -> Iterator[Extra]:
    """Those that are there."""
    return (cast(Extra, import_module(name).EXTRA) for name in EXTRAS)
