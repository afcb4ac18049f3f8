"""From the command line to a conversation: options, settings, and what is said when that fails."""

import _thread
import functools
import inspect
import logging
import os
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import fields
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn, get_args, get_origin

import typer

from voicelive import failures
from voicelive.app.extras import echo_kinds, extras
from voicelive.app.kinds import AgentKind
from voicelive.app.options import IS_INSTALLED, ROOT, Options, RunOptions
from voicelive.app.settings import (
    API_KEY,
    ECHO_CANCELLATION,
    LANGUAGE,
    OF_EVERY_COMMAND,
    VOICE,
    Setting,
    Settings,
    is_read_by_others,
    read_env_file,
)
from voicelive.app.terminal import fitted
from voicelive.auth import Credential, in_background, prepare, sign_in
from voicelive.errors import EXIT_FAILED, EXIT_USAGE, VoiceLiveError
from voicelive.service import AgentTarget, Service
from voicelive.text import Redactor, printable, quoted, shown, without_secrets

if TYPE_CHECKING:  # imported late below, so that --help need not wait for numpy
    from voicelive.app.plan import Plan

log = logging.getLogger(__name__)

SWITCH_S = 0.0005  # for so long an audio callback waits for another thread, not for Python's 5 ms
ONCE_MORE_S = 0.05  # after a Ctrl-C that nobody could catch


