"""The one place where the parts meet: logs, sound, service, keyboard, and the end of a run."""

import json
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from voicelive import EXIT_USAGE, VoiceLiveError, failures
from voicelive.audio import Playback, Sink, Source
from voicelive.call import Call
from voicelive.conversation import Conversation
from voicelive.dial import Dialler, Plan
from voicelive.echo import Reference
from voicelive.host import Host
from voicelive.logs import Redactor, RunLogs, c_libraries_into
from voicelive.recording import Recording
from voicelive.screen import Screen, shown
from voicelive.session import Message, user_may_interrupt, wants_reference, without_reference
from voicelive.soundcard import Microphone, Speaker, Watch
from voicelive.terminal import is_live
from voicelive.transcript import Transcript
from voicelive.turns import Turns
from voicelive.wav import Silence, TimedSink, WavSink, WavSource

log = logging.getLogger(__name__)

SWITCH_S = 0.0005  # for so long an audio callback waits for another thread, not for Python's 5 ms
KINDS = {"project": "Foundry project", "hub": "Hub project"}  # by variant
SAMPLE = Path(__file__).with_name("sample.wav")


def talk(plan: Plan) -> int:
    """Hold one conversation, from the log files to the last line; the exit code.

    Raises VoiceLiveError only where the logs cannot be written; other failures are shown and logged.
    """
    sys.setswitchinterval(SWITCH_S)
    redact = Redactor()
    logs = RunLogs(plan.log_dir, redact)
    with logs.recording(), c_libraries_into(logs.technical), sigterm_as_exit():
        screen = Screen(redact)
        try:
            with ExitStack() as stack:
                _converse(plan, logs, screen, redact, stack)
        except VoiceLiveError as error:
            failure = error
            log.info("failed", exc_info=True)
        except Exception:
            log.exception("failed")
            failure = failures.bug()
        else:
            return 0
        where = f"Technical log: {shown(logs.technical_path)}"
        lines = [failures.in_words(failure), where]
        if plan.target.variant in KINDS and not plan.is_demo:
            check = f"{shown(Path(sys.executable))} voicelive_agent.py check {plan.target.variant}"
            lines.append(f"To look at each part: {check}")
        screen.note("\n".join(lines))
        return failure.exit_code


def _converse(plan: Plan, logs: RunLogs, screen: Screen, redact: Redactor, stack: ExitStack) -> None:
    """Open everything, each thing with its end on the stack, and wait until the conversation is over."""
    dialler = Dialler(plan, redact.hide)
    transcript = Transcript(screen, logs.conversation, redact)
    stack.callback(transcript.close)
    for line in log_head(plan):
        transcript.head(line)
    screen.note(introduction(plan))
    source = stack.enter_context(closing(open_source(plan, screen.note)))
    sink = stack.enter_context(closing(open_sink(plan, logs, screen.note)))
    screen.note(f"Microphone: {source.name}\nSpeaker: {sink.name}")
    recording = None
    if plan.records:
        recording = Recording(logs.conversation_path.with_suffix(""), redact, screen.note)
        stack.callback(recording.close)
    screen.note(where_files_are(logs, recording))
    first_message, reference = reference_for(plan, sink)
    turns = Turns(sink.account, recording.keep if recording else None)
    stack.callback(turns.settle, is_all_heard=True)
    transcript.on_line = turns.write
    conversation = Conversation(
        *(sink, transcript, turns),
        note=screen.note,
        interrupts=user_may_interrupt(first_message),
        is_current=not plan.target.is_classic,
    )
    if plan.greets:
        conversation.greet()
    call = Call(
        *(dialler, first_message, conversation, source, sink, screen.note),
        show_event=(lambda kind: screen.note(f"Received event: {kind}")) if plan.is_verbose else None,
        invitation="Type, and Enter." if plan.types_only else "Speak.",
        reference=reference,
        recording=recording,
    )
    stack.callback(call.end)
    streams = [part.stream for part in (source, sink) if isinstance(part, Microphone | Speaker)]
    if streams:
        stack.callback(Watch(streams, screen.note).close)
    screen.note("q and Enter, or Ctrl-C, ends it; ? and Enter lists the keys.")
    call.start()
    host = Host(call, conversation, transcript, turns, source, sink, streams, screen, plan.types_only)
    stack.callback(host.listen_to_keyboard(is_live(os.environ)))
    try:
        host.wait()
    except VoiceLiveError:
        if dialler.request_id:
            screen.note(f"Request id: {dialler.request_id}")
        raise
    finally:
        transcript.close()
        turns.settle(is_all_heard=True)
        screen.note(f"{host.summary()}\n{where_files_are(logs, recording)}")
    if isinstance(sink, TimedSink) and sink.error:
        raise VoiceLiveError(f"{sink.name} is not complete: {sink.error}.")


