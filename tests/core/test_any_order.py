"""Events in any order: nothing is lost, doubled or held for long, marks are right, and it ends at rest."""

import json
import random
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sized
from itertools import islice
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
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
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from voicelive import toolcalls, transcript, turns
from voicelive.audio import SAMPLE_RATE
from voicelive.conversation import MOST_RUNNING
from voicelive.playback import RAMP_FRAMES
from voicelive.toolcalls import Answer, FunctionCall

HELD_S = 5.0  # at most until what was said is in the log
TRANSCRIPTION = "conversation.item.input_audio_transcription"

RESPONSES = st.sampled_from(["r0", "r1", "r2"])
ITEMS = st.sampled_from(["i0", "i1", "i2", "i3"])
USERS = st.sampled_from(["u0", "u1", "u2"])
PREVIOUS = ITEMS | USERS | st.none()
TOOLS = st.sampled_from(["t0", "t1", "t2"])
SAMPLES = {f"i{number}": 1000 + number for number in range(4)}  # each item's sound is known by it


def item_created(item: str, role: str, previous: str | None = None, text: str = "") -> Event:
    what = {"id": item, "type": "message", "role": role, "content": [{"type": "input_text", "text": text}]}
    return {"type": "conversation.item.created", "previous_item_id": previous, "item": what}


def said(kind: str, text: str, response: str, item: str) -> Event:
    """The whole text of an item; `kind` is audio_transcript or text."""
    name = "text" if kind == "text" else "transcript"
    return {"type": f"response.{kind}.done", name: text, "response_id": response, "item_id": item}


def transcribed(item: str, text: str) -> Event:
    return {"type": f"{TRANSCRIPTION}.completed", "item_id": item, "transcript": text}


def called(call: str, name: str, word: str) -> Event:
    """A function call as it is told, whole."""
    arguments = json.dumps({"x": word.strip()})
    return {"id": call, "type": "function_call", "call_id": call, "name": name, "arguments": arguments}


def asks_first(request: str, word: str) -> Event:
    what = {"server_label": "s", "name": "n", "arguments": json.dumps({"x": word.strip()})}
    return {"id": request, "type": "mcp_approval_request", **what}


def item_done(response: str, item: Event) -> Event:
    return {"type": "response.output_item.done", "response_id": response, "item": item}


