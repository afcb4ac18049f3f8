"""The commands as a person runs them, on a machine without sound and without Azure."""

import os
import re
import signal
import subprocess
import sys
import wave
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from program import ROOT, Program, environment, fake_az
from servers import answers, certificate, forwards_to, tcp_server

from voicelive.simulator import Simulator

SAMPLE = str(ROOT / "voicelive" / "sample.wav")
CONNECTION_STRING = "eastus2.api.azureml.ms;0a1b;my group;my-project"
NAMED = ("--project-name", "p", "--agent-name", "anna")


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator() as running:
        yield running


@pytest.fixture(scope="module")
def question(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The first word of the sample, as a WAV file: a whole conversation about it takes five seconds."""
    path = tmp_path_factory.mktemp("question") / "question.wav"
    with wave.open(SAMPLE) as sample, wave.open(str(path), "wb") as file:
        file.setparams(sample.getparams())
        file.writeframes(sample.readframes(24_000))
    return str(path)


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    folder = tmp_path / "logs"
    folder.mkdir()
    return folder


@pytest.fixture
def sound(question: str, logs: Path) -> tuple[str, ...]:
    """The options that take the question for the microphone, and a file for the speaker."""
    return "--input", question, "--output", str(logs / "heard.wav")


def loudness(path: Path) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """The level of each 20 ms of a WAV file, RMS."""
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (24_000, 1, 2)
        pcm = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").astype(float)
    return np.sqrt(np.mean(pcm[: len(pcm) // 480 * 480].reshape(-1, 480) ** 2, axis=1))


def test_the_demo_holds_a_whole_conversation_on_a_bare_machine(logs: Path) -> None:
    program = Program("demo", log_dir=logs, stdin=subprocess.DEVNULL)

    assert program.wait() == 0
    assert re.fullmatch(r"You: \(3\.\d s of speech\)\nAgent: You spoke for 3\.\d s; .*\n", program.stdout)
    assert "There is no microphone." in program.stderr
    assert "There is no speaker." in program.stderr
    assert program.conversation_log.startswith(
        "Agent Session Log:\nUsing agent: stand-in\nProject name: demo\nSession Config: {"
    )
    assert re.search(
        r"\nSessionID: sess_\w+\nUser Input:\t\(3.*\)\nAgent Audio Response:\tYou spoke.*\n$",
        program.conversation_log,
    )
    (heard,) = logs.glob("*_speaker.wav")
    assert 2.0 < 0.02 * np.count_nonzero(loudness(heard) > 300) < 4.0


def test_an_agent_by_name(simulator: Simulator, logs: Path, sound: tuple[str, ...]) -> None:
    before = len(simulator.sessions)
    program = Program(
        "project",
        "--endpoint",
        simulator.endpoint,
        *NAMED,
        *sound,
        log_dir=logs,
    )

    assert program.wait() == 0, program.stderr
    session = simulator.sessions[before]
    assert session.query == {"api-version": "2026-07-15", "agent-name": "anna", "agent-project-name": "p"}
    assert session.headers["authorization"] == "Bearer made-up-token"
    assert re.fullmatch(r"[0-9a-f-]{36}", session.headers["x-ms-client-request-id"])
    assert session.received[0]["type"] == "session.update"
    assert "agent-name=anna" in program.technical_log


@pytest.mark.parametrize("script", ["voicelive_agent.py", "hub_variant.py"])
def test_an_agent_of_a_hub_based_project(
    simulator: Simulator, logs: Path, sound: tuple[str, ...], script: str
) -> None:
    before = len(simulator.sessions)
    program = Program(
        *(["hub"] if script == "voicelive_agent.py" else []),
        *sound,
        script=script,
        log_dir=logs,
        env=environment(
            AZURE_VOICE_LIVE_ENDPOINT=simulator.endpoint,
            AI_FOUNDRY_AGENT_ID="asst_1",
            AI_FOUNDRY_AGENT_CONNECTION_STRING=CONNECTION_STRING,
        ),
    )

    assert program.wait() == 0, program.stderr
    assert simulator.sessions[before].query == {
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
    with Simulator() as service:
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


def test_who_is_not_signed_in_is_told_what_to_type(
    tmp_path: Path, logs: Path, sound: tuple[str, ...]
) -> None:
    program = Program(
        *("project", "--endpoint", "https://localhost:1", *NAMED, *sound),
        log_dir=logs,
        env=environment(PATH=fake_az(tmp_path / "bin", fails=True)),
    )

    assert program.wait() == 4
    assert "Not signed in for https://ai.azure.com" in program.stderr
    assert "az login" in program.stderr
    assert "Traceback" not in program.stderr + program.stdout


def test_a_refusal_is_told_with_the_request_id_and_the_log(logs: Path, sound: tuple[str, ...]) -> None:
    body = '{"error": {"message": "Principal lacks a role."}}'
    response = f"HTTP/1.1 403 Forbidden\nContent-Length: {len(body)}\n\n{body}"
    with tcp_server(answers(response)) as port:
        program = Program(
            *("project", "--endpoint", f"http://127.0.0.1:{port}", *NAMED, *sound),
            log_dir=logs,
        )
        assert program.wait() == 4

    assert "Principal lacks a role." in program.stderr
    assert "`Cognitive Services User` and `Foundry User`" in program.stderr
    assert re.search(r"Request id: [0-9a-f-]{36}", program.stderr)
    assert "_voicelive.log" in program.stderr


def test_an_agent_that_the_service_does_not_know_ends_the_run(
    simulator: Simulator, logs: Path, sound: tuple[str, ...]
) -> None:
    """Refused by an error event, after HTTP 101."""
    program = Program(
        *("project", "--endpoint", simulator.endpoint, *NAMED, *sound),
        log_dir=logs,
        env=environment(AZURE_VOICE_LIVE_API_KEY="k-0123456789"),
    )

    assert program.wait() == 4
    assert "unset AZURE_VOICE_LIVE_API_KEY" in program.stderr
    assert "k-0123456789" not in program.stderr + program.technical_log


def test_a_file_without_speech_ends_the_run_with_a_line(
    simulator: Simulator, logs: Path, tmp_path: Path
) -> None:
    with wave.open(str(tmp_path / "quiet.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(24_000)
        file.writeframes(bytes(9_600))
    program = Program(
        *("project", "--endpoint", simulator.endpoint, *NAMED, "--input", str(tmp_path / "quiet.wav")),
        *("--output", str(logs / "heard.wav")),
        log_dir=logs,
    )

    assert program.wait() == 1
    assert "The service noticed no speech in" in program.stderr


def test_only_the_demo_replaces_a_missing_microphone(simulator: Simulator, logs: Path) -> None:
    program = Program("project", "--endpoint", simulator.endpoint, *NAMED, log_dir=logs)

    assert program.wait() == 1
    assert "There is no speaker." in program.stderr


QUIT: dict[str, tuple[int, Callable[[Program], None]]] = {
    "q": (0, lambda program: program.type("q")),
    "Ctrl-C": (130, lambda program: program.process.send_signal(signal.SIGINT)),
    "SIGTERM": (143, lambda program: program.process.terminate()),
}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
@pytest.mark.parametrize("way", QUIT)
def test_every_way_out_takes_less_than_a_second_and_closes_the_logs(
    simulator: Simulator, logs: Path, sound: tuple[str, ...], way: str
) -> None:
    before = len(simulator.sessions)
    program = Program(
        *("project", "--endpoint", simulator.endpoint, *NAMED, *sound),
        log_dir=logs,
    )
    program.wait_for(lambda: "Session sess_" in program.stderr)
    code, end = QUIT[way]

    exit_code, seconds = program.end(lambda: end(program))

    assert exit_code == code
    assert seconds < 1
    assert "Traceback" not in program.stderr
    assert program.conversation_log.endswith("\n")
    assert "closed by the service: 1000" in program.technical_log, "the socket was closed properly"
    assert simulator.wait_for(lambda: not simulator.sessions[before].open, timeout=5)
    assert len(loudness(logs / "heard.wav"))


@pytest.mark.skipif(os.name == "nt", reason="needs a POSIX shell")
@pytest.mark.parametrize("stdin", ["<&-", "</dev/null"])
def test_a_closed_stdin_is_no_reason_to_end(
    simulator: Simulator, logs: Path, sound: tuple[str, ...], stdin: str
) -> None:
    command = (
        f'"{sys.executable}" voicelive_agent.py project --endpoint {simulator.endpoint} --project-name p '
    )
    command += f'--agent-name anna {" ".join(sound)} --log-dir "{logs}" {stdin}'

    shell = subprocess.run(command, shell=True, cwd=ROOT, env=environment(), capture_output=True, text=True)

    assert shell.returncode == 0, shell.stderr
    assert "Agent: You spoke" in shell.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["project"], ["project name is missing", "agent name is missing", "endpoint is missing"]),
        (["hub"], ["agent id is missing", "connection string is missing", "endpoint is missing"]),
        (["project", *NAMED, "--endpoint", "http://example.com"], ["use https"]),
        (
            ["project", *NAMED, "--endpoint", "https://<your-resource>"],
            ["endpoint still holds a placeholder"],
        ),
        (["demo", "--input", "no.wav"], ["no.wav: No such file"]),
        (["demo", "--input", "README.md"], ["README.md: no 16-bit PCM WAV", "sox README.md"]),
        (["demo", "--session", "requirements.txt"], ["requirements.txt: no JSON"]),
        (["demo", "--input", SAMPLE, "--output", SAMPLE], ["name the same file"]),
        (["demo", "--log-dir", "README.md"], ["logs cannot be written to"]),
        (["demo", "--no-such-option"], ["No such option"]),
        (["dance"], ["No such command"]),
    ],
)
def test_a_mistake_is_told_in_words_and_nothing_is_lost(
    tmp_path: Path, arguments: list[str], said: list[str]
) -> None:
    before = Path(SAMPLE).read_bytes()
    command = [sys.executable, "voicelive_agent.py", *arguments]
    if "--log-dir" not in arguments and arguments[0] != "dance":
        command += ["--log-dir", str(tmp_path)]
    program = subprocess.run(
        command, cwd=ROOT, env=environment(), capture_output=True, text=True, stdin=subprocess.DEVNULL
    )

    assert program.returncode == 2, program.stderr
    assert all(sentence in program.stderr for sentence in said), program.stderr
    assert "Traceback" not in program.stderr
    assert Path(SAMPLE).read_bytes() == before


def test_without_a_command_an_endpoint_decides(simulator: Simulator) -> None:
    command = [sys.executable, "voicelive_agent.py", "--variant", "hub"]
    program = subprocess.run(
        command,
        cwd=ROOT,
        env=environment(AZURE_VOICE_LIVE_ENDPOINT=simulator.endpoint),
        capture_output=True,
        text=True,
    )

    assert program.returncode == 2
    assert "connection string is missing" in program.stderr
    assert "demo" not in program.stderr.splitlines()[0]


def test_help_shows_no_secret_and_loads_nothing_heavy() -> None:
    secret = "k-0123456789"
    command = [sys.executable, "-X", "importtime", "voicelive_agent.py", "project", "--help"]
    program = subprocess.run(
        command, cwd=ROOT, env=environment(AZURE_VOICE_LIVE_API_KEY=secret), capture_output=True, text=True
    )

    assert program.returncode == 0
    assert "--agent-name" in program.stdout
    assert secret not in program.stdout
    for module in ("numpy", "sounddevice", "azure.identity", "soxr", "voicelive.simulator"):
        assert not re.search(rf"\| +{re.escape(module)}$", program.stderr, re.MULTILINE), module


def test_the_version() -> None:
    command = [sys.executable, "voicelive_agent.py", "--version"]

    assert re.fullmatch(r"voicelive \d+\.\d+\.\d+\n", subprocess.check_output(command, cwd=ROOT, text=True))
