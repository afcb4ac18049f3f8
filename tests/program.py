"""The scripts as a person runs them: child processes with an environment of their own."""

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import wave
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import numpy as np
import pytest
from soundcard import levels

NOT_COPIED = (".env", ".git", ".venv*", "*env", "logs", ".hypothesis", ".*_cache", "__pycache__")


def folder_without_settings() -> Path:
    """This folder; where it holds the .env of whoever runs the tests, a copy without, while they run.

    Else that person's agent would be asked, and what is to be missing would be there.
    """
    here = Path(__file__).resolve().parents[1]
    if not (here / ".env").exists():
        return here
    above = tempfile.mkdtemp(prefix="voicelive-")
    atexit.register(shutil.rmtree, above, ignore_errors=True)
    return Path(shutil.copytree(here, Path(above, "copy"), ignore=shutil.ignore_patterns(*NOT_COPIED)))


ROOT = folder_without_settings()
SAMPLE = ROOT / "standin" / "sample.wav"
NAMED = ("--project-name", "p", "--agent-name", "anna")  # an agent, for the command `project`
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere no sound card can be hidden")
TIMEOUT_S = 30
ENDS_WITHIN_S = 4  # on a free machine one; on any, less than the timeouts that nothing may wait for
SLICE_S = 0.1
# Of the tests' own environment only what a program needs; no setting and no sign-in gets through.
KEPT = (
    "PATH",
    "HOME",
    "SYSTEMROOT",
    "TEMP",
    "TMP",
    "LANG",
    "PYTHONPATH",
    "USERPROFILE",
    "COMSPEC",
    "PATHEXT",
)
# ALSA's configuration for a machine without any sound card.
NO_CARDS = "pcm.!default { type hw card 9 }\nctl.!default { type hw card 9 }\n"


def environment(**variables: str) -> dict[str, str]:
    """The environment of a machine without sound, Azure settings and Azure login, plus `variables`."""
    alsa = Path(tempfile.gettempdir(), "voicelive-no-cards.conf")  # ALSA takes no path with a space
    with tempfile.NamedTemporaryFile("w", dir=alsa.parent, delete=False) as whole:
        whole.write(NO_CARDS)
    Path(whole.name).replace(alsa)  # PortAudio aborts a program that reads half of it
    return {
        **{name: os.environ[name] for name in KEPT if name in os.environ},
        "ALSA_CONFIG_PATH": str(alsa),
        "PULSE_SERVER": "unix:/nonexistent",
        "JACK_NO_START_SERVER": "1",
        "PYTHONIOENCODING": "utf-8",
        "PYTHONFAULTHANDLER": "1",
        "AZURE_TOKEN_CREDENTIALS": "AzureCliCredential",
        **variables,
    }


