"""From the command line to a conversation: options, settings, and what is said when that fails."""

import functools
import inspect
import os
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import fields
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, get_args

import typer

from voicelive import failures
from voicelive.app.options import ROOT, Options
from voicelive.app.settings import OF_EVERY_COMMAND, VOICE, Setting, Settings, read_env_file
from voicelive.errors import EXIT_FAILED, EXIT_USAGE, VoiceLiveError
from voicelive.service import AgentTarget
from voicelive.text import printable, without_secrets

if TYPE_CHECKING:  # imported late below, so that --help need not wait for numpy
    from voicelive.app.plan import Plan

FindTarget = Callable[[Settings], AgentTarget]


def takes(
    *settings: Setting, without: tuple[str, ...] = ()
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command, whose first parameter is `options: Options`, an option for each of these settings, for
    those OF_EVERY_COMMAND, and for each field of `Options` but those named by `without`.

    What fails is said in words, with the exit code that belongs to it.
    """
    flags = [*settings, *OF_EVERY_COMMAND]
    others = [field for field in fields(Options) if field.name not in ("flags", "is_demo", *without)]

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def wrapper(**given: Any) -> None:
            values = {flag.name: given.pop(flag.name) for flag in flags}
            shared = {other.name: given.pop(other.name) for other in others}
            with failures_told():
                command(Options(values, **shared), **given)

        own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]
        parameters = [p.replace(kind=p.KEYWORD_ONLY) for p in own]
        parameters += [_parameter(f.name, (str | None, f.help), None, f.default) for f in flags]
        parameters += [_parameter(o.name, get_args(o.type), o.default) for o in others]
        wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        return wrapper

    return decorate


def _parameter(name: str, about: tuple[Any, ...], default: Any, shown: str = "") -> inspect.Parameter:
    """An option; `about` is its kind and its help."""
    kind, help = about
    option = typer.Option("--" + name.replace("_", "-"), help=help, show_default=shown or False)
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, option]
    )


@contextmanager
def failures_told() -> Iterator[None]:
    """Around a command: VoiceLiveError and Ctrl-C become a line and an exit code, a bug its traceback."""
    for name, mode in ("stdin", "r"), ("stdout", "w"), ("stderr", "w"):
        if getattr(sys, name) is None:  # started without it
            setattr(sys, name, open(os.devnull, mode))  # noqa: PTH123, SIM115  until the process ends
        getattr(sys, name).reconfigure(errors="replace")  # a console that lacks a character shows "?"
    try:
        yield
    except (typer.Exit, typer.Abort):
        raise
    except VoiceLiveError as failure:
        say(failures.in_words(failure))
        raise typer.Exit(failure.exit_code) from None
    except KeyboardInterrupt:
        raise typer.Exit(int(os.environ.get("VOICELIVE_CTRL_C_EXIT", "130"))) from None  # make sets it
    except Exception:  # before there is a technical log
        say(f"{traceback.format_exc()}{failures.in_words(failures.bug())}")
        raise typer.Exit(EXIT_FAILED) from None
    finally:
        give_up_unread()
        leave_portaudio()


def give_up_unread() -> None:
    """Drop what nobody takes: Python would try again at its end, and exit with 120 for it."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:  # the reader has gone, or the disk is full
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def leave_portaudio() -> None:
    """End the process at once where PortAudio waits for a sound server that hangs: at Python's end it
    would again."""
    if any(thread.name.startswith("sound-") for thread in threading.enumerate()):
        ending = sys.exc_info()[1]
        os._exit(getattr(ending, "exit_code", getattr(ending, "code", EXIT_FAILED)) if ending else 0)


def say(text: str) -> None:
    """One line on stderr: everything that is shown outside a conversation."""
    with suppress(OSError):  # nobody reads
        print(printable(without_secrets(text)), file=sys.stderr)


def find_settings(options: Options) -> Settings:
    """The settings of a run: flags, shell and .env; in the demo the flags alone."""
    if options.is_demo:
        return Settings(options.flags, {}, {})
    return Settings(options.flags, os.environ, read_env_file(ROOT / ".env"))


def start(find_target: FindTarget, options: Options) -> NoReturn:
    """Check everything that a person can get wrong, all at once, then hold the conversation, and exit."""
    from voicelive.app.run import talk

    plan = make_plan(find_target, options)
    plan.settings.raise_problems()
    raise typer.Exit(talk(plan))


def make_plan(find_target: FindTarget, options: Options) -> "Plan":
    """What the settings and the options come to; what is wrong with the former is noted in them.

    Raises VoiceLiveError (exit code 2) for a wrong option.
    """
    from voicelive.app.plan import Plan, find_echo, find_service, read_overrides
    from voicelive.session import CLIENT_REFERENCE_SINCE, session_update

    settings = find_settings(options)
    target = find_target(settings)
    service = find_service(settings, target)
    echo = find_echo(settings)
    if echo == "client" and service.api_version < CLIENT_REFERENCE_SINCE:
        say(f"api-version {service.api_version} takes no echo reference of the client's: `server` it is.")
        echo = "server"
    overrides = read_overrides(options.session) if options.session else {}
    with suppress(OSError):  # one that does not exist is not the other
        if options.input and options.output and options.input.samefile(options.output):
            raise VoiceLiveError("--input and --output name the same file.", "", EXIT_USAGE)
    if options.input and options.no_mic:
        raise VoiceLiveError("--input and --no-mic exclude each other.", "", EXIT_USAGE)
    first_message = session_update(service.api_version, settings.get(VOICE), echo, overrides)
    return Plan(target, service, settings, options, first_message)
