"""The session as the service keeps it: its defaults, what an update may change, what is shown."""

import time
from typing import Any

from standin import fields
from standin.events import RefusedError, new_id
from standin.route import Route
from standin.rules import invalid

OUTPUT_RATES_HZ = {"pcm16": 24000} | {
    f"pcm16_{rate}hz": rate for rate in (8000, 16000, 22050, 24000, 44100, 48000)
}
SESSION_LIFE_S = 3600
LONGER_PADDING_SINCE = "2026-04-10"
EXPIRY_SHOWN_SINCE = "2026-07-15"
ECHO_FEATURE = "client_ec_reference:true"

_FIXED = (
    "model",
    "voice",
    "input_audio_format",
    "input_audio_sampling_rate",
    "input_audio_echo_cancellation",
)
_CAN_BE_OFF = ("turn_detection", "input_audio_transcription")
_AGENT_VOICES = ("azure-standard", "azure-custom", "azure-personal", "avatar-voice-sync")
_AGENT_TRANSCRIPTION = ("azure-speech", "mai-")


class Session:
    """One session: its id, whom it talks to, and the effective value of every field."""

    def __init__(self, route: Route) -> None:
        self.id = new_id("sess")
        self.route = route
        self.accepted = False
        self._expires_at = int(time.time()) + SESSION_LIFE_S
        self._defaults = _defaults(route)
        self._values = dict(self._defaults)

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def update(self, changes: object) -> None:
        """Take over the fields that are present, all or none; raises RefusedError."""
        if isinstance(changes, dict) and self.route.has_agent:
            _refuse_what_the_agent_owns(changes)
        fields.check(changes, self.route.version)
        assert isinstance(changes, dict)
        new = {name: self._effective(name, value) for name, value in changes.items()}
        for name, value in new.items():
            if self.accepted and name in _FIXED and value != self._values[name]:
                raise _changed_too_late(name)
        _refuse_what_the_stand_in_lacks(new)
        self._values.update(new)
        self.accepted = True

    @property
    def input_channels(self) -> int:
        """1, the microphone alone, or 2: the microphone, and what the client's loudspeaker plays."""
        return int((self["input_audio_echo_cancellation"] or {}).get("channels", 1))

    def shown(self) -> dict[str, Any]:
        """The `session` object of `session.created` and `session.updated`."""
        shown = {"id": self.id, **self._values}
        if self.route.version >= EXPIRY_SHOWN_SINCE:
            shown["expires_at"] = self._expires_at
        return shown

    def _effective(self, name: str, value: Any) -> Any:
        if value is None:
            return None if name in _CAN_BE_OFF else self._defaults.get(name)
        if name == "turn_detection":
            _refuse_text_detection(value, self.route)
            return _turn_detection(value, self.route.version)
        if name == "input_audio_echo_cancellation":
            return _echo_cancellation(value, self.route)
        if name == "input_audio_transcription":
            return {"language": "", **value}
        return value


def _defaults(route: Route) -> dict[str, Any]:
    """What a session holds before the client's first update."""
    values: dict[str, Any] = {"model": route.name, "modalities": ["text", "audio"]}
    if route.kind == "classic":
        values |= {"model": "gpt-4.1-mini", "instructions": "You are a helpful agent."}
    if route.kind == "model":
        values["instructions"] = ""
    values |= {
        "voice": {"name": "en-US-Ava:DragonHDLatestNeural", "type": "azure-standard"},
        "input_audio_format": "pcm16",
        "output_audio_format": "pcm16",
        "input_audio_sampling_rate": 24000,
        "turn_detection": _turn_detection({"type": "server_vad"}, route.version),
        "input_audio_noise_reduction": None,
        "input_audio_echo_cancellation": None,
        "input_audio_transcription": {"model": "azure-speech", "language": ""},
        "output_audio_timestamp_types": None,
        "avatar": None,
        "animation": None,
        "tools": [],
        "tool_choice": "auto",
        "temperature": 0.8,
        "max_response_output_tokens": "inf",
    }
    if route.has_agent:
        values["agent"] = _agent(route)
    if route.version >= "2026-06-01-preview":
        values["parallel_tool_calls"] = True
    return values


def _agent(route: Route) -> dict[str, str]:
    if route.kind == "classic":
        name = {"name": "stand-in", "description": "", "agent_id": route.name}
        return {"type": "agent", **name, "thread_id": new_id("thread")}
    versioned = f"{route.name}:{route.agent_version}"
    return {"type": "agent", "name": route.name, "description": "", "agent_id": versioned}