class Program:
    """A script that runs, its output as it comes, and the logs that it leaves in `log_dir`."""

    def __init__(
        self,
        *arguments: str,
        log_dir: Path | None,
        script: str = "voicelive_agent.py",
        env: Mapping[str, str] | None = None,
        stdin: int | IO[bytes] = subprocess.PIPE,
        stdout: int = subprocess.PIPE,
        cwd: Path = ROOT,
    ) -> None:
        self.log_dir = log_dir or Path()
        options = ["--log-dir", str(log_dir)] if arguments and log_dir else []
        self.process = subprocess.Popen(
            [sys.executable, str(cwd / script), *arguments, *options],
            env=dict(env or environment()),
            cwd=cwd,
            stdin=stdin,
            stdout=stdout,
            stderr=subprocess.PIPE,
        )
        self.stdout = self.stderr = ""
        self._grown = threading.Condition()  # guards both texts, notified when one of them grows
        self._readers = [
            threading.Thread(target=self._read, args=(name,), daemon=True)
            for name in ("stdout", "stderr")
            if getattr(self.process, name)
        ]
        for reader in self._readers:
            reader.start()

    def wait_for(self, condition: Callable[[], object], timeout_s: float = TIMEOUT_S) -> None:
        """Wait until `condition`, asked after each line of output, holds."""
        deadline = time.monotonic() + timeout_s
        with self._grown:
            while not condition() and self.process.poll() is None and time.monotonic() < deadline:
                self._grown.wait(SLICE_S)  # nobody tells of a process that has ended
            assert condition(), f"not seen, {self.process.poll()}:\n{self.stdout}\n{self.stderr}"

    def wait(self, timeout_s: float = TIMEOUT_S) -> int:
        """The exit code."""
        try:
            code = self.process.wait(timeout_s)
        finally:
            self.process.kill()
        for reader in self._readers:
            reader.join()
        return code

    def type(self, line: str) -> None:
        """Type a line and Enter."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n".encode())
        self.process.stdin.flush()

    def end(self, how: Callable[[], None]) -> tuple[int, float]:
        """End the program by `how`; its exit code and how many seconds that took."""
        started = time.monotonic()
        how()
        return self.wait(), time.monotonic() - started

    @property
    def conversation_log(self) -> str:
        return self._log("conversation")

    @property
    def technical_log(self) -> str:
        return self._log("voicelive")

    def _log(self, kind: str) -> str:
        (path,) = self.log_dir.glob(f"*_{kind}.log")
        return path.read_text(encoding="utf-8")

    def _read(self, name: str) -> None:
        stream = getattr(self.process, name)
        while data := stream.read1():
            with self._grown:
                setattr(self, name, getattr(self, name) + data.decode("utf-8", "replace"))
                self._grown.notify_all()
        with self._grown:
            self._grown.notify_all()


@contextmanager
def full_pipe() -> Iterator[int]:
    """A pipe of 4 KiB that is full, and that nobody reads: the end to write to."""
    import fcntl  # Windows has none

    read, write = os.pipe()
    fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 4096)
    os.set_blocking(write, False)
    with suppress(BlockingIOError):
        while True:
            os.write(write, bytes(4096))
    os.set_blocking(write, True)
    try:
        yield write
    finally:
        os.close(read)
        os.close(write)


def loudness(path: Path) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """The level of each 20 ms of a 24 kHz mono PCM16 WAV file, RMS."""
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (24_000, 1, 2)
        return levels(file.readframes(file.getnframes()))


def fake_az(folder: Path, *, fails: bool = False, together: int = 1, token: str = "token-for-{host}") -> str:
    """A PATH on which `az` answers with `token`, for the host of the scope, or that nobody signed in.

    With `together`, each call answers only when so many calls were made.
    """
    folder.mkdir()
    program = folder / "az.py"
    program.write_text(FAKE_AZ.format(fails=fails, together=together, token=token))
    if os.name == "nt":
        (folder / "az.cmd").write_text(f'@"{sys.executable}" "{program}" %*\n')
    else:
        (folder / "az").write_text(f'#!/bin/sh\nexec "{sys.executable}" "{program}" "$@"\n')
        (folder / "az").chmod(0o755)
    return os.pathsep.join([str(folder), os.environ["PATH"]])


FAKE_AZ = """
import json, pathlib, sys, time

if {fails}:
    sys.exit("ERROR: Please run 'az login' to setup account.")
resource = sys.argv[sys.argv.index("--resource") + 1] if "--resource" in sys.argv else ""
scope = sys.argv[sys.argv.index("--scope") + 1] if "--scope" in sys.argv else resource
host = scope.split("/")[2]
folder = pathlib.Path(__file__).parent
(folder / f"asked-{{host}}").touch()
deadline = time.monotonic() + 5
while len(list(folder.glob("asked-*"))) < {together}:
    if time.monotonic() > deadline:
        sys.exit("ERROR: the calls came one after the other")
    time.sleep(0.01)
expires = int(time.time()) + 3600
print(json.dumps({{"accessToken": "{token}".format(host=host), "expires_on": expires, "tokenType": "Bearer",
                  "expiresOn": "2099-01-01 00:00:00.000000", "tenant": "t", "subscription": "s"}}))
"""
