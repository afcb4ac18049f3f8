"""Secrets to be planted wherever they can be, and looked for in all that is left."""

import base64
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from program import Program, environment, fake_az
from servers import certificate, tcp_server


def _part(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


KEY = "Kk7planted0key3with5no8shape2at4all"

OPAQUE = "opaque+planted/token==with.odd~characters"  # in a URL it is written otherwise

JWT = ".".join(map(_part, ('{"alg":"none"}', '{"planted":"token"}', "planted signature")))

SECRETS = {KEY: "KEY", OPAQUE: "OPAQUE", JWT: "JWT", "opaque%2Bplanted%2Ftoken": "OPAQUE in a URL"}


def leaks(*texts: str) -> list[str]:
    """The secrets in these texts, or as much as a third of one."""
    everything = "\n".join(texts)
    return [name for secret, name in SECRETS.items() if secret[: len(secret) // 3] in everything]


def leaks_of(program: Program) -> list[str]:
    return leaks(program.stdout, program.stderr, program.conversation_log, program.technical_log)


class Machine:
    """One on which somebody is signed in, and which trusts a server of ours over TLS."""

    def __init__(self, folder: Path, question: str) -> None:
        self._question = question
        trusted, self._context = certificate(folder)
        path = fake_az(folder / "bin")
        az = folder / "bin" / "az.py"
        tokens = f'{{"ai.azure.com": {JWT!r}, "ml.azure.com": {OPAQUE!r}}}[host]'
        az.write_text(az.read_text().replace('"token-for-{host}".format(host=host)', tokens))
        assert JWT in az.read_text()
        self.environment = environment(PATH=path, SSL_CERT_FILE=str(trusted))

    @contextmanager
    def runs(
        self, logs: Path, handler: Callable[[socket.socket], None], *arguments: str, **variables: str
    ) -> Iterator[Program]:
        """The program against a server that treats each TLS client so."""
        with tcp_server(handler, self._context) as port:
            sound = ("--input", self._question, "--output", os.devnull)
            yield Program(
                *(*arguments, "--endpoint", f"https://localhost:{port}", *sound),
                log_dir=logs,
                env={**self.environment, **variables},
            )
