"""`--record`: both sides as one WAV file, and the turns as JSON lines."""

import json
import os
import signal
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from program import NAMED, ROOT, Program, environment
from soundcard import VirtualSoundCard

from standin.server import StandIn
from voicelive.errors import VoiceLiveError
from voicelive.extras.recording.files import Recording
from voicelive.text import Redactor
from voicelive.turns import Turn

LOUD = 500


def channels(path: Path) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """Left and right."""
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (24_000, 2, 2)
        both = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").reshape(-1, 2)
    return both[:, 0], both[:, 1]


def mono(path: str | Path) -> NDArray[np.int16]:
    with wave.open(str(path)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")


def offset(part: NDArray[np.int16], whole: NDArray[np.int16]) -> int:
    """Where in `whole` the part is, in frames."""
    size = len(part) + len(whole)
    spectrum = np.fft.rfft(whole.astype(float), size) * np.conj(np.fft.rfft(part.astype(float), size))
    found: NDArray[np.float64] = np.fft.irfft(spectrum)
    return int(np.argmax(found))


def the_only(folder: Path, ending: str) -> Path:
    (path,) = folder.glob(f"*{ending}")
    return path


def test_both_sides_are_kept_beside_each_other(
    stand_in: StandIn, logs: Path, question: str, tmp_path: Path
) -> None:
    heard = tmp_path / "heard.wav"
    sound = ("--input", question, "--output", str(heard))
    program = Program("project", "--endpoint", stand_in.endpoint, *NAMED, *sound, "--record", log_dir=logs)
    assert program.wait() == 0, program.stderr

    left, right = channels(the_only(logs, "_conversation.wav"))
    asked, answered = mono(question), mono(heard)
    assert np.array_equal(left[: len(asked)], asked), "from its first frame, to the bit"
    began = np.flatnonzero(np.abs(answered) > LOUD)[0]
    answer = answered[began : began + 12_000]
    there = offset(answer, right)
    assert np.corrcoef(right[there : there + len(answer)], answer)[0, 1] > 0.99
    lines = [json.loads(line) for line in the_only(logs, ".jsonl").read_text().splitlines()]
    assert [(line["role"], line["interrupted"]) for line in lines] == [("user", False), ("agent", False)]
    assert lines[1]["text"].startswith("You spoke for")
    assert 0 <= lines[0]["start"] < lines[0]["end"] <= lines[1]["start"] < lines[1]["end"]
    assert lines[1]["latency"] == pytest.approx(lines[1]["start"] - lines[0]["end"], abs=0.002)
    assert lines[0]["latency"] is None
    first_loud = np.flatnonzero(np.abs(right) > LOUD)[0] / 24_000
    assert lines[1]["start"] <= first_loud < lines[1]["end"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has neither the signal nor the permissions")
def test_a_recording_is_valid_after_a_kill_and_for_its_owner_only(
    stand_in: StandIn, logs: Path, sound: tuple[str, ...]
) -> None:
    program = Program("project", "--endpoint", stand_in.endpoint, *NAMED, *sound, "--record", log_dir=logs)
    program.wait_for(lambda: "Agent: You spoke" in program.stdout and program.stdout.endswith("\n"))
    program.process.kill()
    assert program.wait() == -signal.SIGKILL

    path = the_only(logs, "_conversation.wav")
    left, _ = channels(path)
    assert len(left) > 24_000
    (line,) = the_only(logs, ".jsonl").read_text().splitlines()
    assert json.loads(line)["role"] == "user"
    assert path.stat().st_mode & 0o077 == 0
    assert the_only(logs, ".jsonl").stat().st_mode & 0o077 == 0


def test_nothing_is_recorded_unasked(stand_in: StandIn, logs: Path, question: str) -> None:
    sound = ("--input", question, "--output", os.devnull)
    program = Program("project", "--endpoint", stand_in.endpoint, *NAMED, *sound, log_dir=logs)

    assert program.wait() == 0
    assert sorted(path.suffix for path in logs.iterdir()) == [".log", ".log"]


@pytest.mark.soundcard
def test_a_file_is_recorded_beside_a_sound_card(
    stand_in: StandIn, sound_card: VirtualSoundCard, logs: Path, question: str
) -> None:
    command = ("project", "--endpoint", stand_in.endpoint, *NAMED, "--input", question, "--record")
    program = Program(*command, log_dir=logs, env=sound_card.environment)
    assert program.wait() == 0, program.stderr

    left, right = channels(the_only(logs, "_conversation.wav"))
    assert np.max(np.abs(left)) > LOUD
    lines = [json.loads(line) for line in the_only(logs, ".jsonl").read_text().splitlines()]
    began, ended = (round(24_000 * lines[1][name]) for name in ("start", "end"))
    assert np.max(np.abs(right[:began])) == 0
    assert np.max(np.abs(right[began : ended + 4_800])) > LOUD


def test_half_a_character_does_no_harm(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "x", str, print)

    recording.keep(Turn("a", "agent", "Hi \ud83d"))
    recording.keep(480)
    recording.close()

    assert json.loads((tmp_path / "x.jsonl").read_text())["text"] == "Hi \ud83d"
    assert len(channels(tmp_path / "x.wav")[0]) == 480


def test_a_secret_between_quotes_is_hidden_and_the_line_is_still_json(tmp_path: Path) -> None:
    redact = Redactor()
    redact.hide('pa"ss\\word')
    recording = Recording(tmp_path / "x", redact, print)

    recording.keep(Turn("a", "user", 'Is "wss://h/p?agent-access-token=abc" right, or pa"ss\\word?'))
    recording.close()

    line = json.loads((tmp_path / "x.jsonl").read_text())
    assert line["text"] == 'Is "wss://h/p?agent-access-token=[hidden]" right, or [hidden]?'


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such limit")
def test_a_disk_that_is_full_from_the_beginning_does_not_hold_up_the_end(tmp_path: Path) -> None:
    import resource  # Windows has none

    told: list[str] = []
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        Recording(tmp_path / "x", str, told.append).close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    assert "The recording is not complete: " in told[0]


def test_a_recording_takes_the_place_of_no_other_file(tmp_path: Path) -> None:
    (tmp_path / "x.wav").write_text("precious")

    with pytest.raises(VoiceLiveError, match="File exists"):
        Recording(tmp_path / "x", str, print)

    assert (tmp_path / "x.wav").read_text() == "precious"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such limit")
def test_a_disk_that_is_full_is_told_once_and_the_conversation_goes_on(
    stand_in: StandIn, logs: Path, question: str
) -> None:
    limited = "import resource, runpy, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (700, 700)); "
    limited += "sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
    command = [sys.executable, "-c", limited, "voicelive_agent.py", "project", *NAMED, "--input", question]
    command += ["--endpoint", stand_in.endpoint, "--output", os.devnull, "--log-dir", str(logs)]
    command.append("--record")

    program = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True)

    assert program.returncode == 0, program.stderr
    assert "Agent: You spoke" in program.stdout
    assert program.stderr.count("The conversation log is no longer written") == 1
    assert program.stderr.count("The technical log is not complete") == 1
    assert program.stderr.count("The recording is not complete: File too large.") == 1
    assert "Traceback" not in program.stderr
    assert all(path.stat().st_size <= 700 for path in logs.iterdir())
