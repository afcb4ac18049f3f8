"""No token and no key is ever shown: planted wherever they can be, and looked for in all that is left."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from planted import JWT, KEY, OPAQUE, Machine, leaks, leaks_of
from program import NAMED, ROOT, environment
from servers import answers, forwards_to, read_head, tcp_server, websocket_server
from websockets.sync.server import ServerConnection

import hub_variant
from standin.server import StandIn
from voicelive.app.options import Options
from voicelive.app.plan import Plan
from voicelive.app.settings import Settings
from voicelive.auth import Access
from voicelive.connection import Connection
from voicelive.errors import VoiceLiveError
from voicelive.service import AgentTarget, Service
from voicelive.session import Offer, session_update

HUB = ("hub", "--agent-id", "asst_1", "--connection-string", "eastus2.api.azureml.ms;0a1b;group;project")


@pytest.fixture
def machine(tmp_path: Path, question: str) -> Machine:
    return Machine(tmp_path, question)


def reads_nothing(client: socket.socket) -> None:
    """A service that nobody is to reach."""


def port_of(url: str) -> int:
    return int(url.split(":")[2].split("/")[0])


def sent_by(client: ServerConnection) -> str:
    """All that the client gave away: its address and its headers, in one line."""
    assert client.request is not None
    return f"{client.request.path} {dict(client.request.headers.raw_items())}"


def test_a_run_that_works_shows_none(machine: Machine, logs: Path) -> None:
    with StandIn() as service:
        with machine.runs(logs, forwards_to(port_of(service.endpoint)), *HUB) as program:
            assert program.wait() == 0, program.stderr
        (session,) = service.sessions

    assert session.headers["authorization"] == f"Bearer {JWT}"
    assert session.query["agent-access-token"] == OPAQUE
    assert leaks_of(program) == []


def echoes(client: socket.socket) -> None:
    """A service that refuses, and repeats in its answer all that it was told."""
    head = read_head(client).decode().replace("\r\n", " ")
    body = json.dumps({"error": {"code": "403", "message": f"{OPAQUE} {JWT} {head}"}})
    response = f"HTTP/1.1 403 Forbidden\r\nX-Echo: {head}\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    client.sendall(response.encode())


@pytest.mark.parametrize("way", ["signed in", "key"])
def test_a_run_that_is_refused_shows_none(machine: Machine, logs: Path, way: str) -> None:
    variables = {"AZURE_VOICE_LIVE_API_KEY": KEY} if way == "key" else {}
    with machine.runs(logs, echoes, *HUB, **variables) as program:
        assert program.wait() == 4

    assert "HTTP 403" in program.stderr
    assert "[hidden]" in program.stderr
    assert leaks_of(program) == []


@pytest.mark.parametrize("before", [265, 280])
def test_a_secret_that_is_cut_in_two_is_hidden(machine: Machine, logs: Path, before: int) -> None:
    def refuses(client: socket.socket) -> None:
        read_head(client)
        body = f"{'x' * before} {KEY} and more"
        client.sendall(f"HTTP/1.1 403 Forbidden\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())

    with machine.runs(logs, refuses, "project", *NAMED, AZURE_VOICE_LIVE_API_KEY=KEY) as program:
        assert program.wait() == 4

    assert leaks_of(program) == []


def repeats_all(client: ServerConnection) -> None:
    """A service that says in every place there is what it was told; then it is gone, or breaks off."""
    told = sent_by(client)
    client.recv()
    item = {"item_id": f"item_{told}", "response_id": "resp_1"}
    events: list[dict[str, object]] = [
        {"type": "session.created", "session": {"id": f"sess_{told}"}},
        {"type": "session.updated", "session": {"id": "sess_1", "echo": told}},
        {"type": "warning", "warning": {"message": told}},
        {"type": "error", "error": {"type": "x", "code": told, "message": told, "param": told}},
        {"type": "response.created", "response": {"id": "resp_1", "conversation_id": told}},
        {"type": "response.audio_transcript.delta", **item, "delta": told},
        {"type": "response.audio_transcript.done", **item, "transcript": told},
        {"type": "response.audio.delta", **item, "delta": told},
        {"type": "conversation.item.input_audio_transcription.failed", **item, "error": {"message": told}},
        {
            "type": "response.done",
            "response": {
                "id": "resp_1",
                "status": "failed",
                "status_details": {"type": "failed", "error": {"message": told}},
            },
        },
        {"type": told},
    ]
    for event in events:
        client.send(json.dumps(event))
    client.send(told)  # no JSON
    client.send(told.encode())
    client.close(1011, f"Bearer {JWT}"[:120])


def test_a_run_that_reconnects_shows_none(machine: Machine, logs: Path) -> None:
    asked: list[str] = []

    def service(client: ServerConnection) -> None:
        asked.append(sent_by(client))
        repeats_all(client)

    with (
        websocket_server(service) as url,
        machine.runs(logs, forwards_to(port_of(url)), *HUB) as program,
    ):
        assert program.wait() == 1

    assert len(asked) == 3, program.stderr
    assert all(f"Bearer {JWT}" in told and "opaque%2Bplanted" in told for told in asked)
    assert "The service warns: " in program.stderr
    assert "[hidden]" in program.stdout
    assert leaks_of(program) == []


def test_a_key_that_the_service_repeats_is_hidden(machine: Machine, logs: Path) -> None:
    with (
        websocket_server(repeats_all) as url,
        machine.runs(
            *(logs, forwards_to(port_of(url)), "project", *NAMED), AZURE_VOICE_LIVE_API_KEY=KEY
        ) as program,
    ):
        assert program.wait() == 1

    assert "The service warns: " in program.stderr
    assert "[hidden]" in program.stdout
    assert leaks_of(program) == []


# A program that is ours but for one function, which fails with a secret in its message or its variables.
BROKEN = """
import runpy, sys
import voicelive.{module} as module
def broken(*arguments, **more):
    inner = {secret!r}
    raise RuntimeError({message})
