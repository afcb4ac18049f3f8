"""The one place where the parts meet: logs, sound, service, keyboard, and the end of a run."""

import json
import logging
import signal
import sys
from collections.abc import Callable
from contextlib import ExitStack, closing
from functools import partial
from itertools import repeat
from pathlib import Path

from voicelive import failures
from voicelive.app.console import Console
from voicelive.app.extras import extras
from voicelive.app.logs import RunLogs, c_libraries_into
from voicelive.app.options import Options, RunOptions
from voicelive.app.plan import Plan
from voicelive.app.screen import Screen
from voicelive.app.settings import API_KEY
from voicelive.app.terminal import is_terminal
from voicelive.app.waiting import wait_for_sound
from voicelive.audio import SILENCE, Source
from voicelive.auth import sign_in
from voicelive.conversation import Conversation
from voicelive.errors import EXIT_USAGE, VoiceLiveError
from voicelive.extras.echo import Reference
from voicelive.extras.hotplug import Watch
from voicelive.extras.recording import Recording
from voicelive.library import Connector
from voicelive.playback import Playback
from voicelive.reconnect import Link
from voicelive.session import wants_reference
from voicelive.soundcard import Microphone, Speaker
from voicelive.text import Redactor, printable, shown
from voicelive.toolcalls import RunFunction
from voicelive.transcript import Transcript
from voicelive.turns import Turns
from voicelive.wav import TimedSource, WavSink, WavSource

log = logging.getLogger(__name__)

SWITCH_S = 0.0005  # for so long an audio callback waits for another thread, not for Python's 5 ms


def talk(plan: Plan, options: RunOptions) -> int:
    """Hold one conversation, from the log files to the last line; the exit code.

    Raises VoiceLiveError only where the logs cannot be written; other failures are shown and logged.
    """
    sys.setswitchinterval(SWITCH_S)
    redact = Redactor()
    screen = Screen(redact)
    logs = RunLogs(options.log_dir, redact, screen.note)
    logs.keep(options.keep_logs)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # ends it as Ctrl-C does
    with logs.collecting(), c_libraries_into(logs.technical.write), closing(screen):
        if options.wait_for_sound:  # before signing in: a token does not last so long
            wait_for_sound(options, screen.note)
        access = partial(sign_in, plan.service, plan.target, plan.settings.get(API_KEY), redact.hide)
        connector = Connector(plan.service, plan.target, access)
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


def _converse(
    plan: Plan, options: RunOptions, logs: RunLogs, redact: Redactor, screen: Screen, connector: Connector
) -> None:
    """Open everything, each thing with its end on the stack, and wait until the conversation is over."""
    with ExitStack() as stack:
        logs.conversation.write(printable(log_head(plan)) + "\n")
        screen.note(introduction(plan))
        source = stack.enter_context(closing(open_source(options, screen.note)))
        sink = stack.enter_context(closing(open_sink(options, logs.path("speaker.wav"), screen.note)))
        files, recording = [logs.path("conversation.log"), logs.path("voicelive.log")], None
        if options.record:
            recording = Recording(logs.path("conversation"), redact, screen.note)
            stack.callback(recording.close)
            files += recording.paths
        where_files_are = "Logs: " + "\n      ".join(map(shown, files))
        screen.note(f"Microphone: {source.name}\nSpeaker: {sink.name}\n{where_files_are}")
        link = wire(plan, options, connector, screen, logs.conversation.write, source, sink, recording)
        link.conversation.id = plan.target.conversation_id
        streams = [part.stream for part in (source, sink) if isinstance(part, Microphone | Speaker)]
        stack.callback(Watch(streams, screen.note).close)
        screen.note("q and Enter, or Ctrl-C, ends it; ? and Enter lists the keys.")
        console = Console(link, screen, streams, options.no_mic)
        console.listen_to_keyboard(stack.callback)
        stack.callback(screen.note, where_files_are)
        console.hold()


def wire(
    plan: Plan,
    options: RunOptions,
    connect: Connector,
    screen: Screen,
    write_log: Callable[[str], None],
    source: Source,
    sink: Playback,
    recording: Recording | None,
) -> Link:
    """Put the parts of a conversation together; nothing moves before the link is started."""
    reference = Reference(sink) if recording or wants_reference(plan.first_message) else None
    turns = Turns(sink.account, recording.keep if recording else None)
    transcript = Transcript(screen, write_log, turns.write)
    is_current = not plan.target.is_classic
    conversation = Conversation(
        *(sink, transcript, turns, screen.note, plan.first_message, is_current),
        *(find_functions(screen.note), "ask"),
    )
    if options.greet:
        conversation.greet()
    invitation = "Type, and Enter." if options.no_mic else "Speak."
    link = Link(connect, conversation, source, invitation=invitation)
    link.uplink.reference, link.uplink.recording = reference, recording
    if options.verbose:
        link.show_event = lambda kind: screen.note(f"Received event: {kind}")
    return link


def find_functions(note: Callable[[str], None]) -> RunFunction | None:
    """What runs the functions that the agent calls, where an extra does. Raises VoiceLiveError."""
    return next(filter(None, (extra.functions(note) for extra in extras())), None)


def introduction(plan: Plan) -> str:
    """Who talks to whom, for the screen."""
    target, service = plan.target, plan.service
    lines = [
        f"{plan.kind.title} {target.project}, agent {target.agent}",
        f"Service: {service.host}, api-version {service.api_version}",
    ]
    if target.is_classic and not plan.options.sample:
        lines.append(
            "Agents by id are deprecated since 2026-08-31: make a current agent in the Foundry portal and "
            "name it with AI_FOUNDRY_AGENT_NAME."
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
        return TimedSource("none: type instead", repeat(SILENCE))
    if options.input:
        return WavSource(options.input)
    try:
        return Microphone(options.input_device)
    except VoiceLiveError as failure:
        if not options.sample or failure.exit_code == EXIT_USAGE:
            raise
        note(f"{failure.message} A recorded sample speaks in your place.")
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
            raise
        note(f"{failure.message} A file takes what you would hear.")
        return WavSink(instead)
