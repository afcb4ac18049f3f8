"""TLS: whom it trusts, and how two threads share a connection."""

import functools
import select
import ssl
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

import certifi

T = TypeVar("T")


class SharedSSLSocket(ssl.SSLSocket):
    """A socket on which, from `share_between_threads` on, one thread can send while another receives.

    OpenSSL takes one call at a time on a connection, and Python leaves that to its users: otherwise an end of
    stream is seen now and then that never came.
    """

    _send_timeout_s = _receive_timeout_s = 0.0
    _in_turn: "threading.Lock | None" = None  # held while OpenSSL is asked, never while it is waited for

    def share_between_threads(self, send_timeout_s: float, receive_timeout_s: float) -> None:
        """Begin to; a call that takes longer raises TimeoutError."""
        self._in_turn = threading.Lock()
        self._send_timeout_s, self._receive_timeout_s = send_timeout_s, receive_timeout_s
        self.settimeout(0)

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        """As of any socket: at most so many bytes, b"" at the end."""
        return self._ask(self._receive_timeout_s, super().recv, buflen, flags)

    def send(self, data: Any, flags: int = 0) -> int:
        """As of any socket: how many bytes were sent."""
        return self._ask(self._send_timeout_s, super().send, data, flags)

    def _ask(self, timeout_s: float, call: Callable[..., T], *arguments: object) -> T:
        if self._in_turn is None:
            return call(*arguments)
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                with self._in_turn:
                    return call(*arguments)
            except ssl.SSLWantReadError:
                waits_for: tuple[list[ssl.SSLSocket], list[ssl.SSLSocket]] = [self], []
            except ssl.SSLWantWriteError:
                waits_for = [], [self]
            if not any(select.select(*waits_for, [], max(0.0, deadline - time.monotonic()))):
                raise TimeoutError("timed out")


@functools.cache
def tls_context() -> ssl.SSLContext:
    """The system's trusted roots (or SSL_CERT_FILE's); certifi's where the system has none.

    One for all connections: the roots take 0.8 MiB, which OpenSSL does not give back each time.
    """
    context = ssl.create_default_context()
    context.sslsocket_class = SharedSSLSocket
    paths = ssl.get_default_verify_paths()
    # Windows fetches many of its roots when they are first asked for, which Python does not do.
    if sys.platform == "win32" or not (paths.cafile or paths.capath or context.get_ca_certs()):
        context.load_verify_locations(certifi.where())
    return context
