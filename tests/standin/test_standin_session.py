"""The stand-in's session: what it holds, what may be changed, and when."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from standin_client import (
    DETECTION,
    ECHO_CANCELLATION,
    HUB,
    KEY,
    NAMED,
    Client,
    agent_on,
    loud,
    refusal,
    silence,
)

from standin.server import StandIn

VOICE = {"type": "azure-standard", "name": "en-US-Ava:DragonHDLatestNeural", "temperature": 0.8}
MODEL = {"api-version": "2026-07-15", "model": "gpt-realtime"}
NO_VOICE_KEYS = dict.fromkeys(
    (
        *("temperature", "custom_lexicon_url", "custom_text_normalization_url", "prefer_locales"),
        *("locale", "style", "pitch", "rate", "volume"),
    )
)
SHOWN_DETECTION = {
    "type": "azure_semantic_vad",
    "threshold": None,
    "prefix_padding_ms": 200,
    "silence_duration_ms": 200,
    "create_response": True,
    "interrupt_response": True,
    "idle_timeout_ms": None,
    "profile": "classic",
    "end_of_utterance_detection": {
        "model": "semantic_detection_v1",
        "threshold": None,
        "threshold_level": "default",
        "timeout": None,
        "timeout_ms": 1000,
    },
    "neg_threshold": None,
    "speech_duration_ms": None,
    "window_size": None,
    "distinct_ci_phones": None,
    "require_vowel": None,
    "require_vowel_assistant_speaking": None,
    "remove_filler_words": False,
    "languages": None,
    "auto_truncate": False,
    "appended_text_after_truncation": None,
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
    assert session["voice"] == {**NO_VOICE_KEYS, **VOICE}
    assert session["turn_detection"] == SHOWN_DETECTION
    assert session["input_audio_echo_cancellation"] == {
        "type": "server_echo_cancellation",
        "reference_source": "server",
        "channels": 1,
    }
    assert session["input_audio_transcription"]["model"] == "azure-speech"
    assert session["parallel_tool_calls"] is True
    assert session["agent"] == {
        "type": "agent",
        "name": "agent",
        "description": "",
        "agent_id": "agent:1",
    }


def test_the_session_is_shown_with_every_key_at_once(stand_in: StandIn) -> None:
    with Client(stand_in.endpoint) as client:
        session = client.receive()["session"]
        kept = client.update(temperature=0.7)["session"]

    assert session["voice"] == {**NO_VOICE_KEYS, "name": "en-US-AvaNeural", "type": "azure-standard"}
    assert session["turn_detection"]["silence_duration_ms"] == 500
    for name in ("truncation_strategy", "greeting", "handoff", "include", "avatar", "animation"):
        assert session[name] is None
    assert kept == {**session, "temperature": 0.7}


def test_the_keys_of_a_given_object_that_were_not_given_are_null(stand_in: StandIn) -> None:
    with Client(stand_in.endpoint) as client:
        session = client.configure(
            turn_detection={"type": "server_vad"}, input_audio_transcription={"model": "azure-speech"}
        )["session"]

    assert session["turn_detection"]["silence_duration_ms"] is None
    assert session["input_audio_transcription"]["language"] == ""
    assert session["input_audio_transcription"]["phrase_list"] is None


def test_a_model_of_sound_has_other_defaults(stand_in: StandIn) -> None:
    with Client(stand_in.endpoint, MODEL, KEY) as client:
        session = client.receive()["session"]

    assert session["voice"] == {"name": "alloy", "type": "openai"}
    assert session["modalities"] == ["audio"]
    assert session["input_audio_transcription"] is None


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
        client.configure(turn_detection={"type": kind})
        client.say(silence(1000) + loud(700) + silence(700))
        started = client.receive()

    assert started["audio_start_ms"] == 1000 - padding_ms


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
            instructions="Be brief.",
            tools=[{}],
            voice="alloy",
            turn_detection=detection,
            input_audio_transcription={"model": "whisper-1"},
            input_audio_noise_reduction={"type": "far_field"},
        )

    assert updated["session"]["instructions"] == "Be brief."
    assert updated["session"]["voice"] == {"name": "alloy", "type": "openai"}


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
        {"input_audio_sampling_rate": 16000},
        {"input_audio_echo_cancellation": ECHO_CANCELLATION},
    ],
)
def test_some_fields_cannot_be_changed_later(stand_in: StandIn, changes: dict[str, Any]) -> None:
    with Client(stand_in.endpoint) as client:
        client.configure(voice=VOICE)

        changed = client.update(**changes)
        repeated = client.update(voice=VOICE, temperature=0.7)

    assert changed["type"] == "error", changed
    assert refusal(changed)[1] == f"session.{next(iter(changes))}"
    assert repeated["session"]["temperature"] == 0.7
    assert repeated["session"]["turn_detection"]["type"] == "azure_semantic_vad"


def test_the_voice_can_be_changed_until_it_was_heard(stand_in: StandIn) -> None:
    other = {**VOICE, "name": "en-US-Andrew:DragonHDLatestNeural"}
    with Client(stand_in.endpoint) as client:
        client.configure(voice=VOICE)
        early = client.update(voice=other)
        client.send("response.create")
        client.until("response.done")
        late = client.update(voice=VOICE)

    assert early["session"]["voice"]["name"] == other["name"]
    assert refusal(late)[1] == "session.voice"


@pytest.mark.parametrize("voice", ["alloy", {"type": "openai", "name": "alloy"}])
def test_a_cascade_of_models_is_refused_what_models_of_sound_have(stand_in: StandIn, voice: Any) -> None:
    cascade = {**MODEL, "model": "gpt-4.1"}
    whisper = {"model": "whisper-1"}
    with Client(stand_in.endpoint, cascade, KEY) as client:
        refused = [
            client.configure(voice=voice),
            client.update(input_audio_transcription=whisper),
            client.update(turn_detection={"type": "semantic_vad", "auto_truncate": True}),
        ]

    assert [refusal(event)[1] for event in refused] == [
        "session.voice",
        "session.input_audio_transcription.model",
        "session.turn_detection.type",
    ]


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
            {**WITH_FEATURE, "api-version": "2026-04-10"},
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
