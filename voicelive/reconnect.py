"""The threads of one conversation, over as many connections as it takes."""

import logging
import math
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field

from voicelive import failures
from voicelive.audio import BYTES_A_SECOND, Source
from voicelive.connection import WAKE_S, Connection
from voicelive.conversation import Conversation
from voicelive.errors import VoiceLiveError
from voicelive.session import Message
from voicelive.uplink import Stage, Uplink, peak

log = logging.getLogger(__name__)

SESSION_TIMEOUT_S = 10.0
REFUSAL_S = 1.5  # after the session was refused, for what else the service says to it
NO_SPEECH_S = 10.0  # after the source's end, where the service noticed no speech in it
NO_ANSWER_S = 30.0  # after the source's end, where the service falls silent before it has answered
SETTLE_S = 1.5  # after the source's end, for the service to notice the last words
WORDS_S = 5.0  # after the last event, for a transcript that is still to come
JOIN_TIMEOUT_S = 0.25
SLICE_S = 0.25  # Windows before Python 3.14 does not deliver Ctrl-C to a longer wait

AT_THE_DOOR_S = 30.0  # for so long a service that asks to come back is asked again
RECONNECT_S = 120.0
SHORT_LIVED_S = 5.0
SHORT_LIVED_TIMES = 3  # so many in a row, and the conversation is given up
RENEW_S = 60.0  # before its end a session is renewed, in a quiet moment
RENEW_AT_LAST_S = 5.0  # ... or in any
GOODBYE_S = 1.0  # for the service to answer our close frame

LOST = "What you just said, and what you say until then, is lost."

NORMAL, POLICY_VIOLATION = 1000, 1008  # close codes (RFC 6455, 7.4.1)


