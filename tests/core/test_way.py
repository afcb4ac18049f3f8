"""The way to the service: a proxy in between, and certificates that prove nothing."""

import base64
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from servers import answers, certificate, forwards_to, read_head, tcp_server, websocket_server
from websockets.sync.server import ServerConnection

from voicelive import handshake
from voicelive.connection import Connection
from voicelive.errors import EXIT_FAILED, EXIT_USAGE, VoiceLiveError
from voicelive.handshake import proxy_before
from voicelive.tls import tls_context

HOST = "contoso.services.ai.azure.com"
OF_PROXIES = ("HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in OF_PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setattr(handshake, "tls_context", tls_context.__wrapped__)  # reads the environment anew


def asked_through(proxy: int, monkeypatch: pytest.MonkeyPatch, user: str = "") -> VoiceLiveError:
    """How a connection by a proxy on this machine fails."""
    monkeypatch.setenv("HTTPS_PROXY", f"http://{user}127.0.0.1:{proxy}")
    with pytest.raises(VoiceLiveError) as failure:
        Connection(f"wss://{HOST}/", {})
    return failure.value


@pytest.mark.parametrize(
    ("status", "user", "said", "remedy", "exit_code"),
    [
        (407, "", "wants a user and a password", "percent-encoded", EXIT_USAGE),
        (407, "u:p%40ss@", "does not take the user and the password", "percent-encoded", EXIT_USAGE),
        (403, "", f"does not let this program through to {HOST}:443", "Ask its owner", EXIT_FAILED),
        (503, "", f"does not reach {HOST}:443 (HTTP 503)", "Try again", EXIT_FAILED),
        (0, "", f"does not reach {HOST}:443 (HTTP 0)", "Try again", EXIT_FAILED),
    ],
)
def test_a_proxy_that_refuses_is_named_with_what_it_wants(
    monkeypatch: pytest.MonkeyPatch, status: int, user: str, said: str, remedy: str, exit_code: int
) -> None:
    with tcp_server(answers(f"HTTP/1.1 {status} No\nContent-Length: 0\n\n" if status else "\n\n")) as port:
        failure = asked_through(port, monkeypatch, user)

    assert failure.message == f"The proxy 127.0.0.1:{port} {said}."
    assert remedy in failure.remedy
    assert failure.exit_code == exit_code
    assert failure.passing == (status == 503)
    assert "p%40ss" not in repr(failure) and "p@ss" not in repr(failure)


def test_a_proxy_gets_user_and_password_and_passes_the_rest_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    trusted, context = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    asked: list[str] = []

    def greets(client: ServerConnection) -> None:
        client.send('{"type": "through"}')

    with websocket_server(greets) as url:
        behind = forwards_to(int(url.split(":")[2].split("/")[0]))
        with tcp_server(behind, context) as target:

            def proxy(client: socket.socket) -> None:
                asked.append(read_head(client).decode())
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                forwards_to(target)(client)

            with tcp_server(proxy) as port:
                monkeypatch.setenv("ALL_PROXY", f"http://me:p%40s%3As@127.0.0.1:{port}")
                assert list(Connection("wss://localhost/", {})) == [{"type": "through"}]

    (head,) = asked
    assert head.startswith("CONNECT localhost:443 HTTP/1.1\r\nHost: localhost:443\r\n")
    assert base64.b64encode(b"me:p@s:s").decode() in head


@pytest.mark.parametrize("scheme", ["socks5", "socks5h", "https"])
def test_a_proxy_of_another_kind_is_named_and_not_spoken_to(
    monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.setenv("ALL_PROXY", f"{scheme}://u:hunter2@127.0.0.1:9")

    with pytest.raises(VoiceLiveError) as failure:
        proxy_before(HOST)

    assert failure.value.exit_code == EXIT_USAGE
    assert failure.value.message.startswith(f"ALL_PROXY names a proxy of the kind {scheme}://")
    assert "http://host:port" in failure.value.remedy
    assert "hunter2" not in repr(failure.value)


@pytest.mark.parametrize(
    ("no_proxy", "place", "is_used"),
    [
        ("", HOST, True),
        ("*", HOST, False),
        ("azure.com", HOST, False),
        (".azure.com", HOST, False),
        ("other.com, services.ai.azure.com", HOST, False),
        (f"{HOST}:8443", f"{HOST}:8443", False),
        (f"{HOST}:8443", HOST, True),
        ("10.0.0.0/8", "10.1.2.3", False),
        ("10.0.0.0/8", "11.1.2.3", True),
    ],
)
def test_hosts_that_need_no_proxy_are_found_as_requests_finds_them(
    monkeypatch: pytest.MonkeyPatch, no_proxy: str, place: str, is_used: bool
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", no_proxy)

    assert (proxy_before(place) is not None) == is_used


def test_no_proxy_s_password_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://u:hunter2@proxy.example:3128")

    proxy = proxy_before(HOST)

    assert proxy and proxy.credentials == "u:hunter2" and proxy.shown == "proxy.example:3128"
    assert "hunter2" not in repr(proxy)


def refusal(context: object, monkeypatch: pytest.MonkeyPatch) -> VoiceLiveError:
    """How the connection to a TLS server with this context fails; nothing is said to it."""
    asked: list[bytes] = []
    listening = tcp_server(lambda client: asked.append(read_head(client)), context)  # type: ignore[arg-type]
    with listening as port, pytest.raises(VoiceLiveError) as failure:
        Connection(f"wss://localhost:{port}/", {"Authorization": "Bearer x"})
    assert asked == []
    assert failure.value.exit_code == EXIT_FAILED and not failure.value.passing
    return failure.value


def test_a_certificate_that_has_expired_is_told_with_the_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trusted, context = certificate(tmp_path, valid_days=-2)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))

    failure = refusal(context, monkeypatch)

    assert "its certificate is not valid today (certificate has expired)" in failure.message
    assert "clock" in failure.remedy


def test_a_certificate_for_another_name_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trusted, context = certificate(tmp_path, host="other.example")
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))

    failure = refusal(context, monkeypatch)

    assert "its certificate is for another name" in failure.message
    assert "Check the endpoint" in failure.remedy


