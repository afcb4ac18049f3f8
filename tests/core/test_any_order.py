"""Events in any order: nothing is lost, doubled or held for long, marks are right, and it ends at rest."""

import random
import re
import time
from collections.abc import Callable, Iterator, Sized
from itertools import islice
from types import SimpleNamespace
from typing import cast

import pytest
from held import (
    SPEECH_STARTED,
    SPEECH_STOPPED,
    UPDATED,
    Event,
    Held,
    Shown,
    added,
    audio,
    created,
    done,
    whole,
    words,
)
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from voicelive import toolcalls, transcript, turns
from voicelive.conversation import MOST_RUNNING

HELD_S = 5.0  # at most until what was said is in the log
TRANSCRIPTION = "conversation.item.input_audio_transcription"

RESPONSES = st.sampled_from(["r0", "r1", "r2"])
ITEMS = st.sampled_from(["i0", "i1", "i2", "i3"])
USERS = st.sampled_from(["u0", "u1", "u2"])
PREVIOUS = ITEMS | USERS | st.none()


def item_created(item: str, role: str, previous: str | None = None, text: str = "") -> Event:
    what = {"id": item, "type": "message", "role": role, "content": [{"type": "input_text", "text": text}]}
    return {"type": "conversation.item.created", "previous_item_id": previous, "item": what}


def said(kind: str, text: str, response: str, item: str) -> Event:
    """The whole text of an item; `kind` is audio_transcript or text."""
    name = "text" if kind == "text" else "transcript"
    return {"type": f"response.{kind}.done", name: text, "response_id": response, "item_id": item}


def transcribed(item: str, text: str) -> Event:
    return {"type": f"{TRANSCRIPTION}.completed", "item_id": item, "transcript": text}


