"""The threads of one conversation, over as many connections as it takes."""

import logging
import math
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass

from voicelive import failures
from voicelive.audio import Source
from voicelive.connection import Connection
from voicelive.conversation import Conversation
from voicelive.errors import VoiceLiveError
from voicelive.session import Message, wants_reference
from voicelive.uplink import Uplink

log = logging.getLogger(__name__)

SESSION_TIMEOUT_S = 10.0
NO_SPEECH_S = 10.0  # after the source's end, where the service noticed no speech in it
NO_ANSWER_S = 30.0  # after the source's end, where the service falls silent before it has answered
SETTLE_S = 1.5  # after the source's end, for the service to notice the last words
WORDS_S = 5.0  # after the last event, for a transcript that is still to come
JOIN_TIMEOUT_S = 0.25

AT_THE_DOOR_S = 30.0  # for so long a service that asks to come back is asked again
RECONNECT_S = 120.0
SHORT_LIVED_S = 5.0
SHORT_LIVED_TIMES = 3  # so many in a row, and the conversation is given up
RENEW_S = 60.0  # before its end a session is renewed, in a quiet moment
RENEW_AT_LAST_S = 5.0  # ... or in any

LOST = "What was just said, and is said until then, is lost."

NORMAL, POLICY_VIOLATION = 1000, 1008  # close codes (RFC 6455, 7.4.1)