@pytest.mark.skipif(sys.version_info < (3, 13), reason="Python is not so strict before 3.13")
def test_a_root_that_is_not_made_by_the_rules_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trusted, context = certificate(tmp_path, is_strict=False)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))

    failure = refusal(context, monkeypatch)

    assert "breaks rules that Python checks since 3.13" in failure.message
    assert "basicConstraints critical" in failure.remedy


def test_a_root_that_only_requests_knows_is_pointed_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trusted, context = certificate(tmp_path)
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(trusted))

    failure = refusal(context, monkeypatch)

    assert "its certificate is not trusted" in failure.message
    assert failure.remedy.startswith("REQUESTS_CA_BUNDLE is not read here: set SSL_CERT_FILE")


def no_pem(folder: Path) -> Path:
    path = folder / "no.pem"
    path.write_text("no certificate\n")
    return path


@pytest.mark.parametrize(
    ("variable", "make", "said"),
    [
        ("SSL_CERT_FILE", lambda folder: folder / "gone.pem", "No such file or directory"),
        ("SSL_CERT_FILE", no_pem, "it holds no certificate in PEM form"),
        ("SSL_CERT_DIR", lambda folder: folder / "gone", "there is no such folder"),
    ],
)
def test_roots_that_are_not_there_are_named_with_their_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, make: Callable[[Path], Path], said: str
) -> None:
    path = make(tmp_path)
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.setenv(variable, str(path))

    with pytest.raises(VoiceLiveError) as failure:
        tls_context.__wrapped__()

    assert failure.value.exit_code == EXIT_USAGE
    assert failure.value.message == f"{variable} names {path}: {said}."


def test_one_folder_of_roots_that_is_there_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_DIR", os.pathsep.join([str(tmp_path / "gone"), str(tmp_path)]))

    assert tls_context.__wrapped__()


def test_a_key_log_that_cannot_be_written_costs_itself_and_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "gone" / "keys"))

    assert tls_context.__wrapped__().check_hostname

    assert f"SSLKEYLOGFILE names {tmp_path / 'gone' / 'keys'}" in caplog.text
