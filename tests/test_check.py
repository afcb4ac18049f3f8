"""`check`: what it says of a machine on which all is well, and of each thing that can be missing."""

import base64
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest
from program import NAMED, ROOT, SAMPLE, environment, fake_az
from servers import certificate, forwards_to, tcp_server
from soundcard import SAMPLE_RATE_HZ, VirtualSoundCard

from voicelive import VoiceLiveError
from voicelive.check import claims
from voicelive.check_service import Line, differences
from voicelive.connection import Connection
from voicelive.simulator import Simulator

FILES = ("--input", str(SAMPLE), "--output", os.devnull)
KEY = "k-0123456789"


class Checked:
    """What `check` said: its exit code, and the rows by name."""

    def __init__(self, *arguments: str, **variables: str) -> None:
        command = [sys.executable, "voicelive_agent.py", "check", *arguments]
        env = environment(**variables)
        run = subprocess.run(
            command, cwd=ROOT, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL
        )
        self.exit_code, self.text, self.stderr = run.returncode, run.stdout, run.stderr
        rows = re.findall(r"^ *(ok|FAILED|-)  (.{17})  (.*(?:\n {27}.*)*)", run.stdout, re.MULTILINE)
        self.rows: dict[str, tuple[str, str]] = {name.strip(): (status, row) for status, name, row in rows}

    def found(self, name: str, status: str = "ok") -> str:
        """What the row says, which has this status."""
        assert self.rows[name][0] == status, self.text + self.stderr
        return self.rows[name][1]


def jwt(**payload: object) -> str:
    """A token that says this of itself."""
    parts = [{"alg": "none"}, payload]
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts]
    return ".".join([*encoded, "signature"])


