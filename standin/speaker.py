"""The stand-in's mouth: its words, and one answer at a time, until it is said or interrupted."""

import asyncio
from collections.abc import Awaitable, Callable

from standin.ear import Ear, Speech
from standin.events import Event
from standin.items import Items, typed_text
from standin.playback import Playback
from standin.reply import Reply

LONGEST_QUOTE = 60  # characters


class Speaker:
    """Speaks for one session; `pace` is how many times faster than real time it sends."""

    def __init__(
        self,
        ear: Ear,
        playback: Playback,
        items: Items,
        send: Callable[[Event], None],
        sent: Callable[[], Awaitable[None]],
        pace: float,
    ) -> None:
        self.reply: Reply | None = None
        self._ear = ear
        self._playback = playback
        self._items = items
        self._send = send
        self._sent = sent
        self._pace = pace
        self._heard_from_ms: float | None = None  # where in the microphone's time the reply began
        self._task: asyncio.Task[None] | None = None  # sends the reply's pieces; ends with it

    def start(self, reply: Reply, then: Callable[[], None]) -> None:
        """Begin an answer; `then` is called once it was said to its end, or was stopped."""
        self.reply = reply
        self._heard_from_ms = None
        for event in reply.opening(self._items.last_id):
            self._send(event)
        self._items.add(reply.item("in_progress"))
        self._task = asyncio.create_task(self._speak(reply, then))

    def stop(self, reason: str) -> None:
        """Break the answer off, where there is one: `response.done` with the status `cancelled`."""
        if self.reply is not None and self._task is not None:
            self._task.cancel()
            self._close(self.reply, "cancelled", reason)

    def heard_ms(self) -> int:
        """How much of the running answer the user heard, if the client played it as it came."""
        if self.reply is None or self._heard_from_ms is None:
            return 0
        return max(0, min(round(self._ear.now_ms - self._heard_from_ms), self.reply.sent_ms))

    def abandon(self) -> None:
        """Send nothing more: the client is gone."""
        if self._task is not None:
            self._task.cancel()

    async def _speak(self, reply: Reply, then: Callable[[], None]) -> None:
        clock = asyncio.get_running_loop()
        begin_s = clock.time()
        for events, sound in reply.pieces():
            for event in events:
                self._send(event)
            if sound:
                begins_ms = self._playback.add(sound, reply.rate_hz, self._ear.now_ms)
                if self._heard_from_ms is None:
                    self._heard_from_ms = begins_ms
                self._items.add(reply.item("in_progress"), reply.sent_ms)
            await self._sent()
            due_s = begin_s + reply.sent_ms / 1000 / self._pace
            await asyncio.sleep(max(0.0, due_s - clock.time()))
        self._close(reply, "completed", None)
        then()

    def _close(self, reply: Reply, status: str, reason: str | None) -> None:
        self.reply = None
        for event in reply.closing(status, reason):
            self._send(event)
        final = reply.item("completed" if status == "completed" else "incomplete")
        self._items.add(final, reply.sent_ms)


def greeting(wishes: Event) -> str:
    """The words of a `pre_generated_assistant_message`, where the client asks for one."""
    message = wishes.get("pre_generated_assistant_message")
    return typed_text(message) if isinstance(message, dict) else ""


def words_about(subject: Speech | str, in_sound: bool) -> str:
    """What the stand-in says it does: it understands nothing, and has no voice of its own."""
    if isinstance(subject, Speech):
        deed = "I repeat it, for" if in_sound else "I cannot understand it, for"
        return f"You spoke for {subject.spoken_ms / 1000:.1f} s; {deed} I am only a stand-in."
    quote = subject if len(subject) <= LONGEST_QUOTE else f"{subject[:LONGEST_QUOTE]} ..."
    why = f'You wrote "{quote}".' if subject else "You asked me to speak."
    deed = "I am only a stand-in and play my one recording." if in_sound else "I am only a stand-in."
    return f"{why} {deed}"
