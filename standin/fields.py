"""The fields of a session: which there are, what they may hold, and the api-version each began in.

The service validates strictly: one unknown or malformed field, however deep, rejects the whole
`session.update`. Where no beginning is documented, a field is accepted in every version.
"""

from standin.rules import (
    Field,
    Fields,
    choice,
    flag,
    many,
    modalities,
    number,
    only_in_previews,
    record,
    response_tokens,
    some,
    tagged,
    text,
    text_or,
    thing,
)

ECHO_CLIENT_SINCE = "2026-06-01-preview"
LEAST_TEMPERATURE, MOST_TEMPERATURE = 0.6, 1.2

MILLISECONDS = number(0, 60_000, whole=True)

END_OF_UTTERANCE: Fields = {
    "model": Field(
        only_in_previews(
            choice(
                "semantic_detection_v1",
                "semantic_detection_v1_en",
                "semantic_detection_v1_multilingual",
                "smart_end_of_turn_detection",
            ),
            "smart_end_of_turn_detection",
        ),
        required=True,
    ),
    "threshold": Field(number(0, 1)),
    "timeout": Field(number(0, 60)),
    "threshold_level": Field(choice("low", "medium", "high", "default"), since="2025-10-01"),
    "timeout_ms": Field(MILLISECONDS, since="2025-10-01"),
}

VAD: Fields = {
    "threshold": Field(number(0, 1)),
    **some(MILLISECONDS, "prefix_padding_ms", "silence_duration_ms", "speech_duration_ms"),
    "end_of_utterance_detection": Field(record(END_OF_UTTERANCE)),
    **some(flag, "create_response", "interrupt_response", "auto_truncate"),
    "appended_text_after_truncation": Field(text),
    "idle_timeout_ms": Field(MILLISECONDS),
}
# What the service shows, it takes: the names of a retired preview, too (their values: by their names).
AZURE_VAD_EN: Fields = {
    **VAD,
    "profile": Field(text),
    "remove_filler_words": Field(flag),
    "neg_threshold": Field(number(0, 1)),
    "speech_duration_assistant_speaking_ms": Field(MILLISECONDS),
    **some(number(0, 1_000, whole=True), "window_size", "distinct_ci_phones"),
    **some(flag, "require_vowel", "require_vowel_assistant_speaking"),
}
AZURE_VAD: Fields = {**AZURE_VAD_EN, "languages": Field(many(text))}

TURN_DETECTION = tagged(
    {
        "server_vad": VAD,
        "azure_semantic_vad": AZURE_VAD,
        "azure_semantic_vad_en": AZURE_VAD_EN,
        "azure_semantic_vad_multilingual": AZURE_VAD,
        "semantic_vad": {
            "eagerness": Field(choice("auto", "low", "high")),
            **some(flag, "create_response", "interrupt_response", "auto_truncate"),
        },
    }
)

NOISE_REDUCTION = tagged({"azure_deep_noise_suppression": {}, "near_field": {}, "far_field": {}})

ECHO_CANCELLATION = tagged(
    {
        "server_echo_cancellation": {
            "reference_source": Field(choice("server", "client"), since="2025-10-01"),
            "channels": Field(choice(1, 2), since="2025-10-01"),
        }
    }
)

STANDARD_VOICE: Fields = {
    "name": Field(text, required=True),
    "temperature": Field(number(0, 1)),
    "prefer_locales": Field(many(text)),
    **some(text, "custom_lexicon_url", "custom_text_normalization_url", "locale", "style"),
    **some(text, "pitch", "rate", "volume"),
}
VOICE = text_or(
    tagged(
        {
            "azure-standard": STANDARD_VOICE,
            "azure-custom": {**STANDARD_VOICE, "endpoint_id": Field(text, required=True)},
            "azure-personal": {**STANDARD_VOICE, "model": Field(text, required=True)},
            "avatar-voice-sync": some(text, "name"),
            "openai": {"name": Field(text, required=True)},
            "azure-realtime-native": {"name": Field(text, required=True)},
        }
    )
)
TEMPERATURE = number(LEAST_TEMPERATURE, MOST_TEMPERATURE)

TRANSCRIPTION: Fields = {
    "model": Field(text, required=True),
    **some(text, "language", "prompt", "delay"),
    "phrase_list": Field(many(text)),
    "custom_speech": Field(thing),
}

