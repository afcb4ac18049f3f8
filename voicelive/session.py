"""The session that we ask for, with your own fields over it, and the other messages to the service."""

import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

Message = Mapping[str, Any]

# In the service's own names [reference].
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
    "input_audio_sampling_rate": 24_000,
    "turn_detection": {
        "interrupt_response": True,
        "create_response": True,
        "end_of_utterance_detection": {"threshold_level": "default", "timeout_ms": 2000},
    },
}
# Who takes the agent's sound out of the microphone's [how-to].
ECHO: Mapping[str, Message] = {
    "server": {"input_audio_echo_cancellation": {"type": "server_echo_cancellation"}},
    "off": {},
}
# Words that the service says while a tool, or the model, takes long [how-to].
INTERIM: Message = {
    "type": "llm_interim_response",
    "triggers": ["tool", "latency"],
    "latency_threshold_ms": 1000,
}
INTERIM_SINCE = "2026-01-01-preview"
OF_AGENT = "agent"  # in place of a voice
LEAST_SESSION_S, MOST_SESSION_S = 120.0, 30 * 86_400.0
WORDS_CHARACTERS = 1000  # of an error, in which a field is looked for
NAMES = re.compile(
    r"\bsession\.[a-z_.]*[a-z]"
    r"|(?:(?<=[Uu]pdate )|(?<=[Uu]pdating ))[a-z_]+"
    r"|(?<=['\"`])[a-z_.]+(?=['\"`])"
)

UNIMPORTANT = "unimportant"  # event id of messages, by which an error about them is known
ANSWER_REQUEST: Message = {"type": "response.create"}
CANCELLATION: Message = {"type": "response.cancel"}
# Where the session has no turn detection, the client says what a turn is [reference].
TURN_END: Message = {"type": "input_audio_buffer.commit"}
NO_TURN: Message = {"type": "input_audio_buffer.clear"}
PUSH_TO_TALK: Message = {"turn_detection": None}


def session_update(
    api_version: str,
    voice: str,
    echo: Message,
    overrides: Message,
    *,
    languages: Sequence[str] = (),
    interim: bool = False,
    from_agent: bool = False,
) -> dict[str, Any]:
    """The first message: the session for this api-version, with a person's overrides merged over it.

    `voice` may be OF_AGENT: the one that is stored with the agent. `echo` are its fields of
    echo cancellation, such as ECHO["server"]. `languages` that
    are spoken, such as `de-DE`; none of them: English, others as well as may be. `interim`: a few words where
    the answer takes long. `from_agent`: all but the formats is what is stored with the agent.
    """
    is_preview = api_version <= "2025-05-01-preview"
    shape = UNTIL_2025_05_01_PREVIEW if is_preview else SINCE_2025_10_01
    if from_agent:
        session = {name: shape[name] for name in shape if name != "turn_detection"}
    else:
        session = merged(merged(SESSION, shape), echo)
        session = merged(session, for_languages(languages, is_preview))
        session["voice"] = {**session["voice"], "name": voice}
        if voice == OF_AGENT:
            del session["voice"]
    if interim:
        session["interim_response"] = INTERIM
    return {"type": "session.update", "session": merged(session, overrides)}


def for_languages(languages: Sequence[str], is_preview: bool) -> Message:
    """What of a session depends on the languages that are spoken [how-to]."""
    if not languages:
        return {}
    transcription = {"model": "azure-speech", "language": ",".join(languages)}
    if is_preview or all(language.lower().startswith("en") for language in languages):
        return {"input_audio_transcription": transcription}
    ends = {"end_of_utterance_detection": {"model": "semantic_detection_v1_multilingual"}}
    turns = {"type": "azure_semantic_vad_multilingual", "languages": list(languages), **ends}
    return {"input_audio_transcription": transcription, "turn_detection": turns}


def speaks(voice: str, languages: Sequence[str]) -> bool:
    """Whether a voice speaks one of the languages, as far as its name tells: `de-DE-KatjaNeural` speaks
    German, multilingual and HD voices speak all.
    """
    if not languages or voice == OF_AGENT or "Multilingual" in voice or ":" in voice:
        return True
    return voice.partition("-")[0].lower() in {language.partition("-")[0].lower() for language in languages}


