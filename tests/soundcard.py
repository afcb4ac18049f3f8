"""A sound card made of software: two PulseAudio null sinks under the real PortAudio.

    speak() ──► sink "mic_feed" ──► its monitor: the default microphone
    the default speaker: sink "speaker" ──► its monitor ──► recording()

The daemon is private to the tests: it has a folder, a socket and settings of its own, and a
program started in `environment` sees this microphone and this speaker, and no others. Both run
at 24 kHz, mono, 16 bits, so that nothing is resampled and a recording can be compared bit by bit.
"""

import os
import shutil
import subprocess
import tempfile
import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pipewire
from numpy.typing import NDArray
from pulseaudio import (
    FIRST,
    SAMPLE_RATE_HZ,
    SINK_ARGUMENTS,
    SPEAKER,
    STOP_TIMEOUT_S,
    UnavailableError,
    client_environment,
    daemon,
    probe,
    stop,
)

BLOCK_FRAMES = 480  # 20 ms


STREAM_ARGUMENTS = ["--raw", "--format=s16le", f"--rate={SAMPLE_RATE_HZ}", "--channels=1"]


def levels(pcm: bytes) -> NDArray[np.float64]:
    """The loudness of each whole 20 ms block of 24 kHz mono PCM16: RMS, 0 to 32768."""
    samples = np.frombuffer(pcm, "<i2").astype(np.float64)
    blocks = samples[: len(samples) // BLOCK_FRAMES * BLOCK_FRAMES].reshape(-1, BLOCK_FRAMES)
    return np.asarray(np.sqrt(np.mean(blocks**2, axis=1)), dtype=np.float64)


class Recording:
    """What comes out of one side of the card, from `parec`, since the recording began."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process
        self._pcm = bytearray()
        self._arrivals: list[tuple[int, float]] = []  # (bytes so far, monotonic seconds)
        # Guards _pcm and _arrivals, and wakes wait_for() every 20 ms of sound and at the end.
        self._grown = threading.Condition()
        # Carries parec's output into _pcm; ends when parec does.
        self._reader = threading.Thread(target=self._read, name="recording", daemon=True)
        self._reader.start()

    @property
    def pcm(self) -> bytes:
        """All that was recorded so far: 24 kHz mono PCM16."""
        with self._grown:
            return bytes(self._pcm)

    def wait_for(self, condition: Callable[[bytes], bool], timeout_s: float) -> bytes:
        """Wait until `condition` holds for what was recorded so far, and return that.

        Raises TimeoutError after `timeout_s` seconds.
        """
        with self._grown:
            if not self._grown.wait_for(lambda: condition(bytes(self._pcm)), timeout_s):
                raise TimeoutError(f"not heard within {timeout_s} s")
            return bytes(self._pcm)

    def arrived_at(self, frame: int) -> float:
        """When a frame was recorded, in the seconds of time.monotonic()."""
        with self._grown:
            ends = [end for end, _ in self._arrivals]
            return self._arrivals[bisect_right(ends, 2 * frame)][1]

    def join(self) -> None:
        """Wait for the last bytes of a `parec` that was told to end."""
        self._reader.join(STOP_TIMEOUT_S)

    def _read(self) -> None:
        assert self._process.stdout is not None
        output = self._process.stdout.fileno()
        told = 0
        while chunk := os.read(output, 65536):
            now = time.monotonic()
            with self._grown:
                self._pcm += chunk
                self._arrivals.append((len(self._pcm), now))
                if len(self._pcm) - told >= 2 * BLOCK_FRAMES:
                    told = len(self._pcm)
                    self._grown.notify_all()
        with self._grown:
            self._grown.notify_all()


class VirtualSoundCard:
    """The microphone and the speaker of a running daemon: see virtual_sound_card()."""

    def __init__(self, folder: Path, environment: dict[str, str] | None = None) -> None:
        self._folder = folder
        self._started: list[subprocess.Popen[Any]] = []
        self._spoken = 0
        self.environment = environment or client_environment(folder)
        """What a child process needs to see this sound card, and the rest of our environment."""

    def start(self, command: Sequence[str | Path], **options: Any) -> "subprocess.Popen[Any]":
        """Start a program that sees this sound card; hush() ends it if it still runs then.

        `options` are those of subprocess.Popen; an `env` among them is added to `environment`.
        """
        options["env"] = {**self.environment, **options.get("env", {})}
        process: subprocess.Popen[Any] = subprocess.Popen(command, **options)
        self._started.append(process)
        return process

    def speak(self, sound: bytes | Path) -> "subprocess.Popen[Any]":
        """Say something into the microphone: 24 kHz mono PCM16, or any WAV file.

        Returns at once; the process that is returned ends when all of it was said.
        """
        if isinstance(sound, Path):
            path, arguments = sound, ["--file-format=wav"]
        else:
            self._spoken += 1
            path, arguments = self._folder / f"speech_{self._spoken}.raw", STREAM_ARGUMENTS
            path.write_bytes(sound)
        command = [*FIRST, "pacat", "--playback", "--device=mic_feed", "--latency-msec=20", *arguments]
        return self.start([*command, path], stdin=subprocess.DEVNULL)

    @contextmanager
    def recording(self, device: str = SPEAKER) -> Iterator[Recording]:
        """Record what the speaker plays (or what the MICROPHONE hears) while the block runs."""
        command = [*FIRST, "parec", f"--device={device}", "--latency-msec=5", *STREAM_ARGUMENTS]
        process = self.start(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        recording = Recording(process)
        try:
            recording.wait_for(bool, STOP_TIMEOUT_S)
            yield recording
        finally:
            stop(process)
            recording.join()

    def hush(self) -> None:
        """End every program that was started on this sound card and still runs."""
        while self._started:
            stop(self._started.pop())


@contextmanager
def virtual_sound_card(sinks: str = SINK_ARGUMENTS) -> Iterator[VirtualSoundCard]:
    """Run a private daemon, and everything that is started on it, while the block runs.

    Raises UnavailableError where PulseAudio, PortAudio or ALSA's pulse plugin is missing.
    """
    for program in ("pulseaudio", "pacat", "parec"):
        if shutil.which(program) is None:
            raise UnavailableError(f"{program} is missing: install pulseaudio, pulseaudio-utils")
    with tempfile.TemporaryDirectory(prefix="voicelive-sound-") as name, daemon(Path(name), sinks):
        card = VirtualSoundCard(Path(name))
        try:
            probe(card.environment)
            yield card
        finally:
            card.hush()


@contextmanager
def pipewire_sound_card() -> Iterator[VirtualSoundCard]:
    """The same on PipeWire. Raises UnavailableError where a part of it is missing."""
    with tempfile.TemporaryDirectory(prefix="voicelive-sound-") as name, pipewire.daemon(Path(name)):
        card = VirtualSoundCard(Path(name), pipewire.environment(Path(name)))
        try:
            probe(card.environment)
            yield card
        finally:
            card.hush()