INTERIM_TRIGGERS: Fields = {
    "triggers": Field(many(choice("latency", "tool"))),
    "latency_threshold_ms": Field(MILLISECONDS),
}
INTERIM_RESPONSE = tagged(
    {
        "static_interim_response": {**INTERIM_TRIGGERS, "texts": Field(many(text))},
        "llm_interim_response": {
            **INTERIM_TRIGGERS,
            **some(text, "model", "instructions"),
            "max_completion_tokens": Field(number(1, 4096, whole=True)),
        },
    }
)

OUTPUT_FORMAT = choice(
    "pcm16",
    "pcm16_8000hz",
    "pcm16_16000hz",
    "pcm16_22050hz",
    "pcm16_24000hz",
    "pcm16_44100hz",
    "pcm16_48000hz",
    "g711_ulaw",
    "g711_alaw",
)

SESSION: Fields = {
    "model": Field(text),
    "modalities": Field(modalities),
    "voice": Field(VOICE),
    "instructions": Field(text),
    "input_audio_format": Field(choice("pcm16", "g711_ulaw", "g711_alaw")),
    "input_audio_sampling_rate": Field(choice(8000, 16000, 24000, 44100)),
    "output_audio_format": Field(OUTPUT_FORMAT),
    "turn_detection": Field(TURN_DETECTION),
    "input_audio_noise_reduction": Field(NOISE_REDUCTION),
    "input_audio_echo_cancellation": Field(ECHO_CANCELLATION),
    "input_audio_transcription": Field(record(TRANSCRIPTION)),
    "output_audio_timestamp_types": Field(many(choice("word"))),
    "animation": Field(thing),
    "avatar": Field(thing),
    "tools": Field(many(thing)),
    "tool_choice": Field(text_or(thing)),
    "parallel_tool_calls": Field(flag),
    "temperature": Field(TEMPERATURE),
    "max_response_output_tokens": Field(response_tokens),
    "reasoning_effort": Field(choice("none", "minimal", "low", "medium", "high", "xhigh")),
    "interim_response": Field(INTERIM_RESPONSE, since="2026-01-01-preview"),
    "include": Field(many(text)),
    "metadata": Field(thing),
}

RESPONSE: Fields = {
    **some(flag, "commit", "cancel_previous"),
    "append_input_items": Field(many(thing)),
    "input_items": Field(many(thing)),
    "modalities": Field(modalities),
    "instructions": Field(text),
    "voice": Field(VOICE),
    "output_audio_format": Field(OUTPUT_FORMAT),
    "tools": Field(many(thing)),
    "tool_choice": Field(text_or(thing)),
    "temperature": Field(TEMPERATURE),
    **{name: Field(response_tokens) for name in ("max_output_tokens", "max_response_output_tokens")},
    "conversation": Field(choice("auto", "none")),
    "animation": Field(thing),
    "pre_generated_assistant_message": Field(thing, since="2026-01-01-preview"),
    "reasoning_effort": SESSION["reasoning_effort"],
    "metadata": Field(thing),
    "interim_response": SESSION["interim_response"],
    "invoke_input": Field(thing),
}


_AUDIO_PART: Fields = {"audio": Field(text), "transcript": Field(text)}
CONTENT = many(
    tagged(
        {
            "input_text": {"text": Field(text, required=True)},
            "input_audio": _AUDIO_PART,
            "input_image": some(text, "image_url", "detail"),
            "text": {"text": Field(text, required=True)},
            "audio": _AUDIO_PART,
        }
    )
)
_ITEM: Fields = some(text, "id", "object", "status")
ITEM = tagged(
    {
        "message": {
            **_ITEM,
            "role": Field(choice("user", "assistant", "system"), required=True),
            "content": Field(CONTENT, required=True),
        },
        "function_call": {
            **_ITEM,
            **{name: Field(text, required=True) for name in ("name", "call_id", "arguments")},
        },
        "function_call_output": {
            **_ITEM,
            **{name: Field(text, required=True) for name in ("call_id", "output")},
        },
        "mcp_approval_response": {
            **_ITEM,
            "approval_request_id": Field(text, required=True),
            "approve": Field(flag, required=True),
        },
    }
)


def check(session: object, version: str) -> None:
    """Raise RefusedError at the first field of a `session` object that `version` does not allow."""
    record(SESSION)(session, "session", version)


def check_response(response: object, version: str) -> None:
    """The same for the `response` object of a `response.create`."""
    record(RESPONSE)(response, "response", version)


def check_item(item: object, version: str) -> None:
    """The same for the `item` of a `conversation.item.create`."""
    ITEM(item, "item", version)
