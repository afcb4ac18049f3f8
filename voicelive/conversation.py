"""One conversation: what the events mean, and what is answered."""

import base64
import logging
import re
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from voicelive import failures, session
from voicelive.audio import SAMPLE_RATE
from voicelive.errors import VoiceLiveError
from voicelive.playback import Playback
from voicelive.session import Message, Offer
from voicelive.text import in_one_line, whole_characters
from voicelive.toolcalls import Approve, RunFunction, ToolCalls, keep_newest
from voicelive.transcript import AGENT_AUDIO, AGENT_TEXT, SOURCES, TYPED, USER, Transcript
from voicelive.turns import Turns

log = logging.getLogger(__name__)

MOST_RUNNING = 8  # responses at a time; of an older one the end is lost: the service makes one, or two
MOST_ITEMS = 256  # of a response, or with sound
FORGOTTEN_RESPONSES = 64  # so many that were cut off are remembered, for audio that comes late
MOST_REQUESTS = 4  # for one answer
LEAST_TURN_S = 0.1  # less is a slip of the finger, and refused by services of this kind
# What the service says to messages that crossed one of its own, by code or in words [reports].
TOO_EARLY = re.compile(r"already[ _]has[ _](an[ _])?active[ _]response", re.IGNORECASE)
NO_MATTER = re.compile(
    "response_cancel_not_active|cancellation failed|no active response|already shorter than|truncat",
    re.IGNORECASE,
)


@dataclass
class _Response:
    """One that is in the making."""

    number: int = 0  # of those that began
    items: list[str] = field(default_factory=list)  # all of its items so far
    messages: list[str] = field(default_factory=list)  # those of them in which the agent speaks
    unfinished: list[str] = field(default_factory=list)  # those of them that are in the making


