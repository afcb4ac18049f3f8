"""One conversation: what the events mean, and what is answered."""

import base64
import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from voicelive import failures, session
from voicelive.audio import SAMPLE_RATE
from voicelive.playback import Playback
from voicelive.session import Message
from voicelive.transcript import AGENT_AUDIO, AGENT_TEXT, TYPED, USER, Transcript
from voicelive.turns import Turns

log = logging.getLogger(__name__)

FORGOTTEN_RESPONSES = 64  # so many that were cut off are remembered, for audio that comes late
TOO_EARLY = "conversation_already_has_active_response"
TOO_LATE = "response_cancel_not_active"


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

    def __post_init__(self) -> None:
        self.send: Callable[[Message], None] = log.debug  # the connection's, once there is one
        self.id = ""  # of the Foundry conversation, where it can go on in another session
        self.ends_at = float("inf")  # of the session, in seconds of time.monotonic()
        self.sessions = 0  # accepted so far: the first one and those after each reconnect
        self.ready = threading.Event()  # set when the service has accepted the session
        self.heard_user = False  # the service noticed speech, or something was typed
        self.user_speaks = False
        self._open_turn = False  # the user spoke, or speaks, or an answer was asked for, and none came yet
        self._running: dict[str, list[str]] = {}  # responses in the making → their items in the making
        self._lock = threading.Lock()  # held while an event is handled or a message typed
        self._typed: list[str] = []  # messages that wait for the end of a response
        self._owes_answer = False  # response.create is to be sent, or came too early and is sent again
        self._transcribes = True  # the user's words will come
        self._recent: list[str] = []  # responses since the user spoke last
        self._items: set[str] = set()  # of this session, with sound: what the service can truncate
        self._forgotten: deque[str] = deque(maxlen=FORGOTTEN_RESPONSES)  # those before: never heard

    @property
    def is_resting(self) -> bool:
        """Whether nobody is speaking, as far as the service knows."""
        return not (self.user_speaks or self._owes_answer or self._open_turn or self._running)

    @property
    def _unfinished(self) -> list[str]:
        return [item for items in self._running.values() for item in items]

    def handle(self, event: Message) -> None:
        """One event of the service [reference]. One that is malformed or unknown costs a line in the log.

        Raises VoiceLiveError for an error before the session stands.
        """
        with self._lock:
            match event.get("type"), event:
                case "session.created", {"session": {"id": str(session_id)}}:
                    self._on_session(session_id)
                case "session.updated", {"session": Mapping() as accepted}:
                    self._transcribes = accepted.get("input_audio_transcription", True) is not None
                    self.ends_at = session.ends_at(accepted)
                    self.sessions += not self.ready.is_set()
                    self.ready.set()
                    self._go_on()
                case "error", {"error": Mapping() as error}:
                    self._on_error(error)
                case "warning", {"warning": {"message": str(message)}}:
                    self.note(f"The service warns: {message}")
                case str(kind), _ if kind.startswith("response."):
                    self._on_agent(event)
                case _:
                    self._on_user(event)

    def say(self, text: str) -> None:
        """Send a typed message, from any thread. The agent falls silent, and answers it in sound."""
        with self._lock:
            self._typed.append(text)
            self.heard_user = self._owes_answer = True
            if self.ready.is_set():
                self.turns.user_ends()
            self._interrupt()
            if self._running:
                self.send(session.CANCELLATION)
            self._go_on()

    def greet(self) -> None:
        """Let the agent speak first, as soon as there is a session."""
        with self._lock:
            self._owes_answer = True
            self._go_on()

    def _go_on(self) -> None:
        """Send what waited until no response runs: the service makes one at a time."""
        if self._running or not self._owes_answer or not self.ready.is_set():
            return
        for text in self._typed:
            self.send(session.typed_message(text))
        self._typed.clear()
        self.send(session.ANSWER_REQUEST)
        self.turns.asked()
        self._open_turn, self._owes_answer = True, False  # in this order: is_resting needs no lock

    def _on_user(self, event: Message) -> None:
        """The user's side: speech, turns, transcripts."""
        match event.get("type"), event:
            case "input_audio_buffer.speech_started", _:
                self.heard_user = self.user_speaks = self._open_turn = True
                if session.user_may_interrupt(self.first_message):
                    self._interrupt()
                self.turns.user_begins(str(event.get("item_id")))
            case "input_audio_buffer.speech_stopped", _:
                self._open_turn, self.user_speaks = True, False  # in this order: is_resting needs no lock
                self.turns.user_ends(str(event.get("item_id")))
            case "input_audio_buffer.committed", {"item_id": str(item)} if self._transcribes:
                self.transcript.expect(item, USER)
            case (
                "conversation.item.created",
                {"item": {"id": str(item), "role": "user", "content": [{"text": str(text)}]}},
            ):
                self.transcript.finish(item, TYPED, text)
            case "conversation.item.created", {"item": {"id": str(item), "role": "assistant"}}:
                if item in self._unfinished:  # not one of the past
                    self.transcript.expect(item, AGENT_AUDIO, after=event.get("previous_item_id"))
            case (
                "conversation.item.input_audio_transcription.completed",
                {"item_id": str(item), "transcript": str(text)},
            ):
                self.transcript.finish(item, USER, text)
            case "conversation.item.input_audio_transcription.failed", {"item_id": str(item)}:
                self.transcript.finish(item, USER, "")
                self.note(f"Your words could not be transcribed{failures.reason_given(event.get('error'))}")

    def _on_agent(self, event: Message) -> None:
        """The agent's side: responses, their sound and their words."""
        match event.get("type"), event:
            case "response.created", {"response": {"id": str(response)} as details}:
                if self.is_current and (conversation := details.get("conversation_id")):  # may be ''
                    self.id = str(conversation)
                self._running[response] = []
                self._open_turn = False  # not earlier: is_resting needs no lock
                self._recent.append(response)
            case "response.output_item.added", {"response_id": str(response), "item": {"id": str(item)}}:
                self._running.get(response, []).append(item)
            case "response.output_item.done", {"response_id": str(response), "item": {"id": str(item)}}:
                if item in self._running.get(response, []):  # from now on only its sound can be cut off
                    self._running[response].remove(item)
                    self.transcript.finish(item, AGENT_AUDIO)
            case "response.done", {"response": {"id": str(response)} as details}:
                self._on_response_done(response, details)
            case _, {"response_id": str(response)} if response in self._forgotten:
                pass  # what was cut off is heard and written no further
            case "response.audio_transcript.done", {"transcript": str(text), "item_id": str(item)}:
                self.transcript.finish(item, AGENT_AUDIO, text)
            case "response.text.done", {"text": str(text), "item_id": str(item)}:
                self.transcript.finish(item, AGENT_TEXT, text)
            case "response.audio_transcript.delta", {"delta": str(text), "item_id": str(item)}:
                self.transcript.add(item, AGENT_AUDIO, text)
            case "response.text.delta", {"delta": str(text), "item_id": str(item)}:
                self.transcript.add(item, AGENT_TEXT, text)
            case "response.audio.delta", {"delta": str(audio), "item_id": str(item)}:
                self._play(audio, item)

    def pause(self) -> None:
        """The connection is gone: what was under way will not go on. What was received is still heard."""
        with self._lock:
            if self.ready.is_set() and not self._typed:
                self._owes_answer = False  # it was asked for, in vain
            self.ready.clear()
            self.turns.forget()
            self.transcript.complete()
            self._running.clear()
            self._items.clear()
            self.ends_at = float("inf")
            self._open_turn = self.user_speaks = False

    def _on_session(self, session_id: str) -> None:
        if not self.sessions:
            self.transcript.head(f"SessionID: {session_id}")
            self.note(f"Session {session_id}")
        else:
            self.transcript.head(f"(reconnected as {session_id})")
            memory = "The conversation goes on." if self.id else "The agent starts anew."
            self.note(f"Connected again, session {session_id}. {memory}")

    def _on_response_done(self, response: str, details: Message) -> None:
        for item in self._running.pop(response, []):
            self.transcript.finish(item, AGENT_AUDIO)
        if (status := details.get("status")) in ("failed", "incomplete"):
            self.note(f"The agent's answer is {status}{failures.reason_given(details.get('status_details'))}")
        self._go_on()

    def _on_error(self, error: Message) -> None:
        failure = failures.service_error(error)
        code = str(error.get("code"))
        if code in (TOO_EARLY, TOO_LATE) or error.get("event_id") == session.UNIMPORTANT:
            self._owes_answer |= code == TOO_EARLY
            log.warning("the service reports %s", failure.message)
        elif code.startswith(session.ECHO_CODES) and session.wants_reference(self.first_message):
            self.first_message = session.without_reference(self.first_message)
            self.note(f"The service refuses the client's echo reference: {failure.message}")
        elif self.ready.is_set():
            self.note(f"The service reports {failure.message} {failure.remedy}".rstrip())
        elif self.sessions and self.id:
            self.id = ""  # the service does not go on with it: once more without
            self.note(f"The service reports {failure.message}")
        else:
            raise failure

    def _play(self, audio: str, item: str) -> None:
        self._items.add(item)
        try:
            self.sink.play(base64.b64decode(audio, validate=True), item)
        except ValueError as error:
            log.warning("audio left out: %s", error)
        self.turns.agent_sounds(item)  # sound comes first

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
