"""`check`, where the service is not reached, or refuses."""

import json
import re
from contextlib import closing, suppress
from pathlib import Path

import pytest
from checked import FILES, Checked, over_tls
from planted import KEY
from program import NAMED, fake_az
from servers import websocket_server
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection

from standin.server import StandIn
from voicelive.connection import Connection
from voicelive.errors import VoiceLiveError
from voicelive.extras.check.service import Line, differences, tells_session
from voicelive.session import Offer


@pytest.mark.parametrize(
    ("endpoint", "row", "said"),
    [
        ("https://no-such-host-there-is.services.ai.azure.com", "name", "there is no such host"),
        ("https://localhost:1", "TCP", "nobody listens there"),
    ],
)
def test_a_host_that_is_not_reached(tmp_path: Path, endpoint: str, row: str, said: str) -> None:
    checked = Checked("--endpoint", endpoint, *NAMED, *FILES, PATH=fake_az(tmp_path / "bin"))

    assert checked.exit_code == 1
    assert said in checked.found(row, "FAILED")


def test_a_certificate_that_nobody_trusts(stand_in: StandIn, tmp_path: Path) -> None:
    with over_tls(stand_in, tmp_path) as (endpoint, _):
        checked = Checked("--endpoint", endpoint, *NAMED, *FILES, PATH=fake_az(tmp_path / "bin"))

    assert checked.exit_code == 1
    assert "its certificate is not trusted" in checked.found("TLS", "FAILED")
    assert "let SSL_CERT_FILE name its root" in checked.text


def test_a_proxy_is_named_and_asked(tmp_path: Path) -> None:
    env = {"HTTPS_PROXY": "http://u:hunter2@127.0.0.1:9", "PATH": fake_az(tmp_path / "bin")}

    checked = Checked("--endpoint", "https://contoso.services.ai.azure.com", *NAMED, *FILES, **env)

    assert checked.exit_code == 1
    assert checked.found("proxy", "-") == "127.0.0.1:9 (HTTPS_PROXY)"
    assert "No connection to the proxy 127.0.0.1:9: nobody listens" in checked.found("TCP", "FAILED")
    assert "Check HTTPS_PROXY" in checked.text
    assert "hunter2" not in checked.text


@pytest.mark.parametrize("proxy", ["http://u:hunter2/@127.0.0.1:9", "u:hunter2/@127.0.0.1:9", "http://"])
def test_a_proxy_that_is_none_is_told(tmp_path: Path, proxy: str) -> None:
    env = {"HTTPS_PROXY": proxy, "PATH": fake_az(tmp_path / "bin")}

    checked = Checked("--endpoint", "https://contoso.services.ai.azure.com", *NAMED, *FILES, **env)

    assert checked.exit_code == 2
    assert "HTTPS_PROXY does not name a proxy." in checked.stderr
    assert "hunter2" not in checked.text + checked.stderr


@pytest.mark.parametrize(
    ("fault", "row", "exit_code", "said"),
    [
        ("403", "handshake", 4, "answered HTTP 403"),
        ("error=missing-role", "session.created", 4, "lacks the required"),
        ("drop-after=0", "agent", 1, "The connection was lost."),
    ],
)
def test_a_service_that_refuses(fault: str, row: str, exit_code: int, said: str) -> None:
    with StandIn(faults=[fault]) as stand_in:
        checked = Checked("--endpoint", stand_in.endpoint, *NAMED, *FILES, "--talk")

    assert checked.exit_code == exit_code
    assert said in checked.found(row, "FAILED")
    assert re.search(r"[Rr]equest id:? [0-9a-f-]{36}", checked.text)


@pytest.mark.parametrize("scene", ["function-call", "mcp-approval", "mcp-call=1"])
def test_an_agent_that_asks_for_a_tool_answers(scene: str) -> None:
    with StandIn(faults=[scene]) as stand_in:
        checked = Checked("--endpoint", stand_in.endpoint, *NAMED, *FILES, "--talk")

    assert checked.exit_code == 0
    assert "by asking for" in checked.found("agent", "ok")


def test_a_field_that_the_service_does_not_take_is_left_out_as_in_a_conversation(
    stand_in: StandIn, tmp_path: Path
) -> None:
    (tmp_path / "session.json").write_text('{"nonsense": 1}')
    more = ("--session", str(tmp_path / "session.json"))

    checked = Checked("--endpoint", stand_in.endpoint, *NAMED, *FILES, *more)

    assert checked.exit_code == 0
    assert checked.text.count("session.created") == 2
    assert "once more, without nonsense" in checked.text


def test_a_session_that_is_never_accepted() -> None:
    with StandIn(faults=["no-session"]) as stand_in:
        url = stand_in.endpoint.replace("http", "ws") + "/voice-live/realtime?api-version=2026-07-15"
        connection = Connection(f"{url}&agent-name=anna&agent-project-name=p", {"Authorization": "Bearer x"})
        with (
            closing(Line(connection, {}, Offer())) as line,
            pytest.raises(VoiceLiveError, match="did not accept the session"),
        ):
            line.wait_for(tells_session("session.updated"), 0.2)


def test_fields_that_came_back_otherwise_are_told() -> None:
    asked = {"voice": {"name": "Ava", "temperature": 0.8}, "modalities": ["text", "audio"], "speed": 1}

    found = differences(asked, {"voice": {"name": "Ava", "temperature": 0.9, "style": "x"}, "speed": 1})

    assert found == ["voice.temperature: 0.9, not 0.8", 'modalities: null, not ["text", "audio"]']


def test_what_the_service_says_of_a_key_is_not_shown() -> None:
    def leaky(client: ServerConnection) -> None:
        client.recv()
        client.send(f"no JSON, but {KEY}")
        for kind in ("session.created", "session.updated"):
            client.send(json.dumps({"type": kind, "session": {"id": "sess_1"}}))
        with suppress(ConnectionClosed):
            client.recv()

    with websocket_server(leaky) as url:
        endpoint = url.replace("ws://", "http://")
        checked = Checked("--endpoint", endpoint, *NAMED, *FILES, AZURE_VOICE_LIVE_API_KEY=KEY)

    assert checked.found("session.updated")
    assert KEY not in checked.text + checked.stderr


def test_a_host_that_cannot_be_is_no_bug(tmp_path: Path) -> None:
    path = fake_az(tmp_path / "bin", token="no-part-of-a-host")
    checked = Checked("--endpoint", "https://a..services.ai.azure.com", *NAMED, *FILES, PATH=path)

    assert "No connection to a..services.ai.azure.com" in checked.found("name", "FAILED")
    assert "Traceback" not in checked.text
