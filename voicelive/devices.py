"""Sound cards: which there are, and which one is meant."""

import logging
import os
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, cast

from voicelive import failures
from voicelive.errors import EXIT_USAGE, VoiceLiveError

log = logging.getLogger(__name__)

Kind = Literal["input", "output"]
TITLES = {"input": "microphone", "output": "speaker"}


def import_sounddevice() -> ModuleType:
    """PortAudio, loaded where it is needed. Raises VoiceLiveError where it is not installed."""
    try:
        import sounddevice
    except OSError as error:
        raise failures.no_portaudio(error) from error
    return cast(ModuleType, sounddevice)


def table(sd: ModuleType, *kinds: Kind) -> str:
    """The sound cards for people, a line each: number, name, host API and rate; `*` marks the default."""
    lines = []
    for kind in kinds:
        lines.append(f"{TITLES[kind].capitalize()}s:")
        for device in candidates(sd, kind):
            mark = "*" if device["index"] == default_device(sd, kind) else " "
            about = f"{api_name(sd, device['index'])}, {device['default_samplerate']:.0f} Hz"
            lines.append(f"{mark}{device['index']:>4}  {device['name']}  ({about})")
        if not candidates(sd, kind):
            lines.append("      none")
    if any(line.startswith("*") for line in lines):
        lines.append("* is used unless you name another one.")
    return "\n".join(lines)


def candidates(sd: ModuleType, kind: Kind) -> list[dict[str, Any]]:
    """PortAudio's descriptions of all devices of one kind."""
    every = (described(sd, index) for index in range(sd._lib.Pa_GetDeviceCount()))
    return [device for device in every if device[f"max_{kind}_channels"] > 0]


def described(sd: ModuleType, index: int) -> dict[str, Any]:
    """PortAudio's description of a device; sounddevice gives none where the name is not UTF-8."""
    try:
        return cast(dict[str, Any], sd.query_devices(index))
    except UnicodeDecodeError:
        info = sd._lib.Pa_GetDeviceInfo(index)
    return {
        "index": index,
        "name": sd._ffi.string(info.name).decode("utf-8", "replace"),
        "hostapi": info.hostApi,
        "max_input_channels": info.maxInputChannels,
        "max_output_channels": info.maxOutputChannels,
        "default_samplerate": info.defaultSampleRate,
    }


def default_device(sd: ModuleType, kind: Kind) -> int:
    """The number of the device that is used unless one is named; -1 for none.

    On Windows that is WASAPI's, for PortAudio's own choice, MME, has a latency of 0.2 s (untried).
    """
    for api in sd.query_hostapis():
        if api["name"] == "Windows WASAPI" and api[f"default_{kind}_device"] >= 0:
            return int(api[f"default_{kind}_device"])
    return int(sd.default.device[kind])


def find(sd: ModuleType, kind: Kind, wanted: str | None) -> int:
    """The number of the device that `wanted`, a number or a part of its name, means.

    Raises VoiceLiveError, with all there are: exit code 2 for an unknown or an ambiguous one.
    """
    if wanted is None:
        return default_device(sd, kind)
    devices = candidates(sd, kind)
    exact = [d for d in devices if wanted in (str(d["index"]), d["name"])]
    matches = exact or [d for d in devices if wanted.casefold() in d["name"].casefold()]
    if len(matches) > 1:  # Windows has each device under several host APIs
        matches = [d for d in matches if "WASAPI" in api_name(sd, d["index"])] or matches
    if len(matches) == 1:
        return int(matches[0]["index"])
    problem = "is not there" if not matches else "could be any of several: use its number"
    raise VoiceLiveError(f"The {TITLES[kind]} {wanted!r} {problem}.", table(sd, kind), EXIT_USAGE)


def api_name(sd: ModuleType, device: int) -> str:
    """The host API of a device: ALSA, Core Audio, Windows WASAPI, …"""
    return str(sd.query_hostapis(described(sd, device)["hostapi"])["name"])


def missing_plugin() -> str:
    """The Debian package that leads ALSA to the sound server that runs, '' where none runs.

    To be asked where PortAudio sees no device: with the plugin there would be one.
    """
    folder = Path(os.environ.get("XDG_RUNTIME_DIR") or "/nonexistent")
    if (folder / "pipewire-0").exists():
        return "pipewire-alsa"
    return "libasound2-plugins" if (folder / "pulse" / "native").exists() else ""
