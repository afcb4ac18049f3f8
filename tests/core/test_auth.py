"""Tokens, headers and URLs: the real azure-identity, with a made-up `az`."""

import re
from pathlib import Path

import pytest
from program import fake_az

import voicelive
from hub_variant import hub_target
from voicelive.app.settings import Settings
from voicelive.auth import Access, sign_in
from voicelive.errors import EXIT_NO_ACCESS, VoiceLiveError
from voicelive.service import USER_AGENT, Service, websocket_url
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
        ("https://r:port", "must look like https://"),
        ("https://u:hunter2/x@r", "must look like https://"),
        ("http://127.0.0.1:9/base/?x=1", "set it to http://127.0.0.1:9/base"),
        ("https://u:hunter2@h\u2100st", "must look like https://"),
        ("https://user:pass@r:1", "no user, no ? and no #: set it to https://r:1"),
        ("wss://r/voice-live/realtime?api-version=1", "no ? and no #: set it to wss://r"),
        ("http://r.services.ai.azure.com", "use https"),
        ("http://127.0.0.1.example.com", "use https"),
        ("ws://localhost.example.com", "use https"),
        ("https://r.services.ai.azure.com/api/projects/p", "endpoint to https://r.services.ai.azure.com and"),
        ("https://r.services.ai.azure.com/api/projects/p/openai/v1/?a=b", "the project name to p"),
    ],
)
def test_an_impossible_endpoint_is_explained(endpoint: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        websocket_url(endpoint)


def test_the_hub_variant_fetches_both_tokens_at_the_same_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", fake_az(tmp_path / "bin", together=2))
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "AzureCliCredential")
    hidden: list[str] = []

    access = sign_in(SERVICE, hub_target(settings(**HUB)), "", hidden.append)

    assert access.headers == {"Authorization": "Bearer token-for-ai.azure.com"}
    assert access.agent_token == "token-for-ml.azure.com"
    assert {"token-for-ai.azure.com", "token-for-ml.azure.com"} <= set(hidden)
    assert "token" not in repr(access).replace("agent_token", "")


def test_a_classic_agent_of_a_project_gets_the_token_of_the_header(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", fake_az(tmp_path / "bin"))
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "AzureCliCredential")

    access = sign_in(SERVICE, project_target(settings(**CLASSIC)), "", lambda _: None)

    assert access == Access({"Authorization": "Bearer token-for-ai.azure.com"}, "token-for-ai.azure.com")


def test_who_is_not_signed_in_is_told_so_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", fake_az(tmp_path / "bin", fails=True))
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "AzureCliCredential")

    with pytest.raises(VoiceLiveError) as failure:
        sign_in(SERVICE, project_target(settings(**NAMED)), "", lambda _: None)

    assert failure.value.exit_code == EXIT_NO_ACCESS
    assert "Not signed in for https://ai.azure.com: AzureCliCredential:" in failure.value.message
    assert "\n" not in failure.value.message and failure.value.message.endswith(".")
    assert "az login" in failure.value.remedy


def test_a_key_takes_the_place_of_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")  # nobody can sign in
    hidden: list[str] = []

    access = sign_in(SERVICE, project_target(settings(**NAMED)), "k-0123456789", hidden.append)

    assert access == Access({"api-key": "k-0123456789"})
    assert hidden == ["k-0123456789"]


def test_nobody_signs_in_for_a_plain_socket_to_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    local = Service("ws://127.0.0.1:1/voice-live/realtime", "2025-10-01")

    access = sign_in(local, hub_target(settings(**HUB)), "", lambda _: None)

    assert access == Access({"Authorization": "Bearer made-up-token"}, "made-up-token")


def test_the_program_names_itself_with_its_version() -> None:
    assert USER_AGENT.endswith(f"/{voicelive.__version__}")
