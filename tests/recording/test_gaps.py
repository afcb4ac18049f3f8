"""What a recording keeps where the microphone was away."""

import wave
from pathlib import Path

import numpy as np
from test_uplink import BLOCK, Timed, Upward, sent

from voicelive.app.played import Played, interleaved
from voicelive.audio import BLOCK_FRAMES, BLOCK_S
from voicelive.extras.recording.files import Recording
from voicelive.playback import Playback


def test_a_microphone_that_was_away_leaves_its_time_in_the_recording(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "tape", str, print)
    source = Timed(100, 100 + BLOCK_S, 105)
    played = Played(Playback(), source)

    assert len(sent(Upward(source, 3, [played, lambda blocks: recording.beside(played, blocks)]), 3)) == 3
    recording.close()

    block = interleaved(BLOCK, np.zeros(BLOCK_FRAMES, dtype=np.int16))
    with wave.open(str(recording.paths[0])) as file:
        assert file.readframes(2 * BLOCK_FRAMES) == block + block
        assert file.readframes(round(4.96 * 24_000)) == bytes(4 * round(4.96 * 24_000))
        assert file.readframes(BLOCK_FRAMES) == block
