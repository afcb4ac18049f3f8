"""A stand-in for Azure AI Voice Live on this machine: a WebSocket server with the same protocol.

`with Simulator() as simulator:` serves at `simulator.endpoint`, `python -m voicelive.simulator`
serves any client. It is written from the protocol, shares no code with the client, and needs
neither Azure nor a network. In reading order:

    simulator.py               the server, and what tests may see of it
    simulator_route.py         who may come in: path, api-version, credential, agent
    simulator_conversation.py  what is answered to each message
    simulator_session.py       what can be set (its fields: simulator_fields.py, simulator_rules.py)
    simulator_ear.py           when a turn of speech begins and ends
    simulator_playback.py      what was sent, and when the user hears it
    simulator_speaker.py       the answer's words, pace and end (its events: simulator_reply.py)
    simulator_items.py         what was said and typed
    simulator_events.py        messages, ids and errors
"""

import asyncio
import json
import logging
import os
import signal
import sys
import threading
import wave
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import FrameType, TracebackType
from typing import Annotated

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from voicelive import simulator_route
from voicelive.simulator_conversation import Conversation
from voicelive.simulator_events import Event, RefusedError, error_event, new_id

HOST = "127.0.0.1"
SAMPLE = Path(__file__).with_name("sample.wav")
MOST_FRAME_BYTES = 21 * 2**20  # 15 MiB of audio in base64, and a little JSON
CLOSE_TIMEOUT_S = 0.3
END_TIMEOUT_S = 0.5
WAIT_SLICE_S = 0.25
MOST_SESSIONS = 100
MOST_MESSAGES = 1_000
MOST_EVENTS = 10_000
POLICY_VIOLATION = 1008

_LOGGER = logging.getLogger("voicelive.simulator")


@dataclass
class SeenSession:
    """What one client did, for tests to look at; lists keep their newest entries."""

    path: str
    query: dict[str, str]
    headers: dict[str, str]  # by lower-case name
    received: list[Event] = field(default_factory=list)  # without input_audio_buffer.append
    audio_frames: int = 0  # samples received by input_audio_buffer.append
    sent: list[str] = field(default_factory=list)  # the types of the events
    open: bool = True


