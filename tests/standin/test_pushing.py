"""Push to talk, as a person without a live terminal has it: Enter begins a turn, and Enter ends it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from program import NAMED, ROOT, Program, environment

from standin.records import SeenSession
from standin.server import StandIn

ENTER = ""


def kinds(session: SeenSession) -> list[str]:
    return [message["type"] for message in session.received]


def take_turn(program: Program, stand_in: StandIn, session: SeenSession, seconds: float) -> None:
    """Speak for so long."""
    enough = session.audio_frames + seconds * 24_000
    program.type(ENTER)
    assert stand_in.wait_for(lambda: session.audio_frames >= enough, timeout=10)
    program.type(ENTER)


@pytest.mark.parametrize("way", ["--push-to-talk", "--session"])
def test_enter_begins_and_ends_a_turn(
    stand_in: StandIn, logs: Path, sound: tuple[str, ...], tmp_path: Path, way: str
) -> None:
    fields = tmp_path / "fields.json"
    fields.write_text(json.dumps({"turn_detection": None}))
    asked = (way, str(fields)) if way == "--session" else (way,)
    before = len(stand_in.sessions)
    program = Program("project", "--endpoint", stand_in.endpoint, *NAMED, *sound, *asked, log_dir=logs)
    program.wait_for(lambda: "Press Enter, speak, and press Enter again." in program.stderr)
    session = stand_in.sessions[before]
    assert session.received[0]["session"]["turn_detection"] is None
    assert session.audio_frames == 0, "nobody talks yet"

    take_turn(program, stand_in, session, 0.5)

    program.wait_for(lambda: "Agent: You spoke for 0." in program.stdout)
    assert program.wait() == 0, program.stderr
    assert kinds(session)[1:] == ["input_audio_buffer.commit", "response.create"]
    assert session.audio_frames < 1.5 * 24_000, "nothing is sent between two turns"
    assert "Speak now, then press Enter." in program.stderr
    assert "latency: noticed 0." in program.technical_log


def test_a_turn_that_begins_interrupts_the_agent(
    stand_in: StandIn, logs: Path, sound: tuple[str, ...]
) -> None:
    before = len(stand_in.sessions)
    arguments = ("project", "--endpoint", stand_in.endpoint, *NAMED, *sound, "--push-to-talk", "--greet")
    program = Program(*arguments, log_dir=logs)
    program.wait_for(lambda: "answer" not in program.stderr and len(stand_in.sessions) > before)
    session = stand_in.sessions[before]
    assert stand_in.wait_for(lambda: session.sent.count("response.audio.delta") > 3, timeout=10)

    take_turn(program, stand_in, session, 0.3)

    program.wait_for(lambda: "(interrupted)" in program.stdout)
    program.wait_for(lambda: "Agent: You spoke for 0." in program.stdout)
    program.type("q")
    assert program.wait() == 0, program.stderr
    assert "conversation.item.truncate" in kinds(session)
    assert kinds(session)[-2:] == ["input_audio_buffer.commit", "response.create"]


def test_who_only_types_has_nothing_to_push() -> None:
    command = [sys.executable, "voicelive_agent.py", "demo", "--push-to-talk", "--no-mic"]

    run = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True)

    assert (run.returncode, run.stderr) == (2, "--push-to-talk and --no-mic exclude each other.\n")


def test_the_end_of_stdin_begins_no_turn(stand_in: StandIn, logs: Path, sound: tuple[str, ...]) -> None:
    before = len(stand_in.sessions)
    arguments = ("project", "--endpoint", stand_in.endpoint, *NAMED, *sound, "--push-to-talk")
    program = Program(*arguments, log_dir=logs)
    program.wait_for(lambda: "Press Enter, speak, and press Enter again." in program.stderr)
    assert program.process.stdin

    program.process.stdin.close()

    assert program.wait() == 1
    assert "noticed no speech" in program.stderr
    assert stand_in.sessions[before].audio_frames == 0
