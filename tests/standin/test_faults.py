"""The faults that voice clients meet in the field: told in words, and what can go on goes on.

Each scene of the stand-in is a run of the real program. The runs are made at the same time, for they
mostly wait; what a test waits for is its own.
"""

import os
import re
import wave
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
import test_agent_scenes
from program import NAMED, ROOT, Program

from standin import faults
from standin.records import SeenSession
from standin.server import StandIn

AT_ONCE = 4
RATE = 24_000
PAUSE_S = 0.6  # before the question: in it, the first connections are lost
SILENCE_S = 2.4  # after it: the answer comes, and the run is far from over
ROLES = "`Cognitive Services User` and `Foundry User`"


@dataclass(frozen=True)
class Run:
    """A run that is over: what it was told, what it told, and what reached the stand-in."""

    exit_code: int
    stdout: str
    stderr: str
    conversation_log: str
    technical_log: str
    sessions: list[SeenSession]
    handshakes: int
    redirected: int


# Faults (and options) → exit code, words on stderr.
DOOR: dict[str, tuple[int, list[str]]] = {
    "400": (1, ["HTTP 400", '"The api-version is not supported."', "Check the api-version and the host"]),
    "401": (4, ["HTTP 401", "Access denied due to invalid subscription key", "ai.azure.com", "`az login`"]),
    "403": (4, ["HTTP 403", "The principal lacks the required data action", ROLES, "(IAM)"]),
    "404": (1, ["HTTP 404", "Resource not found", "services.ai.azure.com", "in a region with Voice Live"]),
    "302": (1, ["HTTP 302", "a token is never sent there", "Check the endpoint"]),
    "error=wrong-scope": (4, ["Authentication error to AI Agent service", ROLES, "`az login`"]),
    "error=missing-role": (4, ["The principal lacks the required data action", ROLES]),
    "error=key": (4, ["Key authentication is not supported", "unset AZURE_VOICE_LIVE_API_KEY"]),
    "error=wrong-names": (1, ["Failed to initialize the agent", "the names of agent and project"]),
    "error=wrong-tenant": (4, ["Tenant provided in token", "`az login --tenant <tenant>`"]),
    "error=missing-project": (1, ["Missing required agent connection string", "names of agent and project"]),
    "error=classic-agent": (1, ["Classic foundry agent is not supported", "AI_FOUNDRY_AGENT_NAME"]),
    "error=wrong-region": (1, ["not supported in this region", "in a region with Voice Live"]),
    "error=conversation-limit": (1, ["conversation_limit_exceeded"]),
    "forget-conversation --conversation-id conv_1": (1, ["conversation_not_found"]),
    "close-after=0,1008": (1, ["code 1008", "policy violation", "Start again"]),
    "drop-after=0": (1, ["The connection was lost. That was 3 times in a row", "Start again later"]),
    "drop-after=0.2:1 401:2-2": (
        4,
        ["The connection was lost. Trying again", "0 reconnects", "HTTP 401", "`az login`"],
    ),
}

# Faults → connections that stood, words on stderr; the agent answers in each of these.
ON_THE_LINE: dict[str, tuple[int, list[str]]] = {
    "429:1 500:2 503:3-3": (1, ["HTTP 429: too many connections", "Trying again for 30 s at most"]),
    "drop-after=0.1:1 close-after=0.1,1011:2-2": (
        3,
        ["The connection was lost. Trying again.", "(code 1011): internal error. Trying again."],
    ),
    "close-after=0.1,1001:1 503:2-2": (2, ["(code 1001): going away. Trying again.", "Connected again"]),
    "close-after=0.1,1012:1": (2, ["(code 1012): service restart. Trying again.", "Connected again"]),
    "close-after=0.1,1013:1": (2, ["(code 1013): try again later. Trying again.", "Connected again"]),
    "close-after=0.1,1005:1": (2, ["(code 1005). Trying again.", "Connected again"]),
    "close-after=0.1,1006:1": (2, ["The connection was lost. Trying again.", "Connected again"]),
    "close-after=2.5,1000": (1, ["The service ended the connection (code 1000)", "Ended after 0:0"]),
    "drop-after=2.5:1 forget-conversation:2-2": (
        3,
        ["The connection was lost. Trying again.", "conversation_not_found", "The agent starts anew."],
    ),
    "drop-after=2.5:1": (2, ["The connection was lost. Trying again.", "Connected again"]),
    "drop-after=2.5:1 forget-conversation:2-9 --conversation-id conv_1": (
        3,
        ["conversation_not_found", "The agent starts anew."],
    ),
    "drop-after=0.1:1 --conversation-id conv_2": (2, ["The conversation goes on."]),
    "close-after=0.1,4000:1": (2, ["(code 4000): the session has ended. Trying again.", "Connected again"]),
    **{
        f"session-expired=2.5,{code}:1": (
            2,
            ["The service reports session_expired: Your session hit", f"(code {code})", "Connected again"],
        )
        for code in (1000, 1001, 1008, 1013, 4000)
    },
    "expires-in=3:1": (2, ["(code 1001): session expired. Trying again.", "Connected again"]),
    "incomplete-response late-transcript=3": (1, ["The agent's answer is incomplete: max_output_tokens"]),
    "warning malformed": (1, ["The service warns: Parameter 'tools' is ignored"]),
    "fail-transcription": (1, ["Your words could not be transcribed: Input audio transcription failed."]),
}
FAILED_ANSWER = "fail-response"


