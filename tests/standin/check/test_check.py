"""`check`: what it says of a machine on which all is well, and of each thing that can be missing."""

import base64
import json
import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from checked import FILES, Checked, over_tls
from program import NAMED, ROOT, SAMPLE, Program, environment, fake_az, on_linux
from pulseaudio import SAMPLE_RATE_HZ
from servers import answers, tcp_server
from soundcard import VirtualSoundCard

from standin.server import StandIn
from voicelive.extras.check.rows import claims

KEY = "k-0123456789"


def jwt(**payload: object) -> str:
    """A token that says this of itself."""
    parts = [{"alg": "none"}, payload]
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts]
    return ".".join([*encoded, "signature"])


def test_all_is_well_with_the_stand_in(stand_in: StandIn) -> None:
    before = len(stand_in.sessions)

    checked = Checked("--endpoint", stand_in.endpoint, *NAMED, *FILES, "--talk", VOICE_NAME="en-US-X")

    assert checked.exit_code == 0
    assert checked.found("endpoint") == f"{stand_in.endpoint} (--endpoint)"
    assert checked.found("echo cancellation") == "server (default)"
    assert checked.found("voice") == "en-US-X (VOICE_NAME in the shell)"
    assert checked.found("api version") == "2026-07-15 (default)"
    assert "made-up" in checked.found("token", "-")
    assert re.search(r"HTTP 101, request id [0-9a-f-]{36}  \d+ ms", checked.found("handshake"))
    assert checked.found("session.created").startswith("sess_")
    assert checked.found("session.updated").startswith("everything as asked for")
    assert checked.found("agent").startswith("the agent answers 'Hello.' in sound")
    assert checked.text.endswith("All is well.\n")
    assert "\x1b" not in checked.text
    session = stand_in.sessions[before]
    assert stand_in.wait_for(lambda: not session.open, timeout=5)


def test_nobody_speaks_to_the_agent_unasked(stand_in: StandIn) -> None:
    before = len(stand_in.sessions)

    assert Checked("--endpoint", stand_in.endpoint, *NAMED, *FILES).exit_code == 0

    assert [message["type"] for message in stand_in.sessions[before].received] == ["session.update"]


@pytest.mark.parametrize("columns", ["80", "20"])
def test_a_long_address_is_shown_whole(columns: str) -> None:
    endpoint = "https://contoso-voice-of-the-customers-hotline-in-sweden.invalid"
    checked = Checked("--endpoint", endpoint, *NAMED, *FILES, FORCE_COLOR="1", COLUMNS=columns, PATH="")

    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\s", "", checked.text)
    assert f"endpoint{endpoint}(--endpoint)" in shown


def test_a_console_that_lacks_a_character_shows_a_question_mark(stand_in: StandIn) -> None:
    arguments = ("--project-name", "p", "--agent-name", "Zoë", *FILES)
    checked = Checked("--endpoint", stand_in.endpoint, *arguments, PYTHONIOENCODING="ascii")

    assert checked.exit_code == 0, checked.stderr
    assert checked.found("agent name") == "Zo? (--agent-name)"


def test_what_has_no_remedy_is_named_once_more_at_the_end(stand_in: StandIn) -> None:
    checked = Checked("--endpoint", stand_in.endpoint, *NAMED, "--input", "gone.wav", "--output", os.devnull)

    assert checked.text.endswith("microphone: gone.wav: No such file or directory. Then check again.\n")


def test_a_file_that_cannot_take_the_sound_is_told(stand_in: StandIn, tmp_path: Path) -> None:
    output = str(tmp_path / "gone" / "heard.wav")
    checked = Checked("--endpoint", stand_in.endpoint, *NAMED, "--input", str(SAMPLE), "--output", output)

    assert checked.exit_code == 2
    assert "cannot be written" in checked.found("speaker", "FAILED")


def test_who_only_types_needs_no_microphone(stand_in: StandIn) -> None:
    typing = ("--no-mic", "--output", os.devnull)
    checked = Checked("--endpoint", stand_in.endpoint, *NAMED, *typing)

    assert checked.exit_code == 0
    assert checked.found("microphone").startswith("none (--no-mic)")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_where_nobody_can_read_it_the_exit_code_still_tells() -> None:
    command = [sys.executable, "voicelive_agent.py", "check", *FILES]
    with Path("/dev/full").open("w") as full:
        run = subprocess.run(command, cwd=ROOT, env=environment(), stdout=full, stderr=subprocess.PIPE)

    assert (run.returncode, run.stderr) == (2, b"")


@on_linux
def test_what_is_missing_is_named_and_the_rest_is_looked_at() -> None:
    checked = Checked(
        "hub", AZURE_VOICE_LIVE_ENDPOINT="https://<your-resource>", AZURE_VOICE_LIVE_API_KEY=KEY
    )

    assert checked.exit_code == 2, "that of the first failure"
    missing = checked.found("all needed", "FAILED")
    assert "endpoint still holds a placeholder" in missing
    assert "agent id is missing" in missing and "connection string is missing" in missing
    key = f"set ({len(KEY)} characters) (AZURE_VOICE_LIVE_API_KEY in the shell)"
    assert checked.found("api key", "?").startswith(f"{key}: agents take no key today.")
    assert KEY not in checked.text + checked.stderr
    assert "There is no microphone." in checked.found("microphone", "FAILED")
    assert "There is no speaker." in checked.found("speaker", "FAILED")
    assert "Not signed in" in checked.found("ml.azure.com", "FAILED")
    assert checked.rows["handshake"][0] == "-"
    assert "Copy .env.example to .env" in checked.text
    assert "voicelive_agent.py check" not in checked.text, "they have typed that"


