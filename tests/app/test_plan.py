"""What a run is to be, by its settings and its files."""

import json
import os
from pathlib import Path

import pytest

from voicelive.app.plan import read_overrides
from voicelive.errors import VoiceLiveError
from voicelive.session import ECHO, session_update


def test_a_persons_own_fields_are_merged_over_the_session(tmp_path: Path) -> None:
    path = tmp_path / "session.json"
    path.write_text(
        '{"turn_detection": {"silence_duration_ms": 700}, "voice": {"rate": "1.2"}, "temperature": 1}'
    )

    session = session_update("2026-07-15", "Ava", ECHO["server"], read_overrides(path))["session"]

    assert session["turn_detection"]["silence_duration_ms"] == 700
    assert session["turn_detection"]["type"] == "azure_semantic_vad"
    assert session["voice"]["rate"] == "1.2" and session["voice"]["name"] == "Ava"
    assert session["temperature"] == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not JSON"),
        ("[]", "not a JSON object"),
        ("[" * 100_000, "not JSON"),
        (json.dumps({"output_audio_format": "g711_ulaw"}), "output_audio_format must stay"),
        (json.dumps({"input_audio_sampling_rate": 16000}), "input_audio_sampling_rate must stay 24000"),
    ],
)
def test_a_session_file_that_cannot_be_used_is_explained(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "session.json"
    path.write_text(text)

    with pytest.raises(VoiceLiveError, match=said) as failure:
        read_overrides(path)

    assert failure.value.exit_code == 2


@pytest.mark.skipif(os.name == "nt", reason="has no file without an end")
def test_a_session_file_without_an_end_is_refused() -> None:
    with pytest.raises(VoiceLiveError, match="/dev/zero: it is longer than") as failure:
        read_overrides(Path("/dev/zero"))

    assert failure.value.exit_code == 2
