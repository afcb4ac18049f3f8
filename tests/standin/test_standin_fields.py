"""The fields of a session: since which api-version each is known, and what is rejected."""

from collections.abc import Iterator
from typing import Any

import pytest
from standin_client import DETECTION, ECHO_CANCELLATION, Client, agent_on, refusal

from standin.server import StandIn

VERSIONS = (
    "2025-05-01-preview",
    "2025-10-01",
    "2026-01-01-preview",
    "2026-04-10",
    "2026-06-01-preview",
    "2026-07-15",
)


@pytest.fixture(scope="module")
def stand_in() -> Iterator[StandIn]:
    with StandIn() as running:
        yield running


FIRST_PREVIEW_SESSION = {
    "turn_detection": {
        "type": "azure_semantic_vad",
        "threshold": 0.3,
        "prefix_padding_ms": 200,
        "silence_duration_ms": 200,
        "remove_filler_words": False,
        "end_of_utterance_detection": {
            "model": "semantic_detection_v1",
            "threshold": 0.01,
            "timeout": 2,
        },
    },
    "input_audio_noise_reduction": {"type": "azure_deep_noise_suppression"},
    "input_audio_echo_cancellation": ECHO_CANCELLATION,
    "voice": {
        "name": "en-US-Ava:DragonHDLatestNeural",
        "type": "azure-standard",
        "temperature": 0.8,
    },
}


@pytest.mark.parametrize("version", VERSIONS)
def test_the_fields_of_the_first_preview_are_known_for_ever(stand_in: StandIn, version: str) -> None:
    with Client(stand_in.endpoint, agent_on(version)) as client:
        assert client.configure(**FIRST_PREVIEW_SESSION)["type"] == "session.updated"


def end_of_utterance(**fields: Any) -> dict[str, Any]:
    detection = {"model": "semantic_detection_v1", **fields}
    return {"turn_detection": {**DETECTION, "end_of_utterance_detection": detection}}


@pytest.mark.parametrize(
    ("changes", "since"),
    [
        (end_of_utterance(threshold_level="default", timeout_ms=2000), "2025-10-01"),
        ({"interim_response": {"type": "llm_interim_response"}}, "2026-01-01-preview"),
        ({"parallel_tool_calls": False}, "2025-05-01-preview"),
        ({"input_audio_echo_cancellation": {**ECHO_CANCELLATION, "channels": 1}}, "2025-10-01"),
        (
            {"input_audio_echo_cancellation": {**ECHO_CANCELLATION, "reference_source": "server"}},
            "2025-10-01",
        ),
        ({"modalities": ["audio"]}, "2025-05-01-preview"),
        ({"input_audio_format": "g711_ulaw"}, "2025-05-01-preview"),
        ({"turn_detection": {"type": "server_vad", "idle_timeout_ms": None}}, "2025-05-01-preview"),
        (
            {"turn_detection": {**DETECTION, "profile": "classic", "window_size": 2}},
            "2025-05-01-preview",
        ),
        (end_of_utterance(threshold=0.01, timeout=2), "2025-05-01-preview"),
        ({"metadata": {"a": "b"}}, "2025-05-01-preview"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_field_begins_with_its_version(stand_in: StandIn, changes: dict[str, Any], since: str) -> None:
    for version in VERSIONS:
        with Client(stand_in.endpoint, agent_on(version)) as client:
            answer = client.configure(**changes)

        assert answer["type"] == ("session.updated" if version >= since else "error"), version


@pytest.mark.parametrize(
    ("changes", "code", "param"),
    [
        ({"nonsense": 1}, "invalid_session_update_message", "session.nonsense"),
        (
            {"turn_detection": {**DETECTION, "nonsense": 1}},
            "invalid_session_update_message",
            "session.turn_detection.nonsense",
        ),
        (
            end_of_utterance(nonsense=1),
            "invalid_session_update_message",
            "session.turn_detection.end_of_utterance_detection.nonsense",
        ),
        (
            {"input_audio_noise_reduction": {}},
            "invalid_session_update_message",
            "session.input_audio_noise_reduction",
        ),
        (
            {"turn_detection": {"type": "server_vad", "remove_filler_words": True}},
            "invalid_session_update_message",
            "session.turn_detection.remove_filler_words",
        ),
        (
            {"turn_detection": "none"},
            "invalid_session_update_message",
            "session.turn_detection",
        ),
        ({"modalities": ["avatar"]}, "invalid_session_update_message", "session.modalities"),
        ({"temperature": 0.5}, "invalid_session_update_message", "session.temperature"),
        ({"temperature": 1.3}, "invalid_session_update_message", "session.temperature"),
        (
            {"turn_detection": {"type": "semantic_vad"}},
            "invalid_session_update_message",
            "session.turn_detection.type",
        ),
        (
            {"input_audio_noise_reduction": {"type": "near_field"}},
            "invalid_session_update_message",
            "session.input_audio_noise_reduction.type",
        ),
        (
            {"voice": {"type": "azure-realtime-native", "name": "ava"}},
            "invalid_session_update_message",
            "session.voice",
        ),
        ({"temperature": True}, "invalid_session_update_message", "session.temperature"),
        (
            {"input_audio_sampling_rate": 48000},
            "invalid_session_update_message",
            "session.input_audio_sampling_rate",
        ),
        (
            {"input_audio_format": "opus"},
            "invalid_session_update_message",
            "session.input_audio_format",
        ),
        ({"voice": {"type": "azure-standard"}}, "invalid_session_update_message", None),
        ({"voice": "alloy"}, "invalid_session_update_message", "session.voice"),
        ({"voice": {"type": "openai", "name": "alloy"}}, "invalid_session_update_message", None),
        (
            {"input_audio_transcription": {"model": "whisper-1"}},
            "invalid_session_update_message",
            "session.input_audio_transcription.model",
        ),
        ({"instructions": "Be brief."}, "instructions_configuration_not_supported", None),
        ({"tools": []}, "tools_configuration_not_supported", "session.tools"),
        (
            {"input_audio_echo_cancellation": {**ECHO_CANCELLATION, "channels": 2}},
            "invalid_ec_channels_requires_client",
            None,
        ),
        (
            {"input_audio_echo_cancellation": {**ECHO_CANCELLATION, "reference_source": "client"}},
            "invalid_ec_reference_channels",
            None,
        ),
    ],
)
def test_one_wrong_field_rejects_the_whole_update(
    stand_in: StandIn, changes: dict[str, Any], code: str, param: str | None
) -> None:
    with Client(stand_in.endpoint) as client:
        client.receive()

        rejected = client.update(**{"temperature": 0.6, **changes})
        session = client.update()["session"]

    assert refusal(rejected)[0] == code
    assert param in (None, refusal(rejected)[1])
    assert session["temperature"] == 0.8


def test_the_ends_of_turns_that_are_heard_are_for_previews_alone(stand_in: StandIn) -> None:
    smart = {"model": "smart_end_of_turn_detection"}
    answers = {}
    for version in VERSIONS:
        with Client(stand_in.endpoint, agent_on(version)) as client:
            answer = client.configure(turn_detection={**DETECTION, "end_of_utterance_detection": smart})
        answers[version] = answer["type"] == "session.updated"

    assert answers == {version: version.endswith("preview") for version in VERSIONS}
