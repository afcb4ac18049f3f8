"""A PipeWire of the tests' own, which has two null sinks and nothing else: what most desktops run today."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from pulseaudio import FIRST, MICROPHONE, STOP_TIMEOUT_S, UnavailableError, client_environment, stop

# In place of the system's ALSA configuration: PipeWire is the only device there is.
ALSA_CONF = """
pcm_type.pipewire {{ lib "{folder}/libasound_module_pcm_pipewire.so" }}
ctl_type.pipewire {{ lib "{folder}/libasound_module_ctl_pipewire.so" }}
pcm.!default {{ type pipewire }}
ctl.!default {{ type pipewire }}
"""
# Debian's pipewire-alsa cannot be installed beside PulseAudio: .ci/run unpacks it, and says where.
PLUGIN = "usr/lib/*/alsa-lib/libasound_module_pcm_pipewire.so"
UNPACKED = "VOICELIVE_PIPEWIRE_ALSA"
PROGRAMS = ("pipewire", "wireplumber", "pipewire-pulse")
SINK = "rate=48000 channels=2"
SETTINGS = (
    ("load-module", "module-null-sink", "sink_name=speaker", *SINK.split()),
    ("load-module", "module-null-sink", "sink_name=mic_feed", *SINK.split()),
    ("load-module", "module-remap-source", "source_name=microphone", f"master={MICROPHONE}"),
    ("set-default-sink", "speaker"),
    ("set-default-source", "microphone"),
)


def environment(folder: Path) -> dict[str, str]:
    """What a program needs to see this sound card, and the rest of our environment."""
    return {
        **client_environment(folder),
        "PIPEWIRE_RUNTIME_DIR": str(folder),
        "XDG_RUNTIME_DIR": str(folder),
    }


@contextmanager
def daemon(folder: Path) -> Iterator[None]:
    """Run PipeWire, its session manager and its PulseAudio side while the block runs."""
    missing = [name for name in (*PROGRAMS, "dbus-daemon", "pactl") if shutil.which(name) is None]
    if missing:
        raise UnavailableError(f"{missing[0]} is missing: install pipewire, wireplumber, pipewire-alsa, dbus")
    (folder / "client.conf").write_text("autospawn = no\n")
    (folder / "asound.conf").write_text(ALSA_CONF.format(folder=plugins()))
    own = dict.fromkeys(("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"), str(folder))
    variables = {**environment(folder), **own, "DBUS_SESSION_BUS_ADDRESS": f"unix:path={folder}/bus"}
    bus = ["dbus-daemon", "--session", "--nofork", "--nopidfile", f"--address=unix:path={folder}/bus"]
    started = [(bus, "bus"), ([*FIRST, "pipewire"], "pipewire-0")]
    started += [(["wireplumber"], ""), ([*FIRST, "pipewire-pulse"], "native")]
    with ExitStack() as stack:
        log = stack.enter_context((folder / "daemon.log").open("wb"))
        for command, socket in started:
            process = subprocess.Popen(
                command, env=variables, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
            stack.callback(stop, process)
            _wait_for(folder / socket, process)
        for words in SETTINGS:
            _set(words, variables)
        yield


def plugins() -> Path:
    """The folder of ALSA's plugins for PipeWire. Raises UnavailableError where there is none."""
    for root in (os.environ.get(UNPACKED), "/"):
        for plugin in Path(root or "/nonexistent").glob(PLUGIN):
            return plugin.parent
    raise UnavailableError("ALSA does not know the way to PipeWire: install pipewire-alsa")


def _wait_for(path: Path, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + STOP_TIMEOUT_S
    while not path.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise UnavailableError(f"{process.args!r} does not start")
        time.sleep(0.02)  # nobody tells of a socket that appears


def _set(words: tuple[str, ...], variables: dict[str, str]) -> None:
    """Nodes appear a while after they were asked for: it is tried again."""
    deadline = time.monotonic() + STOP_TIMEOUT_S
    while subprocess.run(["pactl", *words], env=variables, capture_output=True).returncode:
        if time.monotonic() > deadline:
            raise UnavailableError(f"pactl {' '.join(words)} fails")
        time.sleep(0.1)
