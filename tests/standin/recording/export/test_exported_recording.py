"""What `export` makes of a recording fits its sound."""

import re
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
from program import NAMED, ROOT, Program, environment

from standin.server import StandIn

LOUD = 500
LATE_S = 0.3  # so much quiet sound may be at the beginning of a turn


def seconds(clock: str) -> float:
    hours, minutes, rest = clock.replace(",", ".").split(":")
    return 3600 * int(hours) + 60 * int(minutes) + float(rest)


def test_subtitles_begin_where_the_sound_of_the_recording_does(
    stand_in: StandIn, logs: Path, sound: tuple[str, ...]
) -> None:
    program = Program("project", "--endpoint", stand_in.endpoint, *NAMED, *sound, "--record", log_dir=logs)
    assert program.wait() == 0, program.stderr
    (path,) = logs.glob("*_conversation.wav")

    command = [sys.executable, "voicelive_agent.py", "export", str(path), "--as", "srt"]
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True)

    assert (done.returncode, done.stderr) == (0, "")
    times = re.findall(r"(\S+) --> (\S+)\n(You|Agent): ", done.stdout)
    with wave.open(str(path)) as file:
        both = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").reshape(-1, 2)
    assert [who for *_, who in times] == ["You", "Agent"]
    for channel, (begin, end, _) in enumerate(times):
        first_loud = np.flatnonzero(np.abs(both[:, channel].astype(int)) > LOUD)[0] / 24_000
        assert seconds(begin) <= first_loud <= seconds(begin) + LATE_S < seconds(end)
