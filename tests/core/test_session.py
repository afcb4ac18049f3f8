"""The session that is asked for."""

import pytest

from voicelive.session import (
    ECHO,
    merged,
    session_update,
    speaks,
    user_may_interrupt,
)


def test_the_session_fits_its_api_version() -> None:
    preview = session_update("2025-05-01-preview", "Ava", ECHO["server"], {})["session"]
    current = session_update("2026-07-15", "Ava", ECHO["server"], {})["session"]

    assert "modalities" not in preview
    assert preview["turn_detection"]["end_of_utterance_detection"] == {
        "model": "semantic_detection_v1",
        "threshold": 0.01,
        "timeout": 2,
    }
    assert current["turn_detection"]["end_of_utterance_detection"] == {
        "model": "semantic_detection_v1",
        "threshold_level": "default",
        "timeout_ms": 2000,
    }
    assert current["input_audio_sampling_rate"] == 24_000
    assert current["voice"] == {"type": "azure-standard", "name": "Ava", "temperature": 0.8}


def test_fields_of_another_kind_replace_ours_unless_it_is_azures_too() -> None:
    """The service knows no `remove_filler_words` of `server_vad`, and rejects the session."""
    over = {
        "turn_detection": {"type": "server_vad", "silence_duration_ms": 700},
        "voice": {"type": "azure-custom", "endpoint_id": "e"},
    }

    session = session_update("2026-07-15", "Ava", ECHO["server"], over)["session"]

    assert session["turn_detection"] == over["turn_detection"]
    assert session["voice"] == {"type": "azure-custom", "endpoint_id": "e", "name": "Ava", "temperature": 0.8}


@pytest.mark.parametrize("odd", ["x", [1], 7])
def test_what_the_service_will_refuse_is_left_to_it(odd: object) -> None:
    assert user_may_interrupt({"session": {"turn_detection": odd}})


def test_null_turns_a_feature_off() -> None:
    message = {
        "session": merged({"turn_detection": {"type": "azure_semantic_vad"}}, {"turn_detection": None})
    }

    assert message == {"session": {"turn_detection": None}}
    assert user_may_interrupt(message)
    assert not user_may_interrupt({"session": {"turn_detection": {"interrupt_response": False}}})


def test_merging_changes_neither() -> None:
    base, over = {"voice": {"name": "Ava"}}, {"voice": {"rate": "1.2"}}

    assert merged(base, over) == {"voice": {"name": "Ava", "rate": "1.2"}}
    assert (base, over) == ({"voice": {"name": "Ava"}}, {"voice": {"rate": "1.2"}})


def test_the_agents_own_voice_is_left_to_it() -> None:
    session = session_update("2026-07-15", "agent", ECHO["server"], {})["session"]

    assert "voice" not in session
    assert session["turn_detection"]["type"] == "azure_semantic_vad"


@pytest.mark.parametrize(
    ("version", "asked"),
    [
        ("2025-05-01-preview", set()),
        (
            "2026-07-15",
            {"modalities", "input_audio_format", "output_audio_format", "input_audio_sampling_rate"},
        ),
    ],
)
def test_the_agents_own_session_is_left_to_it_but_for_formats(version: str, asked: set[str]) -> None:
    session = session_update(version, "Ava", ECHO["server"], {"temperature": 0.7}, from_agent=True)["session"]

    assert set(session) == asked | {"temperature"}
    assert user_may_interrupt({"session": session})


def test_other_languages_have_their_own_kinds_of_everything() -> None:
    spoken = ["de-DE", "fr-FR"]
    session = session_update("2026-07-15", "Ava", ECHO["server"], {}, languages=spoken)["session"]

    assert session["input_audio_transcription"] == {"model": "azure-speech", "language": "de-DE,fr-FR"}
    turns = session["turn_detection"]
    assert (turns["type"], turns["languages"]) == ("azure_semantic_vad_multilingual", spoken)
    assert turns["end_of_utterance_detection"]["model"] == "semantic_detection_v1_multilingual"
    assert turns["silence_duration_ms"] == 200, "all else stays"


def test_english_keeps_its_own() -> None:
    session = session_update("2026-07-15", "Ava", ECHO["server"], {}, languages=["en-GB"])["session"]

    assert session["turn_detection"]["type"] == "azure_semantic_vad"
    assert session["input_audio_transcription"]["language"] == "en-GB"


@pytest.mark.parametrize(
    ("voice", "languages", "does"),
    [
        ("en-US-AvaNeural", ["de-DE"], False),
        ("de-DE-KatjaNeural", ["de-AT", "fr-FR"], True),
        ("en-US-AvaMultilingualNeural", ["de-DE"], True),
        ("en-US-Ava:DragonHDLatestNeural", ["de-DE"], True),
        ("agent", ["de-DE"], True),
        ("en-US-AvaNeural", [], True),
    ],
)
def test_whether_a_voice_speaks_a_language(voice: str, languages: list[str], does: bool) -> None:
    assert speaks(voice, languages) == does


def test_interim_words_are_asked_for() -> None:
    session = session_update("2026-07-15", "Ava", ECHO["server"], {}, interim=True)["session"]

    assert session["interim_response"]["type"] == "llm_interim_response"
