"""The stand-in's session: what it holds, what may be changed, and when."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from standin_client import DETECTION, ECHO_CANCELLATION, HUB, KEY, NAMED, Client, agent_on, refusal

from standin.server import StandIn

VOICE = {"type": "azure-standard", "name": "en-US-Ava:DragonHDLatestNeural", "temperature": 0.8}
MODEL = {"api-version": "2026-07-15", "model": "gpt-realtime"}
EFFECTIVE_DETECTION = {
    "type": "azure_semantic_vad",
    "threshold": 0.5,
    "prefix_padding_ms": 200,
    "silence_duration_ms": 200,
    "speech_duration_ms": 80,
    "remove_filler_words": False,
    "end_of_utterance_detection": {"model": "semantic_detection_v1"},
    "create_response": True,
    "interrupt_response": True,
    "auto_truncate": False,
}


@pytest.fixture(scope="module")
def stand_in() -> Iterator[StandIn]:
    with StandIn() as running:
        yield running


def test_an_update_is_answered_with_the_whole_session(stand_in: StandIn) -> None:
    with Client(stand_in.endpoint) as client:
        updated = client.configure(
            voice=VOICE,
            input_audio_noise_reduction={"type": "azure_deep_noise_suppression"},
            input_audio_echo_cancellation=ECHO_CANCELLATION,
            output_audio_timestamp_types=["word"],
        )

    assert updated["type"] == "session.updated"
    session = updated["session"]
    assert session["model"] == "agent"
    assert session["voice"] == VOICE
    assert session["turn_detection"] == EFFECTIVE_DETECTION
    assert session["input_audio_echo_cancellation"] == {
        "type": "server_echo_cancellation",
        "reference_source": "server",
        "channels": 1,
    }
    assert session["input_audio_transcription"] == {"model": "azure-speech", "language": ""}
    assert session["parallel_tool_calls"] is True
    assert session["agent"] == {
        "type": "agent",
        "name": "agent",
        "description": "",
        "agent_id": "agent:1",
    }


def test_a_classic_agent_has_a_thread_and_no_newer_fields(stand_in: StandIn) -> None:
    with Client(stand_in.endpoint, HUB) as client:
        session = client.receive()["session"]

    assert session["instructions"]
    assert session["agent"]["agent_id"] == "asst_1"
    assert session["agent"]["thread_id"].startswith("thread_")
    assert not {"expires_at", "parallel_tool_calls"} & session.keys()


@pytest.mark.parametrize(
    ("version", "kind", "padding_ms"),
    [
        ("2025-10-01", "server_vad", 300),
        ("2026-01-01-preview", "azure_semantic_vad", 300),
        ("2026-04-10", "server_vad", 400),
        ("2026-07-15", "azure_semantic_vad", 420),
    ],
)
def test_the_padding_grew_with_the_versions(
    stand_in: StandIn, version: str, kind: str, padding_ms: int
) -> None:
    with Client(stand_in.endpoint, agent_on(version)) as client:
        updated = client.configure(turn_detection={"type": kind})

    assert updated["session"]["turn_detection"]["prefix_padding_ms"] == padding_ms


def test_null_turns_a_feature_off(stand_in: StandIn) -> None:
    with Client(stand_in.endpoint) as client:
        client.configure(input_audio_noise_reduction={"type": "azure_deep_noise_suppression"})

        session = client.update(
            turn_detection=None, input_audio_noise_reduction=None, input_audio_transcription=None
        )["session"]

    assert session["turn_detection"] is None
    assert session["input_audio_noise_reduction"] is None
    assert session["input_audio_transcription"] is None


def test_a_model_takes_instructions_tools_and_other_voices(stand_in: StandIn) -> None:
    with Client(stand_in.endpoint, MODEL, KEY) as client:
        detection = {"type": "server_vad"}
        updated = client.configure(
            instructions="Be brief.", tools=[{}], voice="alloy", turn_detection=detection
        )

    assert updated["session"]["instructions"] == "Be brief."
    assert updated["session"]["voice"] == "alloy"


def test_a_model_of_sound_does_not_end_turns_by_their_words(stand_in: StandIn) -> None:
    with (
        Client(stand_in.endpoint, MODEL, KEY) as client,
        Client(stand_in.endpoint, {**MODEL, "model": "gpt-4.1-mini"}, KEY) as cascaded,
    ):
        refused = client.configure(turn_detection=DETECTION)
        accepted = cascaded.configure(turn_detection=DETECTION)

    assert refused["error"]["param"] == "session.turn_detection.end_of_utterance_detection"
    assert accepted["type"] == "session.updated"


def test_an_agent_speaks_with_azure_s_voices_in_each_answer_too(stand_in: StandIn) -> None:
    with Client(stand_in.endpoint, NAMED) as client:
        client.configure()
        client.send("response.create", response={"voice": "alloy"})
        refused = client.receive()

    assert refused["error"]["param"] == "response.voice"


@pytest.mark.parametrize(
    "changes",
    [
        {"voice": {**VOICE, "name": "en-US-Andrew:DragonHDLatestNeural"}},
        {"input_audio_sampling_rate": 16000},
        {"input_audio_echo_cancellation": ECHO_CANCELLATION},
    ],
)
def test_some_fields_cannot_be_changed_later(stand_in: StandIn, changes: dict[str, Any]) -> None:
    with Client(stand_in.endpoint) as client:
        client.configure(voice=VOICE)

        changed = client.update(**changes)
        repeated = client.update(voice=VOICE, temperature=0.7)

    assert refusal(changed)[1] == f"session.{next(iter(changes))}"
    assert repeated["session"]["temperature"] == 0.7
    assert repeated["session"]["turn_detection"]["type"] == "azure_semantic_vad"


CLIENT_REFERENCE = {"type": "server_echo_cancellation", "reference_source": "client", "channels": 2}
WITH_FEATURE = {**NAMED, "features": "client_ec_reference:true"}


def test_the_echo_reference_may_be_the_clients(stand_in: StandIn) -> None:
    with Client(stand_in.endpoint, WITH_FEATURE) as client:
        updated = client.configure(input_audio_echo_cancellation=CLIENT_REFERENCE)
        client.say(bytes(6))
        odd = client.receive()
        later = client.update(input_audio_echo_cancellation=ECHO_CANCELLATION)

    assert updated["session"]["input_audio_echo_cancellation"] == CLIENT_REFERENCE
    assert refusal(odd)[1] == "audio", "a frame has four bytes"
    assert refusal(later)[0] == "change_in_ec_channels_not_allowed"


@pytest.mark.parametrize(
    ("query", "changes", "code"),
    [
        (NAMED, {}, "invalid_ec_reference_channels"),
        (WITH_FEATURE, {"channels": 1}, "invalid_ec_reference_channels"),
        (WITH_FEATURE, {"reference_source": "server"}, "invalid_ec_channels_requires_client"),
        (
            {**WITH_FEATURE, "api-version": "2026-06-01-preview"},
            {},
            "invalid_session_update_message",
        ),
    ],
)
def test_an_echo_reference_that_does_not_fit_is_refused(
    stand_in: StandIn, query: dict[str, str], changes: dict[str, Any], code: str
) -> None:
    with Client(stand_in.endpoint, query) as client:
        refused = client.configure(input_audio_echo_cancellation={**CLIENT_REFERENCE, **changes})

    assert refusal(refused)[0] == code


FIRST_MESSAGES = [
    json.dumps({"type": "input_audio_buffer.append", "audio": ""}),
    json.dumps({"type": "response.create"}),
    json.dumps({"type": "session.update", "session": {"nonsense": 1}}),
    json.dumps({"type": "session.update"}),
    "no JSON",
]


def test_five_wrong_first_messages_end_the_session(stand_in: StandIn) -> None:
    with Client(stand_in.endpoint) as client:
        client.receive()
        for message in FIRST_MESSAGES:
            client.socket.send(message)
        errors = [refusal(client.receive()) for _ in range(6)]

        assert errors[0] == ("invalid_session_update_message", "type")
        assert errors[5] == ("max_config_attempts_exceeded", None)
        assert client.close_code() == 1008


def test_after_four_wrong_messages_a_right_one_still_counts(stand_in: StandIn) -> None:
    with Client(stand_in.endpoint) as client:
        client.receive()
        for message in FIRST_MESSAGES[:4]:
            client.socket.send(message)
            assert client.receive()["type"] == "error"

        assert client.update(turn_detection=DETECTION)["type"] == "session.updated"
