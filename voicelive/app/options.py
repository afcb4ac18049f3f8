"""What a command takes besides the settings: each field with a help is an option."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

SOURCE = Path(__file__).resolve().parents[2]  # where the scripts are
IS_INSTALLED = not (SOURCE / "pyproject.toml").exists()  # by pip, which leaves that behind
ROOT = Path() if IS_INSTALLED else SOURCE  # where .env and logs/ are: the current folder, beside the scripts


@dataclass(frozen=True)
class Options:
    """What is asked for, and with which sound."""

    flags: Mapping[str, str | None] = field(default_factory=dict)  # settings on the command line, by name
    sample: Path | None = None  # in the demo, where the flags are all; speaks where there is no microphone
    session: Annotated[Path | None, "JSON file of session fields, merged over the default."] = None
    session_from: Annotated[
        Literal["default", "agent"], "`agent`: the session stored with it, with yours merged over it."
    ] = "default"
    interim: Annotated[bool, "Let the service say a few words when the agent takes long."] = False
    push_to_talk: Annotated[bool, "You begin and end each turn, with the space bar or Enter."] = False
    input: Annotated[Path | None, "16-bit WAV file in place of the microphone."] = None
    output: Annotated[Path | None, "WAV file in place of the speaker."] = None
    input_device: Annotated[str | None, "Microphone: its number or a part of its name."] = None
    output_device: Annotated[str | None, "Speaker: its number or a part of its name."] = None
    input_channel: Annotated[int | None, "Channel of the microphone or file, from 1; else the loudest."] = (
        None
    )
    no_mic: Annotated[
        bool, "Type only; ends when stdin ends and all is heard. Lines from a pipe wait for each answer."
    ] = False


@dataclass(frozen=True)
class RunOptions(Options):
    """The same, of a conversation."""

    approve: Annotated[
        Literal["none", "ask", "all"], "What to answer when the agent asks whether it may use a tool."
    ] = "ask"
    greet: Annotated[bool, "The agent speaks first."] = False
    verbose: Annotated[bool, "Show the name of each event."] = False
    muted: Annotated[bool, "Begin with the microphone muted."] = False
    plain: Annotated[bool, "Lines only: no prompt and no status in the terminal."] = False
    log_dir: Annotated[Path, "Folder for the log files; else logs/ beside .env."] = ROOT / "logs"
    wait_for_sound: Annotated[bool, "At the start, wait for a microphone and a speaker."] = False
    keep_logs: Annotated[int, "How many runs keep their logs; 0: all. Default: 50."] = 50
    of_extras: Mapping[str, Any] = field(default_factory=dict)  # by name