@pytest.fixture(scope="module")
def utterance(question: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A pause, the question, and silence, as a WAV file."""
    path = tmp_path_factory.mktemp("utterance") / "utterance.wav"
    with wave.open(question) as asked, wave.open(str(path), "wb") as file:
        file.setparams(asked.getparams())
        file.writeframes(bytes(2 * int(PAUSE_S * RATE)))
        file.writeframes(asked.readframes(asked.getnframes()))
        file.writeframes(bytes(2 * int(SILENCE_S * RATE)))
    return str(path)


@pytest.fixture(scope="module")
def runs(utterance: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, "Future[Run]"]]:
    pool = ThreadPoolExecutor(AT_ONCE)
    yield {
        scene: pool.submit(played, scene, utterance, tmp_path_factory.mktemp("logs"))
        for scene in (*DOOR, *ON_THE_LINE, FAILED_ANSWER)
    }
    pool.shutdown(cancel_futures=True)


def played(scene: str, utterance: str, logs: Path) -> Run:
    """Run the program against the stand-in with these faults, until it ends by itself."""
    faults, _, options = scene.partition(" --")
    more = f"--{options}".split() if options else []
    sound = ("--input", utterance, "--output", os.devnull)
    with StandIn(faults=faults.split()) as service:
        program = Program("project", "--endpoint", service.endpoint, *NAMED, *sound, *more, log_dir=logs)
        exit_code = program.wait()
        return Run(
            exit_code,
            program.stdout,
            program.stderr,
            program.conversation_log,
            program.technical_log,
            service.sessions,
            service.handshakes,
            service.redirected,
        )


@pytest.mark.parametrize("scene", DOOR)
def test_what_ends_a_run_is_told_with_its_remedy(runs: dict[str, "Future[Run]"], scene: str) -> None:
    exit_code, words = DOOR[scene]

    run = runs[scene].result()

    assert run.exit_code == exit_code, run.stderr
    assert [word for word in words if word not in run.stderr] == [], run.stderr
    assert re.search(r"Request id: [0-9a-f-]{36}\n", run.stderr)
    assert re.search(r"Technical log: .*_voicelive\.log\n", run.stderr)
    assert "Ended after" not in run.stderr or "SessionID: " in run.conversation_log
    assert "Traceback" not in run.stderr + run.stdout
    assert "that should never happen" not in run.stderr, "it was not foreseen"
    assert run.redirected == 0


@pytest.mark.parametrize("scene", ["400", "401", "403", "404", "302", "error=key", "close-after=0,1008"])
def test_what_will_not_heal_is_not_tried_again(runs: dict[str, "Future[Run]"], scene: str) -> None:
    assert runs[scene].result().handshakes == 1


@pytest.mark.parametrize("scene", ON_THE_LINE)
def test_what_can_go_on_goes_on_and_says_so(runs: dict[str, "Future[Run]"], scene: str) -> None:
    connections, words = ON_THE_LINE[scene]

    run = runs[scene].result()

    assert run.exit_code == 0, run.stderr
    assert [word for word in words if word not in run.stderr] == [], run.stderr
    assert len(run.sessions) == connections, run.stderr
    assert "Agent: You spoke for 0." in run.stdout
    assert "\nAgent Audio Response:\tYou spoke for 0." in run.conversation_log
    assert len(re.findall(r"\n\(reconnected as sess_\w+\)", run.conversation_log)) == (
        run.stderr.count("Connected again")
    )
    assert "Traceback" not in run.stderr + run.stdout + run.technical_log.partition("no connection")[0]
    assert "Technical log: " not in run.stderr, "nothing failed"


def test_a_busy_service_is_asked_again_until_it_opens(runs: dict[str, "Future[Run]"]) -> None:
    run = runs["429:1 500:2 503:3-3"].result()

    assert run.handshakes == 4
    assert run.stderr.count("Trying again") == 1, "told once"


def test_a_conversation_goes_on_by_its_id_and_without_it_where_that_is_refused(
    runs: dict[str, "Future[Run]"],
) -> None:
    known = [session.query.get("conversation-id") for session in runs["drop-after=2.5:1"].result().sessions]
    refused = runs["drop-after=2.5:1 forget-conversation:2-2"].result().sessions
    forgotten = [session.query.get("conversation-id") for session in refused]

    assert known[0] is None
    assert known[1]
    assert forgotten[0] is forgotten[2] is None
    assert forgotten[1]


def test_a_close_that_is_normal_is_no_reason_to_come_back(runs: dict[str, "Future[Run]"]) -> None:
    run = runs["close-after=2.5,1000"].result()

    assert "closed by the service: 1000" in run.technical_log
    assert run.handshakes == 1


def test_words_that_come_late_are_marked(runs: dict[str, "Future[Run]"]) -> None:
    run = runs["incomplete-response late-transcript=3"].result()

    assert re.search(r"Agent: .*\nYou \(late\): \(0\.\d s of speech\)\n", run.stdout)
    assert re.search(r"\nUser Input:\t\(0\.\d s of speech\) \(late\)\n", run.conversation_log)


def test_malformed_events_cost_themselves_and_a_line(runs: dict[str, "Future[Run]"]) -> None:
    run = runs["warning malformed"].result()

    assert ":WARNING:not JSON" in run.technical_log
    assert ":WARNING:no JSON object" in run.technical_log
    texts = run.stdout + run.stderr + run.conversation_log + run.technical_log
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", texts), (
        "no control character anywhere"
    )
    assert re.search(r"\nUser Input:\t\(0\.\d s of speech\)\n", run.conversation_log)
    _, _, said = run.conversation_log.partition("\nSessionID: ")
    begun = [line.partition("\t")[0] for line in said.splitlines()[1:] if not line.startswith("    ")]
    assert begun == ["User Input:", "Agent Audio Response:"], run.conversation_log
    assert not re.search(r"\d{9}", run.stderr), "no such number of tokens"


def test_an_answer_that_failed_is_told_in_a_line(runs: dict[str, "Future[Run]"]) -> None:
    run = runs[FAILED_ANSWER].result()

    assert run.exit_code == 0, run.stderr
    assert "The agent's answer failed: Failed to create message\n" in run.stderr
    assert re.search(r"\nUser Input:\t\(0\.\d s of speech\)\n", run.conversation_log)
    assert "Traceback" not in run.stderr + run.technical_log


def test_the_table_of_faults_names_each_scene_and_none_that_is_not_there() -> None:
    table = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")
    played = [faults.parsed(text) for text in re.findall(r"--fault (\S+?)(?=[\s`])", table)]

    # Their rows are left out with an extra.
    of_an_extra = {"no-client-reference", "function-call", "function-calls", "wrong-arguments"}
    assert {fault.scene for fault in played} | of_an_extra == set(faults.SCENES)
    assert {fault.code for fault in played if fault.scene == "error"} == set(faults.ERRORS)


def shape(scene: str) -> str:
    """A scene, whatever its seconds."""
    return re.sub(r"=[\d.]+", "=", scene)


def test_the_table_of_faults_has_the_exit_codes_that_the_runs_of_the_tests_have() -> None:
    runs = {scene: code for scene, (code, _) in DOOR.items()}
    runs |= dict.fromkeys((*ON_THE_LINE, FAILED_ANSWER, *test_agent_scenes.SCENES), 0)
    runs |= dict.fromkeys(test_agent_scenes.REFUSED, 1)
    seen = {shape(scene.partition(" --")[0]): str(code) for scene, code in runs.items()}
    table = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| .* \| ([^|]+) \| (`--fault [^|]+) \|$", table, re.MULTILINE)
    told = {shape(scene): codes for codes, how in rows for scene in re.findall(r"--fault (\S+)`", how)}

    known = seen.keys() & told.keys()
    assert len(known) >= 30
    assert {scene: told[scene] for scene in known if seen[scene] not in told[scene]} == {}
