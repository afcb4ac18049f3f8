"""`init`: asks for the three values that an agent needs, and writes them to .env."""

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated
from urllib.parse import unquote, urlsplit

import typer

from voicelive.app import cli, plausible
from voicelive.app.extras import Extra
from voicelive.app.kinds import AgentKind
from voicelive.app.options import ROOT
from voicelive.app.screen import own_command
from voicelive.app.settings import (
    AGENT_NAME,
    ENDPOINT,
    PROJECT_NAME,
    TRUSTED_HOSTS,
    Setting,
    Settings,
    is_placeholder,
    read_env_file,
)
from voicelive.app.terminal import fitted
from voicelive.errors import EXIT_FAILED, EXIT_USAGE, VoiceLiveError
from voicelive.files import create
from voicelive.service import without_credentials
from voicelive.text import printable, shown, without_secrets

WHERE = {
    ENDPOINT: "In the Foundry portal (https://ai.azure.com), on the project's welcome screen: the Project "
    "endpoint, https://<resource>.services.ai.azure.com/...",
    PROJECT_NAME: "The last part of the Project endpoint, after /api/projects/.",
    AGENT_NAME: "The agent's name, in the portal under Agents (name:3 is its version 3).",
}
TO_COPY = "Copy this file to .env and fill it in. "  # in .env.example
TITLES = {ENDPOINT: "Endpoint", PROJECT_NAME: "Project name", AGENT_NAME: "Agent name"}
Endpoint = Annotated[str, typer.Option(help=ENDPOINT.help, show_default=False)]
ProjectName = Annotated[str, typer.Option(help=PROJECT_NAME.help, show_default=False)]
AgentName = Annotated[str, typer.Option(help=AGENT_NAME.help, show_default=False)]


class Init(Extra):
    """The command, and that there is one."""

    def add_to(self, app: typer.Typer, kinds: Sequence[AgentKind]) -> None:
        """Add init."""

        @app.command()
        def init(endpoint: Endpoint = "", project_name: ProjectName = "", agent_name: AgentName = "") -> None:
            """Ask for your agent's values, and write .env."""
            with cli.failures_told():
                make_env_file({ENDPOINT: endpoint, PROJECT_NAME: project_name, AGENT_NAME: agent_name})

    def hint(self, kind: AgentKind) -> str:
        """That it asks for what is missing."""
        return f"`{own_command('init')}` asks for the settings." if kind.name == "project" else ""


def make_env_file(given: dict[Setting, str]) -> None:
    """Write the values to .env, those that are not given once a person has answered.

    Raises VoiceLiveError: exit code 1 where nobody answers, else 2.
    """
    path = ROOT / ".env"
    there = read_env_file(path)
    kept = [name for s in given for name in s.variables if not is_placeholder(there.get(name, "<>"))]
    try:
        if kept and not typer.confirm(f"{shown(path)} holds {', '.join(kept)}. Replace it?", default=False):
            raise VoiceLiveError("Nothing was changed.", "", EXIT_USAGE)
        trusted = Settings({}, os.environ, there).get(TRUSTED_HOSTS)
        values = asked(given, trusted)
    except typer.Abort as error:
        typer.echo()  # behind the question
        raise VoiceLiveError("Nothing was changed.", "", EXIT_FAILED) from error
    write(path, {setting.variables[0]: value for setting, value in values.items()})
    cli.say(
        f"{shown(path)} is written. Only you can read it. Next: `az login`, then `{own_command('check')}`."
    )


def asked(given: dict[Setting, str], trusted: str) -> dict[Setting, str]:
    """A usable value for each setting: the one that is given, else what is answered; asked again while it
    cannot be. The address of a project answers for its name, too, unless that is given. What is not as it
    was typed is shown. `trusted` are the hosts that a person has named.

    Raises VoiceLiveError (exit code 2) for a given value that is wrong, and typer.Abort if nobody answers.
    """
    values: dict[Setting, str] = {}
    for setting, value in given.items():
        if not value and setting not in values:
            typer.echo(fitted(WHERE[setting], sys.stdout))
        while value or setting not in values:
            answer = plausible.bare(value or typer.prompt(TITLES[setting]))
            try:
                found = taken_apart(setting, answer, trusted)
            except ValueError as problem:
                typed = without_credentials(answer) if setting == ENDPOINT else answer
                said = printable(without_secrets(f"{TITLES[setting]} {typed!r}: {problem}"))
                if value:
                    raise VoiceLiveError(said, "", EXIT_USAGE) from None
                typer.echo(fitted(said, sys.stdout))
                continue
            for one, meant in found.items():
                if one == setting or not given[one]:
                    values[one] = meant
                    if meant != answer:
                        typer.echo(f"{one.variables[0]}={printable(meant)}")
            value = ""
    return values


def taken_apart(setting: Setting, value: str, trusted: str) -> dict[Setting, str]:
    """What a value says: of an endpoint that is a project's, the project's name as well.

    Raises ValueError, in words, for one that a run would refuse.
    """
    from voicelive.app.plan import service_url  # late, so that --help need not wait for numpy

    if not value or is_placeholder(value):
        raise ValueError("is not a value")
    meant = setting.meant(plausible.whole(value))
    if setting != ENDPOINT:
        return {setting: meant}
    resource, is_project, rest = meant.partition("/api/projects/")
    service_url(resource, trusted)
    found = {ENDPOINT: resource.rstrip("/")}
    if is_project and (name := unquote(urlsplit(rest).path.partition("/")[0])):
        found[PROJECT_NAME] = name
    return found


def write(path: Path, values: dict[str, str]) -> None:
    """Put the values into .env, for its owner only; a new one is made from .env.example.

    Raises VoiceLiveError (exit code 2) where it cannot be written.
    """
    source = path if path.exists() else path.with_name(".env.example")
    try:
        text = source.read_text(encoding="utf-8") if source.exists() else ""
        text = text.replace(TO_COPY, "")
        for name, value in values.items():
            line = f"{name}={value}"
            text, found = re.subn(rf"(?m)^(export +)?{name} *=.*$", line.replace("\\", r"\\"), text)
            text += "" if found else f"{line}\n"
        new = path.with_name(f".env.{os.getpid()}")
        with create(new) as file:
            file.write(text)
        new.replace(path)
    except OSError as error:
        raise VoiceLiveError(f"{shown(path)} cannot be written: {error.strerror}.", "", EXIT_USAGE) from error


EXTRA = Init()
