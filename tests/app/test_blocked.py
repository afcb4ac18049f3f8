"""Nobody reads the screen, or the disk hangs: the sound goes on, and `q` ends the run."""

import signal
import subprocess
import sys
import threading
import time
import wave
from contextlib import suppress
from pathlib import Path

import pytest
from program import NAMED, ROOT, environment, full_pipe
from servers import websocket_server
from service import ScriptedService

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux makes a pipe smaller")

FRAMES = 72_000  # three seconds
TIMEOUT_S = 20
ENDS_WITHIN_S = 4  # on a free machine two

# The program, whose logs are on a disk that takes nothing.
HANGING = """
import runpy, sys
import voicelive.app.logs as module
module.create = lambda path: open({pipe}, "w", 1, encoding="utf-8", closefd=False)
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def heard(path: Path) -> int:
    """How many frames of sound are in a WAV file."""
    with suppress(OSError, EOFError, wave.Error), wave.open(str(path)) as file:
        pcm = file.readframes(file.getnframes())
        return int(len(pcm) - pcm.count(0)) // 2
    return 0


@pytest.mark.parametrize(
    ("blocked", "way"),
    [("stdout", "q"), ("stderr", "q"), ("both", "q"), ("disk", "q"), ("both", "SIGINT"), ("disk", "SIGTERM")],
)
def test_every_frame_is_heard_and_the_run_ends(tmp_path: Path, blocked: str, way: str) -> None:
    service, output = ScriptedService(), tmp_path / "heard.wav"
    with full_pipe() as pipe, websocket_server(service.serve) as url:
        command = [sys.executable, "voicelive_agent.py", "project", *NAMED, "--no-mic", "--verbose"]
        command += ["--endpoint", url.replace("ws://", "http://"), "--output", str(output)]
        command += ["--log-dir", str(tmp_path)]
        if blocked == "disk":
            command[1:1] = ["-c", HANGING.format(pipe=pipe)]
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment(PYTHONPATH=str(ROOT)),
            stdin=subprocess.PIPE,
            stdout=pipe if blocked in ("stdout", "both") else subprocess.DEVNULL,
            stderr=pipe if blocked in ("stderr", "both") else subprocess.DEVNULL,
            pass_fds=[pipe],
        )
        service.wait_for_blocks()
        service.begin_reply()
        for _ in range(10):
            service.send_audio(b"\1\1" * (FRAMES // 10))
        service.end_reply("All of it. " * 1000)
        deadline = time.monotonic() + TIMEOUT_S
        while heard(output) < FRAMES and time.monotonic() < deadline:
            threading.Event().wait(0.1)  # nobody tells of a file that grows
        frames, began = heard(output), time.monotonic()
        if way != "q":
            process.send_signal(signal.Signals[way])
        process.communicate(b"q\n" if way == "q" else None, timeout=TIMEOUT_S)

    assert frames == FRAMES
    assert time.monotonic() - began < ENDS_WITHIN_S
    assert process.returncode == {"q": 0, "SIGINT": 130, "SIGTERM": 143}[way]


# The program, whose `--output` is on such a disk.
HANGING_OUTPUT = """
import runpy, sys
import voicelive.wav as module
module.replace = lambda path: open({pipe}, "wb", buffering=0, closefd=False)
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.parametrize(("way", "exit_code"), [("all was heard", 1), ("SIGINT", 130), ("SIGTERM", 143)])
def test_an_output_that_hangs_stops_neither_the_sound_nor_the_end(
    tmp_path: Path, way: str, exit_code: int
) -> None:
    service = ScriptedService()
    with full_pipe() as pipe, websocket_server(service.serve) as url:
        command = [sys.executable, "-c", HANGING_OUTPUT.format(pipe=pipe), "voicelive_agent.py", "project"]
        command += [*NAMED, "--no-mic", "--endpoint", url.replace("ws://", "http://")]
        command += ["--output", str(tmp_path / "heard.wav"), "--log-dir", str(tmp_path)]
        process = subprocess.Popen(
            *(command,),
            cwd=ROOT,
            env=environment(PYTHONPATH=str(ROOT)),
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            pass_fds=[pipe],
        )
        service.wait_for_blocks()
        service.begin_reply()
        service.send_audio(b"\1\1" * FRAMES)
        service.end_reply("All of it.")
        began = time.monotonic()
        if way.startswith("SIG"):
            process.send_signal(signal.Signals[way])
        _, stderr = process.communicate("" if way == "all was heard" else None, timeout=TIMEOUT_S)

    assert process.returncode == exit_code, stderr
    assert "heard.wav is not complete: the disk takes nothing any more." in stderr
    assert time.monotonic() - began < (FRAMES / 24_000 if way == "all was heard" else 0) + ENDS_WITHIN_S
