"""The session as the service keeps it: its defaults, what an update may change, what is shown."""

import time
from typing import Any

from standin import fields, g711, shown
from standin.events import RefusedError, new_id
from standin.route import Route
from standin.rules import invalid
from standin.shown import SHOWN

PCM_RATES_HZ = {"pcm16": 24000} | {
    f"pcm16_{rate}hz": rate for rate in (8000, 16000, 22050, 24000, 44100, 48000)
}
OUTPUT_RATES_HZ = PCM_RATES_HZ | dict.fromkeys(g711.FORMATS, g711.RATE_HZ)
SESSION_LIFE_S = 3600
LONGER_PADDING_SINCE = "2026-04-10"
EXPIRY_SHOWN_SINCE = "2026-04-10"
ECHO_FEATURE = "client_ec_reference:true"
LAST_KEYS = ("agent",)  # the quickstart's `session.created` ends with it

_FIXED = ("model", "input_audio_format", "input_audio_sampling_rate", "input_audio_echo_cancellation")
_CAN_BE_OFF = ("turn_detection", "input_audio_transcription")
_CASCADED_VOICES = ("azure-standard", "azure-custom", "azure-personal", "avatar-voice-sync")
_CASCADED_TRANSCRIPTION = ("azure-speech", "mai-")


class Session:
    """One session: its id, whom it talks to, and the value of every field as it is shown."""

    def __init__(self, route: Route) -> None:
        self.id = new_id("sess")
        self.route = route
        self.accepted = False
        self.has_spoken = False  # the agent's voice was heard: it cannot be changed any more
        self._expires_at = int(time.time()) + SESSION_LIFE_S
        self._defaults = _defaults(route)
        self._values = dict(self._defaults)

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def update(self, changes: object) -> None:
        """Take over the fields that are present, all or none; raises RefusedError."""
        if isinstance(changes, dict):
            _refuse_what_does_not_go_with(self.route, changes)
        fields.check(changes, self.route.version)
        assert isinstance(changes, dict)
        new = {name: self._effective(name, value) for name, value in changes.items()}
        fixed = (*_FIXED, "voice") if self.has_spoken else _FIXED
        for name, value in new.items():
            if self.accepted and name in fixed and value != self._values[name]:
                raise _changed_too_late(name)
        self._values.update(new)
        self.accepted = True

    @property
    def input_channels(self) -> int:
        """1, the microphone alone, or 2: the microphone, and what the client's loudspeaker plays."""
        return int((self["input_audio_echo_cancellation"] or {}).get("channels", 1))

    @property
    def input_rate_hz(self) -> int:
        """The rate of the microphone's sound; that of G.711 is always 8 kHz."""
        in_g711 = self["input_audio_format"] in g711.FORMATS
        return g711.RATE_HZ if in_g711 else int(self["input_audio_sampling_rate"])

    @property
    def detection(self) -> dict[str, Any] | None:
        """The turn detection with numbers in the place of null; None where the client commits."""
        shown: dict[str, Any] | None = self["turn_detection"]
        if shown is None:
            return None
        numbers = _detection_numbers(shown["type"], self.route.version)
        return numbers | {name: value for name, value in shown.items() if value is not None}

    def shown(self) -> dict[str, Any]:
        """The `session` object of `session.created` and `session.updated`."""
        shown = {"id": self.id, "object": "realtime.session", **self._values}
        if self.route.version >= EXPIRY_SHOWN_SINCE:
            shown["expires_at"] = self._expires_at
        return shown | {name: shown.pop(name) for name in LAST_KEYS if name in shown}

    def _effective(self, name: str, value: Any) -> Any:
        if value is None:
            return None if name in _CAN_BE_OFF else self._defaults.get(name)
        if name == "turn_detection":
            _refuse_text_detection(value, self.route)
        if name == "input_audio_echo_cancellation":
            return _echo_cancellation(value, self.route)
        return SHOWN[name](value) if name in SHOWN else value