class AnyOrder(RuleBasedStateMachine):
    """A service that says whatever comes into its head; it says each of its words once."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1_000.0
        self.patches = pytest.MonkeyPatch()
        for module in (transcript, turns, toolcalls):
            self.patches.setattr(module, "time", SimpleNamespace(monotonic=lambda: self.now))
        self.held = Held(is_current=True)
        self.screen = cast(Shown, self.held.transcript._screen)
        self.count = 0
        self.text: dict[str, str] = {}  # what an item said so far
        self.closed = set[str]()  # items that take no more words
        self.running: dict[str, list[str]] = {}  # responses, and their items that are not whole
        self.begun: list[str] = []
        self.recent: list[str] = []
        self.forgotten = set[str]()  # responses that were cut off
        self.due: dict[str, float] = {}  # words that must be written, and when they were said
        self.marked = set[str]()  # items that were cut off in the middle

    def word(self) -> str:
        self.count += 1
        return f"w{self.count} "

    def tell(self, *events: Event) -> None:
        self.held.handle(*events)

    def say_in(self, item: str, response: str, text: str) -> None:
        """The model of what becomes of a word."""
        if item not in self.closed and response not in self.forgotten:
            self.text[item] = self.text.get(item, "") + text
            self.due[text.strip()] = self.now

    def close(self, *items: str) -> None:
        self.closed.update(items)

    @initialize()
    def session(self) -> None:
        self.tell(UPDATED)

    @rule(user=USERS)
    def user_speaks(self, user: str) -> None:
        self.interrupt()
        self.tell({**SPEECH_STARTED, "item_id": user})

    @rule()
    def person_types(self) -> None:
        self.interrupt()
        self.held.conversation.say("typed")

    def interrupt(self) -> None:
        """What is said from now on in the responses so far is not taken."""
        playback = self.held.playback
        cut_off = {item for items in self.running.values() for item in items}
        waiting = {account.item_id for account, _ in playback._waiting}
        current = playback._current
        cut_off |= waiting or ({current.item_id} if current and current.heard < current.received else set())
        self.marked |= {item for item in cut_off if item in self.text}
        self.closed |= cut_off & set(self.text) | {
            item for item in cut_off if item in self.held.transcript._lines
        }
        self.forgotten |= set(self.recent)
        self.recent.clear()

    @rule(user=USERS)
    def user_stops(self, user: str) -> None:
        self.tell({**SPEECH_STOPPED, "item_id": user})

    @rule(user=USERS)
    def user_is_committed(self, user: str) -> None:
        self.tell({"type": "input_audio_buffer.committed", "item_id": user})

    @rule(user=USERS)
    def user_is_transcribed(self, user: str) -> None:
        text = self.word()
        self.say_in(user, "", text)
        self.close(user)
        self.tell(transcribed(user, text))

    @rule(user=USERS)
    def user_is_not_understood(self, user: str) -> None:
        self.close(user)
        self.tell({"type": f"{TRANSCRIPTION}.failed", "item_id": user, "error": {"message": "m"}})

    @rule(user=USERS, previous=PREVIOUS)
    def typed_message_is_there(self, user: str, previous: str | None) -> None:
        text = self.word()
        self.say_in(user, "", text)
        self.close(user)
        self.tell(item_created(user, "user", previous, text))

    @rule(response=RESPONSES)
    def response_begins(self, response: str) -> None:
        self.begun.append(response)
        self.running.setdefault(response, [])
        for lost in set(self.running) - set(self.begun[-MOST_RUNNING:]):
            self.close(*self.running.pop(lost))
        self.recent.append(response)
        self.tell(created(response))

    @rule(response=RESPONSES, item=ITEMS)
    def item_begins(self, response: str, item: str) -> None:
        if response in self.running:
            self.running[response].append(item)
        self.tell(added(response, item))

    @rule(item=ITEMS, previous=PREVIOUS)
    def item_is_there(self, item: str, previous: str | None) -> None:
        self.tell(item_created(item, "assistant", previous))

    @rule(response=RESPONSES, item=ITEMS, is_text=st.booleans())
    def agent_says(self, response: str, item: str, is_text: bool) -> None:
        text = self.word()
        self.say_in(item, response, text)
        event = words(text, response, item)
        self.tell({**event, "type": "response.text.delta"} if is_text else event)

    @rule(response=RESPONSES, item=ITEMS, is_text=st.booleans())
    def agent_has_said(self, response: str, item: str, is_text: bool) -> None:
        text = self.word()
        self.say_in(item, response, text)
        if response not in self.forgotten:
            self.close(item)
        kind = "text" if is_text else "audio_transcript"
        self.tell(said(kind, self.text.get(item, text), response, item))

    @rule(response=RESPONSES, item=ITEMS, frames=st.integers(1, 960))
    def agent_sounds(self, response: str, item: str, frames: int) -> None:
        self.tell(audio(b"\1\1" * frames, response, item))

    @rule(response=RESPONSES, item=ITEMS)
    def item_is_whole(self, response: str, item: str) -> None:
        if item in self.running.get(response, []):
            self.running[response].remove(item)
            self.close(item)
        self.tell(whole(response, item))

    @rule(response=RESPONSES, status=st.sampled_from(["completed", "cancelled", "failed", "incomplete"]))
    def response_is_done(self, response: str, status: str) -> None:
        self.close(*self.running.pop(response, []))
        self.tell(done(response, status=status))

    @rule(event=st.sampled_from([{}, {"type": "response.done"}, {"type": "response.created", "response": 7}]))
    def nonsense(self, event: Event) -> None:
        self.tell(event)

    @rule()
    def connection_is_lost(self) -> None:
        self.held.conversation.pause()
        self.closed |= set(self.held.transcript._lines)
        self.running.clear()
        self.tell({"type": "session.created", "session": {"id": "sess_2"}}, UPDATED)

    @rule(frames=st.integers(1, 4_800))
    def sound_is_heard(self, frames: int) -> None:
        self.held.render(frames)

    @rule(seconds=st.sampled_from([0.1, 1.0, 3.0, 6.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.held.transcript.release_late()
        self.held.turns.settle(self.held.playback.wait_until_heard(0))
        held = {word for word, since in self.due.items() if self.now - since > HELD_S}
        assert held - set(self.logged) == set(), "held for too long"

    @property
    def logged(self) -> list[str]:
        return re.findall(r"\bw\d+\b", self.held.log.getvalue())

    @invariant()
    def nothing_is_doubled(self) -> None:
        for shown in (self.logged, re.findall(r"\bw\d+\b", self.screen.text)):
            assert len(shown) == len(set(shown))

    def teardown(self) -> None:
        try:
            self.held.transcript.close()
            logged = self.logged
            assert set(self.due) - set(logged) == set(), "lost"
            assert set(self.due) - set(re.findall(r"\bw\d+\b", self.screen.text)) == set(), "not shown"
            self.comes_to_rest()
        finally:
            self.patches.undo()

    def comes_to_rest(self) -> None:
        """Whatever was, a service that now behaves is understood, on this line and on the next."""
        self.tell(SPEECH_STOPPED)
        for number in range(MOST_RUNNING + 1):  # the last one answers what was typed meanwhile
            self.tell(created(f"last {number}"), done(f"last {number}"))
        assert self.held.conversation.is_resting

        self.held.conversation.pause()
        self.tell(UPDATED, created("next"), added("next", "ni"), words("Next.", "next", "ni"), done("next"))
        assert self.held.conversation.is_resting
        self.held.transcript.close()
        assert self.held.log.getvalue().count("Next.") == 1
        assert self.held.log.getvalue().endswith("Agent Audio Response:\tNext.\n")


AnyOrder.TestCase.settings = settings(
    max_examples=200, stateful_step_count=50, deadline=None, derandomize=True
)
TestAnyOrder = AnyOrder.TestCase


def any_events(seed: int, how_many: int) -> Iterator[Event]:
    """A long conversation: the newest few items and responses, in any order; now and then one of long ago."""
    chance = random.Random(seed)
    kinds: list[Callable[[str, str, str, str], Event]] = [
        lambda response, item, user, text: created(response),
        lambda response, item, user, text: added(response, item),
        lambda response, item, user, text: item_created(item, "assistant", user),
        lambda response, item, user, text: audio(b"\1\1" * 24, response, item),
        lambda response, item, user, text: said("audio_transcript", text, response, item),
        lambda response, item, user, text: whole(response, item),
        lambda response, item, user, text: done(response, usage={"total_tokens": 10**400}),
        lambda response, item, user, text: {**SPEECH_STARTED, "item_id": user},
        lambda response, item, user, text: {**SPEECH_STOPPED, "item_id": user},
        lambda response, item, user, text: {"type": "input_audio_buffer.committed", "item_id": user},
        lambda response, item, user, text: transcribed(user, text),
        lambda response, item, user, text: item_created(user, "user", item, text),
        *[lambda response, item, user, text: words(text, response, item)] * 6,
    ]
    for number in range(how_many):
        of = max(0, number // 12 - chance.choice((0, 0, 1, 1, 2, 3, 200)))
        yield chance.choice(kinds)(f"r{of}", f"i{of}", f"u{of}", f"w{number} ")


def sizes(thing: object) -> int:
    """How much an object keeps, in pieces."""
    return sum(len(kept) for kept in vars(thing).values() if isinstance(kept, Sized))


def test_a_hundred_thousand_events_take_time_and_memory_in_proportion(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = SimpleNamespace(now=1_000.0)
    for module in (transcript, turns, toolcalls):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock.now))
    took: list[float] = []
    kept: list[int] = []
    held = Held(is_current=True)
    held.handle(UPDATED)
    events = any_events(seed=1, how_many=100_000)
    for _ in range(4):
        started = time.thread_time()
        for number, event in enumerate(islice(events, 25_000)):
            clock.now += 0.02
            held.conversation.handle(event)
            if number % 10 == 0:
                held.render(240)
                held.transcript.release_late()
                held.turns.settle(held.playback.wait_until_heard(0))
        took.append(time.thread_time() - started)
        kept.append(
            sum(
                map(
                    sizes,
                    (held.conversation, held.conversation.tools, held.transcript, held.turns, held.playback),
                )
            )
        )
    held.transcript.close()

    assert sum(took) < 60
    assert took[3] < 4 * took[0] + 2, took
    assert kept[3] < 1.5 * kept[0], kept
    logged = re.findall(r"\bw\d+\b", held.log.getvalue())
    assert len(logged) == len(set(logged))
