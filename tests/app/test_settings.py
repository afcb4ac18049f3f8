"""Where a setting's value comes from, and what is said of those that are missing."""

import os
from pathlib import Path

import pytest
from planted import KEY
from program import Program, environment

from voicelive.app.settings import (
    AGENT_NAME,
    ENDPOINT,
    PROJECT_NAME,
    VOICE,
    Settings,
    is_read_by_others,
    read_env_file,
)
from voicelive.errors import VoiceLiveError


def test_a_flag_wins_over_the_shell_and_the_shell_over_the_env_file() -> None:
    shell = {"AZURE_VOICE_LIVE_ENDPOINT": "https://shell"}
    env_file = {"AZURE_VOICE_LIVE_ENDPOINT": "https://file"}

    values = [
        Settings({"endpoint": "https://flag"}, shell, env_file).find(ENDPOINT),
        Settings({}, shell, env_file).find(ENDPOINT),
        Settings({}, {}, env_file).find(ENDPOINT),
        Settings({}, {}, {}).find(VOICE),
    ]

    assert [(found.value, found.source) for found in values] == [
        ("https://flag", "--endpoint"),
        ("https://shell", "AZURE_VOICE_LIVE_ENDPOINT in the shell"),
        ("https://file", "AZURE_VOICE_LIVE_ENDPOINT in .env"),
        ("en-US-Ava:DragonHDLatestNeural", "default"),
    ]


def test_the_first_name_that_is_set_counts() -> None:
    shell = {"PROJECT_NAME": "last", "AGENT_PROJECT_NAME": "third", "AZURE_VOICELIVE_PROJECT_NAME": "second"}

    assert Settings({}, shell, {}).get(PROJECT_NAME) == "second"
    assert Settings({}, shell, {"AI_FOUNDRY_PROJECT_NAME": "first"}).get(PROJECT_NAME) == "first"


@pytest.mark.parametrize("worthless", ["", "  ", "<your-agent-name>", "https://<your-resource>.example"])
def test_empty_values_and_placeholders_hide_nothing(worthless: str) -> None:
    settings = Settings({}, {"AI_FOUNDRY_AGENT_NAME": worthless}, {"AI_FOUNDRY_AGENT_NAME": "anna"})

    assert settings.get(AGENT_NAME) == "anna"


def test_all_that_is_missing_is_named_at_once() -> None:
    settings = Settings({}, {"PROJECT_NAME": "<your-project>"}, {})

    assert settings.require(ENDPOINT) == ""
    settings.require(PROJECT_NAME)
    settings.reject("the voice is hoarse")
    with pytest.raises(VoiceLiveError) as failure:
        settings.raise_problems()

    assert failure.value.exit_code == 2
    assert "endpoint is missing: set AZURE_VOICE_LIVE_ENDPOINT (or --endpoint)" in failure.value.message
    assert "project name still holds a placeholder: set AI_FOUNDRY_PROJECT_NAME" in failure.value.message
    assert "the voice is hoarse" in failure.value.message
    assert "Copy .env.example" in failure.value.remedy


def test_an_env_file_that_was_filled_in_is_not_to_be_copied_over() -> None:
    settings = Settings({}, {}, {"AI_FOUNDRY_PROJECT_NAME": "p"})
    settings.require(ENDPOINT)

    with pytest.raises(VoiceLiveError) as failure:
        settings.raise_problems()

    assert ".env.example" not in failure.value.remedy


def test_what_is_wrong_and_not_missing_needs_no_file_and_no_portal() -> None:
    settings = Settings({"voice": "alloy"}, {}, {})
    settings.require(VOICE)

    with pytest.raises(VoiceLiveError) as failure:
        settings.raise_problems(["`init` asks for the settings."])

    assert failure.value.message.startswith("These settings are wrong:\n  voice 'alloy' (--voice) is not")
    assert failure.value.remedy == "Correct these values."


def test_an_env_file_may_come_from_notepad(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_bytes("\ufeffAZURE_VOICE_LIVE_ENDPOINT=https://é\r\nEMPTY=\r\n".encode())

    assert read_env_file(path) == {"AZURE_VOICE_LIVE_ENDPOINT": "https://é"}


@pytest.mark.parametrize("content", [b"\xff\xfe\x00A=1", b"A=1\nHTTPS_PROXY=http://a\x00b:1\n"])
def test_an_env_file_that_is_no_text_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / ".env"
    path.write_bytes(content)

    with pytest.raises(VoiceLiveError, match=r"\.env cannot be read") as failure:
        read_env_file(path)

    assert failure.value.exit_code == 2


def test_a_line_of_an_env_file_that_is_none_is_named(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text('PROJECT_NAME=p\nAZURE_VOICE_LIVE_ENDPOINT: https://r\nAGENT_NAME="anna\n')

    with pytest.raises(VoiceLiveError, match=r"\.env cannot be read: line 2, 3 is not NAME=value\."):
        read_env_file(path)


def test_no_env_file_is_no_mistake(tmp_path: Path) -> None:
    assert read_env_file(tmp_path / ".env") == {}


def test_a_dollar_in_the_env_file_shows_nothing_of_the_shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLANTED", "secret of the shell")
    (tmp_path / ".env").write_text("AI_FOUNDRY_AGENT_NAME=${PLANTED}\n")

    assert read_env_file(tmp_path / ".env") == {"AI_FOUNDRY_AGENT_NAME": "${PLANTED}"}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
@pytest.mark.parametrize(("mode", "is_told"), [(0o600, False), (0o640, True), (0o604, True)])
def test_an_env_file_that_others_may_read_is_known(tmp_path: Path, mode: int, is_told: bool) -> None:
    (tmp_path / ".env").touch()
    (tmp_path / ".env").chmod(mode)

    assert is_read_by_others(tmp_path / ".env") == is_told
    assert not is_read_by_others(tmp_path / "nobody")


NO_KEY = "api key (AZURE_VOICE_LIVE_API_KEY in the shell) is no"


@pytest.mark.skipif(os.name == "nt", reason="on Windows there is no such text")
@pytest.mark.parametrize(
    ("options", "variables", "said"),
    [
        (["--agent-name", "an\udcffna"], {}, r"agent name 'an\udcffna' (--agent-name) is not UTF-8"),
        ([], {"AGENT_NAME": "\udce9"}, r"agent name '\udce9' (AGENT_NAME in the shell) is not UTF-8"),
        ([], {"AZURE_VOICE_LIVE_API_KEY": f"{KEY}\udcff"}, NO_KEY),
        ([], {"AZURE_VOICE_LIVE_API_KEY": f"{KEY}\nX: y"}, NO_KEY),
    ],
)
def test_a_value_that_cannot_be_sent_is_named_and_a_key_is_not_shown(
    logs: Path, options: list[str], variables: dict[str, str], said: str
) -> None:
    named = {"AI_FOUNDRY_PROJECT_NAME": "p", "AGENT_NAME": "a", **variables}
    command = ("project", "--endpoint", "https://127.0.0.1:9", "--no-mic", *options)
    program = Program(*command, log_dir=logs, env=environment(**named))

    assert program.wait() == 2
    assert said in program.stderr
    assert "Traceback" not in program.stderr and KEY not in program.stderr
