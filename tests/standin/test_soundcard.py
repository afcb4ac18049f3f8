"""A conversation on a sound card: the virtual one, under the real PortAudio."""

import re
import signal
import time
import wave
from pathlib import Path

import numpy as np
import pytest
from program import ENDS_WITHIN_S, SAMPLE, Program
from pulseaudio import WAKING, UnavailableError, daemon
from soundcard import Recording, VirtualSoundCard, levels, virtual_sound_card

pytestmark = pytest.mark.soundcard

LOUD = 300  # RMS; speech is louder, silence is zero


def sample(seconds: float = 10.0) -> bytes:
    """The bundled sample, or so much of it."""
    with wave.open(str(SAMPLE)) as file:
        return bytes(file.readframes(min(file.getnframes(), int(seconds * 24_000))))


def is_loud(pcm: bytes) -> bool:
    return bool(np.any(levels(pcm) > LOUD))


def talking(card: VirtualSoundCard, log_dir: Path) -> Program:
    """A demo on the sound card that has reached its session."""
    program = Program("demo", log_dir=log_dir, env=card.environment)
    program.wait_for(lambda: "Speak." in program.stderr)
    return program


def silent_from(recording: Recording, frame: int, blocks: int = 50) -> int:
    """The first block at or after `frame` that begins a second of silence, in blocks from there."""

    def found(pcm: bytes) -> bool:
        quiet = levels(pcm[2 * frame :]) < LOUD
        return any(quiet[at : at + blocks].all() for at in range(len(quiet) - blocks))

    quiet = levels(recording.wait_for(found, timeout_s=15)[2 * frame :]) < LOUD
    return next(at for at in range(len(quiet)) if quiet[at : at + blocks].all())


def test_what_is_said_into_the_microphone_is_answered_from_the_speaker(
    sound_card: VirtualSoundCard, tmp_path: Path
) -> None:
    program = talking(sound_card, tmp_path)

    with sound_card.recording() as recording:
        assert sound_card.speak(sample(seconds=2)).wait(timeout=10) == 0
        answered = len(recording.wait_for(is_loud, timeout_s=10)) // 2
        program.wait_for(lambda: "Agent: You spoke" in program.stdout)
        silent_from(recording, frame=answered)
        heard = recording.pcm
    program.type("q")

    assert program.wait() == 0
    spoken = np.count_nonzero(levels(sample(seconds=2)) > LOUD)
    assert np.count_nonzero(levels(heard) > LOUD) == pytest.approx(spoken, rel=0.15)
    assert "User Input:\t(" in program.conversation_log
    assert "(interrupted)" not in program.conversation_log


def test_speaking_over_the_agent_silences_it(sound_card: VirtualSoundCard, tmp_path: Path) -> None:
    program = talking(sound_card, tmp_path)

    with sound_card.recording() as recording:
        assert sound_card.speak(sample()).wait(timeout=10) == 0
        answered = len(recording.wait_for(is_loud, timeout_s=10)) // 2
        sound_card.speak(sample())
        program.wait_for(lambda: "(interrupted)" in program.stdout)
        cut_off = silent_from(recording, frame=answered)
        recording.wait_for(lambda pcm: is_loud(pcm[2 * answered + 960 * (cut_off + 50) :]), timeout_s=15)
    program.type("q")

    assert program.wait() == 0
    assert cut_off < 75, "of the 3.4 s of the first answer, at most 1.5 s were heard"
    (truncated,) = re.findall(r'sent: .*"audio_end_ms": (\d+)', program.technical_log)
    # It was heard from its quiet beginning on, of 200 ms; the recording was looked at from its first word on.
    assert 20 * cut_off <= int(truncated) <= 20 * cut_off + 250, "the service knows what was heard"
    first, second = re.findall(r"Agent Audio Response:\t.*", program.conversation_log)
    assert first.endswith("(interrupted)") and not second.endswith("(interrupted)")


def test_a_sound_server_that_is_started_anew_costs_no_more_than_the_pause(tmp_path: Path) -> None:
    folder = tmp_path / "card"
    folder.mkdir()
    card = VirtualSoundCard(folder)
    try:
        with daemon(folder):
            program = talking(card, tmp_path / "logs")
        program.wait_for(lambda: "looking for another." in program.stderr)
        with daemon(folder), card.recording() as recording:
            program.wait_for(lambda: "The speaker is back: " in program.stderr)
            assert card.speak(sample(seconds=2)).wait(timeout=10) == 0
            recording.wait_for(is_loud, timeout_s=10)
            program.type("q")
            assert program.wait() == 0
    except UnavailableError as reason:
        pytest.skip(str(reason))
    finally:
        card.hush()

    assert program.conversation_log.count("SessionID: ") == 1, "the session went on"
    assert "User Input:\t(" in program.conversation_log


def test_who_suspends_the_program_is_not_told_that_the_sound_card_was_lost(
    sound_card: VirtualSoundCard, tmp_path: Path
) -> None:
    program = talking(sound_card, tmp_path)

    for _ in range(4):  # whether a callback comes before somebody looks is left to chance
        program.process.send_signal(signal.SIGSTOP)
        time.sleep(2)  # which is what the test is about
        program.process.send_signal(signal.SIGCONT)
        time.sleep(1)
    with sound_card.recording() as recording:
        program.type("Hello")
        recording.wait_for(is_loud, timeout_s=10)
    program.type("q")

    assert program.wait() == 0
    assert "sound card lost the" not in program.stderr


@pytest.mark.parametrize("start", range(3))
def test_a_card_that_wakes_up_is_not_lost(tmp_path: Path, start: int) -> None:
    try:
        with virtual_sound_card(WAKING) as card:
            program = Program("demo", "--greet", log_dir=tmp_path, env=card.environment)
            program.wait_for(lambda: "Agent: You asked me to speak." in program.stdout)
            program.wait_for(lambda: "latency: " in program.technical_log)
            program.type("q")
            assert program.wait() == 0
    except UnavailableError as reason:
        pytest.skip(str(reason))

    assert "lost" not in program.stderr


@pytest.mark.parametrize("code", [0, 128 + signal.SIGTERM])
def test_a_sound_server_that_hangs_holds_up_no_end(tmp_path: Path, code: int) -> None:
    folder = tmp_path / "card"
    folder.mkdir()
    card = VirtualSoundCard(folder)
    try:
        with daemon(folder) as server:
            program = talking(card, tmp_path / "logs")
            server.send_signal(signal.SIGSTOP)
            program.wait_for(lambda: "looking for another." in program.stderr)
            ended = program.end(program.process.terminate if code else lambda: program.type("q"))
            server.send_signal(signal.SIGCONT)
    except UnavailableError as reason:
        pytest.skip(str(reason))

    assert ended[0] == code
    assert ended[1] < ENDS_WITHIN_S
    assert "Ended after 0:0" in program.stderr
