"""Settings: the value of each, where it came from, and everything that is wrong with them, at once."""

import os
import re
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from io import StringIO
from pathlib import Path

from dotenv import dotenv_values
from dotenv.parser import parse_stream

from voicelive.app import plausible
from voicelive.app.options import IS_INSTALLED
from voicelive.errors import EXIT_USAGE, VoiceLiveError
from voicelive.service import DEFAULT_VOICE


@dataclass(frozen=True)
class Setting:
    """One value that a person can set; of its variables the first that is set, anywhere, counts."""

    name: str
    help: str  # of its option
    variables: tuple[str, ...]
    default: str = ""
    secret: bool = False  # from the environment only, never shown
    meant: plausible.Look = str  # what a value is taken for

    @property
    def flag(self) -> str:
        """Its option: `--project-name`"""
        return "--" + self.name.replace("_", "-")

    @property
    def ways(self) -> str:
        """How to set it, for people: `AZURE_VOICE_LIVE_ENDPOINT (or --endpoint)`."""
        return f"{self.variables[0]} (or {self.flag})"


ENDPOINT = Setting(
    "endpoint",
    "https://<resource>.services.ai.azure.com",
    ("AZURE_VOICE_LIVE_ENDPOINT", "AZURE_VOICELIVE_ENDPOINT", "VOICELIVE_ENDPOINT"),
    meant=plausible.endpoint,
)
PROJECT_NAME = Setting(
    "project_name",
    "Name of the Foundry project.",
    ("AI_FOUNDRY_PROJECT_NAME", "AZURE_VOICELIVE_PROJECT_NAME", "AGENT_PROJECT_NAME", "PROJECT_NAME"),
    meant=plausible.project_name,
)
AGENT_NAME = Setting(
    "agent_name",
    "Name of the agent, or name:version.",
    ("AI_FOUNDRY_AGENT_NAME", "AGENT_NAME"),
    meant=plausible.agent_name,
)
AGENT_VERSION = Setting(
    "agent_version", "Version of the agent; else the latest.", ("AI_FOUNDRY_AGENT_VERSION", "AGENT_VERSION")
)
CONVERSATION_ID = Setting(
    "conversation_id",
    "Foundry conversation to continue.",
    ("AI_FOUNDRY_CONVERSATION_ID", "AGENT_CONVERSATION_ID", "CONVERSATION_ID"),
)
FOUNDRY_RESOURCE = Setting(
    "foundry_resource",
    "Foundry resource of the agent, if it is not the endpoint's.",
    ("FOUNDRY_RESOURCE_OVERRIDE",),
)
IDENTITY = Setting(
    "identity_client_id",
    "Client id of the managed identity that may use the agent there.",
    ("AGENT_AUTHENTICATION_IDENTITY_CLIENT_ID", "AGENT_AUTH_IDENTITY_CLIENT_ID"),
)
TRUSTED_HOSTS = Setting(
    "trusted_hosts",
    "Hosts besides Azure's that get your token, with commas between them.",
    ("AZURE_VOICE_LIVE_TRUSTED_HOSTS",),
)
AGENT_ID = Setting(
    "agent_id",
    "Id of a classic agent (asst_...).",
    ("AI_FOUNDRY_AGENT_ID", "AZURE_VOICELIVE_AGENT_ID"),
    meant=plausible.agent_id,
)
CONNECTION_STRING = Setting(
    "connection_string",
    "Connection string of the hub-based project.",
    ("AI_FOUNDRY_AGENT_CONNECTION_STRING",),
)
API_VERSION = Setting(
    "api_version",
    "Version of the Voice Live API; else the one for the kind of agent.",
    ("AZURE_VOICE_LIVE_API_VERSION", "AZURE_VOICELIVE_API_VERSION", "VOICELIVE_API_VERSION"),
)
API_KEY = Setting("api_key", "", ("AZURE_VOICE_LIVE_API_KEY",), secret=True, meant=plausible.api_key)
ECHO_CANCELLATION = Setting(
    "echo_cancellation",
    "Who removes the agent's sound from the microphone's: ",
    ("AZURE_VOICE_LIVE_ECHO_CANCELLATION",),
    default="server",
)
VOICE = Setting(
    "voice",
    "The agent's voice; `agent` for its own.",
    ("AZURE_VOICE_LIVE_VOICE", "AGENT_VOICE", "VOICE_NAME"),
    default=DEFAULT_VOICE,
    meant=plausible.voice,
)

LANGUAGE = Setting(
    "language",
    "Your language, such as de-DE or de-DE,fr-FR; else English.",
    ("AZURE_VOICE_LIVE_LANGUAGE",),
    meant=plausible.language,
)

# Of the libraries that sign in and connect: in .env they count as if they stood in the shell.
OF_LIBRARIES = (
    "AZURE_TENANT_ID",
    "AZURE_CLIENT_ID",
    "AZURE_CLIENT_SECRET",
    "AZURE_CLIENT_CERTIFICATE_PATH",
    "AZURE_FEDERATED_TOKEN_FILE",
    "AZURE_TOKEN_CREDENTIALS",
    "HTTPS_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
)
OF_EVERY_COMMAND = (ENDPOINT, API_VERSION, VOICE, LANGUAGE, ECHO_CANCELLATION)


@dataclass(frozen=True)
class Found:
    """A value and its source: `--endpoint`, `NAME in the shell`, `NAME in .env` or `default`."""

    value: str = field(repr=False)  # may be the key
    source: str


