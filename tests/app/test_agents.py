"""Which agent the settings mean: how a project or a hub names it, and what is said where they do not."""

from urllib.parse import parse_qs, urlsplit

import pytest
from test_auth import CLASSIC, HUB, NAMED, SERVICE, problems, settings

from hub_variant import hub_target
from voicelive.app.plan import find_service
from voicelive.app.settings import Settings
from voicelive.service import AgentTarget, request_url
from voicelive_agent import project_target


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
    url = request_url(SERVICE, project_target(settings(**flags)), None)

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
            {
                "VOICELIVE_ENDPOINT": "https://r.services.ai.azure.com",
                "PROJECT_NAME": "p",
                "AGENT_NAME": "anna",
            }
            | {"AGENT_VERSION": "", "VOICELIVE_API_VERSION": "2026-01-01-preview"},
            {"api-version": ["2026-01-01-preview"], "agent-name": ["anna"]},
        ),
        (
            {
                "AZURE_VOICELIVE_ENDPOINT": "https://r.services.ai.azure.com",
                "AZURE_VOICELIVE_PROJECT_NAME": "p",
            }
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

    parts = urlsplit(request_url(service, target, None))
    assert parts.hostname == "r.services.ai.azure.com"
    assert parse_qs(parts.query) == {**query, "agent-project-name": ["p"]}


PROJECT = "https://r.services.ai.azure.com/api/projects/my%20project"


@pytest.mark.parametrize(
    ("variable", "value", "such"),
    [
        ("AI_FOUNDRY_PROJECT_NAME", PROJECT, ", such as 'my project'"),
        ("AI_FOUNDRY_PROJECT_NAME", "https://r.services.ai.azure.com", ""),
        ("AI_FOUNDRY_PROJECT_NAME", "r.services.ai.azure.com", ""),
        ("AI_FOUNDRY_AGENT_NAME", f"{PROJECT}/agents/anna", ", such as 'anna'"),
        ("AI_FOUNDRY_AGENT_NAME", "r.cognitiveservices.azure.com:443", ""),
    ],
)
def test_an_address_is_no_name(variable: str, value: str, such: str) -> None:
    names = {"AI_FOUNDRY_PROJECT_NAME": "p", "AI_FOUNDRY_AGENT_NAME": "anna"}
    found = Settings({}, {}, {**names, variable: value})
    project_target(found)

    told = f"{value!r} ({variable} in .env) is an address: it must be the name only{such}"
    assert told in problems(found).splitlines()[1]


def test_a_hub_names_its_project_by_the_connection_string() -> None:
    url = request_url(SERVICE, hub_target(settings(**HUB)), "t/+ =")

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


def test_a_connection_string_of_another_shape_is_named() -> None:
    found = settings(**{**HUB, "connection_string": "https://eastus2.api.azureml.ms"})

    hub_target(found)

    assert "connection string must look like <region>.api.azureml.ms;" in problems(found)


@pytest.mark.parametrize(
    ("endpoint", "said"),
    [
        ("https://contoso.service.ai.azure.com", "Did you mean contoso.services.ai.azure.com?"),
        ("https://evil.example", "name evil.example in AZURE_VOICE_LIVE_TRUSTED_HOSTS if it is yours"),
        ("https://services.ai.azure.com.evil.example", "is not one of Azure's hosts"),
    ],
)
def test_a_token_goes_to_no_host_that_nobody_named(endpoint: str, said: str) -> None:
    found = Settings({"endpoint": endpoint, **NAMED}, {}, {})
    find_service(found, project_target(found))

    assert said in problems(found)


@pytest.mark.parametrize(
    "host",
    [
        "r.services.ai.azure.com",
        "r.openai.azure.us",
        "r.cognitiveservices.azure.cn",
        "localhost",
        "gw.example",
    ],
)
def test_a_token_goes_to_azure_to_this_machine_and_to_who_is_named(host: str) -> None:
    shell = {"AZURE_VOICE_LIVE_TRUSTED_HOSTS": "other.example, GW.example"}
    found = Settings({"endpoint": f"https://{host}", **NAMED}, shell, {})
    find_service(found, project_target(found))

    found.raise_problems()


def test_an_agent_of_another_resource_is_asked_for_as_microsoft_s_samples_do() -> None:
    env_file = {"FOUNDRY_RESOURCE_OVERRIDE": "other", "AGENT_AUTH_IDENTITY_CLIENT_ID": "00-11"}
    found = Settings({"endpoint": "https://r.services.ai.azure.com", **NAMED}, {}, env_file)
    query = parse_qs(urlsplit(request_url(SERVICE, project_target(found), None)).query)

    assert query["foundry-resource-override"] == ["other"]
    assert query["agent-authentication-identity-client-id"] == ["00-11"]


def test_what_libraries_read_counts_in_the_env_file_too_and_the_shell_wins() -> None:
    variables = {"AZURE_TENANT_ID": "shell's"}
    found = Settings({}, dict(variables), {"AZURE_TENANT_ID": "file's", "AZURE_CLIENT_ID": "file's"})
    found.pass_on(variables)

    assert variables == {"AZURE_TENANT_ID": "shell's", "AZURE_CLIENT_ID": "file's"}
    assert found.of_libraries() == {"AZURE_TENANT_ID": "the shell", "AZURE_CLIENT_ID": ".env"}


def test_the_evergreen_api_version_may_be_asked_for() -> None:
    found = Settings({"endpoint": "https://r.services.ai.azure.com", "api_version": "v1", **NAMED}, {}, {})

    assert find_service(found, project_target(found)).api_version == "v1"
    found.raise_problems()