@contextmanager
def over_tls(simulator: Simulator, folder: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """The stand-in behind TLS: its endpoint, and the variable that lets a client trust it."""
    trusted, context = certificate(folder)
    port = int(simulator.endpoint.rpartition(":")[2])
    with tcp_server(forwards_to(port), context) as tls_port:
        yield f"https://localhost:{tls_port}", {"SSL_CERT_FILE": str(trusted)}


def test_all_is_well_with_the_stand_in(simulator: Simulator) -> None:
    before = len(simulator.sessions)

    checked = Checked("--endpoint", simulator.endpoint, *NAMED, *FILES, "--talk", VOICE_NAME="en-US-X")

    assert checked.exit_code == 0
    assert checked.found("endpoint") == f"{simulator.endpoint} (--endpoint)"
    assert checked.found("echo cancellation") == "server (default)"
    assert checked.found("voice") == "en-US-X (VOICE_NAME in the shell)"
    assert checked.found("api version") == "2026-07-15 (default)"
    assert "made-up" in checked.found("token", "-")
    assert re.search(r"HTTP 101, request id [0-9a-f-]{36}  \d+ ms", checked.found("handshake"))
    assert checked.found("session.created").startswith("sess_")
    assert checked.found("session.updated").startswith("all as asked for")
    assert checked.found("agent").startswith("the agent answers 'Hello.' in sound")
    assert checked.text.endswith("All is well.\n")
    assert "\x1b" not in checked.text
    session = simulator.sessions[before]
    assert simulator.wait_for(lambda: not session.open, timeout=5)


def test_nobody_speaks_to_the_agent_unasked(simulator: Simulator) -> None:
    before = len(simulator.sessions)

    assert Checked("--endpoint", simulator.endpoint, *NAMED, *FILES).exit_code == 0

    assert [message["type"] for message in simulator.sessions[before].received] == ["session.update"]


def test_a_terminal_gets_a_table(simulator: Simulator) -> None:
    checked = Checked("--endpoint", simulator.endpoint, *NAMED, *FILES, FORCE_COLOR="1", COLUMNS="80")

    assert checked.exit_code == 0
    assert "\x1b[1mSettings" in checked.text
    lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", checked.text).splitlines()
    assert max(len(line) for line in lines) <= 80


def test_what_is_missing_is_named_and_the_rest_is_looked_at() -> None:
    checked = Checked(
        "hub", AZURE_VOICE_LIVE_ENDPOINT="https://<your-resource>", AZURE_VOICE_LIVE_API_KEY=KEY
    )

    assert checked.exit_code == 2, "that of the first failure"
    missing = checked.found("all needed", "FAILED")
    assert "endpoint still holds a placeholder" in missing
    assert "agent id is missing" in missing and "connection string is missing" in missing
    assert checked.found("api key") == f"set ({len(KEY)} characters) (AZURE_VOICE_LIVE_API_KEY in the shell)"
    assert KEY not in checked.text + checked.stderr
    assert "There is no microphone." in checked.found("microphone", "FAILED")
    assert "There is no speaker." in checked.found("speaker", "FAILED")
    assert "Not signed in" in checked.found("ml.azure.com", "FAILED")
    assert checked.rows["handshake"][0] == "-"
    assert "Copy .env.example to .env" in checked.text


def test_a_password_in_the_endpoint_is_not_shown() -> None:
    checked = Checked(*NAMED, *FILES, AZURE_VOICE_LIVE_ENDPOINT="https://u:hunter2@host?api-key=hunter2")

    assert checked.exit_code == 2
    assert checked.found("endpoint").startswith("host (")
    assert "hunter2" not in checked.text + checked.stderr


def test_without_sound_the_rest_is_looked_at(simulator: Simulator) -> None:
    checked = Checked("--endpoint", simulator.endpoint, *NAMED)

    assert checked.exit_code == 1
    assert "There is no microphone." in checked.found("microphone", "FAILED")
    assert checked.found("session.updated")
    assert "microphone: Plug one in" in checked.text


def test_the_token_tells_who_is_signed_in(simulator: Simulator, tmp_path: Path) -> None:
    token = jwt(aud="https://{host}", tid="tenant-1", upn="anna@contoso.com", exp=time.time() + 3630)
    path = fake_az(tmp_path / "bin", token=token)
    with over_tls(simulator, tmp_path) as (endpoint, trust):
        checked = Checked("--endpoint", endpoint, *NAMED, *FILES, PATH=path, **trust)

    assert checked.exit_code == 0, checked.text
    who = checked.found("ai.azure.com")
    assert who.startswith("AzureCliCredential; anna@contoso.com; tenant tenant-1; for https://")
    assert "60 minutes left" in who
    assert re.search(r"TLSv1\.\d, certificate by localhost, valid until \d{4}-", checked.found("TLS"))
    assert token[:20] not in checked.text + checked.stderr


def test_who_is_not_signed_in_is_told_so(tmp_path: Path) -> None:
    path = fake_az(tmp_path / "bin", fails=True)

    checked = Checked("--endpoint", "https://localhost:1", *NAMED, *FILES, PATH=path)

    assert checked.exit_code == 4
    assert "Not signed in for https://ai.azure.com" in checked.found("ai.azure.com", "FAILED")
    assert "ai.azure.com: Run `az login`" in checked.text
    assert checked.found("TCP", "FAILED"), "the network does not depend on it"


@pytest.mark.parametrize(
    ("endpoint", "row", "said"),
    [
        ("https://no-such-host.invalid", "name", "there is no such host"),
        ("https://localhost:1", "TCP", "nobody listens there"),
    ],
)
def test_a_host_that_is_not_reached(tmp_path: Path, endpoint: str, row: str, said: str) -> None:
    checked = Checked("--endpoint", endpoint, *NAMED, *FILES, PATH=fake_az(tmp_path / "bin"))

    assert checked.exit_code == 1
    assert said in checked.found(row, "FAILED")


def test_a_certificate_that_nobody_trusts(simulator: Simulator, tmp_path: Path) -> None:
    with over_tls(simulator, tmp_path) as (endpoint, _):
        checked = Checked("--endpoint", endpoint, *NAMED, *FILES, PATH=fake_az(tmp_path / "bin"))

    assert checked.exit_code == 1
    assert "its certificate is not trusted" in checked.found("TLS", "FAILED")
    assert "let SSL_CERT_FILE name its root" in checked.text


def test_a_proxy_is_named_and_asked(tmp_path: Path) -> None:
    env = {"HTTPS_PROXY": "http://u:hunter2@127.0.0.1:9", "PATH": fake_az(tmp_path / "bin")}

    checked = Checked("--endpoint", "https://contoso.example", *NAMED, *FILES, **env)

    assert checked.exit_code == 1
    assert checked.found("proxy", "-") == "127.0.0.1:9 (HTTPS_PROXY)"
    assert "nobody listens there" in checked.found("TCP", "FAILED")
    assert "hunter2" not in checked.text


@pytest.mark.parametrize(
    ("fault", "row", "exit_code", "said"),
    [
        ("403", "handshake", 4, "answered HTTP 403"),
        ("error=missing-role", "session.created", 4, "lacks the required"),
        ("drop-after=0", "agent", 1, "The connection was lost."),
    ],
)
def test_a_service_that_refuses(fault: str, row: str, exit_code: int, said: str) -> None:
    with Simulator(faults=[fault]) as simulator:
        checked = Checked("--endpoint", simulator.endpoint, *NAMED, *FILES, "--talk")

    assert checked.exit_code == exit_code
    assert said in checked.found(row, "FAILED")
    assert re.search(r"[Rr]equest id:? [0-9a-f-]{36}", checked.text)


def test_a_session_that_the_service_does_not_take(simulator: Simulator, tmp_path: Path) -> None:
    (tmp_path / "session.json").write_text('{"nonsense": 1}')
    more = ("--session", str(tmp_path / "session.json"))

    checked = Checked("--endpoint", simulator.endpoint, *NAMED, *FILES, *more)

    assert checked.exit_code == 1
    assert "invalid_session_update_message" in checked.found("session.updated", "FAILED")
    assert "check --session and the" in checked.text


@pytest.mark.skipif(sys.platform != "linux", reason="sounddevice brings PortAudio elsewhere")
def test_without_portaudio_the_package_is_named(simulator: Simulator, tmp_path: Path) -> None:
    hidden = "import ctypes.util; ctypes.util.find_library = lambda name: None"
    (tmp_path / "sitecustomize.py").write_text(hidden)

    checked = Checked("--endpoint", simulator.endpoint, *NAMED, PYTHONPATH=str(tmp_path))

    assert checked.exit_code == 1
    assert "PortAudio library not found" in checked.found("PortAudio", "FAILED")
    assert "sudo apt install libportaudio2" in checked.text
    assert "microphone" not in checked.rows
    assert checked.found("session.updated")


def test_a_service_that_refuses_the_reference_is_asked_without_as_in_a_conversation() -> None:
    with Simulator(faults=["no-client-reference"]) as simulator:
        asked = ("--endpoint", simulator.endpoint, *NAMED, *FILES, "--echo-cancellation", "client")
        checked = Checked(*asked)

    assert checked.exit_code == 0
    assert checked.text.count("session.created") == 2
    assert "once more, with the service's own reference" in checked.text
    assert checked.found("session.updated").startswith("all as asked for")


@pytest.mark.soundcard
def test_a_microphone_is_listened_to_and_a_tone_played(
    simulator: Simulator, sound_card: VirtualSoundCard
) -> None:
    noise = np.random.default_rng(1).uniform(-0.2, 0.2, 10 * SAMPLE_RATE_HZ)
    sound_card.speak((noise * 32767).astype("<i2").tobytes())
    with sound_card.recording() as recording:
        arguments = ("--endpoint", simulator.endpoint, *NAMED, "--tone")
        checked = Checked(*arguments, **sound_card.environment)
        heard = np.frombuffer(recording.pcm, "<i2").astype(float)

    assert checked.exit_code == 0, checked.text
    assert re.search(r"ALSA, 24000 Hz; level -19 dBFS, peak -14 dBFS", checked.found("microphone"))
    assert "a tone was played" in checked.found("speaker")
    loudest = np.argmax(np.abs(np.fft.rfft(heard))) * SAMPLE_RATE_HZ / len(heard)
    assert abs(loudest - 440) < 3
    assert np.max(np.abs(heard)) > 5_000


@pytest.mark.soundcard
def test_a_silent_microphone(simulator: Simulator, sound_card: VirtualSoundCard) -> None:
    checked = Checked("--endpoint", simulator.endpoint, *NAMED, **sound_card.environment)

    assert checked.exit_code == 1
    assert "nothing but silence" in checked.found("microphone", "FAILED")
    assert "Is it muted?" in checked.text


@pytest.mark.soundcard
def test_a_sound_card_without_a_microphone(
    simulator: Simulator, sound_card: VirtualSoundCard, tmp_path: Path
) -> None:
    speaker_only = 'pcm.!default { type asym playback.pcm "pulse" }\npcm.pulse { type pulse }\n'
    (tmp_path / "alsa.conf").write_text(speaker_only)
    variables = {**sound_card.environment, "ALSA_CONFIG_PATH": str(tmp_path / "alsa.conf")}

    checked = Checked("--endpoint", simulator.endpoint, *NAMED, **variables)

    assert checked.exit_code == 1
    assert checked.found("microphone", "FAILED")
    assert checked.found("speaker")


def test_a_session_that_is_never_accepted() -> None:
    with Simulator(faults=["no-session"]) as simulator:
        url = simulator.endpoint.replace("http", "ws") + "/voice-live/realtime?api-version=2026-07-15"
        connection = Connection(f"{url}&agent-name=anna&agent-project-name=p", {"Authorization": "Bearer x"})
        with (
            closing(Line(connection, {})) as line,
            pytest.raises(VoiceLiveError, match="did not accept the session"),
        ):
            line.wait_for("session.updated", 0.2)


def test_fields_that_came_back_otherwise_are_told() -> None:
    asked = {"voice": {"name": "Ava", "temperature": 0.8}, "modalities": ["text", "audio"], "speed": 1}

    found = differences(asked, {"voice": {"name": "Ava", "temperature": 0.9, "style": "x"}, "speed": 1})

    assert found == ["voice.temperature: 0.9, not 0.8", 'modalities: null, not ["text", "audio"]']


@pytest.mark.parametrize("token", ["opaque", "a.b.c", f"a.{base64.b64encode(b'[1]').decode()}.c", ""])
def test_a_token_that_is_no_jwt_is_no_problem(token: str) -> None:
    assert claims(token) == ["it tells nothing of itself"]