class Settings:
    """The settings of one run: flag, else variable (shell, else .env), else default.

    An empty value counts as missing, and so does one with a <placeholder> in it. What is missing
    or impossible is collected, so that a person hears of all of it at once (`raise_problems`).
    """

    def __init__(
        self, flags: Mapping[str, str | None], shell: Mapping[str, str], env_file: Mapping[str, str]
    ) -> None:
        self._flags = flags
        self._shell = shell
        self._env_file = env_file
        self._problems: dict[str, None] = {}  # in order, each once
        self._is_missing = False  # whether one of them is that a value is missing
        self.rejected: set[Setting] = set()
        """Those whose value is among what is wrong."""
        self.found: dict[Setting, Found] = {}
        """What was asked for so far, as it was found; without a value where there was none."""

    def find(self, setting: Setting) -> Found:
        """The value that counts and its source; an empty value where there is none."""
        usable = (given for given in self._given(setting) if given.value and not is_placeholder(given.value))
        found = next(usable, Found("", ""))
        try:
            found = replace(found, value=setting.meant(plausible.whole(found.value)) if found.value else "")
        except ValueError as problem:
            value = "" if setting.secret else f" {found.value!r}"
            self.reject(f"{setting.name.replace('_', ' ')}{value} ({found.source}) {problem}", setting)
        self.found[setting] = found
        return found

    def _given(self, setting: Setting) -> Iterator[Found]:
        """What stands in each place where a value may; the first of use counts."""
        yield Found(plausible.bare(self._flags.get(setting.name) or ""), setting.flag)
        for name in setting.variables:
            for place, values in ("the shell", self._shell), (".env", self._env_file):
                yield Found(plausible.bare(values.get(name, "")), f"{name} in {place}")
        yield Found(setting.default, "default")

    def get(self, setting: Setting) -> str:
        """The value, or '' where it is not set."""
        return self.find(setting).value

    def is_unfilled(self, setting: Setting) -> bool:
        """Whether a placeholder stands where its value may."""
        return any(is_placeholder(given.value) for given in self._given(setting))

    def is_option(self, setting: Setting) -> bool:
        """Whether its value is an option of this run."""
        value = next(self._given(setting)).value
        return bool(value) and not is_placeholder(value)

    def require(self, setting: Setting, or_else: Setting | None = None) -> str:
        """The value; a missing one is a problem, named with the ways to set it."""
        if not (value := self.get(setting)):
            self._is_missing = True
            problem = "still holds a placeholder" if self.is_unfilled(setting) else "is missing"
            other = f", or else {or_else.ways}" if or_else else ""
            self.reject(f"{setting.name.replace('_', ' ')} {problem}: set {setting.ways}{other}")
        return value

    def reject(self, problem: str, *settings: Setting) -> None:
        """Note one more thing that is wrong, and whose value is."""
        self._problems[problem] = None
        self.rejected.update(settings)

    def of_libraries(self) -> dict[str, str]:
        """Those of OF_LIBRARIES that are set, and where: `the shell`, or else `.env`."""
        places = ("the shell", self._shell), (".env", self._env_file)
        return {
            name: next(place for place, values in places if values.get(name))
            for name in OF_LIBRARIES
            if any(values.get(name) for _, values in places)
        }

    def pass_on(self, variables: MutableMapping[str, str]) -> None:
        """Let those that only .env has count for this process; `variables` are its own."""
        for name, place in self.of_libraries().items():
            if place == ".env":
                variables[name] = self._env_file[name]

    def look_for_misspelt(self) -> None:
        """Note each variable that looks like one of ours, and that nothing reads."""
        known = [name for one in globals().values() if isinstance(one, Setting) for name in one.variables]
        for place, values in ("the shell", self._shell), (".env", self._env_file):
            for name, meant in plausible.misspelt(values, known).items():
                self.reject(f"{name} in {place} is not known: did you mean {meant}?")

    def raise_problems(self, hints: Sequence[str] | None = ()) -> None:
        """Raise VoiceLiveError (exit code 2) that names everything noted so far, if anything.

        Where one is missing, the remedy ends with the `hints`, sentences; None where only options were read.
        """
        if self._problems:
            what, remedy = "wrong", "Correct these values."
            if self._is_missing:
                copy = "" if self._env_file or IS_INSTALLED else "Copy .env.example to .env and fill it in. "
                where = "The README says where to find each value in the portal."
                what, remedy = "missing or wrong", "\n".join([f"{copy}{where}", *(hints or ())])
            problems = "\n".join(f"  {problem}" for problem in self._problems)
            message = f"These settings are {what}:\n{problems}"
            raise VoiceLiveError(message, "" if hints is None else remedy, EXIT_USAGE)


def is_placeholder(value: str) -> bool:
    """Whether a value was copied from an example and never filled in: `<your-agent>`."""
    return re.search(r"<[^<>]*>", value) is not None


def is_read_by_others(path: Path) -> bool:
    """Whether a file that is there may be; Windows does not say it in this way."""
    with suppress(OSError):
        return os.name != "nt" and bool(path.stat().st_mode & 0o044)
    return False


def read_env_file(path: Path) -> dict[str, str]:
    """The variables of a .env file; {} if there is no file.

    Raises VoiceLiveError (exit code 2) for one that cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8-sig") if path.exists() else ""
        if "\0" in text:
            raise ValueError("it holds a NUL character")
        if odd := [str(line.original.line) for line in parse_stream(StringIO(text)) if line.error]:
            raise ValueError(f"line {', '.join(odd)} is not NAME=value")
    except (OSError, ValueError) as error:
        raise VoiceLiveError(
            f"{path} cannot be read: {error}.",
            "It must be a text file in UTF-8 that you may read, with one NAME=value on each line.",
            EXIT_USAGE,
        ) from error
    return {
        name: value
        for name, value in dotenv_values(stream=StringIO(text), interpolate=False).items()
        if value
    }
