"""A PulseAudio of the tests' own, which has two null sinks and nothing else."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

SAMPLE_RATE_HZ = 24_000
STOP_TIMEOUT_S = 5

SPEAKER = "speaker.monitor"
MICROPHONE = "mic_feed.monitor"

# Without rewinds the sinks never render more than 50 ms ahead, and latency is the clients' alone.
SINK_ARGUMENTS = f"format=s16le rate={SAMPLE_RATE_HZ} channels=1 norewinds=1"
# As most cards are.
ORDINARY = "format=s16le rate=48000 channels=2 norewinds=1"
# With them, it takes a few buffers at once and then nothing for two seconds, as a card that wakes up does.
WAKING = f"format=s16le rate={SAMPLE_RATE_HZ} channels=1"

# The microphone is a source of its own, as on a card. `dump` comes last: its closing "### EOF" tells that the
# daemon serves, all of this included.
DAEMON_COMMANDS = f"""set-default-sink speaker
load-module module-remap-source source_name=microphone master={MICROPHONE}
set-default-source microphone
dump
""".encode()

CLIENT_CONF = "autospawn = no\nenable-shm = no\n"

# Where we may: a server that waits for its turn loses sound, which no sound card does.
FIRST = ["nice", "-n", "-15"]

# In place of the system's ALSA configuration: PulseAudio is the only device there is.
ALSA_CONF = "pcm.!default { type pulse }\nctl.!default { type pulse }\n"

PROBE = """
import sounddevice
sounddevice.query_devices(kind="input")
sounddevice.query_devices(kind="output")
"""


class UnavailableError(Exception):
    """This machine cannot run the virtual sound card, and why."""


def client_environment(folder: Path) -> dict[str, str]:
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
def daemon(folder: Path, sinks: str = SINK_ARGUMENTS) -> "Iterator[subprocess.Popen[bytes]]":
    """Run PulseAudio, with sinks of these arguments, while the block runs: its process."""
    (folder / "client.conf").write_text(CLIENT_CONF)
    (folder / "asound.conf").write_text(ALSA_CONF)
    command = [*FIRST, "pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--disable-shm=yes"]
    command += ["--use-pid-file=no", "--realtime=no", "--high-priority=no"]
    command += ["--log-target=stderr", "--log-level=notice"]
    for module in (
        f"module-null-sink sink_name=speaker {sinks}",
        f"module-null-sink sink_name=mic_feed {sinks}",
        f"module-native-protocol-unix auth-anonymous=1 socket={folder}/native",
        # Ends the daemon with its standard input, so that it cannot outlive killed tests.
        "module-cli exit_on_eof=1",
    ):
        command += ["-L", module]
    own = dict.fromkeys(("HOME", "XDG_RUNTIME_DIR", "PULSE_STATE_PATH"), str(folder))
    environment = {**client_environment(folder), **own}
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with (folder / "daemon.log").open("wb") as log:
        daemon = subprocess.Popen(command, env=environment, stderr=log, **pipes)
    with daemon:
        try:
            _wait_until_serving(daemon, folder / "daemon.log")
            yield daemon
        finally:
            stop(daemon)


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


def probe(environment: dict[str, str]) -> None:
    command = [sys.executable, "-c", PROBE]
    probe = subprocess.run(command, env=environment, capture_output=True, text=True)
    if probe.returncode != 0:
        said = (probe.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise UnavailableError(
            "PortAudio sees no microphone or no speaker: "
            f"install libportaudio2 and libasound2-plugins ({said})"
        )


def stop(process: "subprocess.Popen[Any]") -> None:
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
