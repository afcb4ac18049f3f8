"""Which sound card is meant, and one that refuses 24 kHz: PortAudio on a real JACK server."""

import os
import re
import shutil
import subprocess
import sys
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soxr
from program import NAMED, ROOT, Program, environment, on_linux

pytestmark = pytest.mark.soundcard

TIMEOUT_S = 15
RATE = 48_000  # the only one that this sound card takes
PIECE_FRAMES = RATE // 10


@pytest.fixture
def jack() -> Iterator[dict[str, str]]:
    """A JACK server at 48 kHz without a sound card; the environment in which PortAudio finds it.

    What is played on "loopback" is what its microphone hears; "system" is recorded at its monitor. A
    client that moves to a safer latency is connected to both again by PortAudio.
    """
    if shutil.which("jackd") is None:
        pytest.skip("jackd is missing: install jackd2")
    name = f"voicelive-{os.getpid()}"
    own = environment(JACK_DEFAULT_SERVER=name, JACK_NO_AUDIO_RESERVATION="1", JACK_NO_START_SERVER="1")
    command = ["jackd", "--name", name, "--no-realtime", "-L", "1"]
    command += ["-d", "dummy", "--monitor", "--rate", str(RATE), "--period", "1024"]
    server = subprocess.Popen(command, env=own, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        subprocess.run(["jack_wait", "--server", name, "--wait", "--timeout", "10"], env=own, check=True)
        yield own
    finally:
        server.terminate()
        server.wait(TIMEOUT_S)


def run(*arguments: str, env: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "voicelive_agent.py", *arguments]
    return subprocess.run(
        command, env=env, cwd=ROOT, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )


def test_the_devices_are_listed(jack: dict[str, str]) -> None:
    listed = run("devices", env=jack)

    assert listed.returncode == 0
    lines = r"\*   0  system  \(JACK.*, 48000 Hz\)\n    1  loopback  \(JACK.*, 48000 Hz\)\n"
    legend = r"\* is used unless you name another one\.\n"
    assert re.fullmatch(rf"Microphones:\n{lines}Speakers:\n{lines}{legend}", listed.stdout)


@on_linux
def test_without_any_device_the_list_says_so() -> None:
    assert run("devices", env=environment()).stdout == "Microphones:\n      none\nSpeakers:\n      none\n"


@on_linux
def test_a_name_that_is_no_text_costs_nothing_but_its_letter(tmp_path: Path) -> None:
    cards = tmp_path / "asound.conf"
    cards.write_bytes(
        b"pcm.!default { type null }\nctl.!default { type hw card 9 }\npcm.caf\xe9 { type null }\n"
    )

    listed = run("devices", env=environment(ALSA_CONFIG_PATH=str(cards)))

    assert listed.returncode == 0, listed.stderr
    assert len(re.findall(r"  caf\ufffd  \(ALSA", listed.stdout)) == 2
    assert len(re.findall(r"\* +\d  default  \(ALSA", listed.stdout)) == 2


@on_linux
@pytest.mark.parametrize(
    ("socket", "package"), [("pipewire-0", "pipewire-alsa"), ("pulse/native", "libasound2-plugins")]
)
def test_a_sound_server_that_alsa_does_not_reach_is_told_with_the_package(
    tmp_path: Path, socket: str, package: str
) -> None:
    (tmp_path / socket).parent.mkdir(exist_ok=True)
    (tmp_path / socket).touch()
    without = environment(XDG_RUNTIME_DIR=str(tmp_path), PULSE_SERVER="")

    command = ("project", "--endpoint", "http://127.0.0.1:9", *NAMED, "--no-mic", "--log-dir", str(tmp_path))
    asked = run(*command, env=without)

    assert asked.returncode == 1
    assert f"sudo apt install {package}." in asked.stderr


@pytest.mark.parametrize("option", ["--input-device", "--output-device"])
def test_a_device_that_is_not_there_is_answered_with_the_list(
    jack: dict[str, str], tmp_path: Path, option: str
) -> None:
    asked = run("demo", option, "headset", "--log-dir", str(tmp_path), env=jack)

    assert asked.returncode == 2
    assert "'headset' is not there." in asked.stderr
    assert "*   0  system" in asked.stderr


# Plays a file of 48 kHz mono PCM16 into the microphone, once it is told to by a line on its stdin.
PLAYER = """
import sys
import threading
import sounddevice

left = memoryview(open(sys.argv[1], "rb").read())
told = threading.Event()

def fill(out, frames, time, status):
    global left
    piece = left[: len(out)] if told.is_set() else b""
    left = left[len(piece) :]
    out[: len(piece)] = piece
    out[len(piece) :] = bytes(len(out) - len(piece))

stream = sounddevice.RawOutputStream(48000, device="loopback", channels=1, dtype="int16", callback=fill)
with stream:
    print("ready", flush=True)
    sys.stdin.readline()
    told.set()
    sys.stdin.read()
"""


def samples(path: str | Path) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    with wave.open(str(path)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").astype(float)


def likeness(sound: "np.ndarray[tuple[int], np.dtype[np.float64]]", within: Path) -> float:
    """How alike the pieces of `sound`, of 100 ms, are at their best places in a file: the median, 0 to 1.

    Each piece for itself, because a JACK server that is late drops a period, and what follows is early.
    """
    heard = samples(within)
    size = 2 ** int(np.ceil(np.log2(len(heard) + PIECE_FRAMES)))
    power = np.concatenate([[0.0], np.cumsum(heard**2)])
    level = np.sqrt(np.maximum(1.0, power[PIECE_FRAMES:] - power[:-PIECE_FRAMES]))
    found = []
    for piece in sound[: len(sound) // PIECE_FRAMES * PIECE_FRAMES].reshape(-1, PIECE_FRAMES):
        product = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(piece, size)), size)
        found.append(np.max(product[: len(level)] / level) / max(1.0, np.linalg.norm(piece)))
    return float(np.median(found))


def test_a_sound_card_that_refuses_24_khz_is_used_at_its_own_rate(
    jack: dict[str, str], question: str, tmp_path: Path
) -> None:
    spoken = soxr.resample(samples(question), 24_000, RATE)
    (tmp_path / "spoken.raw").write_bytes(spoken.astype("<i2").tobytes())
    devices = ("--input-device", "loopback", "--output-device", "SYS")
    program = Program("demo", *devices, log_dir=tmp_path / "logs", env=jack)
    program.wait_for(lambda: "Speak." in program.stderr)
    command = [sys.executable, "-c", PLAYER, str(tmp_path / "spoken.raw")]
    player = subprocess.Popen(command, env=jack, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert player.stdin and player.stdout
    assert player.stdout.readline() == b"ready\n"

    heard = tmp_path / "heard.wav"
    recorder = subprocess.Popen(["jack_rec", "-f", str(heard), "-d", "5", "system:monitor_1"], env=jack)
    player.stdin.write(b"\n")
    player.stdin.flush()
    assert recorder.wait(TIMEOUT_S) == 0
    program.type("q")

    assert program.wait() == 0
    player.communicate(timeout=TIMEOUT_S)
    assert "system refuses 24000 Hz" in program.technical_log
    assert "microphone loopback: 48000 Hz" in program.technical_log
    assert likeness(spoken, within=heard) > 0.9
