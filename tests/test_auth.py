"""Tokens, headers and URLs: the real azure-identity, with a made-up `az`."""

import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from program import fake_az

from hub_variant import hub_target
from voicelive import EXIT_NO_ACCESS, VoiceLiveError
from voicelive.auth import (
    Access,
    AgentTarget,
    Service,
    find_service,
    request_url,
    sign_in,
    websocket_url,
)
from voicelive.settings import Settings
from voicelive_agent import project_target

SERVICE = Service("wss://r.services.ai.azure.com/voice-live/realtime", "2026-07-15")
CONNECTION_STRING = "eastus2.api.azureml.ms;0a1b;my group;my-project"
NAMED = {"project_name": "p", "agent_name": "anna"}
CLASSIC = {"project_name": "p", "agent_id": "asst_1"}
HUB = {"agent_id": "asst_1", "connection_string": CONNECTION_STRING}


def settings(**flags: str) -> Settings:
    return Settings({"endpoint": "https://r.services.ai.azure.com", **flags}, {}, {})


def problems(found: Settings) -> str:
    with pytest.raises(VoiceLiveError) as failure:
        found.raise_problems()
    assert failure.value.exit_code == 2
    return failure.value.message


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        ("https://r.services.ai.azure.com", "wss://r.services.ai.azure.com/voice-live/realtime"),
        ("https://r.cognitiveservices.azure.com/", "wss://r.cognitiveservices.azure.com/voice-live/realtime"),
        ("wss://gateway.example/ai/", "wss://gateway.example/ai/voice-live/realtime"),
        ("https://h/voice-live/realtime/", "wss://h/voice-live/realtime"),
        ("http://127.0.0.1:8080", "ws://127.0.0.1:8080/voice-live/realtime"),
        ("ws://[::1]:8080", "ws://[::1]:8080/voice-live/realtime"),
        ("http://localhost", "ws://localhost/voice-live/realtime"),
    ],
)
def test_an_endpoint_becomes_the_url_of_the_socket(endpoint: str, url: str) -> None:
    assert websocket_url(endpoint) == url


