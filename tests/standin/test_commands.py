"""The commands as a person runs them, on a machine without sound and without Azure."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from program import NAMED, ROOT, Program, environment, fake_az, loudness, on_linux
from servers import certificate, forwards_to, tcp_server

from standin.server import StandIn

CONNECTION_STRING = "eastus2.api.azureml.ms;0a1b;my group;my-project"


@on_linux
def test_the_demo_holds_a_whole_conversation_on_a_bare_machine(logs: Path) -> None:
    program = Program("demo", log_dir=logs, stdin=subprocess.DEVNULL)

    assert program.wait() == 0, program.stderr
    assert re.fullmatch(r"You: \(3\.\d s of speech\)\nAgent: You spoke for 3\.\d s\. .*\n", program.stdout)
    assert "There is no microphone." in program.stderr
    assert "There is no speaker." in program.stderr
    assert program.conversation_log.startswith(
        "Agent Session Log:\nUsing agent: stand-in\nProject name: demo\nSession Config: {"
    )
    assert re.search(
        r"\nSessionID: sess_\w+\nUser Input:\t\(3.*\)\nAgent Audio Response:\tYou spoke.*\n$",
        program.conversation_log,
    )
    begun, _, ended = program.stderr.partition("Speak.\n")
    assert len(begun.splitlines()) <= 5 and str(logs) not in begun
    (heard,) = logs.glob("*_speaker.wav")
    assert [line.split()[-1] for line in ended.splitlines()[-3:]] == [
        *(str(path) for kind in ("conversation", "voicelive") for path in logs.glob(f"*_{kind}.log")),
        str(heard),
    ]
    assert 2.0 < 0.02 * np.count_nonzero(loudness(heard) > 300) < 4.0


def test_an_agent_by_name(stand_in: StandIn, logs: Path, sound: tuple[str, ...]) -> None:
    before = len(stand_in.sessions)
    program = Program(
        "project",
        "--endpoint",
        stand_in.endpoint,
        *NAMED,
        *sound,
        log_dir=logs,
    )

    assert program.wait() == 0, program.stderr
    session = stand_in.sessions[before]
    assert session.query == {"api-version": "2026-07-15", "agent-name": "anna", "agent-project-name": "p"}
    assert session.headers["authorization"] == "Bearer made-up-token"
    assert re.fullmatch(r"[0-9a-f-]{36}", session.headers["x-ms-client-request-id"])
    assert session.received[0]["type"] == "session.update"
    assert "agent-name=anna" in program.technical_log


@pytest.mark.parametrize("script", ["voicelive_agent.py", "hub_variant.py"])
def test_an_agent_of_a_hub_based_project(
    stand_in: StandIn, logs: Path, sound: tuple[str, ...], script: str
) -> None:
    before = len(stand_in.sessions)
    program = Program(
        *(["hub"] if script == "voicelive_agent.py" else []),
        *sound,
        script=script,
        log_dir=logs,
        env=environment(
            AZURE_VOICE_LIVE_ENDPOINT=stand_in.endpoint,
            AI_FOUNDRY_AGENT_ID="asst_1",
            AI_FOUNDRY_AGENT_CONNECTION_STRING=CONNECTION_STRING,
        ),
    )

    assert program.wait() == 0, program.stderr
    assert stand_in.sessions[before].query == {
        "api-version": "2025-05-01-preview",
        "agent-id": "asst_1",
        "agent-connection-string": CONNECTION_STRING,
        "agent-access-token": "made-up-token",
    }
    assert "Using agent: asst_1\nHub project: my-project\n" in program.conversation_log
    assert "deprecated since 2026-08-31" in program.stderr


def test_tokens_are_for_the_service_only(tmp_path: Path, logs: Path, sound: tuple[str, ...]) -> None:
    """Real TLS and the real azure-identity: both tokens arrive, and stand nowhere else."""
    trusted, context = certificate(tmp_path)
    with StandIn() as service:
        port = int(service.endpoint.rpartition(":")[2])
        with tcp_server(forwards_to(port), context) as tls:
            program = Program(
                *("hub", "--endpoint", f"https://localhost:{tls}", "--agent-id", "asst_1"),
                *("--connection-string", CONNECTION_STRING, *sound),
                log_dir=logs,
                env=environment(PATH=fake_az(tmp_path / "bin", together=2), SSL_CERT_FILE=str(trusted)),
            )
            assert program.wait() == 0, program.stderr
        (session,) = service.sessions

    assert session.headers["authorization"] == "Bearer token-for-ai.azure.com"
    assert session.query["agent-access-token"] == "token-for-ml.azure.com"
    everything = program.stdout + program.stderr + program.conversation_log + program.technical_log
    assert "token-for" not in everything


@pytest.mark.parametrize(
    ("arguments", "missing"),
    [((), "project name is missing"), (("run", "hub"), "connection string is missing")],
)
def test_an_endpoint_decides_what_is_run(stand_in: StandIn, arguments: tuple[str, ...], missing: str) -> None:
    command = [sys.executable, "voicelive_agent.py", *arguments]
    program = subprocess.run(
        command,
        cwd=ROOT,
        env=environment(AZURE_VOICE_LIVE_ENDPOINT=stand_in.endpoint),
        capture_output=True,
        text=True,
    )

    assert program.returncode == 2
    assert missing in program.stderr
    assert "demo" not in program.stderr.splitlines()[0]


@pytest.mark.parametrize(
    ("endpoint", "why"),
    [("", "is not set"), ("https://<your-resource>.services.ai.azure.com", "still holds a placeholder")],
)
def test_without_an_endpoint_the_demo_is_run_with_the_same_options(
    question: str, tmp_path: Path, endpoint: str, why: str
) -> None:
    env = environment(AZURE_VOICE_LIVE_ENDPOINT=endpoint)
    program = Program("run", "--input", question, "--agent-name", "anna", log_dir=tmp_path, env=env)

    assert program.wait() == 0
    assert program.stderr.startswith(f"AZURE_VOICE_LIVE_ENDPOINT {why}: this is the demo")
    assert f"Microphone: {question}" in program.stderr


def test_help_shows_no_secret_and_loads_nothing_heavy() -> None:
    secret = "k-0123456789"
    command = [sys.executable, "-X", "importtime", "voicelive_agent.py", "project", "--help"]
    program = subprocess.run(
        command, cwd=ROOT, env=environment(AZURE_VOICE_LIVE_API_KEY=secret), capture_output=True, text=True
    )

    assert program.returncode == 0
    assert "--agent-name" in program.stdout
    assert secret not in program.stdout
    for module in ("numpy", "sounddevice", "azure.identity", "soxr", "standin"):
        assert not re.search(rf"\| +{re.escape(module)}$", program.stderr, re.MULTILINE), module


def test_the_version() -> None:
    command = [sys.executable, "voicelive_agent.py", "--version"]

    assert re.fullmatch(r"voicelive \d+\.\d+\.\d+\n", subprocess.check_output(command, cwd=ROOT, text=True))


def test_the_agent_may_speak_first_to_one_who_only_types(stand_in: StandIn, logs: Path) -> None:
    arguments = ("--greet", "--no-mic", "--output", os.devnull, "--verbose")
    program = Program("project", "--endpoint", stand_in.endpoint, *NAMED, *arguments, log_dir=logs)
    program.wait_for(lambda: "Agent: You asked me to speak." in program.stdout)

    assert program.process.stdin
    program.process.stdin.write(b"Hello")  # and no Enter
    program.process.stdin.close()

    assert program.wait() == 0, "it ends when all was heard"
    assert program.stdout.splitlines()[-2:] == [
        "You (typed): Hello",
        'Agent: You wrote "Hello". I am only a stand-in and play my one recording.',
    ]
    assert "Microphone: none (--no-mic)" in program.stderr
    assert re.search(r"Received event: response\.audio\.delta( \u00d7\d+)?\n", program.stderr)
    begun, _, _ = program.stderr.partition("Type, and press Enter.")
    assert all(word in begun for word in ("api-version 2026-07-15", "Session sess_", "_voicelive.log"))
    assert re.search(r"Ended after 0:\d\d: 2 answers, [01] interrupted, 0 reconnects", program.stderr)
    assert re.search(r"First sound after \d\.\d\d s \(median\)", program.stderr)
    assert "User Input (typed):\tHello\n" in program.conversation_log
    assert re.search(r"latency: noticed .*, first audio 0\.", program.technical_log)


def test_who_only_types_and_types_nothing_has_said_all(stand_in: StandIn, logs: Path) -> None:
    arguments = ("--no-mic", "--output", os.devnull)
    program = Program(
        *("project", "--endpoint", stand_in.endpoint, *NAMED, *arguments),
        log_dir=logs,
        stdin=subprocess.DEVNULL,
    )

    assert program.wait() == 0
    assert "0 answers" in program.stderr


@pytest.mark.parametrize(
    ("keys", "told"), [("", "You are muted. Type m, then Enter, to speak."), ("m", "Speak.")]
)
def test_who_is_muted_is_told_so_and_not_to_speak(
    stand_in: StandIn, logs: Path, sound: tuple[str, ...], keys: str, told: str
) -> None:
    arguments = ("project", "--endpoint", stand_in.endpoint, *NAMED, *sound, "--muted")
    program = Program(*arguments, log_dir=logs)
    for key in keys:  # while the session is still to come
        program.type(key)
    program.wait_for(lambda: told in program.stderr)
    program.type("q")

    assert program.wait() == 0
    assert ("Speak." in program.stderr) == ("You are muted" not in program.stderr)


def test_a_muted_microphone_is_not_heard(stand_in: StandIn, logs: Path, sound: tuple[str, ...]) -> None:
    before = len(stand_in.sessions)
    program = Program("project", "--endpoint", stand_in.endpoint, *NAMED, *sound, log_dir=logs)
    program.type("m")
    program.wait_for(lambda: "The microphone is muted." in program.stderr)
    program.wait_for(lambda: "You are muted." in program.stderr)
    session = stand_in.sessions[before]
    assert stand_in.wait_for(lambda: session.audio_frames > 2 * 24_000, timeout=10)

    program.type("q")

    assert program.wait() == 0
    assert "input_audio_buffer.speech_started" not in session.sent


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_where_nobody_takes_what_is_said_the_exit_code_is_the_run_s_own(
    logs: Path, sound: tuple[str, ...], stream: str
) -> None:
    command = [sys.executable, "voicelive_agent.py", "demo", *sound, "--log-dir", str(logs)]
    other = {"stdout": "stderr", "stderr": "stdout"}[stream]
    with Path("/dev/full").open("w") as full:
        streams = {stream: full, other: subprocess.PIPE}
        run = subprocess.run(command, cwd=ROOT, env=environment(), **streams)  # type: ignore[call-overload]

    assert run.returncode == 0
    assert b"Exception ignored" not in (run.stderr or b"")


def test_what_is_said_outside_a_conversation_moves_no_cursor() -> None:
    command = [
        sys.executable,
        "voicelive_agent.py",
        "project",
        *NAMED[:2],
        "--agent-id",
        "asst\x1b]0;pwned\x07",
    ]
    run = subprocess.run(
        [*command, "--api-version", "2026-07-15"], cwd=ROOT, env=environment(), capture_output=True
    )

    assert run.returncode == 2
    assert b"agent id asst is of the classic kind" in run.stderr
    assert b"\x1b" not in run.stderr