@dataclass
class Link:
    """Holds one conversation, over one connection after the other; the source and the sink never notice.

    One thread (`reader`) connects, handles events, and looks every now and then whether something is due;
    the uplink's carries blocks from the source to the connection. Both end by `end()`; neither can hold up
    the end of the process.
    """

    connect: Callable[[str], Connection]
    """Takes the id of a conversation to go on with, '' for none. Blocks, and raises VoiceLiveError."""
    conversation: Conversation
    source: Source
    stages: Sequence[Stage] = ()  # between the source and the connection
    show_event: Callable[[str], None] = lambda kind: None  # gets the type of each event
    invitation: Callable[[], str] = lambda: "Speak."  # shown when it is time to
    over: threading.Event = field(default_factory=threading.Event)
    """Set by whoever finds that the conversation is over, or wants it to be."""

    def __post_init__(self) -> None:
        self.reconnects = 0
        self.failure: Exception | None = None  # what it failed of: VoiceLiveError, or a bug; before `over`
        self.uplink = Uplink(self.source, self.stages, self._send_block, self._is_time_to_speak, self.over)
        self._connection: Connection | None = None
        # The reader's alone:
        self._lasted_s = 0.0  # the newest connection that ended
        self._last_event_at = time.monotonic()
        self._short_lived = 0  # connections in a row that were lost as soon as they stood
        self._renewing = False  # we end the connection ourselves, to have a new one
        self._due_at = math.inf  # when the session is to stand, or the connection to be gone

    def start(self) -> None:
        """Begin to connect, and to listen as soon as there is a session. Never waits."""
        threading.Thread(target=self._read, name="reader", daemon=True).start()
        self.uplink.start()

    def hold(self, look: Callable[[], object] = bool) -> None:
        """Start, and stay until the conversation is over and all is written; `look` is called every SLICE_S.

        Raises what it failed of: VoiceLiveError, or a bug.
        """
        try:
            self.start()
            while not self.over.wait(SLICE_S):
                look()
        finally:
            self.end()
        if self.failure:
            raise self.failure

    def fail(self, failure: Exception) -> None:
        """The conversation is over, and that is why; from any thread."""
        self.failure = failure
        self.over.set()

    def end(self) -> None:
        """Close the connection, let both threads go, and close the books; takes about a second at most."""
        try:
            self.over.set()
            self.conversation.ready.set()  # the uplink may wait for it
            self.source.close()
            self.uplink.join(JOIN_TIMEOUT_S)
            if self._connection:
                self._connection.close()
        finally:  # also where it is interrupted
            self.conversation.transcript.close()
            self.conversation.turns.settle(is_all_heard=True, is_last=True)

    def _look_around(self, connection: Connection) -> None:
        """See whether something is due. Raises what the conversation fails of."""
        self._check_source()
        conversation, now = self.conversation, time.monotonic()
        is_all_heard = conversation.sink.wait_until_heard(0)
        conversation.transcript.release_late()
        conversation.turns.settle(is_all_heard)
        if not conversation.ready.is_set():
            if now > self._due_at:
                self._miss(connection)
        elif self.uplink.ended_at:
            self._check_rest(now, self.uplink.ended_at, is_all_heard)
        else:
            is_quiet = conversation.is_resting and is_all_heard
            left_s = 0.0 if conversation.has_expired else conversation.ends_at - now
            if left_s < (RENEW_S if is_quiet else RENEW_AT_LAST_S):
                self._renewing, self._due_at = True, now + GOODBYE_S
                conversation.pause()  # what is typed from now on waits for the next session
                connection.say_goodbye()

    def _miss(self, connection: Connection) -> None:
        """The service leaves us waiting: another connection is tried. Raises VoiceLiveError for the first."""
        self._due_at = math.inf
        if not self._renewing:
            failure = self.conversation.refusal or failures.no_session(SESSION_TIMEOUT_S)
            if self.conversation.refusal or not self.reconnects:
                raise failure
            self.conversation.note(failure.message)
        connection.cut()

    def _check_source(self) -> None:
        """Raises VoiceLiveError where the source has failed."""
        if self.uplink.failure:
            raise failures.source_failed(self.source.name, self.uplink.failure)

    def _check_rest(self, now: float, ended_at: float, is_all_heard: bool) -> None:
        """After the end of the source the conversation is over when all was said and heard."""
        if not self.conversation.heard_user:
            if now - ended_at > NO_SPEECH_S:
                raise VoiceLiveError(f"The service noticed no speech in {self.source.name}.")
        elif self.conversation.is_resting:
            words_may_come = self.conversation.transcript.awaits_words and now - self._last_event_at < WORDS_S
            if now - ended_at > SETTLE_S and is_all_heard and not words_may_come:
                self.over.set()
        elif now - max(ended_at, self._last_event_at) > NO_ANSWER_S:
            raise failures.no_answer(NO_ANSWER_S)

    def _read(self) -> None:
        """The reader: hold the conversation, whatever happens to its connections."""
        try:
            self._stay_connected()
        except Exception as failure:
            self.fail(failure)
        self.over.set()

    def _stay_connected(self) -> None:
        """One connection after the other, until the conversation is over. Raises VoiceLiveError."""
        while connection := self._next_connection():
            asked_for = self.conversation.id
            was_accepted = self._converse(connection)
            if self.over.is_set():
                return
            ended = failures.connection_ended(connection.close_code, connection.close_reason)
            is_forgotten = asked_for and not (self.conversation.id or was_accepted)  # once more without
            is_expected = self._renewing or self.conversation.has_expired or failures.is_expiry(ended)
            if connection.close_code in (NORMAL, POLICY_VIOLATION) and not (is_forgotten or is_expected):
                if connection.close_code != NORMAL or not was_accepted:
                    raise self.conversation.refusal or ended
                self.conversation.note(ended.message)
                return
            self._accept_loss(ended)
            self._renewing = False
            self.reconnects += 1

    def _accept_loss(self, ended: VoiceLiveError) -> None:
        """Tell that the connection is lost, and another tried for. Raises VoiceLiveError after too many."""
        is_short = self._lasted_s < SHORT_LIVED_S
        if self._renewing and not (is_short and self.conversation.has_expired):
            self._short_lived = 0
            self.conversation.note("The session is renewed.")
            return
        self._short_lived = self._short_lived + 1 if is_short else 0
        if self._short_lived == SHORT_LIVED_TIMES:
            raise failures.keeps_dropping(ended, self._short_lived)
        self.conversation.note(f"{ended.message} Trying again. {LOST}")

    def _next_connection(self) -> Connection | None:
        """A new connection, tried for again while the failure may pass; None when all is over.

        At first that is where the service asks to come back, later where it may heal by itself.
        """
        limit_s = RECONNECT_S if self.reconnects else AT_THE_DOOR_S
        give_up_at = time.monotonic() + limit_s
        pauses_s, pause_s = delays(), 0.0
        while not self.over.wait(pause_s):
            self._check_source()
            try:
                return self.connect(self.conversation.id)
            except VoiceLiveError as failure:
                log.info("no connection: %s", failure)
                heals = failure.passing if self.reconnects else failure.retry_after_s is not None
                next_s = max(next(pauses_s), failure.retry_after_s or 0.0)
                if not heals or time.monotonic() + next_s > give_up_at:
                    raise
                if not pause_s:
                    self.conversation.note(f"{failure.message} Trying again for {limit_s:.0f} s at most.")
                pause_s = next_s
        return None

    def _converse(self, connection: Connection) -> bool:
        """Ask for the session, and handle events until this connection ends; whether it was accepted."""
        self._connection = connection
        connected_at = time.monotonic()
        self._due_at = connected_at + SESSION_TIMEOUT_S
        if self.over.is_set():  # end() came while it was opened
            connection.cut()
        self.conversation.connect(connection.send)
        first_message = self.conversation.first_message
        connection.send(first_message)
        look_at = connected_at + WAKE_S
        with closing(connection.events()) as events:
            for event in events:  # until end() or _look_around() closes the connection, or the service does
                if event and not (self.over.is_set() or self._renewing):
                    self._handle(event)
                if self.conversation.first_message is not first_message:  # a part of it was refused
                    self._renewing = True
                    break
                if time.monotonic() >= look_at and not self.over.is_set():
                    self._look_around(connection)
                    look_at = time.monotonic() + WAKE_S
        was_accepted = self.conversation.ready.is_set()
        self._lasted_s = time.monotonic() - connected_at if was_accepted else 0.0
        if not self.over.is_set():
            self.conversation.pause()
        return was_accepted

    def _handle(self, event: Message) -> None:
        self._last_event_at = time.monotonic()
        try:
            self.conversation.handle(event)
        except VoiceLiveError:
            raise
        except Exception:
            log.exception("an event was left out")
        if self.conversation.refusal:
            self._due_at = min(self._due_at, self._last_event_at + REFUSAL_S)
        self.show_event(str(event.get("type")))

    def _is_time_to_speak(self) -> bool:
        """Wait for the session; False where all is over before there is one."""
        self.conversation.ready.wait()
        if not self.over.is_set():
            self.conversation.note(self.invitation())
        return not self.over.is_set()

    def _send_block(self, block: bytes) -> None:
        """What is said while there is no session is dropped: it would come too late."""
        if self._connection and self.conversation.ready.is_set():
            self._connection.send_audio(block)
            channels = self.conversation.offer.channels
            seconds = len(block) / BYTES_A_SECOND / channels
            captured_at = None if self.uplink.ended_at else getattr(self.source, "captured_at", None)
            ended_at = captured_at + seconds if captured_at else time.monotonic()
            self.conversation.turns.heard.add(seconds, ended_at, peak(block, channels))


def delays() -> Iterator[float]:
    """Seconds to wait before each further try: from 0.5 doubling to 8, each with some jitter."""
    delay_s = 0.5
    while True:
        yield delay_s * random.uniform(0.75, 1.0)
        delay_s = min(2 * delay_s, 8.0)
