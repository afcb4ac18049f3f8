"""One connection with its faults: what is held back, broken or cut on the way to the client.

The scenes are those of faults.py. This stands between the conversation, which knows of no
fault, and the queue of what is sent; without a fault, everything passes as it is.
"""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping
from contextlib import suppress

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from standin.events import Event, RefusedError, error_event
from standin.faults import CLOSE_REASONS, DEEDS, ERRORS, Fault
from standin.faults.changes import TRANSCRIPTION, changed
from standin.faults.malformed import malformed, placed

Queue = asyncio.Queue[Event | str | bytes]

_NO_STATUS, _ABNORMAL, _GOING_AWAY = 1005, 1006, 1001
_AFTER_THE_UPDATE = ("drop-after", "close-after", "session-expired", "freeze-after", "stop-reading-after")
# In the words of Azure OpenAI's realtime service; those of this one are not known.
_EXPIRED = RefusedError("Your session hit the maximum duration of 60 minutes.", code="session_expired")


class Scene:
    """What goes wrong on one open connection; `number` tells which one it is, counted from 1."""

    def __init__(self, connection: ServerConnection, number: int, faults: Iterable[Fault]) -> None:
        self.queue: Queue = asyncio.Queue()
        """Carries what is to be sent to the client, in order; ends with the connection."""
        self._faults = {fault.scene: fault for fault in faults}
        self._connection = connection
        self._malformed = malformed(number)
        self._expires_at = 0  # in Unix seconds
        self._accepted = False  # session.updated was sent
        self._late: list[Event] = []  # transcripts that wait for the answer to begin
        self._deaf = False  # nothing is read any more
        self._dumb = False  # nothing is sent any more
        # Each waits for the moment of one fault, and ends after it or with the connection.
        self._clocks: set[asyncio.Task[None]] = set()

    def begin(self) -> None:
        """The client is in: its session's life begins."""
        if fault := self._faults.get("expires-in"):
            self._expires_at = math.ceil(time.time() + fault.seconds)
            self._start(self._play(fault, self._expires_at - time.time()))

    def refuse(self, query: Mapping[str, str]) -> None:
        """Raise RefusedError where the client is to be turned away after HTTP 101."""
        if error := self._faults.get("error"):
            code, message = ERRORS[error.code]
            raise RefusedError(message, code=code)
        if "forget-conversation" in self._faults and "conversation-id" in query:
            # The service's own words are not known.
            raise RefusedError("Conversation not found", code="conversation_not_found")

    def known(self, query: Mapping[str, str]) -> dict[str, str]:
        """The query without the features that are not known, and the conversation that is not found."""
        unknown = {"features"} if "no-client-reference" in self._faults else set()
        unknown |= {"conversation-id"} if "new-conversation" in self._faults else set()
        return {name: value for name, value in query.items() if name not in unknown}

    @property
    def deeds(self) -> dict[str, float]:
        """What the agent is to do in each turn, with its seconds."""
        return {name: fault.seconds for name, fault in self._faults.items() if name in DEEDS}

    @property
    def stored(self) -> dict[str, str]:
        """What of the session the agent keeps for itself."""
        return {name: fault.code for name, fault in self._faults.items() if name.startswith("stored")}

    @property
    def is_of_kind_voice(self) -> bool:
        """Whether the agent is one that this address does not serve."""
        return "voice-agent" in self._faults

    async def frames(self) -> AsyncIterator[str | bytes]:
        """What comes from the client, until the connection ends; nothing once it is left unread."""
        async for frame in self._connection:
            if self._deaf:
                self._connection.transport.pause_reading()  # taking the frame may have resumed it
                await self._connection.wait_closed()
                return
            yield frame

    def send(self, event: Event) -> None:
        """Queue what becomes of an event of the conversation."""
        if "no-session" in self._faults and event["type"] != "session.created":
            return
        for one in changed(event, self._faults):
            if "late-transcript" in self._faults and one["type"].startswith(TRANSCRIPTION):
                self._late.append(one)
                continue
            self._put(self._with_its_end(one))
            if "malformed" in self._faults and one["type"].startswith("response.") and "item_id" in one:
                self._put(placed(next(self._malformed), one))
        self._follow(event["type"])

    def end(self) -> None:
        """Nothing more is to happen: the client is gone."""
        for clock in self._clocks:
            clock.cancel()

    def _put(self, event: Event | str | bytes) -> None:
        if not self._dumb:
            self.queue.put_nowait(event)

    def _with_its_end(self, event: Event) -> Event:
        """The session as it is shown, with the time when it is to expire."""
        if "expires-in" not in self._faults or "expires_at" not in event.get("session", {}):
            return event
        return {**event, "session": {**event["session"], "expires_at": self._expires_at}}

    def _follow(self, kind: str) -> None:
        """Start the clocks that begin with an event."""
        if kind == "session.updated" and not self._accepted:
            self._accepted = True
            for scene in _AFTER_THE_UPDATE:
                if fault := self._faults.get(scene):
                    self._start(self._play(fault, fault.seconds))
        elif kind == "response.created" and self._late:
            late, self._late = self._late, []
            self._start(self._send_late(late))

    def _start(self, clock: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(clock)
        self._clocks.add(task)
        task.add_done_callback(self._clocks.discard)

    async def _send_late(self, transcripts: list[Event]) -> None:
        await asyncio.sleep(self._faults["late-transcript"].seconds)
        for event in transcripts:
            self._put(event)

    async def _play(self, fault: Fault, after_s: float) -> None:
        """End or cripple the connection, so long after what is queued by now was sent."""
        await self.queue.join()
        await asyncio.sleep(after_s)
        match fault.scene:
            case "drop-after":
                self._connection.transport.abort()
            case "close-after":
                await self._close(int(fault.code))
            case "session-expired":
                self._put(error_event(_EXPIRED))
                await self.queue.join()
                await self._close(int(fault.code))
            case "expires-in":
                await self._connection.close(_GOING_AWAY, "session expired")
            case "freeze-after":
                self._deaf = self._dumb = True
            case "stop-reading-after":
                self._deaf = True
        if self._deaf:
            self._connection.transport.pause_reading()

    async def _close(self, code: int) -> None:
        """Close with a code; with none at all for 1005, and without a word for 1006."""
        if code == _ABNORMAL:
            self._connection.transport.abort()
        elif code == _NO_STATUS:
            with suppress(ConnectionClosed):
                async with self._connection.send_context():
                    self._connection.protocol.send_close()
        else:
            await self._connection.close(code, CLOSE_REASONS[code])
