"""The one place where the parts meet: logs, sound, service, keyboard, and the end of a run."""

import json
import logging
import signal
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, closing
from functools import partial
from itertools import chain, repeat
from pathlib import Path

from voicelive import failures
from voicelive.app.console import Console
from voicelive.app.extras import Part, Run, extras
from voicelive.app.logs import RunLogs, c_libraries_into
from voicelive.app.options import Options, RunOptions
from voicelive.app.plan import Plan
from voicelive.app.played import Played
from voicelive.app.screen import Screen
from voicelive.app.terminal import is_terminal
from voicelive.app.waiting import wait_for_sound
from voicelive.audio import SILENCE, Source
from voicelive.auth import Access
from voicelive.conversation import Conversation
from voicelive.errors import EXIT_USAGE, VoiceLiveError
from voicelive.library import Connector
from voicelive.playback import Playback, kept
from voicelive.reconnect import Link
from voicelive.soundcard import Microphone, Speaker
from voicelive.text import Redactor, in_one_line, printable, shown
from voicelive.transcript import Transcript
from voicelive.turns import Turn, Turns
from voicelive.uplink import Meter, Mute, Stage, only_while
from voicelive.wav import TimedSource, WavSink, WavSource

log = logging.getLogger(__name__)

MOST_KINDS = 32  # of deltas that are counted before they are shown
WITHOUT_SOUND = (
    "`--input FILE.wav` and `--output FILE.wav` take the place of microphone and speaker; "
    "with `--no-mic` you type."
)


def talk(
    plan: Plan,
    options: RunOptions,
    redact: Redactor,
    access: Callable[[], Access],
    first: Future[Access] | None = None,
) -> int:
    """Hold one conversation, from the log files to the last line; the exit code.

    `access` signs in, and tells `redact` what to hide; `first` is the same, begun already.

    Raises VoiceLiveError only where the logs cannot be written; other failures are shown and logged.
    """
    screen = Screen(redact)
    logs = RunLogs(options.log_dir, redact, screen.note)
    logs.keep(options.keep_logs)
    end_by_signals()
    with logs.collecting(), c_libraries_into(logs.technical.write), closing(screen):
        if options.wait_for_sound:
            wait_for_sound(options, screen.note)
        connector = Connector(plan.service, plan.target, access, plan.offer, first, screen.note)
        try:
            _converse(plan, options, logs, redact, screen, connector)
            return 0
        except Exception as error:
            log.exception("failed")
            failure = error if isinstance(error, VoiceLiveError) else failures.bug()
        screen.note(failures.in_words(failure))
        if connector.request_id:
            screen.note(f"Request id: {connector.request_id}")
        screen.note(f"Technical log: {shown(logs.path('voicelive.log'))}")
        for line in (extra.look_closer(plan.kind, options) for extra in extras()):
            if line and not options.sample:
                screen.note(line)
        return failure.exit_code


def end_by_signals() -> None:
    """SIGTERM, and SIGHUP of a terminal that is closed, end a run as Ctrl-C does, unless they are ignored
    (nohup)."""
    for name in ("SIGTERM", "SIGHUP"):  # Windows has no SIGHUP
        number = getattr(signal, name, None)
        if number and signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, lambda number, _: sys.exit(128 + number))


def _converse(
    plan: Plan, options: RunOptions, logs: RunLogs, redact: Redactor, screen: Screen, connector: Connector
) -> None:
    """Open everything, each thing with its end on the stack, and wait until the conversation is over."""
    with ExitStack() as stack:
        aside = screen.note if options.verbose else log.info
        logs.conversation.write(printable(log_head(plan)) + "\n")
        screen.note(introduction(plan))
        aside(f"api-version {plan.service.api_version}")
        heard = logs.path("speaker.wav")  # in the demo, where there is no speaker
        source, sink = open_sound(options, heard, screen.note, stack)
        streams = [part.stream for part in (source, sink) if isinstance(part, Microphone | Speaker)]
        run = Run(options, plan.offer, sink, streams, logs.path, redact, screen.note)
        parts = [stack.enter_context(closing(extra.join(run))) for extra in extras()]
        files = [logs.path("conversation.log"), logs.path("voicelive.log"), *chain(*(p.files for p in parts))]
        files += [heard] if heard.exists() else []
        where_files_are = "\n  ".join(["Files:", *map(shown, files)])
        aside(where_files_are)
        conversation = new_conversation(plan, options, screen, logs.conversation.write, sink, parts)
        meter, muting = Meter(), Mute(options.muted)
        stages: list[Stage] = [meter, muting, *beside_what_is_played(source, sink, parts)]
        stages += while_talking(conversation)
        make_prompt = next((part.make_prompt for part in parts if part.make_prompt), None)
        invitation = partial(how_to_begin, conversation, options.no_mic, muting, bool(make_prompt))
        show_event = Events(screen.note).show if options.verbose else lambda kind: None
        link = Link(connector, conversation, source, stages, show_event, invitation)
        if options.greet:
            conversation.greet()
        screen.note("To end: q and Enter, or Ctrl-C. For the keys: ? and Enter.")
        console = Console(link, screen, meter, muting, streams, options.no_mic, make_prompt)
        console.listen_to_keyboard(stack.callback)
        stack.callback(lambda: screen.note(where_files_are) if conversation.sessions else None)
        console.hold()


