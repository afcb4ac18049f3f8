"""The one place where the parts meet: logs, sound, service, keyboard, and the end of a run."""

import json
import logging
import os
import signal
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from voicelive import EXIT_USAGE, VoiceLiveError, failures
from voicelive.audio import Sink, Source
from voicelive.auth import Access, AgentTarget, Service, in_background, request_url, sign_in
from voicelive.call import Call
from voicelive.connection import Connection
from voicelive.conversation import Conversation
from voicelive.logs import Redactor, RunLogs, c_libraries_into
from voicelive.screen import Screen, shown
from voicelive.session import Message, user_may_interrupt
from voicelive.settings import Settings
from voicelive.soundcard import Microphone, Speaker, Watch
from voicelive.transcript import Transcript
from voicelive.wav import WavSink, WavSource

log = logging.getLogger(__name__)

SLICE_S = 0.25  # Windows before Python 3.14 does not deliver Ctrl-C to a longer wait
SWITCH_S = 0.0005  # for so long an audio callback waits for another thread, not for Python's 5 ms
LONGEST_LINE = 4096  # bytes that are typed without Enter
SAMPLE = Path(__file__).with_name("sample.wav")


@dataclass(frozen=True)
class Plan:
    """All that is decided before anything is opened."""

    target: AgentTarget
    service: Service
    settings: Settings
    first_message: Message  # session.update
    log_dir: Path
    input_file: Path | None = None
    output_file: Path | None = None
    input_device: str | None = None  # a number or a part of a name
    output_device: str | None = None
    is_demo: bool = False  # sound that is missing is replaced by a sample and a file


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
        look = f"To look at each part: python voicelive_agent.py check {plan.target.variant}"
        screen.note("\n".join([failures.in_words(failure), where, *([] if plan.is_demo else [look])]))
        return failure.exit_code


def _converse(plan: Plan, logs: RunLogs, screen: Screen, redact: Redactor, stack: ExitStack) -> None:
    """Open everything, each thing with its end on the stack, and wait until the conversation is over."""
    dial = Dialler(plan, redact.hide)
    transcript = Transcript(screen, logs.conversation, redact)
    stack.callback(transcript.close)
    for line in log_head(plan):
        transcript.head(line)
    screen.note(introduction(plan))
    source = open_source(plan, screen.note)
    stack.callback(source.close)
    sink = open_sink(plan, logs, screen.note)
    stack.callback(sink.close)
    screen.note(f"Microphone: {source.name}\nSpeaker: {sink.name}")
    screen.note(f"Logs: {shown(logs.conversation_path)}\n      {shown(logs.technical_path)}")
    interrupts, truncates = user_may_interrupt(plan.first_message), not plan.target.is_classic
    conversation = Conversation(
        sink, transcript, note=screen.note, interrupts=interrupts, truncates=truncates
    )
    call = Call(dial, plan.first_message, conversation, source, sink, screen.note)
    stack.callback(call.end)
    if streams := [part.stream for part in (source, sink) if isinstance(part, Microphone | Speaker)]:
        stack.callback(Watch(streams, screen.note).close)
    call.start()
    watch_keyboard(lambda line: call.over.set() if line == "q" else None)
    screen.note("q and Enter, or Ctrl-C, ends it.")
    wait_for_end(call, transcript, screen, dial, isinstance(source, Microphone))
    if isinstance(sink, WavSink) and sink.error:
        raise VoiceLiveError(f"{sink.name} is not complete: {sink.error}.")


class Dialler:
    """Connects to the service, each time with fresh tokens; the first ones are fetched right away."""

    def __init__(self, plan: Plan, hide: Callable[[str], None]) -> None:
        self.request_id = ""  # of the newest handshake, for the service's support
        self._plan = plan
        self._sign_in = partial(sign_in, plan.service, plan.target, plan.settings, hide)
        self._first = [in_background(self._sign_in)]

    def __call__(self, conversation_id: str) -> Connection:
        """A new connection; '' begins a new conversation. Blocks, and raises VoiceLiveError."""
        access = self._first.pop().result() if self._first else self._sign_in()
        self.request_id = str(uuid.uuid4())
        target = self._plan.target.going_on_with(conversation_id)
        return dial(self._plan.service, target, access, self.request_id)


def dial(service: Service, target: AgentTarget, access: Access, request_id: str) -> Connection:
    """Open one connection. Raises VoiceLiveError where the service is not reached or refuses."""
    headers = {**access.headers, "x-ms-client-request-id": request_id}
    return Connection(request_url(service, target, access), headers)


def wait_for_end(
    call: Call, transcript: Transcript, screen: Screen, dial: Dialler, has_microphone: bool
) -> None:
    """The main thread's part. Raises VoiceLiveError where the call failed."""
    started = time.monotonic()
    told_muted = False
    try:
        while not call.over.wait(SLICE_S):
            call.check()
            transcript.release_late()
            if call.is_muted and has_microphone and not told_muted:
                told_muted = True
                screen.note(failures.in_words(failures.silent_microphone()))
        call.check()
    except VoiceLiveError:
        if dial.request_id:
            screen.note(f"Request id: {dial.request_id}")
        raise
    finally:
        transcript.close()
        seconds = round(time.monotonic() - started)
        screen.note(f"Ended after {seconds // 60}:{seconds % 60:02}.")


def introduction(plan: Plan) -> str:
    """Who talks to whom, for the screen."""
    target, service = plan.target, plan.service
    lines = [
        f"{'Hub' if target.variant == 'hub' else 'Foundry'} project {target.project}, agent {target.agent}",
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


def watch_keyboard(on_line: Callable[[str], None]) -> None:
    """Call `on_line` for each line that is typed, on a daemon thread that ends with stdin.

    No input(): a thread that waits in it aborts the interpreter at exit.
    """

    def read() -> None:
        typed = b""
        with suppress(OSError, ValueError):  # stdin was closed
            while data := os.read(sys.stdin.fileno(), LONGEST_LINE):
                *lines, rest = (typed + data).split(b"\n")
                typed = rest[:LONGEST_LINE]
                for line in lines:
                    on_line(line.decode(errors="replace").strip())

    if sys.stdin is not None:  # else its number may belong to another file by now
        threading.Thread(target=read, name="keyboard", daemon=True).start()


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
