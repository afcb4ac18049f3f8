"""`--wait-for-sound`: a machine that has just started, and has no sound card yet."""

import signal
from pathlib import Path

import pytest
from program import NAMED, NO_CARDS, Program, environment, on_linux
from soundcard import VirtualSoundCard

PULSE = "pcm.!default { type pulse }\nctl.!default { type pulse }\n"
WAITING = ("project", "--endpoint", "http://127.0.0.1:9", *NAMED, "--wait-for-sound")


@on_linux
def test_whoever_waits_can_be_ended(logs: Path) -> None:
    program = Program(*WAITING, log_dir=logs)
    program.wait_for(lambda: "There is no microphone. Waiting for sound.\n" in program.stderr)

    assert program.end(lambda: program.process.send_signal(signal.SIGTERM))[0] == 143
    assert "Traceback" not in program.stderr


def test_nothing_is_waited_for_where_files_take_its_place(logs: Path) -> None:
    program = Program(*WAITING, "--no-mic", "--output", str(logs / "heard.wav"), log_dir=logs)

    assert program.wait() == 1
    assert "nobody listens there" in program.stderr


@pytest.mark.soundcard
def test_a_sound_card_that_comes_late_is_used(
    sound_card: VirtualSoundCard, logs: Path, tmp_path: Path
) -> None:
    alsa = tmp_path / "alsa.conf"
    alsa.write_text(NO_CARDS)
    env = environment(**{**sound_card.environment, "ALSA_CONFIG_PATH": str(alsa)})
    program = Program(*WAITING, log_dir=logs, env=env)
    program.wait_for(lambda: "There is no microphone." in program.stderr)

    (tmp_path / "new.conf").write_text(PULSE)
    (tmp_path / "new.conf").replace(alsa)

    assert program.wait() == 1
    assert "Microphone: default" in program.stderr
    assert "nobody listens there" in program.stderr