def test_a_value_that_is_wrong_is_not_called_ok() -> None:
    names = ("--project-name", "https://r.services.ai.azure.com", "--agent-name", "anna")
    checked = Checked("--endpoint", "https://r.service.ai.azure.com", *names, *FILES)

    assert checked.exit_code == 2
    assert checked.found("project name", "?").endswith("wrong, see below")
    assert checked.found("endpoint", "?").endswith("wrong, see below")
    assert "(--project-name) is an address" in checked.found("all needed", "FAILED")


def test_a_password_in_the_endpoint_is_not_shown() -> None:
    checked = Checked(*NAMED, *FILES, AZURE_VOICE_LIVE_ENDPOINT="https://u:hunter2@host?api-key=hunter2")

    assert checked.exit_code == 2
    assert checked.found("endpoint", "?").startswith("host (")
    assert "hunter2" not in checked.text + checked.stderr


@on_linux
def test_without_sound_the_rest_is_looked_at(stand_in: StandIn) -> None:
    checked = Checked("--endpoint", stand_in.endpoint, *NAMED)

    assert checked.exit_code == 1
    assert "There is no microphone." in checked.found("microphone", "FAILED")
    assert checked.found("session.updated")
    assert "microphone: Plug one in" in checked.text
    assert "`--input FILE.wav`" in checked.text


def test_the_token_tells_who_is_signed_in(stand_in: StandIn, tmp_path: Path) -> None:
    token = jwt(aud="https://{host}", tid="tenant-1", upn="anna@contoso.com", exp=time.time() + 3630)
    path = fake_az(tmp_path / "bin", token=token)
    with over_tls(stand_in, tmp_path) as (endpoint, trust):
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


@pytest.mark.skipif(sys.platform != "linux", reason="sounddevice brings PortAudio elsewhere")
def test_without_portaudio_the_package_is_named(stand_in: StandIn, tmp_path: Path) -> None:
    hidden = "import ctypes.util; ctypes.util.find_library = lambda name: None"
    (tmp_path / "sitecustomize.py").write_text(hidden)

    checked = Checked("--endpoint", stand_in.endpoint, *NAMED, PYTHONPATH=str(tmp_path))

    assert checked.exit_code == 1
    assert "PortAudio library not found" in checked.found("PortAudio", "FAILED")
    assert "sudo apt install libportaudio2" in checked.text
    assert "microphone" not in checked.rows
    assert checked.found("session.updated")


@pytest.mark.soundcard
def test_a_microphone_is_listened_to_and_a_tone_played(
    stand_in: StandIn, sound_card: VirtualSoundCard
) -> None:
    noise = np.random.default_rng(1).uniform(-0.2, 0.2, 10 * SAMPLE_RATE_HZ)
    sound_card.speak((noise * 32767).astype("<i2").tobytes())
    with sound_card.recording() as recording:
        arguments = ("--endpoint", stand_in.endpoint, *NAMED, "--tone")
        checked = Checked(*arguments, **sound_card.environment)
        heard = np.frombuffer(recording.pcm, "<i2").astype(float)

    assert checked.exit_code == 0, checked.text
    assert "ALSA, 24000 Hz, 2 channels; level -19 dBFS, peak -14 dBFS" in checked.found("microphone")
    assert "a tone was played" in checked.found("speaker")
    loudest = np.argmax(np.abs(np.fft.rfft(heard))) * SAMPLE_RATE_HZ / len(heard)
    assert abs(loudest - 440) < 3
    assert np.max(np.abs(heard)) > 5_000


@pytest.mark.soundcard
def test_a_silent_microphone(stand_in: StandIn, sound_card: VirtualSoundCard) -> None:
    checked = Checked("--endpoint", stand_in.endpoint, *NAMED, **sound_card.environment)

    assert checked.exit_code == 0, "a noise gate gives zeros, too"
    assert "nothing but silence" in checked.found("microphone", "?")
    assert "Is it muted?" in checked.text


@pytest.mark.soundcard
def test_a_sound_card_without_a_microphone(
    stand_in: StandIn, sound_card: VirtualSoundCard, tmp_path: Path
) -> None:
    speaker_only = "pcm.!default { type asym playback.pcm { type pulse } }\n"
    (tmp_path / "alsa.conf").write_text(speaker_only)
    variables = {**sound_card.environment, "ALSA_CONFIG_PATH": str(tmp_path / "alsa.conf")}

    checked = Checked("--endpoint", stand_in.endpoint, *NAMED, **variables)

    assert checked.exit_code == 1
    assert checked.found("microphone", "FAILED")
    assert checked.found("speaker")


def test_a_run_that_fails_names_the_check_that_sees_the_same(logs: Path, sound: tuple[str, ...]) -> None:
    body = '{"error": {"message": "Principal lacks a role."}}'
    with tcp_server(answers(f"HTTP/1.1 403 Forbidden\nContent-Length: {len(body)}\n\n{body}")) as port:
        command = ("project", "--endpoint", f"http://127.0.0.1:{port}", *NAMED, *sound)
        program = Program(*command, log_dir=logs)
        assert program.wait() == 4
        check = shlex.split(program.stderr.rpartition("To look at each part: ")[2].strip("`\r\n"))
        checked = subprocess.run(check, cwd=ROOT, env=environment(), capture_output=True)

    assert checked.returncode == 4
    assert b"Principal lacks a role." in checked.stdout


@pytest.mark.parametrize("token", ["opaque", "a.b.c", f"a.{base64.b64encode(b'[1]').decode()}.c", ""])
def test_a_token_that_is_no_jwt_is_no_problem(token: str) -> None:
    assert claims(token) == ["it does not describe itself"]