def _defaults(route: Route) -> dict[str, Any]:
    """What a session holds before the client's first update."""
    values: dict[str, Any] = {"model": route.name, "modalities": ["text", "audio"]}
    if route.kind == "classic":
        values |= {"model": "gpt-4.1-mini", "instructions": "You are a helpful agent."}
    if route.kind == "model":
        values["instructions"] = ""
    detection = {"type": "server_vad", **_detection_numbers("server_vad", route.version)}
    values |= {
        "voice": shown.voice({"name": "en-US-AvaNeural", "type": "azure-standard"}),
        "input_audio_format": "pcm16",
        "output_audio_format": "pcm16",
        "input_audio_transcription": {**shown.transcription({"model": "azure-speech"}), "language": None},
        "input_audio_noise_reduction": None,
        "turn_detection": shown.turn_detection(detection),
        "tools": [],
        "tool_choice": "auto",
        "temperature": 0.8,
        "max_response_output_tokens": "inf",
        "input_audio_sampling_rate": 24000,
    }
    nothing = ("animation", "input_audio_echo_cancellation", "avatar", "output_audio_timestamp_types")
    values |= dict.fromkeys((*nothing, "truncation_strategy", "include", "greeting", "handoff"))
    if not route.is_cascaded:
        values |= {"modalities": ["audio"], "voice": shown.voice("alloy")}
        values |= {"input_audio_transcription": None}
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
    if not route.is_cascaded and by.startswith("semantic_detection"):
        raise RefusedError(
            "Text-based end-of-utterance detection requires a local speech recognizer "
            "and is only supported on cascaded pipelines.",
            param="session.turn_detection.end_of_utterance_detection",
        )


def _detection_numbers(kind: str, version: str) -> dict[str, Any]:
    """What a detection of this kind goes by where the client gave nothing."""
    longer = 420 if kind.startswith("azure") else 400
    padding_ms = longer if version >= LONGER_PADDING_SINCE else 300
    return {"threshold": 0.5, "prefix_padding_ms": padding_ms, "silence_duration_ms": 500}


def _echo_cancellation(given: dict[str, Any], route: Route) -> dict[str, Any]:
    """Echo cancellation with its reference: the server's own, mono, or the client's, in stereo."""
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
    if is_client and route.version < fields.ECHO_CLIENT_SINCE:
        since = f"is not known before API version {fields.ECHO_CLIENT_SINCE}"
        raise invalid(f"reference_source client {since}", f"{param}.reference_source")
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


def _refuse_what_does_not_go_with(route: Route, changes: dict[str, Any]) -> None:
    """Instructions and tools are the agent's; what OpenAI's models of sound have, a cascade has not."""
    for name in ("instructions", "tools") if route.has_agent else ():
        if changes.get(name) is not None:
            raise RefusedError(
                f"Setting {name} is not supported (with Agent service)",
                code=f"{name}_configuration_not_supported",
                param=f"session.{name}",
            )
    refuse_foreign_voice(route, changes.get("voice"), "session.voice")
    if not route.is_cascaded:
        return
    transcription = changes.get("input_audio_transcription")
    model = transcription.get("model") if isinstance(transcription, dict) else None
    if isinstance(model, str) and not model.startswith(_CASCADED_TRANSCRIPTION):
        raise invalid(
            "Only azure-speech and mai-transcribe are supported in cascaded pipelines",
            "session.input_audio_transcription.model",
        )
    for name, foreign in _NOT_CASCADED.items():
        value = changes.get(name)
        kind = value.get("type") if isinstance(value, dict) else None
        if kind in foreign:
            raise invalid(f"{kind} is not supported in cascaded pipelines", f"session.{name}.type")


_NOT_CASCADED = {
    "turn_detection": ("semantic_vad",),
    "input_audio_noise_reduction": ("near_field", "far_field"),
}


def refuse_foreign_voice(route: Route, voice: object, param: str) -> None:
    """A cascade speaks with Azure's voices: an object, for a name alone is a voice of OpenAI's."""
    kind = voice.get("type", "azure-standard") if isinstance(voice, dict) else voice
    if kind == "azure-realtime-native" and route.name != "azure-realtime":
        raise invalid("azure-realtime-native voices belong to the model azure-realtime", param)
    if not route.is_cascaded:
        return
    if isinstance(voice, str) or (isinstance(kind, str) and kind not in _CASCADED_VOICES):
        raise invalid("Only Azure voice is supported", param)