@pytest.mark.parametrize(
    ("endpoint", "said"),
    [
        ("r.services.ai.azure.com", "must look like https://"),
        ("ftp://r", "must look like https://"),
        ("https://", "must look like https://"),
        ("https://r:port", "ort"),
        ("https://user:pass@r", "no user"),
        ("https://r?api-version=1", "no ?"),
        ("http://r.services.ai.azure.com", "use https"),
        ("http://127.0.0.1.example.com", "use https"),
        ("ws://localhost.example.com", "use https"),
        ("https://r.services.ai.azure.com/api/projects/p", "endpoint to https://r.services.ai.azure.com and"),
    ],
)
def test_an_impossible_endpoint_is_explained(endpoint: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        websocket_url(endpoint)


@pytest.mark.parametrize(
    ("flags", "query"),
    [
        (
            {**NAMED, "agent_name": "anna:3"},
            {"agent-name": "anna", "agent-project-name": "p", "agent-version": "3"},
        ),
        (
            {**NAMED, **CLASSIC, "conversation_id": "conv 1"},
            {"agent-name": "anna", "agent-project-name": "p", "conversation-id": "conv 1"},
        ),
        ({**CLASSIC, "project_name": "ä&=p"}, {"agent-id": "asst_1", "agent-project-name": "ä&=p"}),
    ],
)
def test_a_project_names_its_agent_in_the_query(flags: dict[str, str], query: dict[str, str]) -> None:
    url = request_url(SERVICE, project_target(settings(**flags)), Access({}))

    sent = {name: value for name, (value,) in parse_qs(urlsplit(url).query, strict_parsing=True).items()}
    assert sent == {"api-version": "2026-07-15", **query}


@pytest.mark.parametrize(
    ("flags", "query"),
    [
        ({}, {"agent-name": "anna", "agent-version": "3"}),
        ({"agent_id": "asst_1"}, {"agent-id": "asst_1"}),
        ({"agent_id": "<agent id>"}, {"agent-name": "anna", "agent-version": "3"}),
        ({"agent_version": "4"}, {"agent-name": "anna", "agent-version": "4"}),
        ({"agent_id": "asst_1", "agent_name": "otto"}, {"agent-name": "otto"}),
    ],
)
def test_an_option_wins_over_a_name_in_the_env_file(flags: dict[str, str], query: dict[str, str]) -> None:
    env_file = {"AI_FOUNDRY_PROJECT_NAME": "p", "AI_FOUNDRY_AGENT_NAME": "anna:3"}
    target = project_target(Settings(flags, {}, env_file))

    assert {name: value for name, value in target.query.items() if value} == {
        "agent-project-name": "p",
        **query,
    }


@pytest.mark.parametrize(
    ("env_file", "query"),
    [
        (
            {"VOICELIVE_ENDPOINT": "https://r", "PROJECT_NAME": "p", "AGENT_NAME": "anna"}
            | {"AGENT_VERSION": "", "VOICELIVE_API_VERSION": "2026-01-01-preview"},
            {"api-version": ["2026-01-01-preview"], "agent-name": ["anna"]},
        ),
        (
            {"AZURE_VOICELIVE_ENDPOINT": "https://r", "AZURE_VOICELIVE_PROJECT_NAME": "p"}
            | {"AZURE_VOICELIVE_AGENT_ID": "asst_1", "AZURE_VOICELIVE_API_VERSION": "2025-10-01"},
            {"api-version": ["2025-10-01"], "agent-id": ["asst_1"]},
        ),
    ],
)
def test_the_env_file_of_a_quickstart_works(env_file: dict[str, str], query: dict[str, list[str]]) -> None:
    found = Settings({}, {}, env_file)
    target = project_target(found)
    service = find_service(found, target)
    found.raise_problems()

    parts = urlsplit(request_url(service, target, Access({})))
    assert parts.hostname == "r"
    assert parse_qs(parts.query) == {**query, "agent-project-name": ["p"]}


def test_a_project_by_its_url_is_answered_with_its_name() -> None:
    found = settings(project_name="https://r.services.ai.azure.com/api/projects/mine", agent_name="anna")
    project_target(found)

    assert "project name must be the name only, such as 'mine'" in problems(found)


def test_a_hub_names_its_project_by_the_connection_string() -> None:
    url = request_url(SERVICE, hub_target(settings(**HUB)), Access({}, agent_token="t/+ ="))

    assert "agent-connection-string=eastus2.api.azureml.ms%3B0a1b%3Bmy%20group%3Bmy-project" in url
    assert url.endswith("agent-access-token=t%2F%2B%20%3D")


@pytest.mark.parametrize(
    ("target", "default"),
    [(project_target(settings(**NAMED)), "2026-07-15"), (hub_target(settings(**HUB)), "2025-05-01-preview")],
)
def test_the_kind_of_agent_decides_the_api_version(target: AgentTarget, default: str) -> None:
    assert find_service(settings(), target).api_version == default


@pytest.mark.parametrize(
    ("flags", "api_version", "said"),
    [
        (CLASSIC, "2026-04-10", "asst_1 is of the classic kind"),
        (NAMED, "2025-10-01", "anna needs api-version 2026-01-01-preview"),
        (NAMED, "latest", "must look like 2026-07-15"),
    ],
)
def test_an_api_version_that_the_route_cannot_have_is_named(
    flags: dict[str, str], api_version: str, said: str
) -> None:
    found = settings(**flags, api_version=api_version)

    find_service(found, project_target(found))

    assert said in problems(found)
    assert "--api-version" in problems(found)


@pytest.mark.parametrize(("find_target", "check"), [(project_target, "check`"), (hub_target, "check hub`")])
def test_who_misses_a_setting_is_sent_to_the_check_of_that_variant(
    find_target: Callable[[Settings], AgentTarget], check: str
) -> None:
    found = settings()
    find_target(found)

    with pytest.raises(VoiceLiveError) as failure:
        found.raise_problems()

    assert f"voicelive_agent.py {check} shows what counts" in failure.value.remedy


def test_a_connection_string_of_another_shape_is_named() -> None:
    found = settings(**{**HUB, "connection_string": "https://eastus2.api.azureml.ms"})

    hub_target(found)

    assert "connection string must look like <region>.api.azureml.ms;" in problems(found)


def test_the_hub_variant_fetches_both_tokens_at_the_same_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", fake_az(tmp_path / "bin", together=2))
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "AzureCliCredential")
    hidden: list[str] = []

    access = sign_in(SERVICE, hub_target(settings(**HUB)), settings(), hidden.append)

    assert access.headers == {"Authorization": "Bearer token-for-ai.azure.com"}
    assert access.agent_token == "token-for-ml.azure.com"
    assert {"token-for-ai.azure.com", "token-for-ml.azure.com"} <= set(hidden)
    assert "token" not in repr(access).replace("agent_token", "")


def test_a_classic_agent_of_a_project_gets_the_token_of_the_header(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", fake_az(tmp_path / "bin"))
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "AzureCliCredential")

    access = sign_in(SERVICE, project_target(settings(**CLASSIC)), settings(), lambda _: None)

    assert access == Access({"Authorization": "Bearer token-for-ai.azure.com"}, "token-for-ai.azure.com")


def test_who_is_not_signed_in_is_told_so_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", fake_az(tmp_path / "bin", fails=True))
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "AzureCliCredential")

    with pytest.raises(VoiceLiveError) as failure:
        sign_in(SERVICE, project_target(settings(**NAMED)), settings(), lambda _: None)

    assert failure.value.exit_code == EXIT_NO_ACCESS
    assert "Not signed in for https://ai.azure.com: AzureCliCredential:" in failure.value.message
    assert "\n" not in failure.value.message and failure.value.message.endswith(".")
    assert "az login" in failure.value.remedy


def test_a_key_takes_the_place_of_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")  # nobody can sign in
    keyed = Settings({}, {"AZURE_VOICE_LIVE_API_KEY": "k-0123456789"}, {})
    hidden: list[str] = []

    access = sign_in(SERVICE, project_target(settings(**NAMED)), keyed, hidden.append)

    assert access == Access({"api-key": "k-0123456789"})
    assert hidden == ["k-0123456789"]


def test_nobody_signs_in_for_a_plain_socket_to_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    local = Service("ws://127.0.0.1:1/voice-live/realtime", "2025-10-01")

    access = sign_in(local, hub_target(settings(**HUB)), settings(), lambda _: None)

    assert access == Access({"Authorization": "Bearer made-up-token"}, "made-up-token")
