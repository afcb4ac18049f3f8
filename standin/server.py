"""The server, in a thread of its own, and what tests may see of it."""

import asyncio
import json
import logging
import threading
import wave
from asyncio import StreamReader, StreamWriter
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from pathlib import Path
from weakref import WeakKeyDictionary

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from standin.conversation import MOST_CONFIG_ATTEMPTS, Cast, Conversation
from standin.events import NOT_CONFIGURED, RefusedError, error_event, new_id
from standin.faults import Fault, parsed, refuse
from standin.faults.scene import Queue, Scene
from standin.records import MALFORMED, Records, SeenSession
from standin.route import address, refuse_over_http, route_of
from standin.script import Script

HOST = "127.0.0.1"
SAMPLE = Path(__file__).with_name("sample.wav")
MOST_FRAME_BYTES = 21 * 2**20  # 15 MiB of audio in base64, and a little JSON
CLOSE_TIMEOUT_S = 0.3
END_TIMEOUT_S = 0.5
WAIT_SLICE_S = 0.25
POLICY_VIOLATION = 1008
HANDSHAKE_TIMEOUT_S = 10.0  # for the client to say what it wants

_LOGGER = logging.getLogger("standin")


class _Impatient(ServerConnection):
    """A connection that is cut where no whole request came in time: half a handshake is not waited for.

    The time is for the request alone, because an answer may be kept back on purpose.
    """

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        asyncio.get_running_loop().call_later(HANDSHAKE_TIMEOUT_S, self._give_up)

    def _give_up(self) -> None:
        if self.request is None:
            self.transport.abort()


class StandIn:
    """Serves on the loopback, in a thread of its own, from `with` to the end of the block.

    `port` 0 takes a free one. `pace` is how many times faster than real time the agent's sound
    is sent. `faults` are scenes, written as in faults/; ValueError where one is unknown. A `script`
    is played in each conversation. Entering raises OSError where the port is taken.
    """

    def __init__(
        self,
        port: int = 0,
        pace: float = 4.0,
        faults: Sequence[str] = (),
        script: Script | None = None,
    ) -> None:
        self._port = port
        with wave.open(str(SAMPLE)) as sample:
            self._cast = Cast(sample.readframes(sample.getnframes()), pace, script or Script(()))
        self._faults = [parsed(fault) for fault in faults]
        # What each connection is to meet with, from its handshake on; and its number, from 1.
        self._admitted = WeakKeyDictionary[ServerConnection, tuple[int, list[Fault]]]()
        self._records = Records()
        self._started: Future[int] = Future()  # carries the port, or why there is none
        self._stop: Callable[[], object] | None = None  # ends the server; set once it serves
        self._thread = threading.Thread(target=self._run, name="stand_in", daemon=True)
        _LOGGER.setLevel(logging.WARNING)
        _LOGGER.addFilter(_is_a_bug)

    def __enter__(self) -> "StandIn":
        self._thread.start()
        self._port = self._started.result()
        return self

    def __exit__(self, *error: object) -> None:
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
        return self._records.sessions

    @property
    def handshakes(self) -> int:
        """How many clients asked to come in so far, whatever became of them."""
        return self._records.handshakes

    @property
    def redirected(self) -> int:
        """How many clients followed a redirect."""
        return self._records.redirected

    def wait_for(self, predicate: Callable[[], object], timeout: float) -> bool:
        """Whether `predicate()`, asked at each message and event, gets true within `timeout` s."""
        return self._records.wait_for(predicate, timeout)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception as error:  # __enter__ raises it
            self._started.set_exception(error)

    async def _serve(self) -> None:
        stopping = asyncio.Event()  # set by __exit__, ends the server
        self._stop = partial(asyncio.get_running_loop().call_soon_threadsafe, stopping.set)
        elsewhere = await asyncio.start_server(self._receive_redirected, HOST)
        server = await serve(
            self._hold,
            HOST,
            self._port,
            process_request=partial(self._admit, _address_of(elsewhere)),
            create_connection=_Impatient,
            open_timeout=None,  # once it has asked, it is the client that loses patience
            compression=None,  # as the service
            max_size=MOST_FRAME_BYTES,
            ping_interval=None,  # on one machine, a client that is gone is noticed without
            close_timeout=CLOSE_TIMEOUT_S,
            logger=_LOGGER,
        )
        self._started.set_result(next(iter(server.sockets)).getsockname()[1])
        await stopping.wait()
        elsewhere.close()
        server.close()
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(server.wait_closed(), END_TIMEOUT_S)

    async def _admit(self, elsewhere: str, connection: ServerConnection, request: Request) -> Response | None:
        """Number the connection; the answer that refuses it, or None."""
        number = self._records.count_handshake()
        faults = [fault for fault in self._faults if fault.first <= number <= fault.last]
        self._admitted[connection] = number, faults
        refusal = await refuse(faults, connection, elsewhere)
        return refusal or refuse_over_http(connection, request)

    def _receive_redirected(self, reader: StreamReader, writer: StreamWriter) -> None:
        self._records.count_redirected()
        writer.close()

    async def _hold(self, connection: ServerConnection) -> None:
        """Hold one client's conversation until either side ends it."""
        assert connection.request is not None
        seen = self._records.opened(*address(connection.request))
        scene = Scene(connection, *self._admitted[connection])
        writer = asyncio.create_task(self._write(connection, scene.queue, seen))
        try:
            with suppress(ConnectionClosed):  # a client may leave without a goodbye
                await self._converse(connection, scene, seen)
        finally:
            scene.end()
            writer.cancel()
            self._records.closed(seen)

    async def _converse(self, connection: ServerConnection, scene: Scene, seen: SeenSession) -> None:
        queue = scene.queue
        try:
            scene.refuse(seen.query)
            route = route_of(scene.known(seen.query), seen.headers)
        except RefusedError as refusal:
            queue.put_nowait(error_event(refusal))
            await queue.join()
            await connection.close(POLICY_VIOLATION)
            return
        conversation = Conversation(route, self._cast, scene.deeds, scene.stored, scene.send, queue.join)
        scene.begin()
        conversation.begin()
        if scene.is_of_kind_voice:
            for _ in range(MOST_CONFIG_ATTEMPTS):
                queue.put_nowait(error_event(NOT_CONFIGURED))
            await queue.join()
            await connection.close(POLICY_VIOLATION)
            return
        try:
            async for frame in scene.frames():
                message = conversation.receive(frame)
                self._records.received(seen, message)
                await queue.join()
                if conversation.failed:
                    await connection.close(POLICY_VIOLATION, "Session configuration failed")
        finally:
            conversation.end()

    async def _write(self, connection: ServerConnection, queue: Queue, seen: SeenSession) -> None:
        """Send what the queue carries; once the client is gone, only empty it."""
        while True:
            frame, kind = await queue.get(), MALFORMED
            if isinstance(frame, dict):
                kind = frame["type"]
                frame = json.dumps({"event_id": new_id("event"), **frame})
            with suppress(ConnectionClosed):
                await connection.send(frame)
                self._records.sent(seen, kind)
            queue.task_done()


def _address_of(server: asyncio.Server) -> str:
    return f"ws://{HOST}:{server.sockets[0].getsockname()[1]}/elsewhere"


def _is_a_bug(record: logging.LogRecord) -> bool:
    """Whether a warning tells of a bug, and not of a client that left in the handshake."""
    return record.getMessage() != "opening handshake failed"
