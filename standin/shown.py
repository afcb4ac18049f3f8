"""What the service shows of a session's settings: every key of each object, null where nothing was given."""

from collections.abc import Callable
from typing import Any

Values = dict[str, Any]

_VOICE = dict.fromkeys(
    (
        *("temperature", "custom_lexicon_url", "custom_text_normalization_url", "prefer_locales"),
        *("locale", "style", "pitch", "rate", "volume"),
    )
)
_ANY_DETECTION: Values = {
    "threshold": None,
    "prefix_padding_ms": None,
    "silence_duration_ms": None,
    "create_response": True,
    "interrupt_response": True,
    "idle_timeout_ms": None,
}
_TRUNCATION: Values = {"auto_truncate": False, "appended_text_after_truncation": None}
_SERVER_DETECTION: Values = {**_ANY_DETECTION, "speech_duration_ms": None, **_TRUNCATION}
_AZURE_DETECTION: Values = {
    **_ANY_DETECTION,
    "profile": "classic",
    "neg_threshold": None,
    "speech_duration_ms": None,
    "window_size": None,
    "distinct_ci_phones": None,
    "require_vowel": None,
    "require_vowel_assistant_speaking": None,
    "remove_filler_words": False,
    "languages": None,
    **_TRUNCATION,
}
_SEMANTIC_DETECTION: Values = {
    "eagerness": "auto",
    "create_response": True,
    "interrupt_response": True,
    "auto_truncate": False,
}
_END_OF_UTTERANCE: Values = {
    "model": None,
    "threshold": None,
    "threshold_level": "default",
    "timeout": None,
    "timeout_ms": 1000,
}
_TRANSCRIPTION: Values = {
    "model": None,
    "language": "",
    "prompt": None,
    "delay": None,
    "custom_speech": None,
    "phrase_list": None,
}


def voice(given: Values | str) -> Values:
    """A voice; a name alone is one of OpenAI's, which has no other keys."""
    if isinstance(given, str):
        return {"name": given, "type": "openai"}
    azure = str(given.get("type")) in ("azure-standard", "azure-custom", "azure-personal")
    return {"name": None, "type": None, **(_VOICE if azure else {}), **given}


def turn_detection(given: Values) -> Values:
    """The detection, with what stands for it where a key was not given."""
    kind: str = given["type"]
    azure = kind.startswith("azure")
    keys = _AZURE_DETECTION if azure else _SEMANTIC_DETECTION if kind == "semantic_vad" else _SERVER_DETECTION
    shown = _over({"type": kind, **keys}, given)
    if (end := given.get("end_of_utterance_detection")) is not None:
        # The names of the first preview take the place of the newer ones' defaults.
        older = {name: None for name, new in _OLDER_NAMES.items() if end.get(new) is not None}
        shown["end_of_utterance_detection"] = _over({**_END_OF_UTTERANCE, **older}, end)
    return shown


_OLDER_NAMES = {"threshold_level": "threshold", "timeout_ms": "timeout"}


def transcription(given: Values) -> Values:
    """How speech is written down."""
    return _over(_TRANSCRIPTION, given)


def _over(keys: Values, given: Values) -> Values:
    return keys | {name: value for name, value in given.items() if value is not None}


SHOWN: dict[str, Callable[[Any], Any]] = {
    "voice": voice,
    "turn_detection": turn_detection,
    "input_audio_transcription": transcription,
}
"""How the value of a field is shown, where it is shown otherwise than it was given."""
