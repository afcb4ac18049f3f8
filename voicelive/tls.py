"""TLS: whom it trusts, and how two threads share a connection."""

import functools
import logging
import os
import selectors
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import certifi

from voicelive import failures

log = logging.getLogger(__name__)

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
                event = selectors.EVENT_READ
            except ssl.SSLWantWriteError:
                event = selectors.EVENT_WRITE
            if not is_ready(self, event, max(0.0, deadline - time.monotonic())):
                raise TimeoutError("timed out")


def is_ready(sock: socket.socket, event: int, timeout_s: float) -> bool:
    """Whether a socket can be read, or written, within a time; its number may be beyond select's 1024."""
    selector = getattr(
        selectors, "PollSelector", selectors.SelectSelector
    )  # Windows has no poll, nor numbers
    with selector() as one:
        one.register(sock, event)
        return bool(one.select(timeout_s))


@functools.cache
def tls_context() -> ssl.SSLContext:
    """The system's trusted roots (or SSL_CERT_FILE's); certifi's where the system has none.

    One for all connections: the roots take 0.8 MiB, which OpenSSL does not give back each time. Raises
    VoiceLiveError (exit code 2) for a variable that names none. Not ssl.create_default_context(), which fails
    where SSLKEYLOGFILE cannot be written.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # asks for a certificate, and of whom it is
    context.sslsocket_class = SharedSSLSocket
    if sys.version_info >= (3, 13):  # as Python's own default
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VERIFY_X509_STRICT
    _look_at_roots(context)
    context.load_default_certs()
    paths = ssl.get_default_verify_paths()
    # Windows fetches many of its roots when they are first asked for, which Python does not do.
    if sys.platform == "win32" or not (paths.cafile or paths.capath or context.get_ca_certs()):
        context.load_verify_locations(certifi.where())
    if key_log := os.environ.get("SSLKEYLOGFILE"):
        try:
            context.keylog_filename = key_log
        except OSError as error:
            log.warning("SSLKEYLOGFILE names %s: %s; there will be no key log", key_log, error)
    return context


def _look_at_roots(context: ssl.SSLContext) -> None:
    """See whether what a person names in place of the system's roots is there: OpenSSL would not tell."""
    if file := os.environ.get("SSL_CERT_FILE"):
        try:
            context.load_verify_locations(file)
        except OSError as error:  # ssl.SSLError is one, too
            no_pem = "it holds no certificate in PEM form"
            why = no_pem if isinstance(error, ssl.SSLError) else str(error.strerror)
            raise failures.no_roots("SSL_CERT_FILE", file, why) from error
    folders = os.environ.get("SSL_CERT_DIR", "")
    if folders and not any(Path(folder).is_dir() for folder in folders.split(os.pathsep)):
        raise failures.no_roots("SSL_CERT_DIR", folders, "there is no such folder")
