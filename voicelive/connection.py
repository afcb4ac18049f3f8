"""One WebSocket that speaks dicts."""

import base64
import json
import logging
import socket
import threading
import time
from collections import deque
from collections.abc import Generator, Mapping
from contextlib import closing, suppress
from typing import Any, cast

import websocket

from voicelive.audio import BACKLOG_BLOCKS
from voicelive.handshake import shake_hands
from voicelive.text import brief
from voicelive.tls import SharedSSLSocket

log = logging.getLogger(__name__)

SOCKET_TIMEOUT_S = 5.0  # a send that takes longer has failed; a receive that does is tried again
WAKE_S = 0.25  # who waits for events looks up so often
PING_INTERVAL_S = 10.0  # a peer that shows no sign of life from one ping to the next is gone
CLOSE_TIMEOUT_S = 0.5  # for our close frame to leave, and again for the service's to come
LOGGED_CHARACTERS = 10_000  # of one message
MOST_DIGITS = 20  # of a number that is one: of more, no time and no count is made


class Connection:
    """Events in by iteration, messages out by `send`, which never waits.

    The thread that iterates owns the socket, and alone releases it. One more thread, the writer, sends
    what is queued; it ends with the connection. When the iteration is over, `close_code` and
    `close_reason` say how: None for a line that was cut, with a reason where it was for what came.
    """

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        """Connect. Raises VoiceLiveError where the service is not reached or refuses.

        `url` is a ws or wss URL. It is logged without its secrets, the headers by name only.
        """
        self._socket = shake_hands(url, headers)
        self._socket.settimeout(SOCKET_TIMEOUT_S)
        if isinstance(self._socket.sock, SharedSSLSocket):
            self._socket.sock.share_between_threads(SOCKET_TIMEOUT_S, WAKE_S)
        self.close_code: int | None = None
        self.close_reason = ""
        self._blocks_dropped = 0  # blocks of speech that the network did not take in time
        self._blocks_sent = 0  # counted by the writer
        self._deltas_received = 0
        self._wake = threading.Condition()  # guards the three below; notified when one of them changes
        self._messages: deque[str] = deque()  # JSON texts, all but audio; sent before waiting audio
        self._blocks: deque[str] = deque(maxlen=BACKLOG_BLOCKS)  # the same of audio; the oldest goes first
        self._closing = False
        self._is_cut = False
        self._has_ended = False  # nothing more will be received
        self._ping_due = time.monotonic() + PING_INTERVAL_S
        self._released = threading.Event()  # set when the iterating thread gave the socket back
        self._writer = threading.Thread(target=self._write, name="writer", daemon=True)
        self._writer.start()

    def send(self, message: Mapping[str, object]) -> None:
        """Queue one message. Never waits, from any thread. The end of a turn comes after all of its sound."""
        text = json.dumps(message)
        log.debug("sent: %s", text)
        with self._wake:
            if message.get("type") == "input_audio_buffer.commit":
                self._blocks_sent += len(self._blocks)
                self._messages.extend(self._blocks)
                self._blocks.clear()
            self._messages.append(text)
            self._wake.notify()

    def send_audio(self, pcm: bytes) -> None:
        """Queue one block of PCM16, at most 15 MiB [SDK]. Never waits: a second is kept, the oldest goes."""
        audio = base64.b64encode(pcm).decode("ascii")
        with self._wake:
            self._blocks_dropped += len(self._blocks) == BACKLOG_BLOCKS
            self._blocks.append(f'{{"type":"input_audio_buffer.append","audio":"{audio}"}}')
            self._wake.notify()

    def __iter__(self) -> Generator[dict[str, Any], None, None]:
        """The service's events until the connection ends. What is no event is logged and left out."""
        with closing(self.events()) as events:
            for event in events:
                if event:
                    yield event

    def events(self) -> Generator[dict[str, Any] | None, None, None]:
        """The same, and None after every WAKE_S without one, for who has other things to look after."""
        try:
            while (text := self._receive()) is not None or not self._has_ended:
                if text is None:
                    yield None
                elif event := _parse(text):
                    try:
                        yield event
                    finally:  # also the one that ends the iteration
                        self._log(event, text)  # after it was handled: sound comes first
        finally:
            self._stop_writing()
            self.cut()
            self._writer.join()
            log.info("blocks of speech sent: %d", self._blocks_sent)
            log.info("blocks of speech dropped on the way: %d", self._blocks_dropped)
            self._socket.shutdown()
            self._released.set()

    def say_goodbye(self) -> None:
        """Have the close frame sent; never waits, from any thread. Its answer ends the iteration."""
        log.info("closing the connection")
        self._stop_writing()

    def close(self) -> None:
        """End the connection, from any thread but the iterating one; takes at most a second.

        The close frame goes out where the writer is free; else, or without an answer, the line is cut.
        """
        self.say_goodbye()
        self._writer.join(CLOSE_TIMEOUT_S)
        if self._writer.is_alive() or not self._released.wait(CLOSE_TIMEOUT_S):
            self.cut()

    def cut(self) -> None:
        """End the connection without a goodbye, from any thread; never waits, but wakes who does."""
        self._is_cut = True
        if sock := self._socket.sock:
            with suppress(OSError):  # not SSLSocket.shutdown: it takes TLS away under the other thread's feet
                socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def _receive(self) -> bytes | None:
        """The next text or binary message; None where there is none within WAKE_S, or `_has_ended`."""
        try:
            opcode, frame = self._socket.receive(WAKE_S)
        except (websocket.WebSocketTimeoutException, TimeoutError):  # what came of a message is kept
            self._has_ended = self._is_cut  # Windows does not wake who waits
            return None
        except (websocket.WebSocketException, OSError) as error:
            log.info("connection lost: %s", error)
            if isinstance(error, websocket.WebSocketProtocolException):
                self.close_reason = str(error)
            self._has_ended = True
            return None
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            self.close_code = int.from_bytes(frame.data[:2], "big") or 1005  # no status (RFC 6455)
            self.close_reason = frame.data[2:].decode("utf-8", "replace")
            log.info("closed by the service: %s %r", self.close_code, self.close_reason)
            self._has_ended = True
        is_message = opcode in (websocket.ABNF.OPCODE_TEXT, websocket.ABNF.OPCODE_BINARY)
        return cast(bytes, frame.data) if is_message else None

    def _log(self, event: Mapping[str, object], text: bytes) -> None:
        """Put an event into the log; of what comes in pieces, and of sound sent, only how many there were.

        Words come once more when they are whole: then no secret is torn.
        """
        if isinstance(event.get("delta"), str):
            self._deltas_received += 1
            return
        counts = f"{self._blocks_sent} blocks sent, {self._deltas_received} deltas"
        log.debug("received: %s (%s)", brief(text.decode("utf-8", "replace"), LOGGED_CHARACTERS), counts)

    def _write(self) -> None:
        """Send what is queued, in a thread of its own."""
        try:
            while not self._closing:
                if message := self._next_message():
                    self._socket.send(message)
                self._look_for_life()
            if self._socket.connected:
                self._socket.send_close()
        except (websocket.WebSocketException, OSError) as error:
            # A send that failed may have left half a frame behind: the connection is of no more use.
            log.info("sending failed: %s", error)
            self.cut()

    def _next_message(self) -> str | None:
        """What is to be sent next; None when it is time to look around."""
        with self._wake:
            self._wake.wait_for(
                lambda: self._closing or self._messages or self._blocks,
                max(0.0, self._ping_due - time.monotonic()),
            )
            if self._messages:
                return self._messages.popleft()
            if self._blocks:
                self._blocks_sent += 1
                return self._blocks.popleft()
            return None

    def _look_for_life(self) -> None:
        """Ping now and then. Raises WebSocketTimeoutException for a peer that did not react."""
        if time.monotonic() < self._ping_due:
            return
        if not self._socket.was_alive():
            raise websocket.WebSocketTimeoutException("no sign of life since the last ping")
        self._ping_due = time.monotonic() + PING_INTERVAL_S
        self._socket.ping()

    def _stop_writing(self) -> None:
        with self._wake:
            self._closing = True
            self._wake.notify()


def _parse(data: bytes) -> dict[str, Any] | None:
    """The JSON object in a message; None, and a line in the log, for anything else."""
    try:
        if isinstance(event := json.loads(data, parse_int=_integer), dict):
            return event
        problem = "no JSON object"
    except (ValueError, RecursionError) as error:
        problem = f"not JSON ({error})"
    log.warning("%s: %s", problem, brief(repr(data), LOGGED_CHARACTERS))
    return None


def _integer(digits: str) -> int | float:
    """A whole number in JSON, which may be too long for an int: Python refuses more than 4,300 digits."""
    return int(digits) if len(digits) < MOST_DIGITS else float(digits)