@dataclass
class Call:
    """One conversation on the line.

    One thread connects and handles events (`reader`), the uplink's carries blocks from the source to the
    connection. Both end by `end()`; neither can hold up the end of the process. A connection
    that is lost is replaced by another; the source and the sink never notice.
    """

    connect: Callable[[str, Message], Connection]
    """Takes the id of a conversation to go on with ('' for none) and the session.update that is sent
    as soon as it returns. Blocks, and raises VoiceLiveError."""
    conversation: Conversation
    source: Source
    show_event: Callable[[str], None] = lambda kind: None  # gets the type of each event
    invitation: str = "Speak."  # shown when it is time to

    def __post_init__(self) -> None:
        self.reconnects = 0
        self.over = threading.Event()  # set by whoever finds that the conversation is over
        self.uplink = Uplink(self.source, self._send_block, self._is_time_to_speak, self.over)
        self._connection: Connection | None = None
        self._failure: Exception | None = None  # the reader's, for check()
        self._connected_at = math.inf  # while there is no connection
        self._lasted_s = 0.0  # the newest connection that ended
        self._last_event_at = time.monotonic()
        self._short_lived = 0  # connections in a row that were lost as soon as they stood
        self._renewing = False  # we ended the connection ourselves, to have a new one

    def start(self) -> None:
        """Begin to connect, and to listen as soon as there is a session. Never waits."""
        threading.Thread(target=self._read, name="reader", daemon=True).start()
        self.uplink.start()

    def end(self) -> None:
        """Close the connection and let both threads go; takes about a second at most."""
        self.over.set()
        self.conversation.ready.set()  # the uplink may wait for it
        self.source.close()
        self.uplink.join(JOIN_TIMEOUT_S)
        if self._connection:
            self._connection.close()

    def check(self) -> None:
        """Look whether something is due. Raises what the conversation failed of: VoiceLiveError, or a bug."""
        if self._failure:
            raise self._failure
        if self.uplink.failure:
            raise failures.source_failed(self.source.name, self.uplink.failure)
        now = time.monotonic()
        if not self.conversation.ready.is_set():
            if now - self._connected_at > SESSION_TIMEOUT_S:
                self._miss_session()
        elif self.uplink.ended_at:
            self._check_rest(now, self.uplink.ended_at)
        elif self._connection and not self._renewing:
            is_quiet = self.conversation.is_resting and self.conversation.sink.wait_until_heard(0)
            if self.conversation.ends_at - now < (RENEW_S if is_quiet else RENEW_AT_LAST_S):
                self._renewing, self._connected_at = True, math.inf
                self.conversation.pause()  # what is typed from now on waits for the next session
                self._connection.close()

    def _miss_session(self) -> None:
        """The service gives no session: it is asked once more where there was one, else VoiceLiveError."""
        failure = failures.no_session(SESSION_TIMEOUT_S)
        if not (self.reconnects and self._connection):
            raise failure
        self._connected_at = math.inf
        self.conversation.note(failure.message)
        self._connection.cut()

    def _check_rest(self, now: float, ended_at: float) -> None:
        """After the end of the source the conversation is over when all was said and heard."""
        if not self.conversation.heard_user:
            if now - ended_at > NO_SPEECH_S:
                raise VoiceLiveError(f"The service noticed no speech in {self.source.name}.")
        elif self.conversation.is_resting:
            words_may_come = self.conversation.transcript.awaits_words and now - self._last_event_at < WORDS_S
            is_all_heard = self.conversation.sink.wait_until_heard(0)
            if now - ended_at > SETTLE_S and is_all_heard and not words_may_come:
                self.over.set()
        elif now - max(ended_at, self._last_event_at) > NO_ANSWER_S:
            raise failures.no_answer(NO_ANSWER_S)

    def _read(self) -> None:
        """The reader: hold the conversation, whatever happens to its connections."""
        try:
            self._stay_connected()
        except Exception as failure:
            self._failure = failure
        self.over.set()

    def _stay_connected(self) -> None:
        """One connection after the other, until the conversation is over. Raises VoiceLiveError."""
        while connection := self._call():
            asked_for = self.conversation.id
            was_accepted = self._converse(connection)
            if self.over.is_set():
                return
            ended = failures.connection_ended(connection.close_code, connection.close_reason)
            is_forgotten = asked_for and not (self.conversation.id or was_accepted)  # once more without
            if connection.close_code in (NORMAL, POLICY_VIOLATION) and not (is_forgotten or self._renewing):
                if connection.close_code != NORMAL or not was_accepted:
                    raise ended
                self.conversation.note(ended.message)
                return
            self._accept_loss(ended)
            self._renewing = False
            self.reconnects += 1

    def _accept_loss(self, ended: VoiceLiveError) -> None:
        """Tell that the connection is lost, and another tried for. Raises VoiceLiveError after too many."""
        if self._renewing:
            self._short_lived = 0
            self.conversation.note("The session is renewed.")
            return
        is_short = self._lasted_s < SHORT_LIVED_S
        self._short_lived = self._short_lived + 1 if is_short else 0
        if self._short_lived == SHORT_LIVED_TIMES:
            raise failures.keeps_dropping(ended, self._short_lived)
        self.conversation.note(f"{ended.message} Trying again. {LOST}")

    def _call(self) -> Connection | None:
        """A new connection, tried for again while the failure may pass; None when all is over.

        At first that is where the service asks to come back, later where it may heal by itself.
        """
        limit_s = RECONNECT_S if self.reconnects else AT_THE_DOOR_S
        give_up_at = time.monotonic() + limit_s
        pauses_s, pause_s = delays(), 0.0
        while not self.over.wait(pause_s):
            try:
                return self.connect(self.conversation.id, self.conversation.first_message)
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
        self._connected_at = time.monotonic()
        if self.over.is_set():  # end() came while it was opened
            connection.cut()
        self.conversation.send = connection.send
        first_message = self.conversation.first_message
        self.uplink.is_stereo = wants_reference(first_message)
        connection.send(first_message)
        with closing(connection.__iter__()) as events:
            for event in events:  # until end() or check() closes the connection, or the service does
                if not (self.over.is_set() or self._renewing):
                    self._handle(event)
                if self.conversation.first_message is not first_message:  # a part of it was refused
                    self._renewing = True
                    break
        was_accepted = self.conversation.ready.is_set()
        self._lasted_s = time.monotonic() - self._connected_at if was_accepted else 0.0
        self._connected_at = math.inf
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
        self.show_event(str(event.get("type")))

    def _is_time_to_speak(self) -> bool:
        """Wait for the session; False where the call is over before there is one."""
        self.conversation.ready.wait()
        if not self.over.is_set():
            self.conversation.note(self.invitation)
        return not self.over.is_set()

    def _send_block(self, block: bytes) -> None:
        """What is said while there is no session is dropped: it would come too late."""
        if self._connection and self.conversation.ready.is_set():
            self._connection.send_audio(block)


def delays() -> Iterator[float]:
    """Seconds to wait before each further try: from 0.5 doubling to 8, each with some jitter."""
    delay_s = 0.5
    while True:
        yield delay_s * random.uniform(0.75, 1.0)
        delay_s = min(2 * delay_s, 8.0)
