"""What the stand-in remembers of its clients, for tests to look at and to wait for."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from standin.events import Event

MOST_SESSIONS = 100
MOST_MESSAGES = 1_000
MOST_EVENTS = 10_000
MALFORMED = "(malformed)"  # in the place of a type


@dataclass
class SeenSession:
    """What one client did; lists keep their newest entries."""

    path: str
    query: dict[str, str]
    headers: dict[str, str]  # by lower-case name
    received: list[Event] = field(default_factory=list)  # without input_audio_buffer.append
    audio_frames: int = 0  # samples received by input_audio_buffer.append
    sent: list[str] = field(default_factory=list)  # the types of the events
    open: bool = True


class Records:
    """The sessions so far, and two counts; written by the server's thread, read by any."""

    def __init__(self) -> None:
        self.handshakes = 0
        self.redirected = 0
        self._changed = threading.Condition()  # guards all of it, tells of each change
        self._sessions: list[SeenSession] = []

    @property
    def sessions(self) -> list[SeenSession]:
        """Oldest first, at most the newest 100."""
        with self._changed:
            return list(self._sessions)

    def wait_for(self, predicate: Callable[[], object], timeout: float) -> bool:
        """Whether `predicate()`, asked at each change, gets true within `timeout` s."""
        with self._changed:
            return bool(self._changed.wait_for(predicate, timeout))

    def count_handshake(self) -> int:
        """A client asks to come in; how many did so by now."""
        with self._changed:
            self.handshakes += 1
            self._changed.notify_all()
            return self.handshakes

    def count_redirected(self) -> None:
        """A client went where a redirect sent it."""
        with self._changed:
            self.redirected += 1
            self._changed.notify_all()

    def opened(self, path: str, query: dict[str, str], headers: dict[str, str]) -> SeenSession:
        """A client is in; what it does from now on."""
        seen = SeenSession(path, query, headers)
        with self._changed:
            self._sessions = [*self._sessions, seen][-MOST_SESSIONS:]
            self._changed.notify_all()
        return seen

    def received(self, seen: SeenSession, message: Event) -> None:
        """A message came; of sound, only the amount is kept."""
        with self._changed:
            if message.get("type") == "input_audio_buffer.append":
                audio = message.get("audio")
                seen.audio_frames += len(str(audio).rstrip("=")) * 3 // 8
            else:
                seen.received.append(message)
                del seen.received[:-MOST_MESSAGES]
            self._changed.notify_all()

    def sent(self, seen: SeenSession, kind: str) -> None:
        """An event of this type went out."""
        with self._changed:
            seen.sent.append(kind)
            del seen.sent[:-MOST_EVENTS]
            self._changed.notify_all()

    def closed(self, seen: SeenSession) -> None:
        """The client is gone."""
        with self._changed:
            seen.open = False
            self._changed.notify_all()
