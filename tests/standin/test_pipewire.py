"""A conversation on PipeWire, which most desktops run: the same programs, another sound server."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from program import SAMPLE, Program
from pulseaudio import UnavailableError
from soundcard import VirtualSoundCard, levels, pipewire_sound_card

pytestmark = pytest.mark.soundcard

LOUD = 300  # RMS; speech is louder, silence is zero


@pytest.fixture
def desktop() -> Iterator[VirtualSoundCard]:
    try:
        with pipewire_sound_card() as card:
            yield card
    except UnavailableError as reason:
        pytest.skip(str(reason))


def test_what_is_said_is_answered_and_spoken_over_it_falls_silent(
    desktop: VirtualSoundCard, tmp_path: Path
) -> None:
    program = Program("demo", log_dir=tmp_path, env=desktop.environment)
    program.wait_for(lambda: "Speak." in program.stderr)

    with desktop.recording() as recording:
        assert desktop.speak(SAMPLE).wait(timeout=20) == 0
        recording.wait_for(lambda pcm: bool((levels(pcm) > LOUD).any()), timeout_s=15)
        desktop.speak(SAMPLE)
        program.wait_for(lambda: "(interrupted)" in program.stdout)
    program.type("q")

    assert program.wait() == 0
    assert "lost" not in program.stderr
    assert "User Input:\t(" in program.conversation_log
