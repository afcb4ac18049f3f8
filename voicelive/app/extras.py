"""What you can leave out, and where it takes part: each extra is a module with an `EXTRA`."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import typer

from voicelive.app.kinds import AgentKind
from voicelive.app.options import Options, RunOptions
from voicelive.service import AgentTarget

if TYPE_CHECKING:  # not at run time, so that --help need not wait for numpy
    from voicelive.app.played import Played
    from voicelive.app.screen import MakePrompt
    from voicelive.playback import Playback
    from voicelive.session import Message, Offer
    from voicelive.soundcard import Stream
    from voicelive.toolcalls import RunFunction
    from voicelive.turns import Turn
    from voicelive.uplink import Stage

EXTRAS: tuple[str, ...] = (
    # To leave one out, delete its line here, its module and its folder of tests: `make new` does.
    "voicelive.extras.demo",  # the stand-in in place of the service
    "voicelive.extras.check",  # what is missing before you can talk
    "voicelive.extras.init",  # asks for the values that an agent needs, and writes .env
    "voicelive.extras.recording",  # sound and turns, in two files
    "voicelive.extras.export",  # what was said in a recording, to read or as subtitles
    "voicelive.extras.echo",  # what was played goes along with what was heard
    "voicelive.extras.live",  # the part of a terminal that stays in place
    "voicelive.extras.hotplug",  # a sound card that is lost is looked for again
    "voicelive.extras.tools",  # functions of yours that the agent may call
)


@dataclass(frozen=True)
class Run:
    """A conversation that is about to begin."""

    options: RunOptions
    offer: "Offer"
    sink: "Playback"
    streams: "Sequence[Stream]"  # of sound cards
    path: Callable[[str], Path]  # of a file of this run, by the end of its name
    redact: Callable[[str], str]
    note: Callable[[str], None]  # shows a line


@dataclass(frozen=True)
class Part:
    """What an extra has to do with it."""

    beside: "Callable[[Played], Stage] | None" = None
    """Makes a stage that knows what was played while the microphone heard a block."""
    keep: "Callable[[Turn], None]" = lambda turn: None
    """Gets each turn that is over."""
    run_function: "RunFunction | None" = None
    """Runs the functions that the agent calls; the first that there is does."""
    make_prompt: "MakePrompt | None" = None
    """Takes the place of plain lines in the terminal."""
    files: Sequence[Path] = ()
    """Named with the logs."""
    close: Callable[[], None] = lambda: None
    """Called at the end, before the sound cards are closed."""


class Extra:
    """Where an extra can take part; it overrides what it needs. Its module is quick to import."""

    options: Sequence[tuple[str, Any, str, Any]] = ()
    """Of a conversation: name, type, help, default. They are in its RunOptions.of_extras."""
    echo_kinds: Sequence[str] = ()
    """Further kinds of echo cancellation."""

    def echo_fields(self, api_version: str) -> "Message":
        """The fields of a session with such a kind."""
        return {}

    def add_to(self, app: typer.Typer, kinds: Sequence[AgentKind]) -> None:
        """Add commands to the program."""

    def without_endpoint(self, kind: AgentKind, options: RunOptions, why: str) -> None:
        """Take the place of the service, which `why` says is not named, and end with typer.Exit."""

    def hint(self, kind: AgentKind) -> str:
        """Where to turn to when settings are missing: a sentence, or nothing."""
        return ""

    def offer(self, first_message: "Message") -> "Offer | None":
        """A part of this session.update that the service may refuse."""
        return None

    def join(self, run: Run) -> Part:
        """Take part in a conversation. Raises VoiceLiveError where that cannot be."""
        return Part()

    def look_closer(self, kind: AgentKind, options: Options) -> str:
        """What to do when a conversation has failed, as a line."""
        return ""

    def session_fields(self, target: AgentTarget) -> "Message":
        """Fields of the session with this agent, or model; a person's own win over them."""
        return {}


def echo_kinds() -> list[str]:
    """The kinds of echo cancellation that there are: the core's two, and those of the extras."""
    return ["server", *(kind for extra in extras() for kind in extra.echo_kinds), "off"]


def extras() -> Iterator[Extra]:
    """Those that are there."""
    return (cast(Extra, import_module(name).EXTRA) for name in EXTRAS)
