"""Who is measured: the client, and the bare stream beside it; both are told to speak in the same way."""

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

from bench_bare import COMMAND, PLAY, STOP
from program import NAMED, ROOT, Program, environment
from servers import certificate, forwards_to, tcp_server, websocket_server
from service import DELTA_BYTES, ScriptedService
from soundcard import VirtualSoundCard

TIMEOUT_S = 10
BARE = Path(__file__).with_name("bench_bare.py")
# The Azure CLI in the middle of its 0.3 s: what azure-identity asks it for, and what it answers.
SLOW_AZ = """#!/bin/sh
sleep 0.3
echo '{"accessToken": "t", "expires_on": 4070908800, "expiresOn": "2099-01-01 00:00:00.000000",
       "tokenType": "Bearer", "tenant": "t", "subscription": "s"}'
"""


class Talker(Protocol):
    """A program on the virtual sound card that plays what it is told, and passes on what it hears.

    Times, here and elsewhere in the bench, are those of time.monotonic(), in seconds.
    """

    pid: int

    @property
    def blocks(self) -> list[tuple[float, bytes]]: ...
    def wait_for_microphone(self) -> float: ...
    def begin_reply(self) -> None: ...
    def send_audio(self, pcm: bytes) -> float: ...
    def end_reply(self) -> None: ...
    def interrupt(self) -> float: ...
    def settle(self) -> None: ...


Start = Callable[[], AbstractContextManager[Talker]]
Figures = dict[str, list[float]]  # key of a row -> its figures, one a round


Compared = tuple[Figures, ...]  # the client's figures, the floor's and perhaps the quickstart's


def both(card: VirtualSoundCard, measure: Callable[[Start], Figures]) -> Compared:
    """Measure the client and, in the same way, the bare stream."""
    return measure(lambda: client(card)), measure(lambda: bare_stream(card))


def all_three(card: VirtualSoundCard, measure: Callable[[Start], Figures]) -> Compared:
    """The same, and a client with the quickstart's manners."""
    return *both(card, measure), measure(lambda: quickstart(card))


class Client:
    """The client, against a service of our own."""

    def __init__(self, service: ScriptedService, program: Program, started_at: float) -> None:
        self.pid = program.process.pid
        self.started_at = started_at
        self.wait_for_microphone = service.wait_for_blocks
        self.begin_reply = service.begin_reply
        self.send_audio = service.send_audio
        self.end_reply = service.end_reply
        self.settle = service.settle
        self.cut = service.cut
        self.wait_for_client = service.wait_for_client
        self._service = service

    @property
    def blocks(self) -> list[tuple[float, bytes]]:
        return self._service.blocks

    def interrupt(self) -> float:
        began = self._service.interrupt()
        self._service.end_turn()
        return began


class BareStream:
    """The bare stream of bench_bare.py, over its pipes."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self.pid = process.pid
        self.blocks: list[tuple[float, bytes]] = []
        self._process = process
        self._heard = threading.Event()  # set when the first block has come
        # Carries the microphone's sound from the pipe to `blocks`; ends with the process.
        threading.Thread(target=self._read, daemon=True).start()

    def wait_for_microphone(self) -> float:
        if not self._heard.wait(TIMEOUT_S):
            raise TimeoutError("no sound from the microphone")
        return self.blocks[0][0]

    def begin_reply(self) -> None:
        pass

    def send_audio(self, pcm: bytes) -> float:
        began = time.monotonic()
        for at in range(0, len(pcm), DELTA_BYTES):
            self._command(PLAY, pcm[at : at + DELTA_BYTES])
        return began

    def end_reply(self) -> None:
        pass

    def interrupt(self) -> float:
        began = time.monotonic()
        self._command(STOP)
        return began

    def settle(self) -> None:
        pass

    def _command(self, kind: bytes, pcm: bytes = b"") -> None:
        assert self._process.stdin
        self._process.stdin.write(COMMAND.pack(kind, len(pcm)) + pcm)
        self._process.stdin.flush()

    def _read(self) -> None:
        assert self._process.stdout
        while chunk := os.read(self._process.stdout.fileno(), 65536):
            self.blocks.append((time.monotonic(), chunk))
            self._heard.set()


@contextmanager
def client(card: VirtualSoundCard, *options: str, signs_in: bool = False, **more: str) -> Iterator[Client]:
    """The client in a conversation, with these options and in an environment with `more` variables.

    With `signs_in` over TLS, with a token that takes the CLI 0.3 s.
    """

    def start(endpoint: str, folder: Path, variables: dict[str, str]) -> Program:
        arguments = ("project", "--endpoint", endpoint, *NAMED, *options)
        return Program(*arguments, log_dir=folder, env=variables)

    with served(card, start, signs_in, **more) as talker:
        yield talker


@contextmanager
def quickstart(card: VirtualSoundCard, signs_in: bool = False) -> Iterator[Client]:
    """A client with the manners of Microsoft's quickstart."""

    def start(endpoint: str, folder: Path, variables: dict[str, str]) -> Program:
        return Program(endpoint, log_dir=folder, script="tests/bench_quickstart.py", env=variables)

    with served(card, start, signs_in) as talker:
        yield talker


@contextmanager
def served(
    card: VirtualSoundCard,
    start: Callable[[str, Path, dict[str, str]], Program],
    signs_in: bool = False,
    **more: str,
) -> Iterator[Client]:
    """A program against a service of our own."""
    service = ScriptedService()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="voicelive-bench-")))
        url = stack.enter_context(websocket_server(service.serve))
        port = int(url.split(":")[2].split("/")[0])
        endpoint, variables = f"http://127.0.0.1:{port}", {**sound_of(card), **more}
        if signs_in:
            trusted, context = certificate(folder)
            port = stack.enter_context(tcp_server(forwards_to(port), context))
            endpoint = f"https://localhost:{port}"
            variables |= {"PATH": slow_az(folder), "SSL_CERT_FILE": str(trusted)}
        started_at = time.monotonic()
        program = start(endpoint, folder, environment(**variables))
        try:
            yield Client(service, program, started_at)
        except TimeoutError as reason:
            raise TimeoutError(f"{reason}; the client said: {program.stderr[-300:]!r}") from None
        finally:
            program.process.terminate()
            program.wait()


@contextmanager
def bare_stream(card: VirtualSoundCard, *options: str) -> Iterator[BareStream]:
    """The bare stream on the same sound card; `options` are those of bench_bare.py."""
    process = subprocess.Popen(
        [sys.executable, BARE, *options],
        env=environment(PYTHONPATH=str(ROOT), **sound_of(card)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # ALSA tells of underruns there
    )
    try:
        yield BareStream(process)
    finally:
        process.terminate()
        process.wait()


def sound_of(card: VirtualSoundCard) -> dict[str, str]:
    """The variables that lead a program to this sound card."""
    return {k: v for k, v in card.environment.items() if k.startswith(("PULSE_", "ALSA_", "PIPEWIRE_"))}


def slow_az(folder: Path) -> str:
    """A PATH on which `az` takes 0.3 s for a token."""
    program = folder / "az"
    program.write_text(SLOW_AZ)
    program.chmod(0o755)
    return os.pathsep.join([str(folder), os.environ["PATH"]])