class Offer:
    """A part of the session that the service may refuse, with all that depends on it; this one is none."""

    name = "nothing"
    """For people."""

    @property
    def feature(self) -> str:
        """What the handshake asks for on its behalf."""
        return ""

    @property
    def channels(self) -> int:
        """Of the sound that is sent; the first is the source's."""
        return 1

    def is_refusal(self, code: str) -> bool:
        """Whether an error of the service's refuses it."""
        return False

    def left_out_of(self, message: Message) -> Message:
        """The same session.update without it."""
        return message

    def asked_with(self, message: Message) -> None:
        """This session.update is sent from now on: where it lacks the offer, it is off."""


def without_refused(message: Message, error: Message, offer: Offer) -> tuple[Message, str]:
    """What to ask with where the service answers this session.update with an error, and what it lacks, in
    words; the same one and '' where the error names no part of it.
    """
    if offer.is_refusal(str(error.get("code"))):
        return offer.left_out_of(message), offer.name
    path = refused_field(message, error)
    return (without_field(message, path), path) if path else (message, "")


def refused_field(message: Message, error: Message) -> str:
    """The field of this session.update that an error names, in `param` or in words: `voice`,
    `turn_detection.threshold`; '' where it names none of its own.
    """
    words = str(error.get("message") or "")[:WORDS_CHARACTERS]
    for name in (str(error.get("param") or ""), *NAMES.findall(words)):
        place: Any = message["session"]
        found: list[str] = []
        for part in name.removeprefix("session.").split("."):
            if not isinstance(place, Mapping) or part not in place:
                break
            place = place[part]
            found.append(part)
        if found:
            return ".".join(found)
    return ""


def without_field(message: Message, path: str) -> Message:
    """The same session.update without a field, `a.b` being field b of a."""

    def without(fields: Message, first: str, *rest: str) -> Message:
        if rest:
            return {**fields, first: without(fields[first], *rest)}
        return {name: value for name, value in fields.items() if name != first}

    return {**message, "session": without(message["session"], *path.split("."))}


def merged(base: Message, over: Message) -> dict[str, Any]:
    """`base` with the values of `over`, objects within objects too. Neither is changed.

    An object of another `type`, such as `server_vad`, that is not Azure's knows few of our fields: it comes
    alone.
    """
    kind = over.get("type", base.get("type"))
    if kind != base.get("type") and not str(kind).startswith("azure"):
        return dict(over)
    result = dict(base)
    for key, value in over.items():
        nested = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        result[key] = merged(result[key], value) if nested else value
    return result


def user_may_interrupt(message: Message) -> bool:
    """Whether the session of this session.update lets the user cut in."""
    turn_detection = message["session"].get("turn_detection")
    return not isinstance(turn_detection, Mapping) or turn_detection.get("interrupt_response") is not False


def pushes_to_talk(message: Message) -> bool:
    """Whether in the session of this session.update the client says where a turn begins and ends."""
    return message["session"].get("turn_detection", "default") is None


def ends_at(session: Message) -> float:
    """When a session that was accepted ends, in seconds of time.monotonic(); inf where that is not told.

    It is told by the service's clock, and ours may be wrong: no session ends within LEAST_SESSION_S.
    Compared, not reckoned with, until it is known to be a time: JSON has integers that no float holds.
    """
    now = time.time()
    match session.get("expires_at"):
        case int(expires_at) | float(expires_at) if LEAST_SESSION_S + now < expires_at < MOST_SESSION_S + now:
            return time.monotonic() + expires_at - now
    return float("inf")


def typed_message(text: str) -> Message:
    """A message that was typed."""
    content = [{"type": "input_text", "text": text}]
    item = {"type": "message", "role": "user", "content": content}
    return {"type": "conversation.item.create", "item": item}


def truncation(item: str, heard_ms: int) -> Message:
    """So much of an answer was heard before the user cut in."""
    what = {"item_id": item, "content_index": 0, "audio_end_ms": heard_ms}
    return {"type": "conversation.item.truncate", "event_id": UNIMPORTANT, **what}


def function_output(call_id: str, output: str) -> Message:
    """What a function gave, for the agent: a text, JSON as a rule."""
    item = {"type": "function_call_output", "call_id": call_id, "output": output}
    return {"type": "conversation.item.create", "item": item}


def approval(request_id: str, approve: bool) -> Message:
    """Whether a tool that asked first may be run."""
    item = {"type": "mcp_approval_response", "approval_request_id": request_id, "approve": approve}
    return {"type": "conversation.item.create", "item": item}
