"""WAV files in place of the microphone and the speaker, with the same sense of time."""

import logging
import threading
import time
import wave
from collections.abc import Iterable, Iterator
from itertools import chain, repeat
from pathlib import Path

from voicelive import failures
from voicelive.audio import BLOCK_BYTES, BLOCK_S, BYTES_A_SECOND, FRAME_BYTES, SAMPLE_RATE, SILENCE, Converter
from voicelive.files import Behind, create_raw, replace
from voicelive.playback import Playback
from voicelive.text import quoted, shown

log = logging.getLogger(__name__)


class TimedSource:
    """A Source that a clock drives: each block comes when a microphone would have heard it, until `close`."""

    def __init__(self, name: str, blocks: Iterable[bytes]) -> None:
        self.name = name
        self.captured_at = 0.0  # when the newest block would have been heard
        self._blocks = blocks
        self._closed = threading.Event()  # set by close(), ends the iteration

    def __iter__(self) -> Iterator[bytes]:
        self.captured_at = time.monotonic()
        for block in paced(self._blocks, self._closed):
            yield block
            self.captured_at += len(block) / BYTES_A_SECOND

    def close(self) -> None:
        self._closed.set()


class WavSource(TimedSource):
    """A WAV file as a Source: 16-bit PCM of any rate and channel count, as fast as it would be spoken."""

    def __init__(self, path: Path, then: Iterable[bytes] = (), channel: int | None = None) -> None:
        """Open the file, of which the loudest channel is heard, or `channel`, counted from 1; blocks of
        `then` follow it.

        Raises VoiceLiveError (exit code 2) for one that is no 16-bit PCM WAV.
        """
        super().__init__(shown(path), chain(self._converted(channel), then))
        try:
            self._file = wave.open(str(path), "rb")  # noqa: SIM115  closed by the iteration
            if self._file.getsampwidth() != FRAME_BYTES:
                raise wave.Error(f"{8 * self._file.getsampwidth()}-bit samples")
        except (wave.Error, EOFError, RuntimeError) as error:  # the last, without words, is wave's own
            why = str(error) or "it is cut off"
            raise failures.unusable_file(path, f"not a 16-bit PCM WAV file ({why})", convert(path)) from error
        except OSError as error:
            raise failures.unusable_file(path, error.strerror or error) from error
        if not (self._file.getnframes() and self._file.getframerate()):
            raise failures.unusable_file(path, "no sound in it")
        there = self._file.getnchannels()
        if channel is not None and not 1 <= channel <= there:
            raise failures.unusable_file(path, f"no channel {channel}: it has {there}")

    def _converted(self, channel: int | None) -> Iterator[bytes]:
        """Pieces of about 20 ms at 24 kHz, mono."""
        with self._file as file:
            convert = Converter((file.getframerate(), file.getnchannels()), channel=channel)
            while pcm := file.readframes(file.getframerate() // 50 or 1):
                yield convert(pcm)
            yield convert(b"", last=True)


class TimedSink(Playback):
    """A sink that a clock drives, on a thread of its own: `write` gets each block of 20 ms, until `close`."""

    name = "a clock"

    def __init__(self) -> None:
        super().__init__()
        self._closed = threading.Event()  # set by close(), ends the clock
        self._clock = threading.Thread(target=self._run, name="sink", daemon=True)
        self._clock.start()

    def write(self, block: bytes) -> None:
        """Take the next block. Where that fails, no more is written; the conversation goes on, and tells."""
        raise NotImplementedError

    def close(self) -> None:
        self._closed.set()
        self._clock.join()

    def _run(self) -> None:
        block = bytearray(BLOCK_BYTES)
        sounds_at = time.monotonic() + 2 * BLOCK_S  # a block ahead, as on a sound card
        for _ in paced(repeat(SILENCE), self._closed):
            self.render(memoryview(block), sounds_at)
            sounds_at += BLOCK_S
            try:
                if not self.error:
                    self.write(bytes(block))
            except Exception as error:
                log.exception("%s: what follows is not written", self.name)
                self.error = str(error.strerror if isinstance(error, OSError) else error) or "it failed"


class WavSink(TimedSink):
    """A WAV file as a sink: what a real speaker would have played, silences and interruptions included.

    The file is valid at any moment. A disk that hangs stops neither the clock nor the end.
    """

    def __init__(self, path: Path, is_new: bool = False) -> None:
        """Create the file, or replace it unless it `is_new`; neither goes through a link.

        Raises VoiceLiveError (exit code 2) where that fails.
        """
        self.name = shown(path)
        try:
            self._file = create_raw(path) if is_new else replace(path)
        except OSError as error:
            raise failures.unusable_file(path, error.strerror or error) from error
        self._blocks = Behind("wav", self._write_all, self._fail)
        super().__init__()

    def write(self, block: bytes) -> None:
        self._blocks.put(block)

    def close(self) -> None:
        """Finish the file."""
        super().close()
        self._blocks.close()

    def _write_all(self, blocks: Iterator[bytes]) -> None:
        with self._file, wave.open(self._file, "wb") as file:
            file.setparams((1, FRAME_BYTES, SAMPLE_RATE, 0, "NONE", ""))
            for block in blocks:
                file.writeframes(block)  # which corrects the header, too

    def _fail(self, why: str) -> None:
        self.error = why


def paced(blocks: Iterable[bytes], stopped: threading.Event) -> Iterator[bytes]:
    """Hand each block out when a microphone would have: when its end was heard. Ends on `stopped`."""
    due = time.monotonic()
    for block in filter(None, blocks):
        due += len(block) / BYTES_A_SECOND
        if stopped.wait(max(0.0, due - time.monotonic())):
            return
        yield block


def convert(path: Path) -> str:
    """The line that makes a usable WAV file of another.

    In mono, for more than two channels are written in a form that Python 3.10 and 3.11 do not read.
    """
    converted = f"{path.with_suffix('')}-pcm16.wav"
    return f"Convert it: `{quoted('ffmpeg', '-i', str(path), '-ac', '1', '-c:a', 'pcm_s16le', converted)}`."