class Simulator:
    """Serves on the loopback, in a thread of its own, from `with` to the end of the block.

    `port` 0 takes a free one. `pace` is how many times faster than real time the agent's sound
    is sent. Entering raises OSError where the port is taken.
    """

    def __init__(self, port: int = 0, pace: float = 4.0) -> None:
        self._port = port
        self._pace = pace
        with wave.open(str(SAMPLE)) as sample:
            self._sample: bytes = sample.readframes(sample.getnframes())
        self._changed = threading.Condition()  # guards the records, tells of each change
        self._sessions: list[SeenSession] = []
        self._started: Future[int] = Future()  # carries the port, or why there is none
        self._stop: Callable[[], object] | None = None  # ends the server; set once it serves
        self._thread = threading.Thread(target=self._run, name="simulator", daemon=True)
        _LOGGER.setLevel(logging.WARNING)
        _LOGGER.addFilter(_is_a_bug)

    def __enter__(self) -> "Simulator":
        self._thread.start()
        self._port = self._started.result()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._stop is not None:
            self._stop()
        self._thread.join()

    @property
    def endpoint(self) -> str:
        """The address to give to a client."""
        return f"http://{HOST}:{self._port}"

    @property
    def sessions(self) -> list[SeenSession]:
        """The sessions so far, oldest first (at most the newest 100)."""
        with self._changed:
            return list(self._sessions)

    def wait_for(self, predicate: Callable[[], object], timeout: float) -> bool:
        """Whether `predicate()`, asked at each message and event, gets true within `timeout` s."""
        with self._changed:
            return bool(self._changed.wait_for(predicate, timeout))

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception as error:  # __enter__ raises it
            self._started.set_exception(error)

    async def _serve(self) -> None:
        stopping = asyncio.Event()  # set by __exit__, ends the server
        self._stop = partial(asyncio.get_running_loop().call_soon_threadsafe, stopping.set)
        server = await serve(
            self._hold,
            HOST,
            self._port,
            process_request=simulator_route.refuse_over_http,
            compression=None,  # as the service
            max_size=MOST_FRAME_BYTES,
            ping_interval=None,  # on one machine, a client that is gone is noticed without
            close_timeout=CLOSE_TIMEOUT_S,
            logger=_LOGGER,
        )
        self._started.set_result(next(iter(server.sockets)).getsockname()[1])
        await stopping.wait()
        server.close()
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(server.wait_closed(), END_TIMEOUT_S)

    async def _hold(self, connection: ServerConnection) -> None:
        """Hold one client's conversation until either side ends it."""
        assert connection.request is not None
        path, query, headers = simulator_route.address(connection.request)
        seen = SeenSession(path, query, headers)
        with self._changed:
            self._sessions = [*self._sessions, seen][-MOST_SESSIONS:]
            self._changed.notify_all()
        # Carries events to the client, in order; ends with the connection.
        queue: asyncio.Queue[Event] = asyncio.Queue()
        writer = asyncio.create_task(self._write(connection, queue, seen))
        try:
            with suppress(ConnectionClosed):  # a client may leave without a goodbye
                await self._converse(connection, queue, seen)
        finally:
            writer.cancel()
            with self._changed:
                seen.open = False
                self._changed.notify_all()

    async def _converse(
        self, connection: ServerConnection, queue: asyncio.Queue[Event], seen: SeenSession
    ) -> None:
        try:
            route = simulator_route.route(seen.query, seen.headers)
        except RefusedError as refusal:
            queue.put_nowait(error_event(refusal))
            await queue.join()
            await connection.close(POLICY_VIOLATION)
            return
        conversation = Conversation(route, self._sample, self._pace, queue.put_nowait, queue.join)
        conversation.begin()
        try:
            async for frame in connection:
                message = conversation.receive(frame)
                self._record(seen, message)
                await queue.join()
                if conversation.failed:
                    await connection.close(POLICY_VIOLATION, "Session configuration failed")
        finally:
            conversation.end()

    async def _write(
        self, connection: ServerConnection, queue: asyncio.Queue[Event], seen: SeenSession
    ) -> None:
        """Send what the queue carries; once the client is gone, only empty it."""
        while True:
            event = await queue.get()
            with suppress(ConnectionClosed):
                await connection.send(json.dumps({"event_id": new_id("event"), **event}))
                with self._changed:
                    seen.sent.append(event["type"])
                    del seen.sent[:-MOST_EVENTS]
                    self._changed.notify_all()
            queue.task_done()

    def _record(self, seen: SeenSession, message: Event) -> None:
        with self._changed:
            if message.get("type") == "input_audio_buffer.append":
                audio = message.get("audio")
                seen.audio_frames += len(str(audio).rstrip("=")) * 3 // 8
            else:
                seen.received.append(message)
                del seen.received[:-MOST_MESSAGES]
            self._changed.notify_all()


def _is_a_bug(record: logging.LogRecord) -> bool:
    """Whether a warning tells of a bug, and not of a client that left in the handshake."""
    return record.getMessage() != "opening handshake failed"


def main() -> None:
    """Serve until Ctrl-C or SIGTERM; the endpoint is the one line on stdout."""
    import typer

    def run(
        port: Annotated[int, typer.Option(min=0, max=65535, help="TCP port; 0: a free one.")] = 0,
        pace: Annotated[float, typer.Option(min=0.1, help="Times faster than real time.")] = 4.0,
    ) -> None:
        """A stand-in for Azure AI Voice Live on this machine, for any Voice Live client."""
        ended = threading.Event()  # set by Ctrl-C and SIGTERM

        def end(number: int, frame: FrameType | None) -> None:
            ended.set()

        signal.signal(signal.SIGINT, end)
        signal.signal(signal.SIGTERM, end)
        try:
            with Simulator(port, pace) as simulator:
                typer.echo(simulator.endpoint)
                while not ended.wait(WAIT_SLICE_S):
                    pass
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else str(error)
            typer.echo(f"Port {port} on {HOST} cannot be used: {reason}.", err=True)
            sys.exit(1)

    typer.run(run)


if __name__ == "__main__":
    main()
