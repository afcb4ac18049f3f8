"""What was heard and played, as a stereo WAV file, and who said what when, as JSON lines."""

import json
import time
import wave
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

from voicelive import failures
from voicelive.app.played import Played, interleaved
from voicelive.audio import BYTES_A_SECOND, FRAME_BYTES, SAMPLE_RATE
from voicelive.files import Behind, create, create_raw
from voicelive.turns import Turn


class Recording:
    """`<stem>.wav`, left the microphone and right the loudspeaker; `<stem>.jsonl`, one object for each turn.

    Both are written as it goes, by one thread, which ends with close(), and valid at any moment.
    """

    def __init__(self, stem: Path, redact: Callable[[str], str], on_failure: Callable[[str], None]) -> None:
        """Create both files, for their owner only. `on_failure` is told once why they are not complete.

        Raises VoiceLiveError (exit code 2) where they cannot be created.
        """
        self.paths = stem.with_suffix(".wav"), stem.with_suffix(".jsonl")
        self._redact = redact
        self._began_at: float | None = None  # time.monotonic() of the first frame
        try:
            self._sound = create_raw(self.paths[0])
            self._turns = create(self.paths[1])
        except OSError as error:
            raise failures.unusable_file(stem, error.strerror or error) from error

        def tell(why: str) -> None:
            on_failure(f"The recording is not complete: {why}.")

        # Stereo blocks, frames of silence, turns.
        self._parts: Behind[bytes | int | Turn] = Behind("recording", self._write, tell)

    def beside(self, played: Played, blocks: Iterator[bytes]) -> Iterator[bytes]:
        """A stage behind `played`: both are kept, and what is missing between two blocks."""
        for block in blocks:
            if played.away:
                self.keep(played.away)
            self.keep(interleaved(block, played.during()))
            yield block

    def keep(self, part: bytes | int | Turn) -> None:
        """The next block, in stereo; so many frames of silence; a turn that is over. Never waits."""
        if self._began_at is None:
            length = len(part) if isinstance(part, bytes) else 0
            self._began_at = time.monotonic() - length / (2 * BYTES_A_SECOND)
        self._parts.put(part)

    def close(self) -> None:
        """Write what waits, and finish both files."""
        self._parts.close()

    def _write(self, parts: Iterator[bytes | int | Turn]) -> None:
        with self._turns, self._sound, wave.open(self._sound, "wb") as file:
            file.setparams((2, FRAME_BYTES, SAMPLE_RATE, 0, "NONE", ""))
            for part in parts:
                if isinstance(part, Turn):
                    self._turns.write(json.dumps(self._described(part), ensure_ascii=False) + "\n")
                elif isinstance(part, int):
                    for at in range(0, part, SAMPLE_RATE):  # a second at a time
                        file.writeframes(bytes(2 * FRAME_BYTES * min(SAMPLE_RATE, part - at)))
                else:
                    file.writeframes(part)  # which corrects the header, too

    def _described(self, turn: Turn) -> dict[str, object]:
        """One line: times in seconds from the beginning of the WAV file, null where they are not known."""

        def since(moment: float | None) -> float | None:
            return None if moment is None else round(max(0.0, moment - (self._began_at or moment)), 3)

        return {
            "role": turn.role,
            "text": self._redact(turn.text),
            "start": since(turn.start),
            "end": since(turn.end),
            "interrupted": turn.interrupted,
            "interim": turn.is_interim,
            "latency": None if turn.latency_s is None else round(turn.latency_s, 3),
            "usage": asdict(turn.usage) if turn.usage else None,
        }