def reference_for(plan: Plan, sink: Sink) -> tuple[Message, Reference | None]:
    """The session to ask for, and what was played, where the run has a use for it."""
    if not isinstance(sink, Playback):  # a sink that keeps no account of when it played what
        return without_reference(plan.first_message), None
    is_needed = plan.records or wants_reference(plan.first_message)
    return plan.first_message, Reference(sink) if is_needed else None


def where_files_are(logs: RunLogs, recording: Recording | None) -> str:
    """The files of the run, a line each."""
    paths = [logs.conversation_path, logs.technical_path, *(recording.paths if recording else ())]
    return "Logs: " + "\n      ".join(shown(path) for path in paths)


def introduction(plan: Plan) -> str:
    """Who talks to whom, for the screen."""
    target, service = plan.target, plan.service
    lines = [
        f"{KINDS.get(target.variant, target.variant)} {target.project}, agent {target.agent}",
        f"Service: {service.host}, api-version {service.api_version}",
    ]
    if target.is_classic and not plan.is_demo:
        lines.append(
            "Agents by id are deprecated since 2026-08-31: make a current agent in the Foundry portal and "
            "name it with AI_FOUNDRY_AGENT_NAME."
        )
    return "\n".join(lines)


def log_head(plan: Plan) -> list[str]:
    """The first lines of the conversation log."""
    project = "Hub project" if plan.target.variant == "hub" else "Project name"
    return [
        "Agent Session Log:",
        f"Using agent: {plan.target.agent}",
        f"{project}: {plan.target.project}",
        f"Session Config: {json.dumps(plan.first_message)}",
    ]


def open_source(plan: Plan, note: Callable[[str], None]) -> Source:
    """The file that was named, or the microphone; in the demo the sample where there is none."""
    if plan.types_only:
        return Silence()
    if plan.input_file:
        return WavSource(plan.input_file)
    try:
        return Microphone(plan.input_device)
    except VoiceLiveError as failure:
        if not plan.is_demo or failure.exit_code == EXIT_USAGE:
            raise
        note(f"{failure.message} A recorded sample speaks in your place.")
        return WavSource(SAMPLE)


def open_sink(plan: Plan, logs: RunLogs, note: Callable[[str], None]) -> Sink:
    """The file that was named, or the speaker; in the demo a file beside the logs where there is none."""
    if plan.output_file:
        return WavSink(plan.output_file)
    try:
        return Speaker(plan.output_device)
    except VoiceLiveError as failure:
        if not plan.is_demo or failure.exit_code == EXIT_USAGE:
            raise
        note(f"{failure.message} A file takes what you would hear.")
        return WavSink(logs.technical_path.with_name(f"{logs.stamp}_speaker.wav"))


@contextmanager
def sigterm_as_exit() -> Iterator[None]:
    """Let SIGTERM end the run as Ctrl-C does, with exit code 143."""

    def leave(*_: object) -> None:
        sys.exit(128 + signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
