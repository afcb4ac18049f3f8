"""What a command is given besides the settings: one field is one option."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Annotated

SOURCE = Path(__file__).resolve().parents[2]  # where the scripts are
IS_INSTALLED = not (SOURCE / "pyproject.toml").exists()  # by pip, which leaves that behind
ROOT = Path() if IS_INSTALLED else SOURCE  # where .env and logs/ are: the current folder, beside the scripts


@dataclass(frozen=True)
class Options:
    """The options that every conversation takes; `cli.takes` adds them to a command."""

    flags: Mapping[str, str | None] = field(default_factory=dict)  # settings on the command line, by name
    is_demo: bool = False  # the flags are all; sound that is missing is replaced by a sample and a file
    session: Annotated[Path | None, "JSON file of session fields, merged over the default."] = None
    input: Annotated[Path | None, "16-bit WAV file in place of the microphone."] = None
    output: Annotated[Path | None, "WAV file in place of the speaker."] = None
    input_device: Annotated[str | None, "Microphone: its number or a part of its name."] = None
    output_device: Annotated[str | None, "Speaker: its number or a part of its name."] = None
    greet: Annotated[bool, "The agent speaks first."] = False
    no_mic: Annotated[bool, "Type only; ends when stdin does and all was heard."] = False
    verbose: Annotated[bool, "Show the name of each event."] = False
    record: Annotated[bool, "Keep the sound of both, and their turns, beside the logs."] = False
    log_dir: Annotated[Path, "Folder for the two log files; else logs/ beside .env."] = ROOT / "logs"

    def as_typed(self) -> list[str]:
        """Those that `check` takes, too, as they were typed: ["--endpoint", "https://…", …]."""
        sound = {name: getattr(self, name) for name in ("input", "output", "input_device", "output_device")}
        given = {**self.flags, "session": self.session, **sound}
        typed = [("--" + name.replace("_", "-"), str(value)) for name, value in given.items() if value]
        return [*chain(*typed), *(["--no-mic"] if self.no_mic else [])]
