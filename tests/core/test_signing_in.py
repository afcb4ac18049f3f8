"""Signing in where something is in the way: the real azure-identity, with one `az` after the other."""

import base64
import json
import logging
import os
import socket
from pathlib import Path

import pytest
from program import NAMED, Program, environment, fake_az
from servers import read_head, tcp_server

from voicelive import auth
from voicelive.auth import AI_SCOPE, Credential
from voicelive.errors import EXIT_NO_ACCESS, VoiceLiveError
from voicelive.service import Service

ASK = f"`az account get-access-token --scope {AI_SCOPE}`"
DEMAND = """\
ERROR: AADSTS50076: Due to a configuration change made by your administrator, or because you moved to a new \
location, you must use multi-factor authentication to access '00000000'. Trace ID: 1 Timestamp: 2026-01-01
Run the command below to authenticate interactively; additional arguments may be added as needed:
az logout
az login --tenant "00000000" --scope "https://ai.azure.com/.default\""""

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs a POSIX shell")


@pytest.fixture(autouse=True)
def az_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("AZURE_", "MSI_", "IDENTITY_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "AzureCliCredential")


@pytest.fixture
def az(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where `az` is looked for first."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    return tmp_path / "bin" / "az"


def executable(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def refused() -> VoiceLiveError:
    with pytest.raises(VoiceLiveError) as failure:
        Credential().token(AI_SCOPE)
    assert failure.value.exit_code == EXIT_NO_ACCESS
    assert "\n" not in failure.value.message and "To mitigate" not in failure.value.message
    assert failure.value.message.startswith("Not signed in for https://ai.azure.com: ")
    return failure.value


@pytest.mark.parametrize(
    ("script", "said", "remedy"),
    [
        ("#!/gone/python\n", "az does not start", "Install it again"),
        (
            "#!/bin/sh\nprintf 'Traceback (most recent call last):\\n' >&2; exit 1",
            "az does not start",
            "again",
        ),
        (
            "#!/bin/sh\necho WARNING: old; echo '{}'",
            "Unexpected output from Azure CLI",
            f"See what {ASK} prin",
        ),
        (
            f"#!/bin/sh\ncat >&2 <<'END'\n{DEMAND}\nEND\nexit 1",
            DEMAND[-30:],
            f"`az login --scope {AI_SCOPE}`",
        ),
        ("#!/bin/sh\necho 'ERROR: Please run az login' >&2; exit 1", "az login", "Run `az login`"),
    ],
    ids=["no interpreter", "broken", "a warning", "a demand of the tenant", "not signed in"],
)
def test_what_az_says_has_its_remedy(az: Path, script: str, said: str, remedy: str) -> None:
    executable(az, script)

    failure = refused()

    assert said in failure.message
    assert remedy in failure.remedy


def test_az_that_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    assert "https://aka.ms/azure-cli" in refused().remedy


def test_az_that_does_not_answer_is_told_apart(az: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "PROCESS_TIMEOUT_S", 1)
    executable(az, "#!/bin/sh\nexec sleep 60\n")

    failure = refused()

    assert failure.message.endswith(": az did not answer within a minute.")
    assert failure.remedy.startswith(f"See whether {ASK} does.")


def test_while_az_takes_its_time_a_person_is_told(logs: Path, tmp_path: Path) -> None:
    path = fake_az(tmp_path / "bin", together=2)  # it waits for a call that nobody makes, then fails
    program = Program(
        *(
            "project",
            "--endpoint",
            "https://localhost:1",
            *NAMED,
            "--no-mic",
            "--output",
            str(tmp_path / "heard.wav"),
        ),
        log_dir=logs,
        env=environment(PATH=path, AZURE_TOKEN_CREDENTIALS="AzureCliCredential"),
    )
    program.wait_for(lambda: "Signing in is slow" in program.stderr)

    assert program.wait() == EXIT_NO_ACCESS
    assert "Not signed in for https://ai.azure.com" in program.stderr


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        (
            {"AZURE_TENANT_ID": "t", "AZURE_CLIENT_ID": "c", "AZURE_CLIENT_CERTIFICATE_PATH": "/gone.pem"},
            "AZURE_CLIENT_CERTIFICATE_PATH names /gone.pem, which does not exist",
        ),
        (
            {"AZURE_TENANT_ID": "t", "AZURE_CLIENT_ID": "c", "AZURE_FEDERATED_TOKEN_FILE": "/gone"},
            "AZURE_FEDERATED_TOKEN_FILE names /gone, which does not exist",
        ),
        (
            {"AZURE_CLIENT_SECRET": "hunter2hunter2"},
            "AZURE_CLIENT_SECRET is set, but not AZURE_TENANT_ID and AZURE_CLIENT_ID",
        ),
        ({"AZURE_TOKEN_CREDENTIALS": "mine"}, "AZURE_TOKEN_CREDENTIALS: mine"),
    ],
)
def test_leftovers_in_the_environment_are_named(
    az: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], said: str
) -> None:
    executable(az, "#!/bin/sh\nexit 1\n")
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "dev")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    failure = refused()

    assert said in failure.message
    assert "unset it" in failure.remedy
    assert "hunter2" not in failure.message


def test_no_proxy_is_asked_for_the_machine_s_own_address(az: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def proxy(client: socket.socket) -> None:
        asked.append(read_head(client).decode())
        client.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

    executable(az, "#!/bin/sh\nexit 1\n")
    monkeypatch.delenv("AZURE_TOKEN_CREDENTIALS")
    with tcp_server(proxy) as port:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{port}")
        refused()

    assert asked == []


def test_one_credential_goes_on_with_what_answered_once(az: Path, tmp_path: Path) -> None:
    path = fake_az(tmp_path / "real")
    executable(az, f'#!/bin/sh\necho >> "{tmp_path}/calls"\nexec "{path.split(":")[0]}/az" "$@"\n')
    tried = tmp_path / "bin" / "azd"
    executable(tried, f'#!/bin/sh\necho >> "{tmp_path}/tried"\nexit 1\n')
    credential = Credential()

    for _ in range(3):
        assert credential.token(AI_SCOPE) == "token-for-ai.azure.com"

    assert len((tmp_path / "calls").read_text()) == 3
    assert not (tmp_path / "tried").exists()


def test_nobody_s_name_is_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    claims = {"upn": "anna@contoso.example", "oid": "0b1ec7", "tid": "7e4a47", "appid": "a99"}
    middle = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    monkeypatch.setenv("PATH", fake_az(tmp_path / "bin", token=f"eyJhbGciOiJub25lIn0.{middle}.c2ln"))
    caplog.set_level(logging.DEBUG)
    auth.prepare(Service("wss://r.services.ai.azure.com/voice-live/realtime", "2026-07-15"))

    Credential().token(AI_SCOPE)

    assert "acquired a token from AzureCliCredential" in caplog.text
    for name in claims.values():
        assert name not in caplog.text
