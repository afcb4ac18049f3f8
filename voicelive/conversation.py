"""One conversation: blocks out, events in."""

import base64
import copy
import json
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from voicelive import failures
from voicelive.audio import SAMPLE_RATE, Sink
from voicelive.transcript import AGENT_AUDIO, AGENT_TEXT, USER, Transcript

log = logging.getLogger(__name__)

Message = Mapping[str, Any]

# The session that is asked for, in the service's own names (protocol reference §2).
SESSION: Message = {
    "turn_detection": {
        "type": "azure_semantic_vad",
        "threshold": 0.3,
        "prefix_padding_ms": 200,
        "silence_duration_ms": 200,
        "remove_filler_words": False,
        "end_of_utterance_detection": {"model": "semantic_detection_v1"},
    },
    "input_audio_noise_reduction": {"type": "azure_deep_noise_suppression"},
    "input_audio_echo_cancellation": {"type": "server_echo_cancellation"},
    "voice": {"type": "azure-standard", "temperature": 0.8},
}
# The service rejects a session with any field that its api-version does not know.
UNTIL_2025_05_01_PREVIEW: Message = {
    "turn_detection": {"end_of_utterance_detection": {"threshold": 0.01, "timeout": 2}}
}
SINCE_2025_10_01: Message = {
    "modalities": ["text", "audio"],
    "input_audio_format": "pcm16",
    "output_audio_format": "pcm16",
    "input_audio_sampling_rate": SAMPLE_RATE,
    "turn_detection": {
        "interrupt_response": True,
        "create_response": True,
        "end_of_utterance_detection": {"threshold_level": "default", "timeout_ms": 2000},
    },
}
FIXED_FIELDS = ("input_audio_format", "output_audio_format", "input_audio_sampling_rate")
FORGOTTEN_RESPONSES = 64  # so many interrupted responses are remembered, for audio that comes late


def session_update(api_version: str, voice: str, overrides: Message) -> dict[str, Any]:
    """The first message: the session for this api-version, with a person's overrides merged over it."""
    is_preview = api_version <= "2025-05-01-preview"
    shape = merged(SESSION, UNTIL_2025_05_01_PREVIEW if is_preview else SINCE_2025_10_01)
    session = merged(shape, {"voice": {"name": voice}})
    return {"type": "session.update", "session": merged(session, overrides)}


def merged(base: Message, over: Message) -> dict[str, Any]:
    """`base` with the values of `over`, objects within objects too. Neither is changed."""
    result = copy.deepcopy(dict(base))
    for key, value in over.items():
        nested = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        result[key] = merged(result[key], value) if nested else copy.deepcopy(value)
    return result


def read_overrides(path: Path) -> dict[str, Any]:
    """A person's session fields from a JSON file. Raises VoiceLiveError (exit code 2) for anything else."""
    try:
        session = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise failures.unusable_file(path, error.strerror or error) from error
    except ValueError as error:
        raise failures.unusable_file(path, f"no JSON ({error})") from error
    if not isinstance(session, dict):
        raise failures.unusable_file(path, "no JSON object of session fields, such as {...}")
    for field in FIXED_FIELDS:
        if session.get(field, SINCE_2025_10_01[field]) != SINCE_2025_10_01[field]:
            wanted = json.dumps(SINCE_2025_10_01[field])
            raise failures.unusable_file(path, f"{field} must stay {wanted}: that is what is sent and played")
    return session


