"""Waiting for the sound cards of a machine that has just started."""

import subprocess
import sys
import time
from collections.abc import Callable

from voicelive.app.options import SOURCE, RunOptions
from voicelive.errors import VoiceLiveError

RETRY_S = 2.0  # no event tells of a new card: PortAudio only sees cards that exist when it starts
TRIAL_TIMEOUT_S = 10.0


def wait_for_sound(options: RunOptions, note: Callable[[str], None]) -> None:
    """Return when the microphone and the speaker that are meant can be opened; `note` says which cannot."""
    devices = [] if options.input or options.no_mic else ["input", options.input_device or ""]
    devices += [] if options.output else ["output", options.output_device or ""]
    said = ""
    while missing := tried(devices):
        if missing != said:
            note(f"{missing} Waiting for sound.")
            said = missing
        time.sleep(RETRY_S)


def tried(devices: list[str]) -> str:
    """Why a child cannot open these devices, each a kind and a name, or ''.

    A child, so that PortAudio starts anew each time, and may crash where a sound server is only half there.
    """
    command = [sys.executable, "-m", "voicelive.app.waiting", *devices]
    try:
        child = subprocess.run(
            command,
            cwd=SOURCE,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TRIAL_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired:
        return "The sound system does not answer."
    return "" if child.returncode == 0 else child.stdout.strip() or "The sound system is not ready."


def open_each(devices: list[str]) -> None:
    """Open and close these devices. Raises VoiceLiveError."""
    from voicelive.soundcard import Stream

    for kind, wanted in zip(devices[::2], devices[1::2], strict=True):
        Stream("input" if kind == "input" else "output", wanted or None, lambda *_: None, bool).close()


if __name__ == "__main__":
    try:
        open_each(sys.argv[1:])
    except VoiceLiveError as failure:
        print(failure.message)
        sys.exit(1)
