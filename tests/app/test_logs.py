"""The files of a run, and the secrets that never get into them."""

import io
import logging
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import TextIO

import pytest
from program import ROOT, TIMEOUT_S, environment

from voicelive.app.logs import LogFile, LogHandler, RunLogs
from voicelive.errors import EXIT_USAGE, VoiceLiveError
from voicelive.files import create
from voicelive.text import HIDDEN, Redactor

JWT = "eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJodHRwczovL2FpIn0.c2lnbmF0dXJl"


def test_a_traceback_is_searched_for_secrets_too() -> None:
    redact = Redactor()
    redact.hide("k-0123456789")
    stream = io.StringIO()
    file = LogFile(stream, redact, pytest.fail)
    try:
        raise ValueError(f"no host in k-0123456789, {JWT}")
    except ValueError:
        record = logging.LogRecord("a.child", logging.ERROR, "", 0, "%s", ("k-0123456789",), sys.exc_info())
    LogHandler(file.write).handle(record)
    file._writer.drain()

    assert "Traceback" in stream.getvalue()
    assert "0123456789" not in stream.getvalue() and JWT not in stream.getvalue()


def test_a_record_whose_arguments_do_not_fit_leaves_its_traceback() -> None:
    texts: list[str] = []
    LogHandler(texts.append).handle(logging.LogRecord("a", logging.INFO, "", 0, "%s %s", ("one",), None))

    assert "not enough arguments" in texts[0]


def test_no_memory_for_a_line_of_the_log_fails_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    def has_no_memory(*_: object) -> str:
        raise MemoryError

    monkeypatch.setattr(logging.Formatter, "format", has_no_memory)
    monkeypatch.setattr("traceback.format_exc", has_no_memory)

    LogHandler(pytest.fail).handle(logging.LogRecord("a", logging.INFO, "", 0, "any", (), None))


def test_a_full_disk_is_told_once() -> None:
    class Full(io.StringIO):
        def write(self, _: str) -> int:
            raise OSError(28, "No space left on device")

    told: list[str] = []
    file = LogFile(Full(), str, told.append)
    for _ in range(2):
        file.write("One.")
        file._writer.drain()

    assert told == ["No space left on device"]


def test_two_runs_in_one_second_have_files_of_their_own(tmp_path: Path) -> None:
    runs = [RunLogs(tmp_path / "logs", Redactor(), pytest.fail) for _ in range(3)]

    for number, run in enumerate(runs):
        with run.collecting():
            logging.getLogger("any.logger").debug("heard by %d", number)

    for number, run in enumerate(runs):
        assert run.path("conversation.log").exists()
        assert run.path("voicelive.log").read_text().endswith(f":any.logger:DEBUG:heard by {number}\n")


def test_one_stamp_for_both_files_though_one_name_is_taken_at_the_last_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def plant_and_create(path: Path) -> TextIO:
        if path.name.endswith("_voicelive.log") and not path.name.endswith("_2_voicelive.log"):
            path.touch()
        return create(path)

    monkeypatch.setattr("voicelive.app.logs.create", plant_and_create)
    logs = RunLogs(tmp_path, Redactor(), pytest.fail)

    assert logs.path("").name.endswith("_2_")
    assert len(list(tmp_path.glob("*_conversation.log"))) == 1


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such links")
def test_what_somebody_planted_does_not_keep_old_logs(tmp_path: Path) -> None:
    for day in range(1, 5):
        (tmp_path / f"2026-11-0{day}_12-00-00_conversation.log").touch()
    (tmp_path / "2026-11-01_12-00-01_conversation.log").mkdir()
    (tmp_path / "2026-11-01_12-00-02_conversation.log").symlink_to("nobody")
    for number, path in enumerate(sorted(tmp_path.iterdir())):
        os.utime(path, (number, number), follow_symlinks=False)

    RunLogs(tmp_path, Redactor(), pytest.fail).keep(2)

    left = [path.name[:19] for path in sorted(tmp_path.glob("2026*_conversation.log"))]
    assert left[:2] == ["2026-11-01_12-00-01", "2026-11-04_12-00-00"]


