"""How a run ends: asked to, refused, or given something that it cannot use."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from program import ENDS_WITHIN_S, NAMED, ROOT, SAMPLE, Program, environment, fake_az, loudness, on_linux
from servers import answers, tcp_server

from standin.server import StandIn


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
    stand_in: StandIn, logs: Path, sound: tuple[str, ...]
) -> None:
    """Refused by an error event, after HTTP 101."""
    program = Program(
        *("project", "--endpoint", stand_in.endpoint, *NAMED, *sound),
        log_dir=logs,
        env=environment(AZURE_VOICE_LIVE_API_KEY="k-0123456789"),
    )

    assert program.wait() == 4
    assert "unset AZURE_VOICE_LIVE_API_KEY" in program.stderr
    assert "k-0123456789" not in program.stderr + program.technical_log


@on_linux
def test_only_the_demo_replaces_a_missing_microphone(stand_in: StandIn, logs: Path) -> None:
    program = Program("project", "--endpoint", stand_in.endpoint, *NAMED, log_dir=logs)

    assert program.wait() == 1
    assert "There is no microphone." in program.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="sounddevice brings PortAudio elsewhere")
@pytest.mark.parametrize(("command", "exit_code"), [("project", 1), ("devices", 1), ("demo", 0)])
def test_without_portaudio_the_package_to_install_is_named(
    stand_in: StandIn, logs: Path, tmp_path: Path, question: str, command: str, exit_code: int
) -> None:
    hidden = "import ctypes.util; ctypes.util.find_library = lambda name: None"
    (tmp_path / "sitecustomize.py").write_text(hidden)
    arguments = {
        "project": ["--endpoint", stand_in.endpoint, *NAMED, "--log-dir", str(logs)],
        "devices": [],
        "demo": ["--input", question, "--log-dir", str(logs)],
    }

    run = subprocess.run(
        [sys.executable, "voicelive_agent.py", command, *arguments[command]],
        cwd=ROOT,
        env=environment(PYTHONPATH=str(tmp_path)),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )

    assert run.returncode == exit_code
    assert "sudo apt install libportaudio2" in run.stderr or command == "demo"
    assert "PortAudio library not found" in run.stderr
    assert "Traceback" not in run.stderr


QUIT: dict[str, tuple[int, Callable[[Program], None]]] = {
    "q": (0, lambda program: program.type("q")),
    "Ctrl-C": (130, lambda program: program.process.send_signal(signal.SIGINT)),
    "SIGTERM": (143, lambda program: program.process.terminate()),
    "SIGHUP": (129, lambda program: program.process.send_signal(signal.SIGHUP)),
}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
@pytest.mark.parametrize("way", QUIT)
def test_every_way_out_is_quick_and_closes_the_logs(
    stand_in: StandIn, logs: Path, sound: tuple[str, ...], way: str
) -> None:
    before = len(stand_in.sessions)
    program = Program(
        *("project", "--endpoint", stand_in.endpoint, *NAMED, *sound),
        log_dir=logs,
    )
    program.wait_for(lambda: "Speak." in program.stderr)
    code, end = QUIT[way]

    exit_code, seconds = program.end(lambda: end(program))

    assert exit_code == code
    assert seconds < ENDS_WITHIN_S
    assert "Traceback" not in program.stderr
    assert program.conversation_log.endswith("\n")
    assert "closed by the service: 1000" in program.technical_log, "the socket was closed properly"
    assert stand_in.wait_for(lambda: not stand_in.sessions[before].open, timeout=5)
    assert loudness(logs / "heard.wav") is not None, "the file is whole"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
def test_who_starts_it_with_nohup_keeps_it_when_the_terminal_is_closed(
    stand_in: StandIn, logs: Path, sound: tuple[str, ...]
) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        program = Program("project", "--endpoint", stand_in.endpoint, *NAMED, *sound, log_dir=logs)
    finally:
        signal.signal(signal.SIGHUP, before)
    program.wait_for(lambda: "Speak." in program.stderr)
    program.process.send_signal(signal.SIGHUP)

    assert program.wait() == 0, "it went on to its end"


@pytest.mark.skipif(os.name == "nt", reason="needs a POSIX shell")
@pytest.mark.parametrize("stdin", ["<&-", "</dev/null"])
def test_a_closed_stdin_is_no_reason_to_end(
    stand_in: StandIn, logs: Path, sound: tuple[str, ...], stdin: str
) -> None:
    command = (
        f'"{sys.executable}" voicelive_agent.py project --endpoint {stand_in.endpoint} --project-name p '
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
        (["demo", "--input", "README.md"], ["README.md: not a 16-bit PCM WAV", "ffmpeg -i README.md"]),
        (["demo", "--session", "requirements.txt"], ["requirements.txt: not JSON"]),
        (["demo", "--input", str(SAMPLE), "--output", str(SAMPLE)], ["name the same file"]),
        (["demo", "--log-dir", "README.md"], ["logs cannot be written to"]),
        (["demo", "--no-such-option"], ["No such option"]),
        (["dance"], ["No such command"]),
        (["--input", "no.wav", "--no-mic"], ["--input and --no-mic exclude each other"]),
        (["--endpoint=http://example.com", "hub"], ["use https", "agent id is missing"]),
        (["--no-such-option"], ["No such option"]),
        (["demo", "--endpoint", "https://host"], ["The demo takes no --endpoint"]),
        (["project", *NAMED, "--endpoint", "https://u:hunter2@host"], ["'host'", "must have no user"]),
        (["project", "--project-name", "p", "--agent-name", ":3"], ["must have a name before its version"]),
    ],
)
def test_a_mistake_is_told_in_words_and_nothing_is_lost(
    tmp_path: Path, arguments: list[str], said: list[str]
) -> None:
    before = SAMPLE.read_bytes()
    command = [sys.executable, "voicelive_agent.py", *arguments]
    if "--log-dir" not in arguments and arguments[0] != "dance":
        command += ["--log-dir", str(tmp_path)]
    program = subprocess.run(
        command, cwd=ROOT, env=environment(), capture_output=True, text=True, stdin=subprocess.DEVNULL
    )

    assert program.returncode == 2, program.stderr
    assert all(sentence in program.stderr for sentence in said), program.stderr
    assert "Traceback" not in program.stderr
    assert "hunter2" not in program.stderr
    assert SAMPLE.read_bytes() == before


def test_a_wrong_input_leaves_the_output_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "precious.wav").write_text("precious")
    command = [sys.executable, "voicelive_agent.py", "demo", "--input", "no.wav"]
    command += ["--output", str(tmp_path / "precious.wav"), "--log-dir", str(tmp_path)]

    assert subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True).returncode == 2
    assert (tmp_path / "precious.wav").read_text() == "precious"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_an_output_that_is_not_complete_is_told(stand_in: StandIn, logs: Path, question: str) -> None:
    sound = ("--input", question, "--output", "/dev/full")
    program = Program("project", "--endpoint", stand_in.endpoint, *NAMED, *sound, log_dir=logs)

    assert program.wait() == 1
    assert "/dev/full is not complete: No space left on device." in program.stderr


def test_the_demo_needs_no_proxy(logs: Path, sound: tuple[str, ...]) -> None:
    env = environment(http_proxy="http://127.0.0.1:9", no_proxy=".example.com")
    program = Program("demo", *sound, log_dir=logs, env=env)

    assert program.wait() == 0, program.stderr


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signal")
def test_a_killed_process_leaves_every_finished_line_in_the_log(
    stand_in: StandIn, logs: Path, sound: tuple[str, ...]
) -> None:
    program = Program("project", "--endpoint", stand_in.endpoint, *NAMED, *sound, log_dir=logs)
    program.wait_for(lambda: "Agent: You spoke" in program.stdout and program.stdout.endswith("\n"))
    both = r"User Input:\t.*\nAgent Audio Response:\tYou spoke"
    program.wait_for(lambda: re.search(both, program.conversation_log), timeout_s=1)  # a thread of its own

    program.process.kill()

    assert program.wait() == -signal.SIGKILL
    assert re.search(both, program.conversation_log)
    assert len(loudness(logs / "heard.wav")), "the recording is valid, too"