def takes(*kinds: AgentKind, by_name: bool = True) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command, `command(options, kind)`, an option for each setting OF_EVERY_COMMAND, for each field
    with a help of the class of its `options`, for each setting of the `kinds` (`by_name`), and an argument
    that picks one of them.

    What fails is said in words, with the exit code that belongs to it.
    """
    named = [setting for kind in kinds for setting in kind.settings] if by_name else []
    flags = [*dict.fromkeys(named), *OF_EVERY_COMMAND]

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        options, _, *own = inspect.signature(command, eval_str=True).parameters.values()
        of_options = options.annotation
        others = [field for field in fields(of_options) if get_origin(field.type) is Annotated]
        added = [one for extra in extras() for one in extra.options] if of_options is RunOptions else []

        @functools.wraps(command)
        def wrapper(variant: str = kinds[0].name, **given: Any) -> None:
            kind = next(kind for kind in kinds if kind.name == variant)
            values = {flag.name: given.pop(flag.name) for flag in flags}
            shared = {other.name: given.pop(other.name) for other in others}
            if added:
                shared["of_extras"] = {name: given.pop(name) for name, *_ in added}
            with failures_told():
                command(of_options(values, **shared), kind, **given)

        parameters = [_variant(kinds)] if len(kinds) > 1 else []
        parameters += [p.replace(kind=p.KEYWORD_ONLY) for p in own]
        parameters += [_parameter(f.name, (str | None, help_of(f)), None) for f in flags]
        parameters += [_parameter(o.name, get_args(o.type), o.default) for o in others]
        parameters += [_parameter(name, (kind, help), default) for name, kind, help, default in added]
        wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        return wrapper

    return decorate


def help_of(setting: Setting) -> str:
    """The help of its option."""
    if setting == ECHO_CANCELLATION:
        return f"{setting.help}{', '.join(echo_kinds())}. Default: {setting.default}."
    return f"{setting.help} Default: {setting.default}." if setting.default else setting.help


def _variant(kinds: Sequence[AgentKind]) -> inspect.Parameter:
    """The argument that names one of the kinds, the first unless it is given."""
    literal: Any = Literal
    names = literal[tuple(kind.name for kind in kinds)]
    about: Any = Annotated[names, typer.Argument(help="The kind of project.")]
    return inspect.Parameter(
        "variant", inspect.Parameter.KEYWORD_ONLY, default=kinds[0].name, annotation=about
    )


def _parameter(name: str, about: tuple[Any, ...], default: Any) -> inspect.Parameter:
    """An option; `about` is its kind and its help."""
    kind, help = about
    option = typer.Option("--" + name.replace("_", "-"), help=help, show_default=False)
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
    hook, sys.unraisablehook = sys.unraisablehook, log_unraisable
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
        with suppress(MemoryError):  # which would have Python write a traceback that hides nothing
            say(f"{traceback.format_exc()}{failures.in_words(failures.bug())}")
        raise typer.Exit(EXIT_FAILED) from None
    finally:
        sys.unraisablehook = hook
        give_up_unread()
        leave_portaudio()


def log_unraisable(failure: "sys.UnraisableHookArgs") -> None:
    """What is raised where nobody can catch it belongs to the technical log; a Ctrl-C that came there, in an
    import, say, comes once more."""
    if isinstance(failure.exc_value, KeyboardInterrupt):
        threading.Timer(ONCE_MORE_S, _thread.interrupt_main).start()  # here it would be ignored again
    else:
        log.error("ignored in %r", failure.object, exc_info=failure.exc_value)


def give_up_unread() -> None:
    """Drop what cannot be written: Python would try again at its end, and exit with 120."""
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
    """A line on stderr, in rows on a terminal: everything that is shown outside a conversation."""
    with suppress(OSError):  # nobody reads
        print(fitted(printable(without_secrets(text)), sys.stderr), file=sys.stderr)


def find_settings(options: Options) -> Settings:
    """The settings of a run: flags, shell and .env; in the demo the flags alone."""
    if options.sample:
        return Settings(options.flags, {}, {})
    settings = Settings(options.flags, dict(os.environ), read_env_file(ROOT / ".env"))
    settings.pass_on(os.environ)
    return settings


def new_app(help: str | None) -> typer.Typer:
    """A program without commands so far."""
    return typer.Typer(
        help=help, add_completion=IS_INSTALLED, pretty_exceptions_enable=False, rich_markup_mode=None
    )


def add_kind(app: typer.Typer, kind: AgentKind) -> typer.Typer:
    """Add the command that talks to an agent of this kind; the app."""

    def talk(options: RunOptions, kind: AgentKind) -> None:
        start(kind, options)

    app.command(kind.name, help=kind.help)(takes(kind)(talk))
    return app


def start(kind: AgentKind, options: RunOptions) -> NoReturn:
    """Check everything that a person can get wrong, all at once, then hold the conversation, and exit."""
    plan = make_plan(kind, options)
    plan.settings.raise_problems(None if options.sample else hints(kind))
    sys.setswitchinterval(SWITCH_S)
    redact = Redactor()
    access = partial(
        sign_in, plan.service, plan.target, plan.settings.get(API_KEY), redact.hide, Credential()
    )
    first = None
    if not options.wait_for_sound:  # a token does not last so long
        prepare(plan.service)
        first = in_background(access)
    from voicelive.app.run import talk  # while somebody else looks for the token

    raise typer.Exit(talk(plan, options, redact, access, first))


def hints(kind: AgentKind) -> list[str]:
    """Where to turn to when settings are missing."""
    return [hint for extra in extras() if (hint := extra.hint(kind))]


def make_plan(kind: AgentKind, options: Options) -> "Plan":
    """What the settings and the options come to; what is wrong with the former is noted in them.

    Raises VoiceLiveError (exit code 2) for a wrong option.
    """
    from voicelive.app.plan import Plan, find_offer, find_service

    settings = find_settings(options)
    target = kind.find_target(settings)
    service = find_service(settings, target)
    settings.look_for_misspelt()
    settings.find(API_KEY)  # reported with the others if it cannot be a key
    first_message = find_session(settings, options, service, target)
    with suppress(OSError):  # one that does not exist is not the other
        if options.input and options.output and options.input.samefile(options.output):
            raise VoiceLiveError("--input and --output name the same file.", "", EXIT_USAGE)
    if options.input and options.no_mic:
        raise VoiceLiveError("--input and --no-mic exclude each other.", "", EXIT_USAGE)
    if options.push_to_talk and options.no_mic:
        raise VoiceLiveError("--push-to-talk and --no-mic exclude each other.", "", EXIT_USAGE)
    if not options.sample and is_read_by_others(ROOT / ".env"):
        env_file = shown(ROOT / ".env")
        say(f"Others on this machine may read {env_file}: `{quoted('chmod', '600', env_file)}`.")
    return Plan(kind, target, service, settings, options, first_message, find_offer(first_message))


def find_session(
    settings: Settings, options: Options, service: Service, target: AgentTarget
) -> dict[str, Any]:
    """The session.update; what its api-version, or the voice, cannot do is said, and left out.

    Raises VoiceLiveError (exit code 2) if the file has no session fields.
    """
    from voicelive.app.plan import find_echo, read_overrides
    from voicelive.session import INTERIM_SINCE, PUSH_TO_TALK, session_update, speaks

    version, interim = service.api_version, options.interim
    if interim and version < INTERIM_SINCE:
        say(f"api-version {version} has no interim responses: --interim has no effect.")
        interim = False
    voice, echo = settings.get(VOICE), find_echo(settings, version)
    languages = list(filter(None, settings.get(LANGUAGE).split(",")))
    if not speaks(voice, languages):
        others = "multilingual and HD voices do (--voice)"
        say(f"The voice {voice} may not speak {', '.join(languages)}: {others}.")
    fields = read_overrides(options.session) if options.session else {}
    for extra in extras():
        fields = {**extra.session_fields(target), **fields}
    if options.push_to_talk:
        fields = {**fields, **PUSH_TO_TALK}
    from_agent = options.session_from == "agent"
    return session_update(
        version, voice, echo, fields, languages=languages, interim=interim, from_agent=from_agent
    )
