"""The session that is asked for."""

import pytest

from voicelive.session import (
    ECHO,
    merged,
    session_update,
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
