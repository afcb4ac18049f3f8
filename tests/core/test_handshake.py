"""How a connection begins, or is refused, against real servers on this machine."""

import socket
import threading
from pathlib import Path

import pytest
from program import NAMED, Program, environment
from servers import answers, certificate, read_head, tcp_server

from voicelive import handshake as module
from voicelive.connection import Connection
from voicelive.errors import EXIT_NO_ACCESS, VoiceLiveError

TOKEN = "Bearer very-secret-token"


def test_a_handshake_that_is_refused_is_explained_and_the_token_stays_secret(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("DEBUG")
    body = '{"error": {"code": "401", "message": "Access denied due to invalid token."}}'
    response = f"HTTP/1.1 401 Unauthorized\nContent-Length: {len(body)}\n\n{body}"
    with tcp_server(answers(response)) as port, pytest.raises(VoiceLiveError) as failure:
        Connection(f"ws://127.0.0.1:{port}/?agent-access-token=very-secret-token", {"Authorization": TOKEN})

    assert failure.value.exit_code == EXIT_NO_ACCESS
    assert "HTTP 401" in failure.value.message
    assert "Access denied due to invalid token." in failure.value.message
    assert "very-secret-token" not in caplog.text + str(failure.value)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_never_followed(status: int) -> None:
    asked: list[bytes] = []
    with tcp_server(lambda client: asked.append(read_head(client))) as elsewhere:
        response = f"HTTP/1.1 {status} Found\nLocation: ws://localhost:{elsewhere}/\nContent-Length: 0\n\n"
        with tcp_server(answers(response)) as port, pytest.raises(VoiceLiveError) as failure:
            Connection(f"ws://127.0.0.1:{port}/", {"Authorization": TOKEN})

    assert f"HTTP {status}" in failure.value.message
    assert asked == []


def test_where_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    with pytest.raises(VoiceLiveError, match="nobody listens there"):
        Connection(f"ws://127.0.0.1:{port}/", {})


def test_a_proxy_that_is_not_there_is_named_in_place_of_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://u:hunter2@127.0.0.1:1")

    with pytest.raises(VoiceLiveError, match=r"to the proxy 127\.0\.0\.1:1: nobody listens") as failure:
        Connection("wss://contoso.example/", {"Authorization": TOKEN})

    assert "Check HTTPS_PROXY" in failure.value.remedy


def test_a_host_that_does_not_exist() -> None:
    with pytest.raises(VoiceLiveError, match="there is no such host"):
        Connection("wss://no-such-host.invalid/", {})


def test_a_service_that_never_answers_the_handshake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CONNECT_TIMEOUT_S", 0.3)
    silent = threading.Event()

    def says_nothing(client: socket.socket) -> None:
        silent.wait(5)

    with tcp_server(says_nothing) as port, pytest.raises(VoiceLiveError, match="it does not answer"):
        Connection(f"ws://127.0.0.1:{port}/", {})
    silent.set()


def test_a_certificate_that_nobody_trusts_is_refused(tmp_path: Path) -> None:
    _, context = certificate(tmp_path)
    asked: list[bytes] = []
    listening = tcp_server(lambda client: asked.append(read_head(client)), context)
    with listening as port, pytest.raises(VoiceLiveError, match="certificate is not trusted"):
        Connection(f"wss://localhost:{port}/", {"Authorization": TOKEN})

    assert asked == []


def test_a_proxy_that_is_none_is_named_before_anybody_signs_in(logs: Path) -> None:
    env = environment(HTTPS_PROXY="http://u:hun/ter2@127.0.0.1:9")
    program = Program(
        "project", "--endpoint", "https://contoso.services.ai.azure.com", *NAMED, log_dir=logs, env=env
    )

    assert program.wait() == 2
    assert program.stderr == "HTTPS_PROXY does not name a proxy.\nIt must look like http://host:port.\n"
    assert "hun" not in program.technical_log