module.{function} = broken
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("auth.fetch_tokens", "'odd: Authorization: Bearer ' + inner"),
        ("connection.shake_hands", "'wss://host/?agent-access-token=' + inner"),
        ("app.plan.find_service", "'api-key: ' + inner"),  # no logs yet: the traceback is the screen's
    ],
    ids=["signing in", "connecting", "before"],
)
def test_an_exception_shows_none(machine: Machine, logs: Path, place: str, message: str) -> None:
    module, _, function = place.rpartition(".")
    code = BROKEN.format(module=module, function=function, secret=JWT, message=message)
    command = [sys.executable, "-c", code, "voicelive_agent.py", "project", *NAMED]
    command += ["--endpoint", "https://localhost:1", "--output", os.devnull, "--log-dir", str(logs)]
    command += ["--input", "standin/sample.wav"]
    variables = {**machine.environment, "COLUMNS": "500"}

    run = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True)

    assert run.returncode == 1
    texts = [path.read_text(encoding="utf-8") for path in logs.glob("*.log")]
    assert "RuntimeError: " in "".join([*texts, run.stderr])
    assert leaks(run.stdout, run.stderr, *texts) == []


NO_MEMORY = """
import traceback
def has_no_memory(*_):
    raise MemoryError
traceback.format_exc = has_no_memory
"""


def test_an_exception_shows_none_where_no_memory_is_left_to_tell_it() -> None:
    code = NO_MEMORY + BROKEN.format(
        module="app.plan", function="find_service", secret=JWT, message="'api-key: ' + inner"
    )
    command = [sys.executable, "-c", code, "voicelive_agent.py", "project", *NAMED]

    run = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True)

    assert run.returncode == 1
    assert "Traceback" not in run.stderr
    assert leaks(run.stdout, run.stderr) == []


LAST_WORDS = {
    "error": f"ERROR: the token {JWT} is of no use",
    "half an answer": f'{{"accessToken": "{OPAQUE}"',
}


@pytest.mark.parametrize("way", LAST_WORDS)
def test_a_sign_in_that_fails_shows_none(tmp_path: Path, machine: Machine, logs: Path, way: str) -> None:
    az = tmp_path / "bin" / "az.py"
    az.write_text(f"import sys\nprint({LAST_WORDS[way]!r})\nsys.exit({LAST_WORDS[way]!r})\n")
    with machine.runs(logs, reads_nothing, "project", *NAMED) as program:
        assert program.wait() == 4

    assert "Not signed in" in program.stderr
    assert leaks_of(program) == []


def test_what_our_objects_show_of_themselves() -> None:
    settings = Settings({}, {"AZURE_VOICE_LIVE_API_KEY": KEY}, {"AZURE_VOICE_LIVE_API_KEY": KEY})
    target = AgentTarget("asst_1", "p", {"agent-id": "asst_1"}, "https://ml.azure.com/.default")
    service = Service("wss://localhost/voice-live/realtime", "2025-05-01-preview")
    access = Access({"Authorization": f"Bearer {JWT}", "api-key": KEY}, OPAQUE)
    first_message = session_update("2025-05-01-preview", "v", {}, {})
    plan = Plan(hub_variant.HUB, target, service, settings, Options(), first_message, Offer())
    refusal = "HTTP/1.1 401 Unauthorized\nContent-Length: 0\n\n"
    with tcp_server(answers(refusal)) as port, pytest.raises(VoiceLiveError) as failure:
        Connection(
            f"ws://127.0.0.1:{port}/?agent-access-token=opaque%2Bplanted%2Ftoken", dict(access.headers)
        )

    for shown in (target, access, plan, settings, failure.value, failure.value.__cause__):
        assert leaks(repr(shown), str(shown)) == []


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["project", "--help"], ["hub", "--help"], ["demo", "--help"], ["project", "--endpoint"]],
)
def test_help_and_mistakes_show_none(arguments: list[str]) -> None:
    command = [sys.executable, "voicelive_agent.py", *arguments]
    planted = environment(AZURE_VOICE_LIVE_API_KEY=KEY, AZURE_CLIENT_SECRET=OPAQUE, COLUMNS="500")

    run = subprocess.run(command, cwd=ROOT, env=planted, capture_output=True, text=True)

    assert run.returncode in (0, 2)
    assert leaks(run.stdout, run.stderr) == []
