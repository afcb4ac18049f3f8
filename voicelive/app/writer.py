"""Texts on their way to a screen or a disk: a thread of its own writes them, so that nobody waits."""

import os
import selectors
import threading
from collections import deque
from collections.abc import Callable
from typing import TextIO

MOST_CHARACTERS = 1_000_000  # that wait; more is dropped
DRAIN_S = 1.0  # for what waits at the end


class Writer:
    """Writes texts, in the order in which they come, to the streams that they are for.

    One daemon thread writes; it ends with close(), or with the process where a stream takes nothing.
    """

    def __init__(self, name: str, redact: Callable[[str], str], on_loss: Callable[[str], None]) -> None:
        """`redact` gets each text just before it is written; `on_loss` is told once why one was not."""
        self._redact = redact
        self._on_loss = on_loss
        self._changed = threading.Condition()  # guards what follows; notified when one of it changes
        self._waiting: deque[tuple[TextIO, str]] = deque()
        self._characters = 0  # that are not written yet
        self._has_lost = False
        self._closing = False
        self._thread = threading.Thread(target=self._run, name=f"{name}-writer", daemon=True)
        self._thread.start()

    def put(self, stream: TextIO, text: str) -> None:
        """Have a text written. Never waits, from any thread; one that finds no room is dropped."""
        with self._changed:
            if self._closing:
                return
            if fits := not self._characters or self._characters + len(text) <= MOST_CHARACTERS:
                self._waiting.append((stream, text))
                self._characters += len(text)
                self._changed.notify_all()
        if not fits:
            self._lose("it takes too long")

    def drain(self, timeout_s: float = DRAIN_S) -> bool:
        """Wait until all is written, for so long at most; whether it is."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._characters, timeout_s)

    def close(self, timeout_s: float = DRAIN_S) -> bool:
        """Take no more, and wait until all is written, for so long at most; whether it is."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        return self.drain(timeout_s)

    def _run(self) -> None:
        while texts := self._next():
            stream, text = texts[0][0], "".join(text for _, text in texts)
            try:
                write_all(stream, self._redact(text))
            except (OSError, ValueError) as error:  # ValueError: the stream is closed
                self._lose(getattr(error, "strerror", None) or str(error))
            with self._changed:
                self._characters -= len(text)
                self._changed.notify_all()

    def _next(self) -> list[tuple[TextIO, str]]:
        """What waits for one stream, as far as nothing for another comes between; none at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing)
            texts: list[tuple[TextIO, str]] = []
            while self._waiting and (not texts or self._waiting[0][0] is texts[0][0]):
                texts.append(self._waiting.popleft())
            return texts

    def _lose(self, why: str) -> None:
        with self._changed:
            is_first, self._has_lost = not self._has_lost, True
        if is_first:
            self._on_loss(why)


def write_all(stream: TextIO, text: str) -> None:
    """Write past the stream's buffer: its lock, held by who waits here, would hold up the process's end.

    Blocks until all is written. Raises OSError or ValueError.
    """
    raw = getattr(getattr(stream, "buffer", None), "raw", None)
    if raw is None:  # no file
        stream.write(text)
        stream.flush()
        return
    data = memoryview(text.replace("\n", os.linesep).encode(stream.encoding, stream.errors or "strict"))
    while data:
        written = raw.write(data)
        if written is None:  # whoever shares the stream wants that it never blocks
            with selectors.DefaultSelector() as takes_more:
                takes_more.register(raw, selectors.EVENT_WRITE)
                takes_more.select()
        data = data[written or 0 :]
