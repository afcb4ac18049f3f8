"""Whatever is planted where the files of a run are to be is never written to, nor does it end the run."""

import os
import stat
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from program import NAMED, Program, loudness, on_linux

from standin.server import StandIn

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has neither such links nor pipes")
STARTS_WITHIN_S = 60
PRECIOUS = "precious"


def link(path: Path) -> None:
    path.symlink_to(path.parent.with_name(PRECIOUS))


def pipe(path: Path) -> None:
    os.mkfifo(path)


def plant(folder: Path, name: str, put: Callable[[Path], None]) -> None:
    """Put something at this name of every run that may begin soon."""
    folder.with_name(PRECIOUS).write_text(PRECIOUS)
    now = datetime.now()
    for second in range(STARTS_WITHIN_S):
        stamp = (now + timedelta(seconds=second)).strftime("%Y-%m-%d_%H-%M-%S")
        put(folder / f"{stamp}_{name}")


def left(folder: Path, *names: str) -> list[Path]:
    """The files of the one run that has taken another name, all of them of one stamp."""
    files = [path for name in names for path in folder.glob(f"*_2_{name}")]
    assert len({path.name[:21] for path in files}) == 1, "one run"
    assert len(files) == len(names)
    assert folder.with_name(PRECIOUS).read_text() == PRECIOUS
    return files


@pytest.mark.parametrize("put", [link, pipe, Path.mkdir, Path.touch])
@pytest.mark.parametrize("name", ["conversation.log", "voicelive.log"])
def test_a_log_takes_another_name(
    hasty: StandIn, logs: Path, name: str, put: Callable[[Path], None], question: str
) -> None:
    plant(logs, name, put)

    sound = ("--input", question, "--output", os.devnull)
    program = Program("project", "--endpoint", hasty.endpoint, *NAMED, *sound, log_dir=logs)

    assert program.wait() == 0, program.stderr
    conversation, technical = left(logs, "conversation.log", "voicelive.log")
    assert "Agent Audio Response:" in conversation.read_text()
    assert technical.stat().st_size and technical.name in program.stderr


@on_linux
@pytest.mark.parametrize("put", [link, Path.touch])
def test_the_file_in_place_of_a_speaker_takes_another_name_with_the_logs(
    logs: Path, question: str, put: Callable[[Path], None]
) -> None:
    plant(logs, "speaker.wav", put)

    program = Program("demo", "--input", question, log_dir=logs)

    assert program.wait() == 0, program.stderr
    heard = left(logs, "speaker.wav", "conversation.log", "voicelive.log")[0]
    assert loudness(heard).max() > 500
    assert stat.S_IMODE(heard.stat().st_mode) == 0o600


def test_an_output_that_is_there_is_written_anew_for_its_owner_only(
    hasty: StandIn, logs: Path, tmp_path: Path, question: str
) -> None:
    output, other_name = tmp_path / "heard.wav", tmp_path / "other"
    output.write_text(PRECIOUS)
    output.chmod(0o666)
    other_name.hardlink_to(output)

    sound = ("--input", question, "--output", str(output))
    program = Program("project", "--endpoint", hasty.endpoint, *NAMED, *sound, log_dir=logs)

    assert program.wait() == 0, program.stderr
    assert loudness(output).max() > 500
    assert stat.S_IMODE(output.stat().st_mode) == 0o600
    assert other_name.read_text() == PRECIOUS


@pytest.mark.parametrize(("put", "kind"), [(link, "a link"), (pipe, "a pipe"), (Path.mkdir, "a folder")])
def test_an_output_that_is_no_file_is_refused(
    hasty: StandIn, logs: Path, put: Callable[[Path], None], kind: str, question: str
) -> None:
    output = logs / "heard.wav"
    logs.with_name(PRECIOUS).write_text(PRECIOUS)
    put(output)

    sound = ("--input", question, "--output", str(output))
    program = Program("project", "--endpoint", hasty.endpoint, *NAMED, *sound, log_dir=logs)

    assert program.wait() == 2
    assert f"heard.wav: it is {kind}, and only a file is replaced." in program.stderr
    assert logs.with_name(PRECIOUS).read_text() == PRECIOUS


def test_the_folder_of_the_logs_is_for_its_owner_only(hasty: StandIn, tmp_path: Path, question: str) -> None:
    logs = tmp_path / "not there" / "logs"
    sound = ("--input", question, "--output", os.devnull)
    before = os.umask(0)
    try:
        program = Program("project", "--endpoint", hasty.endpoint, *NAMED, *sound, log_dir=logs)
    finally:
        os.umask(before)

    assert program.wait() == 0, program.stderr
    assert [stat.S_IMODE(made.stat().st_mode) for made in (logs, logs.parent)] == [0o700, 0o700]
    assert {stat.S_IMODE(path.stat().st_mode) for path in logs.iterdir()} == {0o600}
