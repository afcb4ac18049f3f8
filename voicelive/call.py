"""The threads between the sound, the conversation and the service, from the first to the last event."""

import logging
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import closing

from voicelive import VoiceLiveError, failures
from voicelive.audio import Sink, Source
from voicelive.connection import Connection
from voicelive.conversation import Conversation
from voicelive.session import Message
from voicelive.wav import paced, silence

log = logging.getLogger(__name__)

SESSION_TIMEOUT_S = 10.0
NO_SPEECH_S = 10.0  # after the source's end, where the service noticed no speech in it
NO_ANSWER_S = 30.0  # after the source's end, where the service falls silent before it has answered
SETTLE_S = 1.5  # after the source's end, for the service to notice the last words
JOIN_TIMEOUT_S = 0.25
MUTED_BLOCKS = 250  # 5 s of nothing but zeros: no microphone that works is so quiet


class Call:
    """One conversation on the line.

    One thread connects and handles events (`reader`), another carries blocks from the source to the
    connection (`uplink`). Both end by `end()`; neither can hold up the end of the process.
    """

    def __init__(
        self,
        connect: Callable[[str], Connection],
        first_message: Message,
        conversation: Conversation,
        source: Source,
        sink: Sink,
    ) -> None:
        """`connect` takes the request id, blocks, and raises VoiceLiveError; `first_message` is sent
        as soon as it returns."""
        self._connect = connect
        self._first_message = first_message
        self._conversation = conversation
        self._source = source
        self._sink = sink
        self._connection: Connection | None = None
        self._failure: VoiceLiveError | None = None
        self._connected_at: float | None = None
        self._source_ended_at: float | None = None
        self._last_event_at = time.monotonic()
        self._muted_blocks = 0  # blocks of zeros in a row
        self._reader = threading.Thread(target=self._read, name="reader", daemon=True)
        self._uplink = threading.Thread(target=self._send_blocks, name="uplink", daemon=True)
        self.request_id = str(uuid.uuid4())  # for the service's support
        self.over = threading.Event()  # set by whoever finds that the conversation is over

    @property
    def is_muted(self) -> bool:
        """Whether the microphone gave nothing but zeros for some seconds."""
        return self._muted_blocks >= MUTED_BLOCKS

    def start(self) -> None:
        self._reader.start()
        self._uplink.start()

    def end(self) -> None:
        """Close the connection and let both threads go; takes about a second at most."""
        self.over.set()
        self._conversation.ready.set()  # the uplink may wait for it
        self._source.close()
        if self._uplink.is_alive():
            self._uplink.join(JOIN_TIMEOUT_S)
        if self._connection:
            self._connection.close()
            log.info("blocks of speech dropped on the way: %d", self._connection.dropped_blocks)

    def check(self) -> None:
        """Look whether the conversation has come to its end. Raises VoiceLiveError where it failed."""
        if self._failure:
            raise self._failure
        now = time.monotonic()
        if self._connected_at and not self._conversation.ready.is_set():
            if now - self._connected_at > SESSION_TIMEOUT_S:
                raise failures.no_session(SESSION_TIMEOUT_S)
        elif self._source_ended_at:
            self._check_rest(now, self._source_ended_at)

    def _check_rest(self, now: float, ended_at: float) -> None:
        """After the end of the source the conversation is over when all was said and heard."""
        if not self._conversation.heard_user:
            if now - ended_at > NO_SPEECH_S:
                raise VoiceLiveError(f"The service noticed no speech in {self._source.name}.")
        elif self._conversation.is_resting:
            if now - ended_at > SETTLE_S and self._sink.wait_until_heard(0):
                self.over.set()
        elif now - max(ended_at, self._last_event_at) > NO_ANSWER_S:
            raise VoiceLiveError(f"The service gave no answer for {NO_ANSWER_S:.0f} s.")

    def _read(self) -> None:
        """The reader: connect, ask for the session, and handle events until there are no more."""
        try:
            connection = self._connection = self._connect(self.request_id)
            self._connected_at = time.monotonic()
            self._conversation.send = connection.send
            connection.send(self._first_message)
            with closing(connection.__iter__()) as events:
                for event in events:  # until end() closes the connection, or the service does
                    if not self.over.is_set():
                        self._handle(event)
            if not self.over.is_set() and connection.close_code != 1000:
                raise failures.connection_ended(connection.close_code, connection.close_reason)
        except VoiceLiveError as failure:
            self._failure = failure
        except Exception:
            log.exception("the reader failed")
            self._failure = failures.bug()
        self.over.set()

    def _handle(self, event: Message) -> None:
        self._last_event_at = time.monotonic()
        try:
            self._conversation.handle(event)
        except VoiceLiveError:
            raise
        except Exception:
            log.exception("an event was left out")

    def _send_blocks(self) -> None:
        """The uplink: the source's blocks as they come, and silence when there are no more."""
        self._conversation.ready.wait()
        for block in self._source:
            self._muted_blocks = 0 if block.strip(b"\0") else self._muted_blocks + 1
            self._send_block(block)
        self._muted_blocks = 0
        self._source_ended_at = time.monotonic()
        for block in paced(silence(), self.over):
            self._send_block(block)

    def _send_block(self, block: bytes) -> None:
        if self._connection:
            self._connection.send_audio(block)
