"""The turns of a conversation: who spoke when, how soon the answer was heard, and who was cut off."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Literal

from voicelive.playback import Account
from voicelive.transcript import AGENT_AUDIO, AGENT_TEXT, TYPED, USER

log = logging.getLogger(__name__)

HASTY_S = 2.0  # an answer that is cut off sooner may have heard itself
HASTY_TIMES = 2  # in a row
MOST_TURNS = 100  # that are not over
HEARD_BLOCKS = 6000  # of the microphone's, that are remembered: two minutes
MOST_TOKENS = 10**12  # of a response: more is no number of tokens
LOUD = 0.05  # of the loudest block of a turn (26 dB below it): softer is no speech


@dataclass
class Usage:
    """Tokens, as the service counts them; `cached` and `audio` are parts of what went in, and came out."""

    input: int = 0
    cached: int = 0
    input_audio: int = 0
    output: int = 0
    output_audio: int = 0

    @classmethod
    def of(cls, usage: object) -> "Usage":
        """From the `usage` of a response [reference]."""

        def number(*names: str) -> int:
            found = usage
            for name in names:
                found = found.get(name) if isinstance(found, Mapping) else None
            return found if type(found) is int and 0 < found < MOST_TOKENS else 0

        return cls(
            number("input_tokens"),
            number("input_token_details", "cached_tokens"),
            number("input_token_details", "audio_tokens"),
            number("output_tokens"),
            number("output_token_details", "audio_tokens"),
        )

    def add(self, other: "Usage") -> None:
        """Add up."""
        for one in fields(self):
            setattr(self, one.name, getattr(self, one.name) + getattr(other, one.name))


class Heard:
    """The sound that was sent in a session: when the microphone heard each millisecond, and how loud."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards both: the uplink's thread adds, the reader looks
        # Seconds, when the last frame was heard (time.monotonic()), and the peak, of each block.
        self._blocks: deque[tuple[float, float, float]] = deque(maxlen=HEARD_BLOCKS)
        self._sent_s = 0.0

    def add(self, seconds: float, ended_at: float, peak: float) -> None:
        """One more block is sent."""
        with self._lock:
            self._blocks.append((seconds, ended_at, peak))
            self._sent_s += seconds

    @property
    def sent_s(self) -> float:
        """How much there was of it, in seconds."""
        with self._lock:
            return self._sent_s

    def clear(self) -> None:
        """Another session begins, which counts anew."""
        with self._lock:
            self._blocks.clear()
            self._sent_s = 0.0

    def speech(self, start_ms: object, end_ms: object) -> tuple[float, float] | None:
        """When the first and the last loud block between two places in the sound, as the service counts,
        began and ended; None where that is not known. The service adds some silence to both ends.
        """
        if type(start_ms) is not int or type(end_ms) is not int:
            return None
        with self._lock:
            blocks, place_s = list(self._blocks), self._sent_s
        turn = []
        for seconds, ended_at, peak in reversed(blocks):
            place_s -= seconds
            # Numbers of the service are compared, not reckoned with: no float holds some of them.
            if start_ms < (place_s + seconds) * 1000 and place_s * 1000 < end_ms:
                turn.append((ended_at - seconds, ended_at, peak))
        least = LOUD * max((peak for *_, peak in turn), default=0.0)
        loud = [(began_at, ended_at) for began_at, ended_at, peak in turn if peak >= least]
        return (loud[-1][0], loud[0][1]) if loud else None


@dataclass
class Turn:
    """What one of the two said; times in seconds of time.monotonic(), None while they are not known."""

    item_id: str
    role: Literal["user", "agent"]
    text: str = ""  # once all of it is there
    start: float | None = None
    end: float | None = None
    interrupted: bool = False
    asked_at: float | None = None  # the last sound of what the user said before, or when it was typed
    noticed_at: float | None = None  # when the service told that this was the end
    received_at: float | None = None  # the first sound
    latency_s: float | None = None  # from `asked_at` until the first sound was heard
    is_interim: bool = False  # some words while the answer took long
    usage: Usage | None = None  # of the agent's, and of the calls that led to it, once its response is done


