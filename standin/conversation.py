"""One conversation: what the stand-in answers to each message of one client.

Everything happens in the server's one thread, and every event goes through one queue: their order is
that of the statements below.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from standin import fields, g711
from standin.agent import TOOL, Agent
from standin.ear import Ear, Patience, Speech
from standin.events import NOT_CONFIGURED, Event, RefusedError, error_event, new_id, parsed, sound
from standin.faults.stored import refuse_changes
from standin.items import Items, typed_text
from standin.mouth import Mouth
from standin.outputs import McpCall
from standin.playback import Playback
from standin.route import Route
from standin.script import Script
from standin.session import Session, refuse_foreign_voice
from standin.speaker import Speaker
from standin.usage import Usage

MOST_CONFIG_ATTEMPTS = 5
LANGUAGE = "en-US"  # of what was said, as far as anybody here knows
Scenes = Mapping[str, float]


@dataclass(frozen=True)
class Cast:
    """What all conversations of one stand-in have in common.

    `sample` is speech, PCM16 at 24 kHz; `pace` how many times faster than real time sound is sent.
    """

    sample: bytes
    pace: float
    script: Script = field(default_factory=lambda: Script(()))


class Conversation:
    """The state of one session; `send` queues an event, `sent` waits until the queue is empty."""

    def __init__(
        self,
        route: Route,
        cast: Cast,
        scenes: Scenes,
        stored: Mapping[str, str],
        send: Callable[[Event], None],
        sent: Callable[[], Awaitable[None]],
    ) -> None:
        self.session = Session(route)
        self.failed = False  # the session was never configured; the connection is to be closed
        self._cast = cast
        self._stored = stored
        self._send = send
        self._sent = sent
        self._attempts = 0
        self._usage = Usage()
        self._items = Items(route)
        self._playback = Playback()
        self._ear = Ear(self._playback)
        self._speaker = Speaker(self._ear, self._playback, self._items, self._usage, send, sent, cast.pace)
        self._agent = Agent(scenes, is_model=route.kind == "model")
        self._lists_fail = "mcp-list-failed" in scenes
        self._conversation_id = _conversation_id(route)
        self._turn_id = ""  # the item that the turn now spoken will become
        self._turns = 0  # of speech so far
        self._scripted: str | None = None  # the script's answer to what was last said or typed
        self._unanswered: Speech | str = ""  # what was last said or typed
        self._answer_waits = False  # a turn ended while a response was still running
        self._mcp: asyncio.Task[None] | None = None  # makes the call that was approved; ends with it
        self._wishes: Event | None = None  # of a response.create that waits for that call

    def begin(self) -> None:
        """Greet the client: `session.created`."""
        self._send({"type": "session.created", "session": self.session.shown()})

    def end(self) -> None:
        """Stop speaking: the client is gone."""
        self._speaker.abandon()
        if self._mcp is not None:
            self._mcp.cancel()

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
            raise NOT_CONFIGURED
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
                self._hear(self._pcm(message.get("audio")))
            case "input_audio_buffer.commit":
                self._commit()
            case "input_audio_buffer.clear":
                self._ear.clear()
                self._send({"type": "input_audio_buffer.cleared"})
            case "conversation.item.create":
                self._create_item(message)
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
        is_first = not self.session.accepted
        changes = message.get("session")
        refuse_changes(changes, self._stored)
        self.session.update(changes)
        echo = self.session["input_audio_echo_cancellation"]
        detection = self.session.detection
        self._ear.rate_hz = self.session.input_rate_hz
        self._ear.patience = Patience.of(detection) if detection else None
        self._ear.cancels_echo = echo is not None
        self._ear.channels = self.session.input_channels
        self._send({"type": "session.updated", "session": self.session.shown()})
        if is_first and self._agent.uses_mcp:
            self._list_tools()

    def _list_tools(self) -> None:
        """The remote server of the agent's is asked what it has."""
        item: Event = {"id": new_id("mcpl"), "object": "realtime.item", "type": "mcp_list_tools"}
        item |= {"server_label": TOOL.server, "tools": []}
        created = {"previous_item_id": self._items.last_id, "item": item}
        self._send({"type": "conversation.item.created", **created})
        self._items.add(item)
        for state in ("in_progress", "failed" if self._lists_fail else "completed"):
            self._send({"type": f"mcp_list_tools.{state}", "item_id": item["id"]})

    def _pcm(self, audio: object) -> bytes:
        """The PCM16 in an `append`."""
        coding = self.session["input_audio_format"]
        if coding in g711.FORMATS:
            return g711.decoded(sound(audio, 1, sample_bytes=1), coding)
        return sound(audio, self.session.input_channels)

    def _create_item(self, message: Event) -> None:
        created = self._items.create(message)
        item = created["item"]
        self._send(created)
        if text := typed_text(item):
            self._unanswered = text
            self._scripted = self._cast.script.answer_to(text)
        self._usage.read(text or str(item.get("output", "")))
        if call := self._agent.take(item):
            for event in call.opening(self._items.last_id):
                self._send(event)
            self._mcp = asyncio.create_task(self._call_mcp(call))

    async def _call_mcp(self, call: McpCall) -> None:
        """Make a call of a remote tool; only then is anything answered."""
        await self._speaker.ended()
        for step in call.calling():
            for event in step.events:
                self._send(event)
            await self._sent()
            await asyncio.sleep(step.pause_s)
        self._items.add(call.item(True))
        self._mcp = None
        if self._wishes is not None:
            wishes, self._wishes = self._wishes, None
            self._respond(wishes)

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
        detection = self.session.detection or {}
        if not detection.get("interrupt_response", True):
            return
        message, heard_ms = self._speaker.message, self._speaker.heard_ms()
        self._playback.stop(self._ear.now_ms)
        self._speaker.stop("turn_detected")
        if message is not None and detection.get("auto_truncate"):
            heard = {"content_index": 0, "audio_end_ms": heard_ms}
            self._send(self._items.truncate({"item_id": message.item_id, **heard}))

    def _finish_turn(self, speech: Speech) -> None:
        stopped = {"audio_end_ms": speech.end_ms, "item_id": self._turn_id}
        self._send({"type": "input_audio_buffer.speech_stopped", **stopped})
        self._take(speech, self._turn_id)
        if (self.session.detection or {}).get("create_response", True):
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
        said, self._scripted = self._cast.script.spoken(self._turns) or (None, None)
        self._turns += 1
        self._usage.heard(speech.spoken_ms)
        committed = {"previous_item_id": self._items.last_id, "item_id": item_id}
        self._send({"type": "input_audio_buffer.committed", **committed})
        transcript = None
        if self.session["input_audio_transcription"]:
            transcript = said or f"({speech.spoken_ms / 1000:.1f} s of speech)"
            done = "conversation.item.input_audio_transcription.completed"
            place = {"item_id": item_id, "content_index": 0}
            self._send({"type": done, **place, "transcript": transcript, "language": LANGUAGE})
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
        refuse_foreign_voice(self.session.route, wishes.get("voice"), "response.voice")
        if self._speaker.reply is not None:
            raise RefusedError(
                "Conversation already has an active response",
                code="conversation_already_has_active_response",
            )
        self._respond({name: value for name, value in wishes.items() if value is not None})

    def _respond(self, wishes: Event) -> None:
        """Begin the answer to what was last said or typed; `wishes` override the session's."""
        if self._mcp is not None:
            self._wishes = wishes
            return
        if self._agent.waits:
            return  # the service, too, seems to hang then
        subject, self._unanswered = self._unanswered, ""
        script, self._scripted = self._scripted, None
        route = self.session.route
        mouth = Mouth(
            self._settings(wishes),
            self._cast.sample,
            self._ear.rate_hz,
            self._conversation_id,
            is_cascaded=route.is_cascaded,
            script=script,
        )
        self.session.has_spoken = True
        self._speaker.start(self._agent.answer(subject, mouth), self._answer_if_free)
        if call := self._agent.next_call():
            self._mcp = asyncio.create_task(self._call_mcp(call))

    def _settings(self, wishes: Event) -> Event:
        """The session's settings for one response, which may wish otherwise."""
        settings = self.session.shown() | wishes
        limit = wishes.get("max_output_tokens") or wishes.get("max_response_output_tokens")
        if limit is None and not self.session.route.is_cascaded:
            limit = settings["max_response_output_tokens"]
        return settings | {"max_output_tokens": limit, "metadata": wishes.get("metadata")}

    def _cancel(self, response_id: object) -> None:
        reply = self._speaker.reply
        if reply is None or response_id not in (None, "", reply.id):
            raise RefusedError(
                "Cancellation failed: no active response found", code="response_cancel_not_active"
            )
        self._playback.stop(self._ear.now_ms)
        self._speaker.stop("client_cancelled")
        self._answer_if_free()


def _conversation_id(route: Route) -> str:
    """The agent's conversation: the one that goes on, or a new one; a cascade of models shows none."""
    if route.has_agent or not route.is_cascaded:
        return route.conversation_id or new_id("conv")
    return ""