def _refuse_text_detection(given: dict[str, Any], route: Route) -> None:
    """The end of an utterance is told by its words where these are recognised: not in a model of sound."""
    by = (given.get("end_of_utterance_detection") or {}).get("model", "")
    if route.kind == "model" and "realtime" in route.name and by.startswith("semantic_detection"):
        raise RefusedError(
            "Text-based end-of-utterance detection requires a local speech recognizer "
            "and is only supported on cascaded pipelines.",
            param="session.turn_detection.end_of_utterance_detection",
        )


def _turn_detection(given: dict[str, Any], version: str) -> dict[str, Any]:
    """The detection as the service echoes it: what was given, over the defaults of its kind."""
    azure = given["type"].startswith("azure")
    longer = 420 if azure else 400
    effective: dict[str, Any] = {
        "type": given["type"],
        "threshold": 0.5,
        "prefix_padding_ms": longer if version >= LONGER_PADDING_SINCE else 300,
        "silence_duration_ms": 500,
    }
    if azure:
        effective |= {"speech_duration_ms": 80, "remove_filler_words": False}
    effective |= {"create_response": True, "interrupt_response": True, "auto_truncate": False}
    return effective | {name: value for name, value in given.items() if value is not None}


def _echo_cancellation(given: dict[str, Any], route: Route) -> dict[str, Any]:
    """Echo cancellation with its reference: the server's own, mono, or the client's, in stereo."""
    if route.version < fields.ECHO_REFERENCE_SINCE:
        return given
    effective = {"reference_source": "server", "channels": 1}
    effective |= {name: value for name, value in given.items() if value is not None}
    param = "session.input_audio_echo_cancellation"
    is_client = effective["reference_source"] == "client"
    if effective["channels"] == 2 and not is_client:
        raise RefusedError(
            "channels 2 needs reference_source client",
            code="invalid_ec_channels_requires_client",
            param=f"{param}.channels",
        )
    # That a missing feature has this code, too, is an inference.
    if is_client and (effective["channels"] != 2 or ECHO_FEATURE not in route.features):
        raise RefusedError(
            f"reference_source client needs channels 2, and features={ECHO_FEATURE} in the URL",
            code="invalid_ec_reference_channels",
            param=f"{param}.reference_source",
        )
    return effective


def _changed_too_late(name: str) -> RefusedError:
    refusal = invalid(f"session.{name} cannot be changed later", f"session.{name}")
    if name == "input_audio_echo_cancellation":
        return RefusedError(refusal.message, code="change_in_ec_channels_not_allowed", param=refusal.param)
    return refusal


def _refuse_what_the_agent_owns(changes: dict[str, Any]) -> None:
    """Instructions and tools are the agent's; its voice and its transcription are Azure's."""
    for name in ("instructions", "tools"):
        if changes.get(name) is not None:
            raise RefusedError(
                f"Setting {name} is not supported (with Agent service)",
                code=f"{name}_configuration_not_supported",
                param=f"session.{name}",
            )
    refuse_foreign_voice(changes.get("voice"), "session.voice")
    transcription = changes.get("input_audio_transcription")
    model = transcription.get("model") if isinstance(transcription, dict) else None
    if isinstance(model, str) and not model.startswith(_AGENT_TRANSCRIPTION):
        raise invalid(
            "Only azure-speech and mai-transcribe are supported in cascaded pipelines",
            "session.input_audio_transcription.model",
        )


def refuse_foreign_voice(voice: object, param: str) -> None:
    """An agent's voice is Azure's: an object, for a name alone is a voice of OpenAI's."""
    kind = voice.get("type", "azure-standard") if isinstance(voice, dict) else voice
    if isinstance(voice, str) or (isinstance(kind, str) and kind not in _AGENT_VOICES):
        raise invalid("Only Azure voice is supported", param)


def _refuse_what_the_stand_in_lacks(new: dict[str, Any]) -> None:
    """The service also speaks G.711; the stand-in says that it does not."""
    for name in ("input_audio_format", "output_audio_format"):
        if new.get(name, "pcm16") not in OUTPUT_RATES_HZ:
            raise invalid(f"this stand-in knows only PCM16 for {name}", f"session.{name}")