class Conversation:
    """What the service's events mean for the speaker and the transcript, and what it is told in return.

    `handle` is the whole of the logic. It needs no thread, no network and no sound, and runs on the
    thread that reads the connection; other threads only look.
    """

    def __init__(
        self,
        sink: Sink,
        transcript: Transcript,
        *,
        note: Callable[[str], None],
        interrupts: bool = True,
        truncates: bool = False,
    ) -> None:
        """`note` shows a line. `interrupts`: the user may cut in. `truncates`: the service is told then
        how much was heard."""
        self._sink = sink
        self._transcript = transcript
        self._note = note
        self._interrupts = interrupts
        self._truncates = truncates
        self.send: Callable[[Message], None] = log.debug  # set to the connection's, once there is one
        self.ready = threading.Event()  # set when the service has accepted the session
        self.heard_user = False  # the service noticed speech
        self.open_turn = False  # the user spoke, or speaks, and no response came yet
        self.running: dict[str, list[str]] = {}  # responses in the making → their items
        self._transcribes = True  # the user's words will come
        self._stopped_at: float | None = None  # when the user stopped speaking; None once answered
        self._current: list[str] = []  # responses since the user spoke last
        self._forgotten: deque[str] = deque(maxlen=FORGOTTEN_RESPONSES)  # those before: never heard

    @property
    def is_resting(self) -> bool:
        """Whether nobody is speaking, as far as the service knows."""
        return not self.open_turn and not self.running

    def handle(self, event: Message) -> None:
        """One event of the service. What is malformed or unknown costs a line in the technical log.

        Raises VoiceLiveError for an error before the session stands.
        """
        match event:
            case {"type": "session.created", "session": {"id": str(session_id)}}:
                self._transcript.head(f"SessionID: {session_id}")
                self._note(f"Session {session_id}")
            case {"type": "session.updated", "session": Mapping() as session}:
                self._transcribes = session.get("input_audio_transcription", True) is not None
                self.ready.set()
            case {"type": "error", "error": {"message": str(_)} as error}:
                self._on_error(error)
            case {"type": "warning", "warning": {"message": str(message)}}:
                self._note(f"The service warns: {message}")
            case {"type": str(kind)} if kind.startswith("response."):
                self._on_agent(event)
            case _:
                self._on_user(event)

    def _on_user(self, event: Message) -> None:
        """The user's side: speech, turns, transcripts."""
        match event:
            case {"type": "input_audio_buffer.speech_started"}:
                self.heard_user = self.open_turn = True
                if self._interrupts:
                    self._interrupt()
            case {"type": "input_audio_buffer.committed", "item_id": str(item)} if self._transcribes:
                self._transcript.expect(item, USER)
            case {"type": "conversation.item.created", "item": {"id": str(item), "role": "assistant"}}:
                previous = event.get("previous_item_id")
                self._transcript.expect(item, AGENT_AUDIO, after=str(previous))
            case {
                "type": "conversation.item.input_audio_transcription.completed",
                "item_id": str(item),
                "transcript": str(text),
            }:
                self._transcript.finish(item, USER, text)
            case {"type": "conversation.item.input_audio_transcription.failed", "item_id": str(item)}:
                self._transcript.finish(item, USER, "")
                self._note(f"What you said could not be transcribed{_reason(event.get('error'))}")
            case {"type": "input_audio_buffer.speech_stopped"}:
                self._stopped_at = time.monotonic()

    def _on_agent(self, event: Message) -> None:
        """The agent's side: responses, their sound and their words."""
        match event:
            case {"type": "response.created", "response": {"id": str(response)}}:
                self.open_turn = False
                self.running[response] = []
                self._current.append(response)
            case {"type": "response.output_item.added", "response_id": str(response), "item": {"id": str(item)}}:
                self.running.get(response, []).append(item)
            case {"response_id": str(response)} if response in self._forgotten:
                self._on_forgotten(event)
            case {"type": "response.audio.delta", "delta": str(audio), "item_id": str(item)}:
                self._play(audio, item)
            case {"type": "response.audio_transcript.delta", "delta": str(text), "item_id": str(item)}:
                self._transcript.add(item, AGENT_AUDIO, text)
            case {"type": "response.text.delta", "delta": str(text), "item_id": str(item)}:
                self._transcript.add(item, AGENT_TEXT, text)
            case {"type": "response.audio_transcript.done", "transcript": str(text), "item_id": str(item)}:
                self._transcript.finish(item, AGENT_AUDIO, text)
            case {"type": "response.text.done", "text": str(text), "item_id": str(item)}:
                self._transcript.finish(item, AGENT_TEXT, text)
            case {"type": "response.done", "response": {"id": str(response)}}:
                self._on_response_done(response, event["response"])

    def _on_forgotten(self, event: Message) -> None:
        """Of a response that the user cut off only the words so far count: they are heard no more."""
        match event:
            case {"type": "response.audio_transcript.done", "transcript": str(text), "item_id": str(item)}:
                self._transcript.finish(item, AGENT_AUDIO, text)

    def _on_response_done(self, response: str, details: Message) -> None:
        for item in self.running.pop(response, []):
            self._transcript.finish(item, AGENT_AUDIO)
        match details:
            case {"status": "failed", **rest}:
                self._note(f"The agent's answer failed{_reason(rest.get('status_details'))}")
            case {"status": "incomplete", **rest}:
                self._note(f"The agent's answer is not complete{_reason(rest.get('status_details'))}")

    def _on_error(self, error: Message) -> None:
        failure = failures.service_error(error)
        if not self.ready.is_set():
            raise failure
        self._note(f"The service reports {failure.message} {failure.remedy}".rstrip())

    def _play(self, audio: str, item: str) -> None:
        try:
            self._sink.play(base64.b64decode(audio, validate=True), item)
        except ValueError as error:
            log.warning("audio left out: %s", error)
        if self._stopped_at is not None:
            log.info("latency: first audio %.0f ms after speech", 1000 * (time.monotonic() - self._stopped_at))
            self._stopped_at = None

    def _interrupt(self) -> None:
        """Fall silent at once, and for good: nothing of the responses so far is heard any more."""
        heard = self._sink.interrupt()
        self._forgotten.extend(self._current)
        self._current.clear()
        for items in self.running.values():
            for item in items:
                self._transcript.interrupt(item)
        if heard is None or heard.frames == heard.received:
            return
        self._transcript.interrupt(heard.item_id)
        if self._truncates:
            played_ms = heard.frames * 1000 // SAMPLE_RATE
            self.send(
                {
                    "type": "conversation.item.truncate",
                    "item_id": heard.item_id,
                    "content_index": 0,
                    "audio_end_ms": played_ms,
                }
            )


def _reason(details: object) -> str:
    """What the service says of a failure, for the end of a sentence."""
    match details:
        case {"error": {"message": str(message)}} | {"message": str(message)} | {"reason": str(message)}:
            return f": {message}"
    return "."