class Turns:
    """Keeps the book. The reader writes into it, the main thread settles what was heard meanwhile."""

    def __init__(self, account: Callable[[str], Account], keep: Callable[[Turn], None] | None = None) -> None:
        """`account` is the sink's; `keep` gets each turn when it is over."""
        self.answers = 0
        self.interruptions = 0
        self.latencies_s: list[float] = []  # of answers
        self.interim_latencies_s: list[float] = []  # of some words before one
        self.usage = Usage()
        self.heard = Heard()
        self._account = account
        self._keep = keep or (lambda turn: None)
        self._lock = threading.Lock()  # guards all of it
        self._turns: dict[str, Turn] = {}  # by item, those that are not over
        self._asked_at: float | None = None
        self._noticed_at: float | None = None
        self._start_ms: object = None  # where the turn that the user speaks began, as the service counts
        # The newest turn of the agent's, while the service may say words that are no answer yet.
        self._maybe_interim: Turn | None = None
        self._unassigned = Usage()  # of responses that said nothing, such as calls
        self._hasty = 0  # answers in a row that were cut off as soon as they began

    @property
    def seems_to_hear_itself(self) -> bool:
        """Whether one answer after the other is cut off at its very beginning."""
        return self._hasty >= HASTY_TIMES

    def user_begins(self, item_id: str, start_ms: object = None) -> None:
        """The user speaks up; `start_ms` is the service's count of the sound that was sent."""
        with self._lock:
            self._start_ms, self._maybe_interim = start_ms, None
            self._turn(item_id, "user").start = time.monotonic()

    def user_ends(self, item_id: str = "", end_ms: object = None) -> None:
        """The user has spoken, or typed: from now on an answer is waited for."""
        with self._lock:
            turn = self._turns.get(item_id)
            self._asked_at = self._noticed_at = time.monotonic()
            self._maybe_interim = None
            if speech := self.heard.speech(self._start_ms, end_ms):
                self._asked_at = speech[1]
            if turn:
                turn.end = self._asked_at
                turn.start = speech[0] if speech else turn.start

    def asked(self) -> None:
        """An answer is asked for in so many words; it may be waited for already."""
        with self._lock:
            self._asked_at = self._asked_at or time.monotonic()
            self._noticed_at = self._noticed_at or self._asked_at

    def forget(self) -> None:
        """The connection is gone: no answer is waited for any more."""
        with self._lock:
            self._asked_at = self._noticed_at = None
            self.heard.clear()
            for turn in self._turns.values():
                turn.usage = turn.usage or Usage()

    def agent_sounds(self, item_id: str, maybe_interim: bool = False) -> None:
        """A piece of the agent's sound arrived; `maybe_interim`: it may be followed by the answer itself."""
        with self._lock:
            turn = self._turn(item_id, "agent")
            if turn.received_at is None:
                turn.received_at = time.monotonic()
                turn.asked_at, self._asked_at = self._asked_at, None
                turn.noticed_at, self._noticed_at = self._noticed_at, None
                self.answers += 1
                if maybe_interim:
                    self._follow(turn)

    def _follow(self, turn: Turn) -> None:
        """One turn of the agent's follows another: the one before were interim words."""
        if (before := self._maybe_interim) and not before.is_interim:
            before.is_interim = True
            self.answers -= 1
            turn.asked_at, turn.noticed_at = before.asked_at, before.noticed_at
            if before.latency_s is not None:
                self.latencies_s.remove(before.latency_s)
                self.interim_latencies_s.append(before.latency_s)
        self._maybe_interim = turn

    def used(self, item_ids: Iterable[str], usage: object) -> None:
        """A response with these messages is done, and took so much; without one it was for the next that
        has one."""
        with self._lock:
            used = Usage.of(usage)
            self.usage.add(used)
            self._unassigned.add(used)
            for item_id in item_ids:
                self._turn(item_id, "agent").usage, self._unassigned = self._unassigned, Usage()

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

    def settle(self, is_all_heard: bool, is_last: bool = False) -> None:
        """See what became of the turns; `is_all_heard`: nothing is left to be heard; `is_last`: nothing more
        will come."""
        over = []
        with self._lock:
            for turn in list(self._turns.values()):
                if turn.role == "agent":
                    self._settle_sound(turn)
                is_done = is_last or (turn.usage is not None and turn is not self._maybe_interim)
                if turn.text and (turn.role == "user" or ((turn.interrupted or is_all_heard) and is_done)):
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
                (self.interim_latencies_s if turn.is_interim else self.latencies_s).append(turn.latency_s)
                steps = (turn.noticed_at or turn.asked_at, turn.received_at, turn.start)
                log.info(
                    "latency: noticed %.3f s after the last sound, first audio %.3f s, heard %.3f s",
                    *(moment - turn.asked_at for moment in steps),
                )

    def _turn(self, item_id: str, role: Literal["user", "agent"]) -> Turn:
        while len(self._turns) > MOST_TURNS:  # such as noise, which has no words
            del self._turns[next(iter(self._turns))]
        return self._turns.setdefault(item_id, Turn(item_id, role))
