"""The turns of a conversation: who spoke when, how soon the answer was heard, and who was cut off."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from voicelive.playback import Account
from voicelive.transcript import AGENT_AUDIO, AGENT_TEXT, TYPED, USER

log = logging.getLogger(__name__)

HASTY_S = 2.0  # an answer that is cut off sooner may have heard itself
HASTY_TIMES = 2  # in a row
MOST_TURNS = 100  # that are not over


@dataclass
class Turn:
    """What one of the two said; times in seconds of time.monotonic(), None while they are not known."""

    item_id: str
    role: Literal["user", "agent"]
    text: str = ""  # once all of it is there
    start: float | None = None
    end: float | None = None
    interrupted: bool = False
    asked_at: float | None = None  # the end of what the user said before
    received_at: float | None = None  # the first sound
    latency_s: float | None = None  # from `asked_at` until the first sound was heard


class Turns:
    """Keeps the book. The reader writes into it, the main thread settles what was heard meanwhile."""

    def __init__(self, account: Callable[[str], Account], keep: Callable[[Turn], None] | None = None) -> None:
        """`account` is the sink's; `keep` gets each turn when it is over."""
        self.answers = 0
        self.interruptions = 0
        self.latencies_s: list[float] = []
        self._account = account
        self._keep = keep or (lambda turn: None)
        self._lock = threading.Lock()  # guards all of it
        self._turns: dict[str, Turn] = {}  # by item, those that are not over
        self._asked_at: float | None = None
        self._hasty = 0  # answers in a row that were cut off as soon as they began

    @property
    def seems_to_hear_itself(self) -> bool:
        """Whether one answer after the other is cut off at its very beginning."""
        return self._hasty >= HASTY_TIMES

    def user_begins(self, item_id: str) -> None:
        """The user speaks up."""
        with self._lock:
            self._turn(item_id, "user").start = time.monotonic()

    def user_ends(self, item_id: str = "") -> None:
        """The user has spoken, or typed: from now on an answer is waited for."""
        with self._lock:
            self._asked_at = time.monotonic()
            if turn := self._turns.get(item_id):
                turn.end = self._asked_at

    def asked(self) -> None:
        """An answer is asked for in so many words; it may be waited for already."""
        with self._lock:
            self._asked_at = self._asked_at or time.monotonic()

    def forget(self) -> None:
        """The connection is gone: no answer is waited for any more."""
        with self._lock:
            self._asked_at = None

    def agent_sounds(self, item_id: str) -> None:
        """A piece of the agent's sound arrived."""
        with self._lock:
            turn = self._turn(item_id, "agent")
            if turn.received_at is None:
                turn.received_at = time.monotonic()
                turn.asked_at, self._asked_at = self._asked_at, None
                self.answers += 1

    def used(self, item_ids: Sequence[str], usage: object) -> None:
        """A response is done."""

    def interrupt(self, item_id: str) -> None:
        """The user cut in."""
        with self._lock:
            if (turn := self._turns.get(item_id)) and not turn.interrupted:
                turn.interrupted = True
                self.interruptions += 1
                began_at = self._account(item_id).began_at
                is_hasty = began_at is not None and time.monotonic() - began_at < HASTY_S
                self._hasty = self._hasty + 1 if is_hasty else 0

    def write(self, item_id: str, kind: str, text: str) -> None:
        """All that was said in a turn, in words: a line of the transcript, of one of its kinds."""
        if kind not in (USER, TYPED, AGENT_TEXT, AGENT_AUDIO):
            return
        with self._lock:
            turn = self._turn(item_id, "user" if kind in (USER, TYPED) else "agent")
            turn.text = text
            self.answers += kind == AGENT_TEXT
            if kind == TYPED:
                turn.start = turn.end = time.monotonic()
                self._hasty = 0  # it was a person who cut in

    def settle(self, is_all_heard: bool) -> None:
        """See what became of the turns; `is_all_heard`: nothing is left to be heard."""
        over = []
        with self._lock:
            for turn in list(self._turns.values()):
                if turn.role == "agent":
                    self._settle_sound(turn)
                if turn.text and (turn.role == "user" or turn.interrupted or is_all_heard):
                    over.append(self._turns.pop(turn.item_id))
                    if turn.role == "agent" and not turn.interrupted:
                        self._hasty = 0
        for turn in over:  # without the lock: the reader is not to wait for a file
            self._keep(turn)

    def _settle_sound(self, turn: Turn) -> None:
        account = self._account(turn.item_id)
        if account.began_at is None:
            return
        turn.end = account.ended_at
        if turn.start is None:
            turn.start = account.began_at
            if turn.asked_at and turn.received_at:
                turn.latency_s = turn.start - turn.asked_at
                self.latencies_s.append(turn.latency_s)
                log.info(
                    "latency: first audio %.3f s after the end of the turn, first sound %.3f s",
                    *(turn.received_at - turn.asked_at, turn.latency_s),
                )

    def _turn(self, item_id: str, role: Literal["user", "agent"]) -> Turn:
        while len(self._turns) > MOST_TURNS:  # such as noise, which has no words
            del self._turns[next(iter(self._turns))]
        return self._turns.setdefault(item_id, Turn(item_id, role))
