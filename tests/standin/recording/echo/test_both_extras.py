"""`--record` beside the client's echo reference: both know what was played."""

import wave
from pathlib import Path

from bench_echo import IN_STEREO
from program import NAMED, Program

from standin.server import StandIn


def test_a_conversation_in_stereo_is_recorded(stand_in: StandIn, logs: Path, sound: tuple[str, ...]) -> None:
    command = ("project", "--endpoint", stand_in.endpoint, *NAMED, *sound, *IN_STEREO, "--record")
    program = Program(*command, log_dir=logs)

    assert program.wait() == 0, program.stderr
    (kept,) = logs.glob("*_conversation.wav")
    with wave.open(str(kept)) as file:
        assert file.getnchannels() == 2
        assert any(file.readframes(24_000))
    assert "Agent: You spoke" in program.stdout
