"""The way to the service: by a proxy or not, to one of its addresses, over TLS, up to HTTP 101; and what a
service may send from then on."""

import base64
import logging
import os
import selectors
import socket
import time
from collections.abc import Iterator, Mapping
from concurrent import futures
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast
from urllib.parse import unquote, urlsplit

import websocket
from websocket._http import read_headers  # private, but what reads the service's own answer

from voicelive import failures
from voicelive.auth import in_background
from voicelive.text import without_secrets
from voicelive.tls import SharedSSLSocket, is_ready, tls_context

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 10.0  # for the whole way, from the name to HTTP 101
ADDRESS_TIMEOUT_S = 3.0  # of it for each address of a host but the last one
ANSWER_BYTES = 65_536  # of the answer to a handshake, its body included
MESSAGE_BYTES = 32 * 2**20  # of one message, in one frame or many; ten minutes of speech are 29 MB
SEND_BUFFER_BYTES = 32_768  # half a second of speech: what waits longer waits with us, and is counted


class BoundedWebSocket(websocket.WebSocket):
    """Takes no message without end; says whether anything comes; hands over in time for other things.

    Keeps the service's close frame where the line is cut before it is answered.
    """

    def __init__(self) -> None:
        super().__init__(skip_utf8_validation=True)  # json.loads does that
        self.frame_buffer = _Frames(self._recv, True)
        self.cont_frame = _Fragments(False, True)
        self._look_at = 0.0  # when receiving is to stop for a moment: what came of a message is kept
        self._is_alive = True  # something was received since the last look

    def upgrade(self, line: "_Line", url: str, headers: Mapping[str, str]) -> None:
        """The handshake itself, over a connection that stands. Raises VoiceLiveError for a redirect."""
        try:
            self.connect(url, socket=line, header=dict(headers), redirect_limit=0, suppress_origin=True)
        except websocket.WebSocketException as error:
            if self.status and 300 <= self.status < 400:
                raise failures.handshake_refused(self.status, None, None, urlsplit(url).netloc) from error
            raise
        self.sock = line.sock

    def receive(self, wait_s: float) -> tuple[int, Any]:
        """The next frame, its opcode first, of control frames, too. Raises WebSocketTimeoutException."""
        self._look_at = time.monotonic() + wait_s
        return cast(tuple[int, Any], self.recv_data_frame(control_frame=True))

    def was_alive(self) -> bool:
        """Whether anything came since the last look."""
        was, self._is_alive = self._is_alive, False
        return was

    def send_close(self, *close: Any) -> None:
        """As in the library, but it never fails."""
        with suppress(websocket.WebSocketException, OSError):
            super().send_close(*close)

    def _recv(self, size: int) -> bytes:
        """Some bytes. Raises WebSocketTimeoutException for none until `_look_at`."""
        if (sock := self.sock) is None:
            raise websocket.WebSocketConnectionClosedException("the connection is closed")
        left_s = self._look_at - time.monotonic()
        waits_itself = isinstance(sock, SharedSSLSocket)  # for it may hold some already
        if left_s <= 0 or not (waits_itself or is_ready(sock, selectors.EVENT_READ, left_s)):
            raise websocket.WebSocketTimeoutException("nothing came")
        if not (data := sock.recv(size)):
            raise websocket.WebSocketConnectionClosedException("the line was cut")
        self._is_alive = True
        return data


class _Frames(websocket.frame_buffer):
    """Looks at a frame's head before it takes the rest."""

    def recv_length(self) -> None:
        super().recv_length()
        if self.has_mask():
            raise websocket.WebSocketProtocolException("the service masks its frames, as only clients do")
        if (self.length or 0) > MESSAGE_BYTES:
            raise too_long()


class _Fragments(websocket.continuous_frame):
    """Puts a message together in a time that is linear in it."""

    def add(self, frame: websocket.ABNF) -> None:
        if self.cont_data and len(self.cont_data[1]) + len(frame.data) > MESSAGE_BYTES:
            raise too_long()
        super().add(frame)
        if self.cont_data and isinstance(self.cont_data[1], bytes) and not frame.fin:
            self.cont_data[1] = bytearray(self.cont_data[1])


def too_long() -> websocket.WebSocketProtocolException:
    """A message that is no event of any service."""
    return websocket.WebSocketProtocolException(
        f"the service sent a message of more than {MESSAGE_BYTES // 2**20} MiB"
    )


class _Line:
    """A socket for the time of the handshake: all of it by `ends_at`, and no answer without end."""

    def __init__(self, sock: socket.socket, ends_at: float) -> None:
        self.sock = sock
        self._ends_at = ends_at
        self._left_bytes = ANSWER_BYTES

    def recv(self, size: int) -> bytes:
        self._left_bytes -= size
        if self._left_bytes < 0:
            raise websocket.WebSocketProtocolException(f"its answer is longer than {ANSWER_BYTES} bytes")
        self.sock.settimeout(left(self._ends_at))
        return self.sock.recv(size)

    def send(self, data: bytes) -> int:
        self.sock.settimeout(left(self._ends_at))
        self.sock.sendall(data)
        return len(data)

    def gettimeout(self) -> float | None:
        return self.sock.gettimeout()

    def close(self) -> None:
        self.sock.close()


