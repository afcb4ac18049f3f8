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
import sys
import tempfile
import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE_HZ = 24_000
BLOCK_FRAMES = 480  # 20 ms
STOP_TIMEOUT_S = 5

SPEAKER = "speaker.monitor"
MICROPHONE = "mic_feed.monitor"

# Without rewinds the sinks never render more than 50 ms ahead, and latency is the clients' alone.
SINK_ARGUMENTS = f"format=s16le rate={SAMPLE_RATE_HZ} channels=1 norewinds=1"
STREAM_ARGUMENTS = ["--raw", "--format=s16le", f"--rate={SAMPLE_RATE_HZ}", "--channels=1"]

# `dump` comes last: its closing "### EOF" tells that the daemon serves, all of this included.
DAEMON_COMMANDS = f"set-default-sink speaker\nset-default-source {MICROPHONE}\ndump\n".encode()
CLIENT_CONF = "autospawn = no\nenable-shm = no\n"
# In place of the system's ALSA configuration: PulseAudio is the only device there is.
ALSA_CONF = "pcm.!default { type pulse }\nctl.!default { type pulse }\n"

PROBE = """
import sounddevice
sounddevice.query_devices(kind="input")
sounddevice.query_devices(kind="output")
"""


class UnavailableError(Exception):
    """This machine cannot run the virtual sound card, and why."""


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

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._started: list[subprocess.Popen[Any]] = []
        self._spoken = 0
        self.environment = _client_environment(folder)
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
        command = ["pacat", "--playback", "--device=mic_feed", "--latency-msec=20", *arguments]
        return self.start([*command, path], stdin=subprocess.DEVNULL)

    @contextmanager
    def recording(self, device: str = SPEAKER) -> Iterator[Recording]:
        """Record what the speaker plays (or what the MICROPHONE hears) while the block runs."""
        command = ["parec", f"--device={device}", "--latency-msec=5", *STREAM_ARGUMENTS]
        process = self.start(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        recording = Recording(process)
        try:
            recording.wait_for(bool, STOP_TIMEOUT_S)
            yield recording
        finally:
            _stop(process)
            recording.join()

    def hush(self) -> None:
        """End every program that was started on this sound card and still runs."""
        while self._started:
            _stop(self._started.pop())


@contextmanager
def virtual_sound_card() -> Iterator[VirtualSoundCard]:
    """Run a private daemon, and everything that is started on it, while the block runs.

    Raises UnavailableError where PulseAudio, PortAudio or ALSA's pulse plugin is missing.
    """
    for program in ("pulseaudio", "pacat", "parec"):
        if shutil.which(program) is None:
            raise UnavailableError(f"{program} is missing: install pulseaudio, pulseaudio-utils")
    with tempfile.TemporaryDirectory(prefix="voicelive-sound-") as name, daemon(Path(name)):
        card = VirtualSoundCard(Path(name))
        try:
            _probe(card.environment)
            yield card
        finally:
            card.hush()


def _client_environment(folder: Path) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PULSE_", "ALSA_"))}
    return {
        **kept,
        "PULSE_SERVER": f"unix:{folder}/native",
        "PULSE_RUNTIME_PATH": f"{folder}",
        "PULSE_COOKIE": f"{folder}/cookie",
        "PULSE_CLIENTCONFIG": f"{folder}/client.conf",
        "ALSA_CONFIG_PATH": f"{folder}/asound.conf",
    }


@contextmanager
def daemon(folder: Path) -> Iterator[None]:
    (folder / "client.conf").write_text(CLIENT_CONF)
    (folder / "asound.conf").write_text(ALSA_CONF)
    command = ["pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--disable-shm=yes"]
    command += ["--use-pid-file=no", "--realtime=no", "--high-priority=no"]
    command += ["--log-target=stderr", "--log-level=notice"]
    for module in (
        f"module-null-sink sink_name=speaker {SINK_ARGUMENTS}",
        f"module-null-sink sink_name=mic_feed {SINK_ARGUMENTS}",
        f"module-native-protocol-unix auth-anonymous=1 socket={folder}/native",
        # Ends the daemon with its standard input, so that it cannot outlive killed tests.
        "module-cli exit_on_eof=1",
    ):
        command += ["-L", module]
    own = dict.fromkeys(("HOME", "XDG_RUNTIME_DIR", "PULSE_STATE_PATH"), str(folder))
    environment = {**_client_environment(folder), **own}
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with (folder / "daemon.log").open("wb") as log:
        daemon = subprocess.Popen(command, env=environment, stderr=log, **pipes)
    with daemon:
        try:
            _wait_until_serving(daemon, folder / "daemon.log")
            yield
        finally:
            _stop(daemon)


def _wait_until_serving(daemon: "subprocess.Popen[bytes]", log: Path) -> None:
    assert daemon.stdin is not None
    assert daemon.stdout is not None
    # Where the daemon has ended already, its standard output ends too, and its log says why.
    with suppress(BrokenPipeError):
        daemon.stdin.write(DAEMON_COMMANDS)
        daemon.stdin.flush()
    if not any(line.startswith(b"### EOF") for line in daemon.stdout):
        said = " | ".join(log.read_text(errors="replace").splitlines()[-3:])
        raise UnavailableError(f"pulseaudio does not start: {said}")


def _probe(environment: dict[str, str]) -> None:
    command = [sys.executable, "-c", PROBE]
    probe = subprocess.run(command, env=environment, capture_output=True, text=True)
    if probe.returncode != 0:
        said = (probe.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise UnavailableError(
            "PortAudio sees no microphone or no speaker: "
            f"install libportaudio2 and libasound2-plugins ({said})"
        )


def _stop(process: "subprocess.Popen[Any]") -> None:
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
