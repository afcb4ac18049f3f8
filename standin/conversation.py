"""One conversation: what the stand-in answers to each message of one client.

It answers speech by repeating it, and typed text with the bundled sample, for it can neither
understand nor synthesise; its transcripts say so. Everything happens in the server's one thread,
and every event goes through one queue: their order is that of the statements below.
"""

from collections.abc import Awaitable, Callable

from standin import fields
from standin.ear import Ear, Patience, Speech
from standin.events import Event, RefusedError, error_event, new_id, parsed, sound
from standin.items import Items, typed_text
from standin.playback import Playback
from standin.reply import Reply, resampled
from standin.route import Route
from standin.session import OUTPUT_RATES_HZ, Session, refuse_foreign_voice
from standin.speaker import Speaker, greeting, words_about

MOST_CONFIG_ATTEMPTS = 5
SAMPLE_RATE_HZ = 24000


class Conversation:
    """The state of one session; `send` queues an event, `sent` waits until the queue is empty."""

    def __init__(
        self,
        route: Route,
        sample: bytes,
        pace: float,
        send: Callable[[Event], None],
        sent: Callable[[], Awaitable[None]],
    ) -> None:
        self.session = Session(route)
        self.failed = False  # the session was never configured; the connection is to be closed
        self._sample = sample
        self._send = send
        self._conversation_id = route.conversation or new_id("conv")
        self._attempts = 0
        self._items = Items()
        self._playback = Playback()
        self._ear = Ear(self._playback)
        self._speaker = Speaker(self._ear, self._playback, self._items, send, sent, pace)
        self._turn_id = ""  # the item that the turn now spoken will become
        self._unanswered: Speech | str = ""  # what was last said or typed
        self._answer_waits = False  # a turn ended while a response was still running

    def begin(self) -> None:
        """Greet the client: `session.created`."""
        self._send({"type": "session.created", "session": self.session.shown()})

    def end(self) -> None:
        """Stop speaking: the client is gone."""
        self._speaker.abandon()

    def receive(self, frame: str | bytes) -> Event:
        """Answer one frame of the client; returns the message, or {} where it is none."""
        message: Event = {}
        try:
            message = parsed(frame)
            if self.session.accepted:
                self._handle(message)
            else:
                self._configure(message)
        except RefusedError as refusal:
            self._send(error_event(refusal, message.get("event_id")))
            if not self.session.accepted:
                self._count_attempt()
        return message

    def _configure(self, message: Event) -> None:
        """The first message must be a `session.update` that is in order."""
        if message["type"] != "session.update":
            code = "invalid_session_update_message"
            raise RefusedError("Invalid session update message.", code=code, param="type")
        self._update(message)

    def _count_attempt(self) -> None:
        self._attempts += 1
        if self._attempts < MOST_CONFIG_ATTEMPTS:
            return
        text = f"Session configuration failed after {MOST_CONFIG_ATTEMPTS} attempts."
        self._send(error_event(RefusedError(text, code="max_config_attempts_exceeded")))
        self.failed = True

    def _handle(self, message: Event) -> None:
        match message["type"]:
            case "session.update":
                self._update(message)
            case "input_audio_buffer.append":
                self._hear(sound(message.get("audio"), self.session.input_channels))
            case "input_audio_buffer.commit":
                self._commit()
            case "input_audio_buffer.clear":
                self._ear.clear()
                self._send({"type": "input_audio_buffer.cleared"})
            case "conversation.item.create":
                created = self._items.create(message)
                self._unanswered = typed_text(created["item"]) or self._unanswered
                self._send(created)
            case "conversation.item.retrieve":
                self._send(self._items.retrieve(message))
            case "conversation.item.delete":
                self._send(self._items.delete(message))
            case "conversation.item.truncate":
                self._send(self._items.truncate(message))
                self._playback.stop(self._ear.now_ms)
            case "response.create":
                self._create_response(message)
            case "response.cancel":
                self._cancel(message.get("response_id"))
            case other:
                raise RefusedError(f"The stand-in does not know {other!r}", param="type")

    def _update(self, message: Event) -> None:
        self.session.update(message.get("session"))
        echo = self.session["input_audio_echo_cancellation"]
        self._ear.rate_hz = self.session["input_audio_sampling_rate"]
        detection = self.session["turn_detection"]
        self._ear.patience = Patience.of(detection) if detection else None
        self._ear.cancels_echo = echo is not None
        self._ear.channels = self.session.input_channels
        self._send({"type": "session.updated", "session": self.session.shown()})

    def _hear(self, pcm: bytes) -> None:
        for heard in self._ear.hear(pcm):
            if isinstance(heard, Speech):
                self._finish_turn(heard)
            else:
                self._start_turn(heard)

    def _start_turn(self, audio_start_ms: int) -> None:
        """Someone speaks: the agent falls silent, unless the session says otherwise."""
        self._turn_id = new_id("item")
        started = {"audio_start_ms": audio_start_ms, "item_id": self._turn_id}
        self._send({"type": "input_audio_buffer.speech_started", **started})
        detection = self.session["turn_detection"]
        if not detection.get("interrupt_response", True):
            return
        reply, heard_ms = self._speaker.reply, self._speaker.heard_ms()
        self._playback.stop(self._ear.now_ms)
        self._speaker.stop("turn_detected")
        if reply is not None and detection.get("auto_truncate"):
            heard = {"content_index": 0, "audio_end_ms": heard_ms}
            self._send(self._items.truncate({"item_id": reply.item_id, **heard}))

    def _finish_turn(self, speech: Speech) -> None:
        stopped = {"audio_end_ms": speech.end_ms, "item_id": self._turn_id}
        self._send({"type": "input_audio_buffer.speech_stopped", **stopped})
        self._take(speech, self._turn_id)
        if self.session["turn_detection"].get("create_response", True):
            self._answer_waits = True
            self._answer_if_free()

    def _commit(self) -> None:
        item_id = self._turn_id if self._ear.speaking else new_id("item")
        speech = self._ear.commit()
        if speech is None:
            raise RefusedError(
                "Error committing input audio buffer: the buffer is empty.",
                code="input_audio_buffer_commit_empty",
            )
        self._take(speech, item_id)

    def _take(self, speech: Speech, item_id: str) -> None:
        """Make an item of what was said."""
        self._unanswered = speech
        committed = {"previous_item_id": self._items.last_id, "item_id": item_id}
        self._send({"type": "input_audio_buffer.committed", **committed})
        transcript = None
        if self.session["input_audio_transcription"]:
            transcript = f"({speech.spoken_ms / 1000:.1f} s of speech)"
            done = "conversation.item.input_audio_transcription.completed"
            place = {"item_id": item_id, "content_index": 0}
            self._send({"type": done, **place, "transcript": transcript})
        self._send(self._items.speech(item_id, transcript))

    def _answer_if_free(self) -> None:
        """Answer the latest turn, unless a response still runs: then as soon as it is done."""
        if self._answer_waits and self._speaker.reply is None:
            self._answer_waits = False
            self._respond({})

    def _create_response(self, message: Event) -> None:
        wishes = message.get("response") or {}
        fields.check_response(wishes, self.session.route.version)
        if wishes.get("instructions") and self.session.route.has_agent:
            raise RefusedError(
                "Overriding instructions in response.create is not supported (with Agent service)",
                param="response.instructions",
            )
        if self.session.route.has_agent:
            refuse_foreign_voice(wishes.get("voice"), "response.voice")
        if self._speaker.reply is not None:
            raise RefusedError(
                "Conversation already has an active response",
                code="conversation_already_has_active_response",
            )
        self._respond({name: value for name, value in wishes.items() if value is not None})

    def _respond(self, wishes: Event) -> None:
        """Begin the answer to what was last said or typed; `wishes` override the session's."""
        settings = self.session.shown() | wishes
        rate_hz = OUTPUT_RATES_HZ.get(settings["output_audio_format"])
        if rate_hz is None:
            wrong = "response.output_audio_format"
            raise RefusedError("This stand-in answers in PCM16 only", param=wrong)
        subject, self._unanswered = self._unanswered, ""
        in_sound = "audio" in settings["modalities"]
        words = greeting(wishes) or words_about(subject, in_sound)
        if isinstance(subject, Speech):
            pcm = resampled(subject.pcm, self._ear.rate_hz, rate_hz)
        else:
            pcm = resampled(self._sample, SAMPLE_RATE_HZ, rate_hz)
        reply = Reply(words, pcm, rate_hz, settings, self._conversation_id)
        self._speaker.start(reply, self._answer_if_free)

    def _cancel(self, response_id: object) -> None:
        reply = self._speaker.reply
        if reply is None or response_id not in (None, "", reply.id):
            raise RefusedError(
                "Cancellation failed: no active response found", code="response_cancel_not_active"
            )
        self._playback.stop(self._ear.now_ms)
        self._speaker.stop("client_cancelled")
        self._answer_if_free()
