"""The stand-in's mouth: one answer at a time, until it is said or interrupted."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from standin.ear import Ear
from standin.events import Event
from standin.items import Items
from standin.outputs import Message, Step
from standin.playback import Playback
from standin.reply import Reply
from standin.usage import Usage


class Speaker:
    """Speaks for one session; `pace` is how many times faster than real time it sends."""

    def __init__(
        self,
        ear: Ear,
        playback: Playback,
        items: Items,
        usage: Usage,
        send: Callable[[Event], None],
        sent: Callable[[], Awaitable[None]],
        pace: float,
    ) -> None:
        self.reply: Reply | None = None
        self._ear = ear
        self._playback = playback
        self._items = items
        self._usage = usage
        self._send = send
        self._sent = sent
        self._pace = pace
        self._waiting: deque[Reply] = deque()  # what is said after the reply: it belongs to the same answer
        self._heard_from_ms: float | None = None  # where in the microphone's time the message began
        self._spoken_s = 0.0  # when the sound that was sent would have been heard out, by the loop's clock
        self._task: asyncio.Task[None] | None = None  # sends the replies' pieces; ends with them

    def start(self, replies: Sequence[Reply], then: Callable[[], None]) -> None:
        """Begin an answer of one response or more; `then` is called once it was said to its end."""
        self._waiting = deque(replies)
        self._open_next()
        self._task = asyncio.create_task(self._speak_all(then))

    def stop(self, reason: str) -> None:
        """Break the answer off, where there is one: `response.done` with the status `cancelled`."""
        if self.reply is not None and self._task is not None:
            self._task.cancel()
            self._waiting.clear()
            self._close(self.reply, "cancelled", reason)

    @property
    def message(self) -> Message | None:
        """The message that is being said."""
        return self.reply.message if self.reply else None

    def heard_ms(self) -> int:
        """How much of that message the user heard, if the client played it as it came."""
        message = self.message
        if message is None or self._heard_from_ms is None:
            return 0
        return max(0, min(round(self._ear.now_ms - self._heard_from_ms), message.sent_ms))

    async def ended(self) -> None:
        """Wait until nothing is said any more."""
        if self._task is not None:
            await asyncio.wait([self._task])

    def abandon(self) -> None:
        """Send nothing more: the client is gone."""
        if self._task is not None:
            self._task.cancel()

    def _open_next(self) -> None:
        self.reply = self._waiting.popleft()
        self._send(self.reply.created())

    async def _speak_all(self, then: Callable[[], None]) -> None:
        while self.reply is not None:
            await self._speak(self.reply)
            self._close(self.reply, "completed", None)
            if self._waiting:
                self._open_next()
        then()

    async def _speak(self, reply: Reply) -> None:
        await self._sent()
        await asyncio.sleep(reply.delay_s)
        self._spoken_s = asyncio.get_running_loop().time()
        for index, output in enumerate(reply.outputs):
            self._heard_from_ms = None
            self._send_all(reply.begin(index, self._items.previous_id))
            self._items.add(output.item(False))
            for step in output.steps():
                self._send_all(step.events)
                if isinstance(output, Message):
                    self._account(output, step)
                await self._sent()
                await asyncio.sleep(max(step.pause_s, self._lead_s()))
            self._finish_item(reply, "completed")

    def _account(self, message: Message, step: Step) -> None:
        """Note the sound that went out: when the user hears it, and when the next may follow."""
        if not step.sound:
            return
        begins_ms = self._playback.add(step.sound, message.rate_hz, self._ear.now_ms)
        if self._heard_from_ms is None:
            self._heard_from_ms = begins_ms
        self._items.add(message.item(False), message.sent_ms)
        self._spoken_s += len(step.sound) / 2 / message.rate_hz / self._pace

    def _lead_s(self) -> float:
        """How much earlier than its time the sound was sent."""
        return max(0.0, self._spoken_s - asyncio.get_running_loop().time())

    def _finish_item(self, reply: Reply, status: str) -> None:
        output = reply.current
        if output is None:
            return
        self._send_all(reply.finish_item(status))
        length_ms = output.sent_ms if isinstance(output, Message) else 0
        self._items.add(output.final(status), length_ms)

    def _close(self, reply: Reply, status: str, reason: str | None) -> None:
        self.reply = None
        self._finish_item(reply, "incomplete")
        self._send(reply.done(status, reason, self._usage))

    def _send_all(self, events: Sequence[Event]) -> None:
        for event in events:
            self._send(event)