@dataclass
class Conversation:
    """What the service's events mean for the speaker and the transcript, and what it is told in return.

    `handle` is nearly all of the logic. It needs no thread, no network and no sound, and runs on the
    thread that reads the connection; other threads type (`say`) and look.
    """

    sink: Playback
    transcript: Transcript
    turns: Turns
    note: Callable[[str], None]  # shows a line
    first_message: Message  # session.update; asks for less where the service refuses a part of it
    is_current: bool = False  # the route that is told how much was heard, and can go on by an id
    run_function: RunFunction | None = None  # runs functions that the agent calls
    approve: Approve = "none"  # of the tools that the agent asks about; `ask`: see `decide`
    offer: Offer = field(default_factory=Offer)  # a part of the first message that the service may refuse
    id: str = ""  # of the Foundry conversation, where it can go on in another session
    aside: Callable[[str], None] = log.info  # takes a line that few want to see
    has_expired: bool = field(default=False, init=False)  # this session has, says the service

    def __post_init__(self) -> None:
        self.send: Callable[[Message], None] = log.debug  # the connection's, once there is one
        self.ends_at = float("inf")  # of the session, in seconds of time.monotonic()
        self.sessions = 0  # accepted so far: the first one and those after each reconnect
        self.ready = threading.Event()  # set when the service has accepted the session
        self.refusal: VoiceLiveError | None = None  # of the session; what follows it may tell more
        self.heard_user = False  # the service noticed speech, or something was typed
        self.user_speaks = False
        self.talks = False  # push to talk: the user has begun to, and not ended
        self._turn_from_s: float | None = None  # where in the sound that is sent that turn began
        self._turn_ms: tuple[int, int] | None = None  # the newest of these, until the service knows it, too
        self._open_turn = False  # the user spoke, or speaks, or an answer was asked for, and none came yet
        self._lost_turn = False  # the newest ended while the agent waited for us: maybe it is not answered
        self._running: dict[str, _Response] = {}  # by id
        # Held while an event is handled, a message typed, a call answered: which an event may do at once.
        self._lock = threading.RLock()
        self._typed: list[str] = []  # messages that wait for the end of a response
        self._owes_answer = False  # response.create is to be sent, or came too early and is sent again
        self._responses = 0  # that began
        self._requests = 0  # response.create, since a response began
        self._transcribes = True  # the user's words will come
        self._recent: deque[str] = deque(maxlen=FORGOTTEN_RESPONSES)  # responses since the user spoke last
        # Items of this session, with sound: what the service can truncate.
        self._items: deque[str] = deque(maxlen=MOST_ITEMS)
        self._forgotten: deque[str] = deque(maxlen=FORGOTTEN_RESPONSES)  # those before: never heard
        self._sources: dict[str, deque[str]] = {}  # that an answer names, by item
        self._halves: dict[str, str] = {}  # of a character that is torn between two pieces of text, by item
        self._session_id = ""
        self._asked_id = ""  # of the conversation that this session is to go on with
        self.tools = ToolCalls(
            *(self.run_function, self.approve, self.note, self.transcript, self._lock, self._go_on)
        )

    @property
    def is_resting(self) -> bool:
        """Whether nobody is speaking, as far as the service knows."""
        is_asked = self._owes_answer or self._open_turn or self.tools.is_busy
        return not (self.user_speaks or is_asked or self._running)

    @property
    def _unfinished(self) -> list[str]:
        return [item for response in self._running.values() for item in response.unfinished]

    def handle(self, event: Message) -> None:
        """One event of the service [reference]. One that is malformed or unknown costs a line in the log.

        Raises VoiceLiveError for an error before the session stands.
        """
        with self._lock:
            match event.get("type"), event:
                case "session.created", {"session": {"id": str(session_id)}}:
                    self._on_session(in_one_line(session_id))
                case "session.updated", {"session": Mapping() as accepted}:
                    self._transcribes = accepted.get("input_audio_transcription", True) is not None
                    self.ends_at = session.ends_at(accepted)
                    self._on_accepted()
                case "error", {"error": Mapping() as error}:
                    self._on_error(error)
                case "warning", {"warning": {"message": str(message)}}:
                    self.note(f"The service warns: {in_one_line(message)}")
                case str(kind), _ if kind.startswith("response."):
                    self._on_answer(event)
                case str(kind), _ if kind.startswith("input_audio_buffer."):
                    self._on_speech(event)
                case str(kind), _ if kind.startswith("conversation.item."):
                    self._on_item(event)
            self.tools.handle(event)
            self._go_on()

    def say(self, text: str) -> None:
        """Send a typed message, from any thread. The agent falls silent, and answers it in sound."""
        with self._lock:
            self._typed.append(text)
            self.heard_user = self._owes_answer = True
            self._lost_turn = self.tools.keeps_waiting
            if self.ready.is_set():
                self.turns.user_ends()
            self._interrupt()
            if self._running:
                self.send(session.CANCELLATION)
            self._go_on()

    def silence(self) -> None:
        """Let the agent fall silent, from any thread; nothing else is said."""
        with self._lock:
            self._interrupt()
            if self._running:
                self.send(session.CANCELLATION)

    def talk(self, begins: bool) -> None:
        """Push to talk: the user begins a turn, and the agent falls silent, or ends it; from any thread."""
        with self._lock:
            self.talks = begins
            if begins:
                if self._turn_from_s is None:  # else the one before is still on its way: it goes on
                    self._turn_from_s = self.turns.heard.sent_s
                self.user_speaks = True
                self.silence()

    def end_turn(self) -> None:
        """All sound of a turn that the user has ended is sent: let the agent answer, unless it is empty."""
        with self._lock:
            began_s, self._turn_from_s, self.user_speaks = self._turn_from_s, None, False
            ended_s = self.turns.heard.sent_s
            if began_s is not None and ended_s - began_s >= LEAST_TURN_S:
                self._turn_ms = round(began_s * 1000), round(ended_s * 1000)
                self.send(session.TURN_END)
                self.heard_user = self._owes_answer = True
                self._lost_turn = self.tools.keeps_waiting
            elif began_s is not None and ended_s > began_s:
                self.send(session.NO_TURN)
            self._go_on()

    @property
    def pushes_to_talk(self) -> bool:
        """Whether the client says where a turn begins and ends."""
        return session.pushes_to_talk(self.first_message)

    def greet(self) -> None:
        """Let the agent speak first, as soon as there is a session."""
        with self._lock:
            self._owes_answer = True
            self._go_on()

    def decide(self, agrees: bool) -> bool:
        """What a person says to a tool that asks first, from any thread; whether one does."""
        with self._lock:
            is_asked = self.tools.decide(agrees)
            self._go_on()
            return is_asked

    def connect(self, send: Callable[[Message], None]) -> None:
        """There is a connection: from now on `send` takes what the service is told."""
        self.send, self.has_expired = send, False

    def leave(self, has_said_all: bool = False) -> None:
        """No person can be asked any more, nor will one speak (`has_said_all`); from any thread."""
        with self._lock:
            self.heard_user |= has_said_all
            self.tools.leave()
            self._go_on()

    def _go_on(self) -> None:
        """Send what waited until no response runs: the service makes one at a time.

        Where the user is speaking, or has just spoken, the answer to that tells what the tools gave.
        """
        if self._running or self._turn_from_s is not None or not self.ready.is_set():
            return
        was_lost = self._lost_turn and not (self.user_speaks or self.tools.keeps_waiting)
        may_tell = self.tools.owes_words and not (self.tools.waiting or self._open_turn)
        is_owed = self._owes_answer or was_lost or may_tell
        self._open_turn |= is_owed  # first, and what it follows from last: is_resting needs no lock
        for message in [*self.tools.replies, *map(session.typed_message, self._typed)]:
            self.send(message)
        self._typed.clear()
        if is_owed:
            self.send(session.ANSWER_REQUEST)
            self._requests += 1
            self.turns.asked()
            self._owes_answer = self.tools.owes_words = False
            self._lost_turn &= self.tools.keeps_waiting
        self.tools.replies.clear()

    def _on_speech(self, event: Message) -> None:
        """The user speaks, in turns."""
        match event.get("type"), event:
            case "input_audio_buffer.speech_started", _:
                self.heard_user = self.user_speaks = self._open_turn = True
                if session.user_may_interrupt(self.first_message):
                    self._interrupt()
                self.turns.user_begins(str(event.get("item_id")), event.get("audio_start_ms"))
            case "input_audio_buffer.speech_stopped", _:
                self._lost_turn = self.tools.keeps_waiting
                self._open_turn, self.user_speaks = True, False  # in this order: is_resting needs no lock
                self.turns.user_ends(str(event.get("item_id")), event.get("audio_end_ms"))
            case "input_audio_buffer.committed", {"item_id": str(item)}:
                if self._turn_ms:
                    self.turns.user_begins(item, self._turn_ms[0])
                    self.turns.user_ends(item, self._turn_ms[1])
                    self._turn_ms = None
                if self._transcribes:
                    self.transcript.expect(item, USER)

    def _on_item(self, event: Message) -> None:
        """What becomes part of the conversation: what was typed, the user's words, the agent's to come."""
        match event.get("type"), event:
            case (
                "conversation.item.created",
                {"item": {"id": str(item), "role": "user", "content": [{"text": str(text)}]}},
            ):
                self.transcript.finish(item, TYPED, whole_characters(text))
            case "conversation.item.created", {"item": {"id": str(item), "role": "assistant"}}:
                if item in self._unfinished:  # not one of the past
                    self.transcript.expect(item, AGENT_AUDIO, after=event.get("previous_item_id"))
            case (
                "conversation.item.input_audio_transcription.completed",
                {"item_id": str(item), "transcript": str(text)},
            ):
                self.transcript.finish(item, USER, whole_characters(text))
            case "conversation.item.input_audio_transcription.failed", _:
                if isinstance(lost := event.get("item_id"), str):
                    self.transcript.finish(lost, USER, "")
                self.note(f"Your words could not be transcribed{failures.reason_given(event.get('error'))}")

    def _on_answer(self, event: Message) -> None:
        """Responses, from their beginning to their end; in between, what the agent says."""
        match event.get("type"), event:
            case "response.created", {"response": {"id": str(response)} as details}:
                if self.is_current and (conversation := details.get("conversation_id")):  # may be ''
                    self._on_conversation(str(conversation))
                self._begin(response)
                self._requests = 0
                self.tools.owes_words &= bool(self.tools.replies)  # else this one knows all
                self._open_turn = self._lost_turn = False  # not earlier: is_resting needs no lock
                self._recent.append(response)
                if self._turn_from_s is not None:  # it was asked for before the user went on
                    self.silence()
            case "response.output_item.added", {
                "response_id": str(response),
                "item": {"id": str(item)} as what,
            }:
                if response in self._running and len(self._running[response].items) < MOST_ITEMS:
                    self._running[response].items.append(item)
                    self._running[response].unfinished.append(item)
                    if what.get("type", "message") == "message":
                        self._running[response].messages.append(item)
                if what.get("type") == "message":
                    self.tools.owes_words &= bool(self.tools.replies)
            case "response.output_item.done", {"response_id": str(response), "item": {"id": str(item)}}:
                if response in self._running and item in self._running[response].unfinished:
                    self._running[response].unfinished.remove(item)  # now only its sound can be cut off
                    self._finish(item)
            case "response.done", {"response": Mapping() as details}:
                self._on_response_done(details)
            case _, {"response_id": str(response)} if response in self._forgotten:
                pass  # what was cut off is heard and written no further
            case _, {"item_id": str(item)}:
                self._on_words(event, item)

    def _on_words(self, event: Message, item: str) -> None:
        """What the agent says: its sound, its words, where they come from."""
        match event.get("type"), event:
            case "response.audio_transcript.done", {"transcript": str(text)}:
                self.transcript.finish(item, AGENT_AUDIO, whole_characters(text))
            case "response.text.done", {"text": str(text)}:
                self.transcript.finish(item, AGENT_TEXT, whole_characters(text))
            case "response.audio_transcript.delta", {"delta": str(text)}:
                self.transcript.add(item, AGENT_AUDIO, self._joined(item, text))
            case "response.text.delta", {"delta": str(text)}:
                self.transcript.add(item, AGENT_TEXT, self._joined(item, text))
            case "response.audio.delta", {"delta": str(audio)}:
                self._play(audio, item)
            case str(kind), {"annotation": Mapping() as annotation} if kind.endswith(".annotation.added"):
                if item in self._unfinished and (source := source_of(annotation)):
                    self._sources.setdefault(item, deque(maxlen=MOST_ITEMS)).append(source)
                    keep_newest(self._sources, MOST_ITEMS)

    def pause(self) -> None:
        """The connection is gone: what was under way will not go on. What was received is still heard."""
        with self._lock:
            if self.ready.is_set() and not self._typed:
                self._owes_answer = False  # it was asked for, in vain
            self.ready.clear()
            self.tools.forget()
            self.turns.forget()
            self.transcript.complete()
            for of_this_session in (self._running, self._items, self._sources, self._halves):
                of_this_session.clear()
            self.ends_at = float("inf")
            self._requests = 0
            self._open_turn = self._lost_turn = self.user_speaks = self.talks = False
            self._turn_from_s = self._turn_ms = None

    def _on_session(self, session_id: str) -> None:
        self._asked_id, self._session_id = self.id, session_id
        if not self.sessions:
            self.transcript.head(f"SessionID: {session_id}")
        self.aside(f"Session {session_id}")

    def _on_accepted(self) -> None:
        """The session stands, or is changed."""
        if not self.ready.is_set():
            if self.sessions:
                self.transcript.head(f"(reconnected as {self._session_id})")
                self.note("Connected again." if self.id else "Connected again. The agent starts anew.")
            self.sessions += 1
        self.ready.set()
        self.refusal = None

    def _on_conversation(self, conversation: str) -> None:
        """A response belongs to a conversation: is it the one that was to go on?"""
        if self._asked_id == conversation:
            self.note("The conversation goes on.")
        elif self._asked_id:
            self.note("The service began another conversation: the agent starts anew.")
        self.id, self._asked_id = conversation, ""

    def _begin(self, response: str) -> None:
        """A response is in the making; one that began long before it is over, though its end was lost."""
        self._responses += 1
        begun = self._running.pop(response, _Response())
        begun.number = self._responses
        self._running[response] = begun
        lost = [old for old, known in self._running.items() if known.number <= begun.number - MOST_RUNNING]
        for old in lost:
            self._on_response_done({"id": old})

    def _on_response_done(self, details: Message) -> None:
        is_only = details.get("id") is None and len(self._running) == 1
        response = next(iter(self._running)) if is_only else str(details.get("id"))
        done = self._running.pop(response, _Response())
        for item in done.unfinished:
            self._finish(item)
        self.turns.used(done.messages, details.get("usage"))
        status, reason = details.get("status"), failures.reason_given(details.get("status_details"))
        if status in ("failed", "incomplete"):
            self.note(f"The agent's answer {'failed' if status == 'failed' else 'is incomplete'}{reason}")
        elif status == "completed" and details.get("output") == done.items == []:
            self.note("The agent's answer is empty.")

    def _finish(self, item: str) -> None:
        """All of an item of the agent's is there."""
        if self._halves.pop(item, ""):
            self.transcript.add(item, AGENT_AUDIO, "\ufffd")
        self.transcript.finish(item, AGENT_AUDIO)
        if sources := self._sources.pop(item, None):
            self.transcript.finish(f"{item} sources", SOURCES, "; ".join(dict.fromkeys(sources)))

    def _joined(self, item: str, text: str) -> str:
        """A piece of text, after the half of a character that came before; without one that it ends with."""
        text = self._halves.pop(item, "") + text
        if "\ud800" <= text[-1:] <= "\udbff":
            self._halves[item], text = text[-1], text[:-1]
            keep_newest(self._halves, MOST_ITEMS)
        return whole_characters(text)

    def _on_error(self, error: Message) -> None:
        failure = failures.service_error(error)
        if TOO_EARLY.search(failure.message):
            log.warning("the service reports %s", failure.message)
            self._ask_again(failure)
        elif self.ready.is_set() and (
            error.get("event_id") == session.UNIMPORTANT or NO_MATTER.search(failure.message)
        ):
            log.warning("the service reports %s", failure.message)
        elif self.ready.is_set() and not self.offer.is_refusal(str(error.get("code"))):
            self.note(f"The service reports {failure.message} {failure.remedy}".rstrip())
            if failures.is_expiry(failure):
                self.has_expired = True
        elif (less := session.without_refused(self.first_message, error, self.offer))[1]:
            self.first_message, what = less
            self.offer.asked_with(self.first_message)
            self.note(f"The service refuses {what}, so it is left out: {failure.message}")
        elif failures.is_refusal(failure):
            if self.refusal:  # a session was asked for once
                raise failures.voice_agent()
            self.refusal = failure
        elif self.sessions and self.id:
            self.id = ""  # the service does not go on with it: once more without
            self.note(f"The service reports {failure.message}")
        else:
            raise failure

    def _ask_again(self, failure: VoiceLiveError) -> None:
        """An answer was asked for while another one was in the making, as the service sees it."""
        if self._requests < MOST_REQUESTS:
            self._owes_answer = True
        else:  # it says so again and again, and makes none
            self._open_turn = False
            self.note(f"The service reports {failure.message}")

    def _play(self, audio: str, item: str) -> None:
        if item not in self._items:
            self._items.append(item)
        try:
            self.sink.play(base64.b64decode(audio, validate=True), item)
        except ValueError as error:
            log.warning("audio left out: %s", error)
        # Sound comes first. Interim words are a response of their own.
        self.turns.agent_sounds(item, "interim_response" in self.first_message["session"])

    def _interrupt(self) -> None:
        """Fall silent at once, and for good: nothing of the responses so far is heard any more.

        Mark what was cut off, and tell the service, where it wants to know, how much of it was heard.
        """
        cut_off = self.sink.interrupt()
        self._forgotten.extend(self._recent)
        self._recent.clear()
        for item in self._unfinished:
            self.transcript.interrupt(item)
        for account in cut_off:
            item = account.item_id
            if account.heard < account.received or item in self._unfinished:
                self.transcript.interrupt(item)
                self.turns.interrupt(item)
                if self.is_current and item in self._items:
                    self.send(session.truncation(item, account.heard * 1000 // SAMPLE_RATE))


def source_of(annotation: Message) -> str:
    """What an annotation cites, in words; '' where it says nothing."""
    title, place = str(annotation.get("title") or ""), str(annotation.get("url") or "")
    if title and place:
        return f"{title} ({place})"
    return title or place or str(annotation.get("filename") or annotation.get("file_id") or "")
