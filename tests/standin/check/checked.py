"""`check` as a person runs it: its rows, and how it ends."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from program import ROOT, SAMPLE, environment
from servers import certificate, forwards_to, tcp_server

from standin.server import StandIn

FILES = ("--input", str(SAMPLE), "--output", os.devnull)


class Checked:
    """What `check` said: its exit code, and the rows by name."""

    def __init__(self, *arguments: str, **variables: str) -> None:
        command = [sys.executable, "voicelive_agent.py", "check", *arguments]
        env = environment(**variables)
        run = subprocess.run(
            command, cwd=ROOT, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL
        )
        self.exit_code, self.text, self.stderr = run.returncode, run.stdout, run.stderr
        rows = re.findall(
            r"^(ok    |FAILED|[-?]     )  (.{17})  (.*(?:\n {27}.*)*)", run.stdout, re.MULTILINE
        )
        self.rows: dict[str, tuple[str, str]] = {
            name.strip(): (status.strip(), row) for status, name, row in rows
        }

    def found(self, name: str, status: str = "ok") -> str:
        """What the row says, which has this status."""
        assert self.rows[name][0] == status, self.text + self.stderr
        return self.rows[name][1]


@contextmanager
def over_tls(stand_in: StandIn, folder: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """The stand-in behind TLS: its endpoint, and the variable that lets a client trust it."""
    trusted, context = certificate(folder)
    port = int(stand_in.endpoint.rpartition(":")[2])
    with tcp_server(forwards_to(port), context) as tls_port:
        yield f"https://localhost:{tls_port}", {"SSL_CERT_FILE": str(trusted)}
