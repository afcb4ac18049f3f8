"""What `pip install .` installs: the same program, with .env and logs/ in the folder where a person is."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from program import NOT_COPIED, ROOT, environment


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which pip has installed the wheel of this one, without what it depends on."""
    above = tmp_path_factory.mktemp("installed")
    source = shutil.copytree(ROOT, above / "source", ignore=shutil.ignore_patterns(*NOT_COPIED))
    pip = [sys.executable, "-m", "pip", "-q", "--no-cache-dir", "install", "--no-index", "--no-deps"]
    target = ["--no-build-isolation", "--target", str(above / "site"), str(source)]
    subprocess.run([*pip, *target], env=environment(PIP_CONFIG_FILE=os.devnull), check=True)
    return above / "site"


def voicelive(
    site: Path, folder: Path, *arguments: str, **variables: str
) -> "subprocess.CompletedProcess[str]":
    program = shutil.which("voicelive", path=site / "bin")
    assert program
    env = environment(PYTHONPATH=str(site), **variables)
    return subprocess.run(
        [program, *arguments], cwd=folder, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )


def test_its_env_file_and_its_logs_are_in_the_current_folder(site: Path, tmp_path: Path) -> None:
    settings = [
        "AZURE_VOICE_LIVE_ENDPOINT=http://127.0.0.1:9",
        "AI_FOUNDRY_PROJECT_NAME=p",
        "AGENT_NAME=anna",
    ]
    (tmp_path / ".env").write_text("\n".join(settings))

    run = voicelive(site, tmp_path, "project", "--no-mic", "--output", os.devnull)

    assert "nobody listens there" in run.stderr
    assert run.returncode == 1
    assert len(list((tmp_path / "logs").glob("*.log"))) == 2


def test_where_no_example_was_installed_init_is_named_and_no_copy(site: Path, tmp_path: Path) -> None:
    run = voicelive(site, tmp_path, "project", "--no-mic")

    assert run.returncode == 2
    assert "endpoint is missing" in run.stderr and "`voicelive init` asks for the settings." in run.stderr
    assert ".env.example" not in run.stderr


def test_it_calls_itself_by_its_name(site: Path, tmp_path: Path) -> None:
    code = "from voicelive.app.screen import own_command; print(own_command('project'))"
    command = [sys.executable, "-c", code]
    env = environment(PYTHONPATH=str(site))

    assert subprocess.check_output(command, cwd=tmp_path, env=env, text=True) == "voicelive project\n"


def test_the_shell_completes_its_commands(site: Path, tmp_path: Path) -> None:
    asked = {"_VOICELIVE_COMPLETE": "complete_bash", "COMP_WORDS": "voicelive pro", "COMP_CWORD": "1"}

    assert voicelive(site, tmp_path, **asked).stdout.split() == ["project"]


def test_it_needs_what_requirements_txt_names(site: Path) -> None:
    (metadata,) = site.glob("*.dist-info/METADATA")
    lines = metadata.read_text(encoding="utf-8").partition("\n\n")[0].splitlines()
    named = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()

    needed = [line.removeprefix("Requires-Dist: ") for line in lines if line.startswith("Requires-Dist: ")]
    assert {line.split(">")[0].split("<")[0] for line in needed} == {
        line.split(">")[0] for line in named if line and line[0] not in "#-"
    }
