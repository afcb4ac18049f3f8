"""The commands in README and docs, as they stand there: each does what it says, and ends so."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from program import NAMED, ROOT, Program, environment
from test_template import commands

from standin.server import StandIn

NAMED_IN_DOCS = "http://127.0.0.1:8765"  # the stand-in, in another terminal
# What cannot go well on this machine → why not, in the program's words.
REFUSED = {"--input-device headset": "The microphone 'headset' is not there."}
BY_HAND = ("devices", "export", "demo", "check")  # these need no sound in place of a microphone


@pytest.fixture(scope="module")
def settings(stand_in: StandIn) -> dict[str, str]:
    """What a person has in .env."""
    return {
        "AZURE_VOICE_LIVE_ENDPOINT": stand_in.endpoint,
        "AI_FOUNDRY_PROJECT_NAME": "p",
        "AI_FOUNDRY_AGENT_NAME": "anna",
        "AI_FOUNDRY_AGENT_ID": "asst_1",
        "AI_FOUNDRY_AGENT_CONNECTION_STRING": "eastus2.api.azureml.ms;0a1b;group;project",
    }


@pytest.fixture(scope="module")
def recording(stand_in: StandIn, question: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a recorded conversation."""
    folder = tmp_path_factory.mktemp("recording")
    sound = ("--input", question, "--output", str(folder / "heard.wav"))
    program = Program("project", "--endpoint", stand_in.endpoint, *NAMED, *sound, "--record", log_dir=folder)
    assert program.wait() == 0, program.stderr
    return folder


def recorded(named: str, recording: Path, folder: Path) -> None:
    """Put the recording where a command expects it; a stamp alone is looked for in this folder."""
    stamp = Path(named).name.partition("_conversation")[0]
    place = folder / Path(named).parent
    place.mkdir(exist_ok=True)
    for kind in ("jsonl", "wav"):
        (path,) = recording.glob(f"*_conversation.{kind}")
        (place / f"{stamp}_conversation.{kind}").write_bytes(path.read_bytes())


def made_ready(command: str, endpoint: str, question: str, folder: Path) -> list[str]:
    """The arguments of a command, as they are typed where the stand-in listens and there is no microphone."""
    _, *arguments = shlex.split(command.replace(NAMED_IN_DOCS, endpoint))
    if arguments[0].endswith(".py"):
        arguments[0] = str(ROOT / arguments[0])
    if "standin" in arguments:
        arguments.append("--help")  # else it serves until it is told to end
    elif not {*BY_HAND, "--input"} & set(arguments):
        arguments += ["--input", question, "--output", str(folder / "heard.wav")]
    return arguments


@pytest.mark.parametrize("command", sorted(one for one in set(commands()) if not one.startswith("make ")))
def test_every_command_in_the_documents_does_what_it_says(
    command: str,
    settings: dict[str, str],
    question: str,
    request: pytest.FixtureRequest,
    tmp_path: Path,
) -> None:
    arguments = made_ready(command, settings["AZURE_VOICE_LIVE_ENDPOINT"], question, tmp_path)
    if "export" in arguments:
        recorded(arguments[2], request.getfixturevalue("recording"), tmp_path)

    run = subprocess.run(
        [sys.executable, *arguments],
        cwd=tmp_path,
        env=environment(**settings, PYTHONPATH=str(ROOT)),
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )

    why = next((words for part, words in REFUSED.items() if part in command), "")
    assert run.returncode == (2 if why else 0), run.stderr
    assert why in run.stderr
    assert "Traceback" not in run.stderr
    assert run.stdout or why, "it says nothing"