def test_logs_do_not_grow_without_end_and_what_was_asked_for_stays(tmp_path: Path) -> None:
    for day in range(1, 6):
        for name in (
            "conversation.log",
            "voicelive.log",
            "speaker.wav",
            "conversation.wav",
            "conversation.jsonl",
        ):
            path = tmp_path / f"2026-11-0{day}_12-00-00_{name}"
            path.touch()
            os.utime(path, (day, day))
    os.utime(tmp_path / "2026-11-01_12-00-00_voicelive.log")  # a run that still goes on
    (tmp_path / "mine.log").touch()
    logs = RunLogs(tmp_path, Redactor(), pytest.fail)

    logs.keep(3)

    left = {path.name[:10] for path in tmp_path.glob("*_conversation.log")}
    assert left == {"2026-11-01", "2026-11-05", logs.path("").name[:10]}
    assert len(list(tmp_path.glob("*_speaker.wav"))) == 2
    assert len(list(tmp_path.glob("*_conversation.wav"))) == len(list(tmp_path.glob("*.jsonl"))) == 5
    assert (tmp_path / "mine.log").exists()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_only_the_owner_may_read_the_logs(tmp_path: Path) -> None:
    logs = RunLogs(tmp_path, Redactor(), pytest.fail)

    modes = {
        stat.S_IMODE(path.stat().st_mode)
        for path in (logs.path("conversation.log"), logs.path("voicelive.log"))
    }
    assert modes == {0o600}


def test_a_folder_that_takes_no_logs_is_named(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("a file")

    with pytest.raises(VoiceLiveError, match="logs cannot be written to") as failure:
        RunLogs(tmp_path / "logs", Redactor(), pytest.fail)

    assert failure.value.exit_code == EXIT_USAGE
    assert "--log-dir" in failure.value.remedy


NOISY = """
import os, sys
from pathlib import Path
from voicelive.text import Redactor
from voicelive.app.logs import RunLogs, c_libraries_into

logs = RunLogs(Path(sys.argv[1]), Redactor(), print)
with logs.collecting(), c_libraries_into(logs.technical.write):
    os.write(2, b"ALSA lib: no such card\\n")
    print("for people", file=sys.stderr)
os.write(2, b"afterwards\\n")
"""


def test_what_c_libraries_write_goes_to_the_log_and_not_to_the_screen(tmp_path: Path) -> None:
    command = [sys.executable, "-c", NOISY, str(tmp_path)]
    program = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2])

    assert program.stderr.split("\n") == ["for people", "afterwards", ""]
    (log,) = tmp_path.glob("*_voicelive.log")
    assert log.read_text() == "ALSA lib: no such card\n"


def test_a_thread_that_fails_leaves_its_traceback_in_the_log_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise RuntimeError(f"with {JWT}")

    logs = RunLogs(tmp_path, Redactor(), pytest.fail)
    with logs.collecting():
        thread = threading.Thread(target=fail, name="stray")
        thread.start()
        thread.join()

    logged = logs.path("voicelive.log").read_text(encoding="utf-8")
    assert "stray" in logged and f"RuntimeError: with {HIDDEN}" in logged
    assert JWT not in logged
    assert capsys.readouterr().err == ""


CAUGHT_BY_NOBODY = """
import sys, threading, typer
from pathlib import Path
from voicelive.app.cli import failures_told
from voicelive.app.logs import RunLogs
from voicelive.text import Redactor

class Falls:
    def __init__(self, failure):
        self._failure = failure

    def __del__(self):
        raise self._failure

try:
    with failures_told(), RunLogs(Path(sys.argv[1]), Redactor(), print).collecting():
        for failure in ValueError, KeyboardInterrupt:
            Falls(failure)  # and gone at once
        threading.Event().wait(20)
except typer.Exit as end:
    sys.exit(end.exit_code)
"""


def test_what_nobody_can_catch_is_logged_and_a_ctrl_c_comes_once_more(tmp_path: Path) -> None:
    command = [sys.executable, "-c", CAUGHT_BY_NOBODY, str(tmp_path)]
    ended = subprocess.run(
        command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=TIMEOUT_S
    )

    assert (ended.returncode, ended.stderr) == (130, "")
    (log,) = tmp_path.glob("*_voicelive.log")
    assert "ValueError" in log.read_text(encoding="utf-8")
