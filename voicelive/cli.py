"""The options that the commands share, and the way from them to a conversation."""

import functools
import inspect
import os
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from voicelive import EXIT_FAILED, EXIT_USAGE, VoiceLiveError, failures
from voicelive.logs import without_secrets
from voicelive.settings import ECHO_CANCELLATION, VOICE, Settings, read_env_file

if TYPE_CHECKING:  # imported late below, so that --help need not wait for numpy
    from voicelive.auth import AgentTarget
    from voicelive.dial import Plan

ROOT = Path(__file__).resolve().parents[1]  # where the scripts, .env and logs/ are


@dataclass(frozen=True)
class Options:
    """What every conversation takes; one field is one option, added to a command by `shared_options`."""

    endpoint: Annotated[
        str | None, typer.Option(help="https://<resource>.services.ai.azure.com", show_default=False)
    ] = None
    api_version: Annotated[
        str | None, typer.Option(help="Version of the Voice Live API.", show_default="by kind of agent")
    ] = None
    voice: Annotated[str | None, typer.Option(help="The agent's voice.", show_default=VOICE.default)] = None
    echo_cancellation: Annotated[
        str | None,
        typer.Option(
            metavar="server|client|off",
            help="Whose account of the agent's sound is taken out of the microphone's.",
            show_default=ECHO_CANCELLATION.default,
        ),
    ] = None
    session: Annotated[
        Path | None,
        typer.Option(help="JSON file of session fields, merged over the default.", show_default=False),
    ] = None
    input: Annotated[
        Path | None,
        typer.Option(help="16-bit WAV file in place of the microphone.", show_default=False),
    ] = None
    output: Annotated[
        Path | None, typer.Option(help="WAV file in place of the speaker.", show_default=False)
    ] = None
    input_device: Annotated[
        str | None, typer.Option(help="Microphone: its number or a part of its name.", show_default=False)
    ] = None
    output_device: Annotated[
        str | None, typer.Option(help="Speaker: its number or a part of its name.", show_default=False)
    ] = None
    greet: Annotated[bool, typer.Option("--greet", help="The agent speaks first.")] = False
    no_mic: Annotated[
        bool, typer.Option("--no-mic", help="Type only; ends when stdin does and all was heard.")
    ] = False
    verbose: Annotated[bool, typer.Option("--verbose", help="Show the name of each event.")] = False
    record: Annotated[
        bool, typer.Option("--record", help="Keep the sound of both, and their turns, beside the logs.")
    ] = False
    log_dir: Annotated[
        Path, typer.Option(help="Folder for the two log files.", show_default="logs/ beside the script")
    ] = ROOT / "logs"

    def settings(self, **flags: str | None) -> Settings:
        """The settings of a run: these options and the command's own, shell, and .env."""
        return Settings({**self.flags(), **flags}, os.environ, read_env_file(ROOT / ".env"))

    def flags(self) -> dict[str, str | None]:
        """Those of these options that are settings."""
        names = ("endpoint", "api_version", "voice", "echo_cancellation")
        return {name: getattr(self, name) for name in names}


ProjectName = Annotated[str | None, typer.Option(help="Name of the Foundry project.")]
AgentName = Annotated[str | None, typer.Option(help="Name of the agent, or name:version.")]
AgentVersion = Annotated[str | None, typer.Option(help="Its version; else the latest.")]
ConversationId = Annotated[str | None, typer.Option(help="Foundry conversation to go on with.")]
AgentId = Annotated[str | None, typer.Option(help="Id of a classic agent (asst_...).")]
ConnectionString = Annotated[str | None, typer.Option(help="Connection string of the hub-based project.")]

TALKING = ("greet", "no_mic", "verbose", "record", "log_dir")  # what `check` has no use for


def shared_options(command: Callable[..., None], without: tuple[str, ...] = ()) -> Callable[..., None]:
    """Give a command, whose first parameter is `options: Options`, all of them as its own options.

    What fails is said in words, with the exit code that belongs to it.
    """
    own = list(inspect.signature(command).parameters.values())[1:]
    hints = get_type_hints(command, include_extras=True)
    wanted = [field for field in fields(Options) if field.name not in without]
    names = [field.name for field in wanted]
    shared_hints = get_type_hints(Options, include_extras=True)
    shared = [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=field.default,
            annotation=shared_hints[field.name],
        )
        for field in wanted
    ]

    @functools.wraps(command)
    def wrapper(**values: Any) -> None:
        options = Options(**{name: values.pop(name) for name in names if name in values})
        run(lambda: command(options, **values))

    parameters = [p.replace(kind=p.KEYWORD_ONLY, annotation=hints[p.name]) for p in own] + shared
    wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    wrapper.__annotations__ = {p.name: p.annotation for p in parameters}
    del wrapper.__wrapped__
    return wrapper


def run(command: Callable[[], None]) -> None:
    """Run a command; VoiceLiveError and Ctrl-C become a line and an exit code, a bug its traceback."""
    try:
        command()
    except (typer.Exit, typer.Abort):
        raise
    except VoiceLiveError as failure:
        say(failures.in_words(failure))
        raise typer.Exit(failure.exit_code) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    except Exception:  # before there is a technical log
        say(f"{traceback.format_exc()}{failures.in_words(failures.bug())}")
        raise typer.Exit(EXIT_FAILED) from None


def say(text: str) -> None:
    """One line on stderr: everything that is shown outside a conversation."""
    if sys.stderr is not None:
        print(without_secrets(text), file=sys.stderr)


def start(target: "AgentTarget", settings: Settings, options: Options, is_demo: bool = False) -> None:
    """Check everything that a person can get wrong, all at once, then hold the conversation."""
    from voicelive.talk import talk

    plan = make_plan(target, settings, options, is_demo)
    settings.raise_problems()
    if code := talk(plan):
        raise typer.Exit(code)


def make_plan(target: "AgentTarget", settings: Settings, options: Options, is_demo: bool = False) -> "Plan":
    """What the settings and the options come to; what is wrong with the former is noted in `settings`.

    Raises VoiceLiveError (exit code 2) for a wrong option.
    """
    from voicelive.auth import find_service
    from voicelive.dial import Plan
    from voicelive.session import CLIENT_REFERENCE_SINCE, find_echo, read_overrides, session_update

    service = find_service(settings, target)
    echo = find_echo(settings)
    if echo == "client" and service.api_version < CLIENT_REFERENCE_SINCE:
        say(f"api-version {service.api_version} takes no echo reference of the client's: `server` it is.")
        echo = "server"
    overrides = read_overrides(options.session) if options.session else {}
    if options.input and options.output and same_file(options.input, options.output):
        raise VoiceLiveError("--input and --output name the same file.", "", EXIT_USAGE)
    if options.input and options.no_mic:
        raise VoiceLiveError("--input and --no-mic exclude each other.", "", EXIT_USAGE)
    return Plan(
        target=target,
        service=service,
        settings=settings,
        first_message=session_update(service.api_version, settings.get(VOICE), echo, overrides),
        log_dir=options.log_dir,
        input_file=options.input,
        output_file=options.output,
        input_device=options.input_device,
        output_device=options.output_device,
        types_only=options.no_mic,
        greets=options.greet,
        is_verbose=options.verbose,
        records=options.record,
        is_demo=is_demo,
    )


def same_file(one: Path, other: Path) -> bool:
    """Whether two paths lead to one file that exists."""
    with suppress(OSError):
        return one.samefile(other)
    return one == other
