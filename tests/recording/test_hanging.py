"""The disk of a recording hangs: the sound goes on, the run ends, and that is told."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from program import ENDS_WITHIN_S, NAMED, ROOT, environment, full_pipe
from servers import websocket_server
from service import ScriptedService

# The program, whose recording is on a disk that takes nothing.
HANGING = """
import runpy, sys
import voicelive.extras.recording.files as module
module.create_raw = lambda path: open({pipe}, "wb", buffering=0, closefd=False)
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
FRAMES = 24_000


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux makes a pipe smaller")
def test_a_recording_that_hangs_stops_neither_the_sound_nor_the_end(tmp_path: Path) -> None:
    service = ScriptedService()
    with full_pipe() as pipe, websocket_server(service.serve) as url:
        command = [sys.executable, "-c", HANGING.format(pipe=pipe), "voicelive_agent.py", "project", *NAMED]
        command += ["--no-mic", "--endpoint", url.replace("ws://", "http://"), "--record"]
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
        _, stderr = process.communicate("", timeout=20)

    assert process.returncode == 0, stderr
    assert "The recording is not complete: the disk takes nothing any more." in stderr
    assert time.monotonic() - began < FRAMES / 24_000 + ENDS_WITHIN_S
    assert b"\1\1" * FRAMES in (tmp_path / "heard.wav").read_bytes()
