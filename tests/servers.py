"""Real servers on this machine, for what the stand-in does not do: TLS, and answers that are none."""

import datetime
import ipaddress
import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from websockets.sync.server import ServerConnection, serve

TIMEOUT_S = 10
NOT_YET = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


@contextmanager
def websocket_server(handler: Callable[[ServerConnection], None]) -> Iterator[str]:
    """A WebSocket server that treats each client with `handler`; its ws:// URL."""
    with serve(handler, "127.0.0.1", 0, compression=None, close_timeout=0.2) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)  # ends by shutdown()
        thread.start()
        try:
            yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}/voice-live/realtime"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def tcp_server(
    handler: Callable[[socket.socket], None], context: ssl.SSLContext | None = None
) -> Iterator[int]:
    """A TCP (or, with `context`, TLS) server, each client on a daemon thread of its own; its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def treat(client: socket.socket) -> None:
        with suppress(OSError), client:
            handler(context.wrap_socket(client, server_side=True) if context else client)

    def accept() -> None:  # ends when the listener is shut down
        with suppress(OSError):
            while True:
                threading.Thread(target=treat, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def answers(response: str) -> Callable[[socket.socket], None]:
    """A handler that reads one HTTP request and answers with `response`, whatever was asked."""

    def handler(client: socket.socket) -> None:
        read_head(client)
        client.sendall(response.replace("\n", "\r\n").encode())

    return handler


def forwards_to(port: int) -> Callable[[socket.socket], None]:
    """A handler that passes everything on to another port of this machine, and back.

    Both ways on one thread: TLS sockets of Python do not bear two.
    """

    def handler(client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", port)) as server:
            client.setblocking(False)
            server.setblocking(False)
            unsent = {client: bytearray(), server: bytearray()}  # by where it goes
            is_over = False
            while not is_over or any(unsent.values()):
                select.select([] if is_over else [client, server], [to for to in unsent if unsent[to]], [])
                for source, target in (client, server), (server, client):
                    with suppress(*NOT_YET):
                        while data := source.recv(65536):
                            unsent[target] += data
                        is_over = True
                    with suppress(*NOT_YET):
                        del unsent[target][: target.send(unsent[target])]

    return handler


def read_head(client: socket.socket) -> bytes:
    """An HTTP request up to its empty line."""
    head = b""
    while b"\r\n\r\n" not in head:
        if not (data := client.recv(65536)):
            break
        head += data
    return head


def certificate(
    folder: Path, *, host: str = "localhost", valid_days: int = 1, is_strict: bool = True
) -> tuple[Path, ssl.SSLContext]:
    """A certificate that nobody trusts by itself, and a server's context with it.

    `valid_days`: from now on, negative for one that has expired. It signs itself; where it is not
    `is_strict`, a root does that breaks the rules that Python keeps to since 3.13, and is the file.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    names: list[x509.GeneralName] = [x509.DNSName(host)]
    if host == "localhost":
        names.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
    root = (key, host) if is_strict else (ec.generate_private_key(ec.SECP256R1()), "root")
    signed = _signed(host, key, root, valid_days, names, is_strict=True)
    others: list[x509.GeneralName] = [x509.DNSName("root")]
    trusted_one = signed if is_strict else _signed("root", root[0], root, valid_days, others, is_strict=False)
    trusted, private = folder / "cert.pem", folder / "key.pem"
    trusted.write_bytes(trusted_one.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + signed.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(private)
    return trusted, context


def _signed(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    by: tuple[ec.EllipticCurvePrivateKey, str],
    valid_days: int,
    names: list[x509.GeneralName],
    is_strict: bool,
) -> x509.Certificate:
    """A certificate for a key, signed by another one's owner."""
    now = datetime.datetime.now(datetime.timezone.utc)
    subject, issuer = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, one)]) for one in (name, by[1]))
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=9))
        .not_valid_after(now + datetime.timedelta(days=valid_days))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=is_strict)
        .sign(by[0], hashes.SHA256())
    )