def open_sound(
    options: Options, instead: Path, note: Callable[[str], None], stack: ExitStack
) -> tuple[Source, Playback]:
    """Open both until the end of the stack, and tell which they are, or what takes their place.

    Raises VoiceLiveError.
    """
    missing: list[str] = []
    source = stack.enter_context(closing(open_source(options, missing.append)))
    note(missing.pop() if missing else f"Microphone: {source.name}")
    sink = stack.enter_context(kept(open_sink(options, instead, missing.append), note))
    note(missing.pop() if missing else f"Speaker: {sink.name}")
    return source, sink


def beside_what_is_played(source: Source, sink: Playback, parts: Sequence[Part]) -> list[Stage]:
    """The stages that the extras add: none, or one that tells them what was played, and theirs."""
    of_extras = [part.beside for part in parts if part.beside]
    if not of_extras:
        return []
    played = Played(sink, source)
    return [played, *(beside(played) for beside in of_extras)]


def new_conversation(
    plan: Plan,
    options: RunOptions,
    screen: Screen,
    write_log: Callable[[str], None],
    sink: Playback,
    parts: Sequence[Part],
) -> Conversation:
    """The conversation, its account of the turns, and what it does to speaker, screen and log."""

    def keep(turn: Turn) -> None:
        for part in parts:
            part.keep(turn)

    turns = Turns(sink.account, keep)
    transcript = Transcript(screen, write_log, turns.write)
    return Conversation(
        *(sink, transcript, turns, screen.note, plan.first_message),
        is_current=not plan.target.is_classic,
        run_function=next((part.run_function for part in parts if part.run_function), None),
        approve=options.approve,
        offer=plan.offer,
        id=plan.target.conversation_id,
        aside=screen.note if options.verbose else log.info,
    )


def while_talking(conversation: Conversation) -> list[Stage]:
    """Nothing, or for push to talk the stage that only passes the sound of a turn.

    All does, where the service has refused to do without its own turn detection.
    """
    if not conversation.pushes_to_talk:
        return []
    return [only_while(lambda: conversation.talks or not conversation.pushes_to_talk, conversation.end_turn)]


def how_to_begin(conversation: Conversation, types_only: bool, muting: Mute, is_live: bool) -> str:
    """What a person is to do, once the session stands."""
    if types_only:
        return "Type, and press Enter."
    if muting.on:
        return "You are muted. Type m, then Enter, to speak."
    if conversation.pushes_to_talk:
        key = "the space bar" if is_live else "Enter"
        return f"Press {key}, speak, and press {key} again."
    return "Speak."


class Events:
    """Shows the name of each event; of deltas, until another event comes, how many there were of a kind."""

    def __init__(self, note: Callable[[str], None]) -> None:
        self._note = note
        self._deltas: dict[str, int] = {}  # by kind

    def show(self, kind: str) -> None:
        """The next event."""
        kind = in_one_line(kind)
        if kind.endswith(".delta") and len(self._deltas) < MOST_KINDS:
            self._deltas[kind] = self._deltas.get(kind, 0) + 1
            return
        for delta, count in self._deltas.items():
            many = f" \u00d7{count}" if count > 1 else ""
            self._note(f"Received event: {delta}{many}")
        self._deltas.clear()
        self._note(f"Received event: {kind}")


def introduction(plan: Plan) -> str:
    """Who talks to whom, for the screen."""
    target = plan.target
    lines = [f"{plan.kind.title} {target.project}, agent {target.agent}, at {plan.service.host}"]
    if target.is_classic and not plan.options.sample:
        lines.append(
            "Agents by id have been deprecated since 2026-08-31: make a current agent in the Foundry "
            "portal, and name it with AI_FOUNDRY_AGENT_NAME."
        )
    return "\n".join(lines)


def log_head(plan: Plan) -> str:
    """The first lines of the conversation log."""
    lines = [
        "Agent Session Log:",
        f"Using agent: {plan.target.agent}",
        f"{plan.kind.log_title}: {plan.target.project}",
        f"Session Config: {json.dumps(plan.first_message)}",
    ]
    return "\n".join(lines)


def open_source(options: Options, note: Callable[[str], None] = log.info) -> Source:
    """The file that was named, or the microphone; in the demo the sample where there is none.

    Raises VoiceLiveError.
    """
    if options.no_mic:
        return TimedSource("none (--no-mic)", repeat(SILENCE))
    if options.input:
        return WavSource(options.input, channel=options.input_channel)
    try:
        return Microphone(options.input_device, options.input_channel)
    except VoiceLiveError as failure:
        if not options.sample or failure.exit_code == EXIT_USAGE:
            name_files(failure)
            raise
        note(f"{failure.message} A recorded sample speaks for you.")
        return WavSource(options.sample, then=repeat(SILENCE) if is_terminal(sys.stdin) else ())


def open_sink(options: Options, instead: Path, note: Callable[[str], None] = log.info) -> Playback:
    """The file that was named, or the speaker; in the demo the file `instead` where there is none.

    Raises VoiceLiveError.
    """
    if options.output:
        return WavSink(options.output)
    try:
        return Speaker(options.output_device)
    except VoiceLiveError as failure:
        if not options.sample or failure.exit_code == EXIT_USAGE:
            name_files(failure)
            raise
        note(f"{failure.message} The agent's sound goes to a file.")
        return WavSink(instead, is_new=True)


def name_files(failure: VoiceLiveError) -> None:
    """Add to the failure of a sound card what can take its place, unless a wrong card was named."""
    if failure.exit_code != EXIT_USAGE:
        failure.remedy += f" {WITHOUT_SOUND}"