class AnyOrder(RuleBasedStateMachine):
    """A service that says whatever comes into its head; it says each of its words once."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1_000.0
        self.patches = pytest.MonkeyPatch()
        for module in (transcript, turns, toolcalls):
            self.patches.setattr(module, "time", SimpleNamespace(monotonic=lambda: self.now))
        self.held = Held(is_current=True, run_function=self.run, approve="ask")
        self.held.conversation.connect(self.on_sent)
        self.sent: list[Event] = []
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
        # What was received of each item's sound, and heard of it, in frames; what is to be heard, in order.
        self.received = dict.fromkeys(SAMPLES, 0)
        self.heard = dict.fromkeys(SAMPLES, 0)
        self.queue: list[list[int]] = []  # samples and frames
        self.last_heard: str | None = None
        self.ramp = 0  # frames of what was cut off that are still to come, and count as heard
        self.sounded: list[str] = []  # items with sound in this session
        self.calls: dict[str, Answer] = {}  # that are not answered
        self.told: dict[str, list[Event]] = {}  # by response: most things are told twice
        self.asked: list[str] = []  # approvals that wait for a person
        self.approved = set[str]()  # whose call has not begun
        self.owed: list[tuple[str, object]] = []  # outputs and approvals, in order, and what they say

    def word(self) -> str:
        self.count += 1
        return f"w{self.count} "

    def tell(self, *events: Event) -> None:
        self.held.handle(*events)

    def on_sent(self, message: Mapping[str, Any]) -> None:
        """The service makes one answer at a time: what asks for one, or is for one, waits until none runs."""
        self.sent.append(dict(message))
        if message["type"] in ("response.create", "conversation.item.create"):
            assert not self.running, message

    def run(self, call: FunctionCall, answer: Answer) -> bool:
        assert call.id not in self.calls, "run twice"
        if call.name == "unknown":
            self.owed.append((call.id, json.dumps({"error": "unknown is not available here."})))
            return False
        self.calls[call.id] = answer
        return True

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
        self.silences(lambda: self.tell({**SPEECH_STARTED, "item_id": user}))

    @rule()
    def person_types(self) -> None:
        ran, before = bool(self.running), len(self.sent)
        self.silences(lambda: self.held.conversation.say("typed"))
        assert ({"type": "response.cancel"} in self.sent[before:]) == ran

    def silences(self, act: Callable[[], object]) -> None:
        """Interrupt the agent by `act`, which tells how much of what was cut off was heard."""
        unfinished = {item for items in self.running.values() for item in items}
        waiting = list(dict.fromkeys(f"i{sample - 1000}" for sample, _ in self.queue))
        if self.queue and not self.held.playback._lead:
            self.ramp = min(RAMP_FRAMES, self.queue[0][1])
            self.heard[waiting[0]] += self.ramp
        marks = [
            {
                "item_id": item,
                "content_index": 0,
                "audio_end_ms": self.heard[item] * 1000 // SAMPLE_RATE,
            }
            for item in waiting or filter(None, [self.last_heard])
            if item in self.sounded and (self.heard[item] < self.received[item] or item in unfinished)
        ]
        self.interrupt(unfinished, waiting)
        self.queue.clear()
        self.last_heard = None
        before = len(self.sent)
        act()
        cut = [message for message in self.sent[before:] if message["type"] == "conversation.item.truncate"]
        assert [{name: message[name] for name in mark} for message, mark in zip(cut, marks, strict=True)] == (
            marks
        )

    def interrupt(self, unfinished: set[str], waiting: list[str]) -> None:
        """What is said from now on in the responses so far is not taken."""
        last = self.last_heard
        cut_off = unfinished | set(
            waiting or ([last] if last and self.heard[last] < self.received[last] else [])
        )
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
        if response not in self.forgotten:
            self.received[item] += frames
            self.sounded.append(item)
            if self.queue and self.queue[-1][0] == SAMPLES[item]:
                self.queue[-1][1] += frames
            else:
                self.queue.append([SAMPLES[item], frames])
        self.tell(audio(SAMPLES[item].to_bytes(2, "little") * frames, response, item))

    @rule(response=RESPONSES, item=ITEMS, frames=st.integers(1, 960))
    def agent_begins_to_answer(self, response: str, item: str, frames: int) -> None:
        """In the order in which it should be: chance alone rarely finds it."""
        self.response_begins(response)
        self.item_begins(response, item)
        self.agent_says(response, item, is_text=False)
        self.agent_sounds(response, item, frames)

    @rule(response=RESPONSES, name=st.sampled_from(["f", "unknown"]), is_twice=st.booleans())
    def function_is_called(self, response: str, name: str, is_twice: bool) -> None:
        word = self.word()
        call = f"c{self.count}"
        self.say_in(call, "", word)
        self.close(call)
        item = called(call, name, word)
        self.told.setdefault(response, []).append(item)
        self.tell(*[item_done(response, item)] * (1 + is_twice))

    @precondition(lambda self: self.calls)
    @rule(which=st.integers(0, 9), is_twice=st.booleans())
    def function_gives(self, which: int, is_twice: bool) -> None:
        call = list(self.calls)[which % len(self.calls)]
        answer = self.calls.pop(call)
        self.owed.append((call, "it"))
        for _ in range(1 + is_twice):
            answer("it")

    @rule(response=RESPONSES, is_twice=st.booleans())
    def agent_asks_first(self, response: str, is_twice: bool) -> None:
        word = self.word()
        request = f"p{self.count} {word}"
        self.asked.append(request)
        self.tell(*[item_done(response, asks_first(request, word))] * (1 + is_twice))

    @rule(agrees=st.booleans())
    def person_decides(self, agrees: bool) -> None:
        if self.asked:
            request = self.asked.pop(0)
            self.say_in(request, "", request.split()[1])
            self.close(request)
            self.owed.append((request, agrees))
            self.approved |= {request} if agrees else set()
            assert self.held.conversation.decide(agrees)
        else:
            assert not self.held.conversation.decide(agrees)

    @rule(item=TOOLS, response=RESPONSES, what=st.sampled_from(["in_progress", "completed", "failed"]))
    def tool_runs(self, item: str, response: str, what: str) -> None:
        self.tell({"type": f"response.mcp_call.{what}", "item_id": item, "response_id": response})

    @rule(item=TOOLS)
    def approved_call_begins(self, item: str) -> None:
        request = self.approved.pop() if self.approved else "none"
        call = {"id": item, "type": "mcp_call", "name": "n", "approval_request_id": request}
        self.tell({"type": "conversation.item.created", "item": call})

    @rule(response=RESPONSES, item=ITEMS)
    def item_is_whole(self, response: str, item: str) -> None:
        if item in self.running.get(response, []):
            self.running[response].remove(item)
            self.close(item)
        self.tell(whole(response, item))

    @rule(response=RESPONSES, status=st.sampled_from(["completed", "cancelled", "failed", "incomplete"]))
    def response_is_done(self, response: str, status: str) -> None:
        self.close(*self.running.pop(response, []))
        self.tell(done(response, status=status, output=self.told.pop(response, [])))

    @rule(event=st.sampled_from([{}, {"type": "response.done"}, {"type": "response.created", "response": 7}]))
    def nonsense(self, event: Event) -> None:
        self.tell(event)

    @rule()
    def connection_is_lost(self) -> None:
        self.held.conversation.pause()
        self.closed |= set(self.held.transcript._lines)
        self.running.clear()
        self.forget()
        self.tell({"type": "session.created", "session": {"id": "sess_2"}}, UPDATED)

    @rule(frames=st.integers(1, 4_800))
    def sound_is_heard(self, frames: int) -> None:
        out = np.frombuffer(self.held.render(frames), dtype="<i2")
        self.ramp, rest = max(0, self.ramp - frames), out[self.ramp :]
        for sample in rest[rest != 0]:  # silence: nothing is there, or more is gathered first
            assert sample == self.queue[0][0], "another sound than the next one, or one that was cut off"
            self.queue[0][1] -= 1
            if not self.queue[0][1]:
                del self.queue[0]
            self.last_heard = f"i{sample - 1000}"
            self.heard[self.last_heard] += 1

    def forget(self) -> None:
        """The connection is gone: nothing of it is answered any more."""
        self.owed = self.replies
        for of_this_session in (self.calls, self.asked, self.approved, self.sounded):
            of_this_session.clear()

    @property
    def replies(self) -> list[tuple[str, object]]:
        """What the service was told that functions gave, and a person agreed to."""
        items = [message["item"] for message in self.sent if message["type"] == "conversation.item.create"]
        return [
            (item["call_id"], item["output"])
            if item["type"] == "function_call_output"
            else (item["approval_request_id"], item["approve"])
            for item in items
            if item["type"] != "message"
        ]

    @invariant()
    def replies_come_once_and_in_order(self) -> None:
        assert self.replies == self.owed[: len(self.replies)]

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
        while self.calls:
            self.function_gives(0, is_twice=False)
        while self.asked:
            self.person_decides(agrees=True)
        while self.approved:
            self.approved_call_begins("t0")
        for item in ("t0", "t1", "t2"):
            self.tool_runs(item, "", "completed")
        self.running.clear()
        for number in range(MOST_RUNNING + 1):  # the last one answers what was typed meanwhile
            self.tell(created(f"last {number}"), done(f"last {number}"))
        assert self.held.conversation.is_resting
        assert self.replies == self.owed

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
        lambda response, item, user, text: item_done(response, called(f"c{item}", "f", text)),
        lambda response, item, user, text: item_done(response, asks_first(f"p{item}", text)),
        lambda response, item, user, text: {
            "type": "response.mcp_call.in_progress",
            "item_id": f"t{item}",
            "response_id": response,
        },
        lambda response, item, user, text: {"type": "response.mcp_call.failed", "item_id": f"t{item}"},
        *[lambda response, item, user, text: words(text, response, item)] * 6,
    ]
    for number in range(how_many):
        of = max(0, number // 12 - chance.choice((0, 0, 1, 1, 2, 3, 200)))
        yield chance.choice(kinds)(f"r{of}", f"i{of}", f"u{of}", f"w{number} ")


class Busy:
    """A conversation with functions that answer, and a person who is slower than such a service."""

    def __init__(self, clock: SimpleNamespace) -> None:
        self.clock = clock
        self.answers: list[Answer] = []
        self.held = Held(is_current=True, run_function=self.run, approve="ask")
        self.held.handle(UPDATED)

    def run(self, call: FunctionCall, answer: Answer) -> bool:
        self.answers.append(answer)
        return True

    def go_on(self, number: int, event: Event) -> None:
        held = self.held
        self.clock.now += 0.02
        held.conversation.handle(event)
        if number % 50 == 0:
            held.conversation.decide(number % 100 == 0)
        if number % 10 == 0:
            while self.answers:
                self.answers.pop()("it")
            held.render(240)
            held.transcript.release_late()
            held.turns.settle(held.playback.wait_until_heard(0))

    @property
    def size(self) -> int:
        """How much it keeps, in pieces."""
        held = self.held
        parts = (held.conversation, held.conversation.tools, held.transcript, held.turns, held.playback)
        return sum(len(kept) for part in parts for kept in vars(part).values() if isinstance(kept, Sized))


def test_a_hundred_thousand_events_take_time_and_memory_in_proportion(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = SimpleNamespace(now=1_000.0)
    for module in (transcript, turns, toolcalls):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock.now))
    took: list[float] = []
    kept: list[int] = []
    busy = Busy(clock)
    events = any_events(seed=1, how_many=100_000)
    for _ in range(4):
        started = time.thread_time()
        for number, event in enumerate(islice(events, 25_000)):
            busy.go_on(number, event)
        took.append(time.thread_time() - started)
        kept.append(busy.size)
    busy.held.transcript.close()

    assert sum(took) < 60
    assert took[3] < 4 * took[0] + 2, took
    assert kept[3] < 1.5 * kept[0], kept
    logged = re.findall(r"\bw\d+\b", busy.held.log.getvalue())
    assert len(logged) == len(set(logged))