@dataclass(frozen=True)
class Proxy:
    """What stands before a host: HTTP, with CONNECT."""

    host: str
    port: int
    credentials: str = field(default="", repr=False)  # user:password

    @property
    def shown(self) -> str:
        """`host:port`"""
        return f"{self.host}:{self.port}"


def shake_hands(url: str, headers: Mapping[str, str]) -> BoundedWebSocket:
    """A WebSocket to a ws or wss URL. A redirect is never followed, so that no token reaches another host.

    Raises VoiceLiveError. The URL is logged without its secrets, the headers by name only.
    """
    parts, ends_at = urlsplit(url), time.monotonic() + CONNECT_TIMEOUT_S
    proxy = proxy_before(parts.netloc) if parts.scheme == "wss" else None
    port = parts.port or (443 if parts.scheme == "wss" else 80)
    log.info("GET %s, headers %s", without_secrets(url), ", ".join(headers))
    opened = BoundedWebSocket()
    with _explained(parts.netloc, proxy.shown if proxy else ""):
        sock = dial(proxy.host if proxy else parts.hostname or "", proxy.port if proxy else port, ends_at)
    try:
        if proxy:
            with _explained(parts.netloc, proxy.shown):
                _pass(proxy, f"{parts.hostname}:{port}", _Line(sock, ends_at))
        with _explained(parts.netloc):
            if parts.scheme == "wss":
                sock.settimeout(left(ends_at))
                sock = tls_context().wrap_socket(sock, server_hostname=parts.hostname)
            opened.upgrade(_Line(sock, ends_at), url, headers)
    except BaseException:
        sock.close()
        raise
    took_s = time.monotonic() - ends_at + CONNECT_TIMEOUT_S
    log.info("HTTP %s after %.3f s, headers %s", opened.status, took_s, opened.headers)
    return opened


def dial(host: str, port: int, ends_at: float) -> socket.socket:
    """A connection to the first address of a host that answers. Raises OSError, or ValueError for a name
    that cannot be."""
    asked = in_background(partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM))
    try:
        found = asked.result(left(ends_at))  # which can be interrupted (on Windows from Python 3.14 on)
    except futures.TimeoutError:
        raise TimeoutError("its address was not found in time") from None
    problems: list[OSError] = []
    for number, (family, kind, protocol, _, address) in enumerate(found, 1):
        sock = None
        try:
            left_s = left(ends_at)
            sock = socket.socket(family, kind, protocol)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.settimeout(left_s if number == len(found) else min(left_s, ADDRESS_TIMEOUT_S))
            sock.connect(address)
            return sock
        except OSError as error:
            log.info("no connection to %s: %s", address[0], error)
            problems.append(error)
            if sock:
                sock.close()
    telling = ConnectionRefusedError, TimeoutError  # more so than that this machine has no IPv6
    raise next((problem for problem in problems if isinstance(problem, telling)), problems[0])


def left(ends_at: float) -> float:
    """The seconds that are left. Raises TimeoutError for none."""
    if (left_s := ends_at - time.monotonic()) <= 0:
        raise TimeoutError("timed out")
    return left_s


def _pass(proxy: Proxy, place: str, line: _Line) -> None:
    """Have a proxy connect us to `host:port`. Raises VoiceLiveError where it refuses."""
    known = base64.b64encode(proxy.credentials.encode()).decode()
    user = f"Proxy-Authorization: Basic {known}\r\n" if known else ""
    line.send(f"CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n{user}\r\n".encode())
    status, *_ = read_headers(cast(socket.socket, line))
    if status != 200:
        raise failures.proxy_refused(status or 0, proxy.shown, place, bool(known))


@contextmanager
def _explained(host: str, proxy: str = "") -> Iterator[None]:
    """What fails in it becomes VoiceLiveError."""
    try:
        yield
    except (websocket.WebSocketException, OSError, ValueError) as error:
        log.info("handshake failed: %s", error)
        raise failures.not_connected(error, host, proxy) from error


def proxy_before(place: str) -> Proxy | None:
    """The proxy before `host[:port]`, by the rules of requests, which signs in through it, too: HTTPS_PROXY,
    else ALL_PROXY, unless NO_PROXY names the host.

    Raises VoiceLiveError (exit code 2) for one that is none, or of another kind.
    """
    from requests.utils import get_environ_proxies, select_proxy  # signing in has loaded it

    url = f"https://{place}"
    if not (value := select_proxy(url, get_environ_proxies(url))):
        return None
    names = "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"
    source = next((name for name in names if os.environ.get(name) == value), "The system's settings")
    try:
        parts = urlsplit(value if "://" in value else f"http://{value}")
        host, port = parts.hostname, parts.port or 80
    except ValueError:  # which may tell a part of a password
        raise failures.unusable_proxy(source) from None
    if parts.scheme != "http" or not host:
        raise failures.unusable_proxy(source, parts.scheme if host else "")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    return Proxy(host, port, f"{user}:{password}" if user else "")
