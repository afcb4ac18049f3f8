"""`init`: the three values, asked for and written to .env."""

import os
import shutil
from pathlib import Path

import pytest
from program import ROOT
from typer.testing import CliRunner, Result

from voicelive.app.settings import read_env_file
from voicelive.extras import init
from voicelive_agent import app

EXAMPLE = "# where\nAZURE_VOICE_LIVE_ENDPOINT=https://<your-resource>.services.ai.azure.com\n#OTHER=1\n"
WHOLE = {
    "AZURE_VOICE_LIVE_ENDPOINT": "https://contoso.services.ai.azure.com",
    "AI_FOUNDRY_PROJECT_NAME": "my project",
    "AI_FOUNDRY_AGENT_NAME": "anna:3",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(init, "ROOT", tmp_path)
    (tmp_path / ".env.example").write_text(EXAMPLE)
    return tmp_path


def typed(*lines: str, options: tuple[str, ...] = ()) -> Result:
    return CliRunner().invoke(app, ["init", *options], input="".join(f"{line}\n" for line in lines))


def test_a_project_s_address_answers_two_questions(folder: Path) -> None:
    done = typed("https://contoso.services.ai.azure.com/api/projects/my%20project/", "anna:3")

    assert done.exit_code == 0, done.output
    assert "Project name" not in done.output
    assert read_env_file(folder / ".env") == WHOLE
    assert (folder / ".env").read_text().startswith("# where\nAZURE_VOICE_LIVE_ENDPOINT=https://contoso.")
    assert os.name == "nt" or (folder / ".env").stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in folder.iterdir()) == [".env", ".env.example"]


def test_the_new_file_does_not_ask_to_be_copied(folder: Path) -> None:
    shutil.copy(ROOT / ".env.example", folder)

    assert typed("contoso", "my project", "anna:3").exit_code == 0

    assert (folder / ".env").read_text().startswith("# A variable in the shell wins over .env")


def test_what_is_not_as_it_was_typed_is_shown(folder: Path) -> None:
    done = typed("https://contoso.services.ai.azure.com/api/projects/my%20project/", "anna:3")
    short = typed("y", "contoso", "my project", "anna:3")

    endpoint = "AZURE_VOICE_LIVE_ENDPOINT=https://contoso.services.ai.azure.com\n"
    assert f"{endpoint}AI_FOUNDRY_PROJECT_NAME=my project\n" in done.output
    assert endpoint in short.output
    assert short.output.count("=") == 1, "the rest is as it was typed"


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("--endpoint", "https://contoso.service.ai.azure.com", "Did you mean contoso.services.ai.azure.com?"),
        ("--endpoint", "https://gateway.example", "name gateway.example in AZURE_VOICE_LIVE_TRUSTED_HOSTS"),
        ("--endpoint", "https://<your-resource>.services.ai.azure.com", "is not a value"),
        ("--endpoint", "https://u:hunter2@contoso.services.ai.azure.com", "must have no user"),
        ("--project-name", "https://contoso.services.ai.azure.com/api/projects/p", "only, such as 'p'"),
        ("--project-name", "https://contoso.services.ai.azure.com", "it must be the name only"),
        ("--agent-name", "contoso.services.ai.azure.com", "it must be the name only"),
    ],
)
def test_what_a_run_would_refuse_is_not_written(folder: Path, setting: str, value: str, said: str) -> None:
    good = {"--endpoint": "contoso", "--project-name": "p", "--agent-name": "anna", setting: value}
    done = typed(options=tuple(part for option in good.items() for part in option))

    assert done.exit_code == 2
    assert said in done.output and "hunter2" not in done.output
    assert not (folder / ".env").exists()


def test_a_host_that_the_env_file_trusts_is_taken(folder: Path) -> None:
    (folder / ".env").write_text("AZURE_VOICE_LIVE_TRUSTED_HOSTS=gateway.example\n")

    done = typed("https://gateway.example/ai", "my project", "anna:3")

    assert done.exit_code == 0, done.output
    assert read_env_file(folder / ".env")["AZURE_VOICE_LIVE_ENDPOINT"] == "https://gateway.example/ai"


def test_what_cannot_be_is_asked_for_again_with_the_reason(folder: Path) -> None:
    done = typed("https://ai.azure.com/nextgen", "contoso", "my project", "asst_1", "anna:three", "anna:3")

    assert done.exit_code == 0, done.output
    for said in ("is a portal's address", "is the id of a classic agent", "a number as its version"):
        assert said in done.output
    assert read_env_file(folder / ".env") == WHOLE


def test_options_are_not_asked_for(folder: Path) -> None:
    names = ("--project-name", "my project", "--agent-name", "anna:3")

    assert typed(options=("--endpoint", "contoso.services.ai.azure.com", *names)).exit_code == 0
    assert read_env_file(folder / ".env") == WHOLE


def test_an_option_that_cannot_be_is_refused_and_nothing_is_written(folder: Path) -> None:
    done = typed(options=("--agent-name", "asst_1", "--endpoint", "contoso", "--project-name", "p"))

    assert done.exit_code == 2
    assert not (folder / ".env").exists()


@pytest.mark.parametrize(("answer", "is_changed"), [("n", False), ("", False), ("y", True)])
def test_what_is_there_is_replaced_only_on_demand_and_all_else_stays(
    folder: Path, answer: str, is_changed: bool
) -> None:
    before = "AGENT_NAME=bob\nexport AI_FOUNDRY_AGENT_NAME = bob\nMINE=1\n"
    (folder / ".env").write_text(before)

    done = typed(answer, "contoso", "my project", "anna:3")

    assert "holds AI_FOUNDRY_AGENT_NAME, AGENT_NAME. Replace it?" in done.output
    assert done.exit_code == (0 if is_changed else 2)
    there = read_env_file(folder / ".env")
    assert there == ({"AGENT_NAME": "bob", "MINE": "1", **WHOLE} if is_changed else read(before))


def read(text: str) -> dict[str, str]:
    return dict(line.removeprefix("export ").replace(" ", "").split("=") for line in text.splitlines())


def test_where_nobody_answers_nothing_is_written(folder: Path) -> None:
    done = typed("contoso")
    assert done.exit_code == 1 and done.output.endswith("\nNothing was changed.\n")
    assert not (folder / ".env").exists()
