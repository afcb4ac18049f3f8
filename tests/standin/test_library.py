"""One call holds a conversation: the snippets of the document as they stand there, and how it ends."""

import logging
import re
import shutil
import subprocess
import sys
import threading
import wave
from pathlib import Path

import pytest
from program import ROOT, environment, loudness
from soundcard import VirtualSoundCard

import voicelive
from standin.server import StandIn
from voicelive import Playback, Turn, VoiceLiveError, WavSource, hold
from voicelive.auth import AI_SCOPE, ML_SCOPE, Credential
from voicelive.library import fetch_access
from voicelive.service import AgentTarget, Service
from voicelive.wav import TimedSink

DOCUMENT = ROOT / "docs" / "library.md"
ENDPOINT = "https://my-resource.services.ai.azure.com"


def snippets(endpoint: str) -> list[str]:
    found = re.findall(r"^```python\n(.*?)^```$", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)
    assert all(len([line for line in code.splitlines() if line]) <= 15 and ENDPOINT in code for code in found)
    return [code.replace(ENDPOINT, endpoint) for code in found]


def run(code: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    env = environment(PYTHONPATH=str(ROOT))
    return subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=env, input="\n", capture_output=True, text=True
    )


class Clock(TimedSink):
    """A sink that keeps nothing."""

    def write(self, block: bytes) -> None:
        pass


def test_a_file_in_and_a_file_out(stand_in: StandIn, question: str, tmp_path: Path) -> None:
    shutil.copy(question, tmp_path / "question.wav")

    program = run(snippets(stand_in.endpoint)[0], tmp_path)

    assert program.returncode == 0 and program.stderr == "", program.stderr
    user, agent = program.stdout.splitlines()
    assert user == "user: (0.9 s of speech)" and agent.startswith("agent: You spoke for 0.9 s")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["answer.wav", "question.wav"]
    assert loudness(tmp_path / "answer.wav").max() > 500


@pytest.mark.soundcard
def test_live_in_a_thread(stand_in: StandIn, sound_card: VirtualSoundCard, tmp_path: Path) -> None:
    env = {**environment(PYTHONPATH=str(ROOT)), **sound_card.environment}
    code = snippets(stand_in.endpoint)[1]
    with subprocess.Popen(
        [sys.executable, "-u", "-c", code],
        cwd=tmp_path,
        env=env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdout
        assert "Speak." in map(str.strip, program.stdout)
        _, complaints = program.communicate("\n", timeout=20)

    assert program.returncode == 0 and complaints == ""


def test_another_thread_ends_it_and_each_turn_is_told_at_once(stand_in: StandIn, question: str) -> None:
    over, told = threading.Event(), list[Turn]()
    before = signal_handlers_and_loggers()
    is_answered = threading.Event()

    def tell(turn: Turn) -> None:
        told.append(turn)
        if turn.role == "agent":
            is_answered.set()

    def end() -> None:
        is_answered.wait(20)
        over.set()

    threading.Thread(target=end, daemon=True).start()
    source = WavSource(Path(question), then=iter(lambda: bytes(960), b""))  # a microphone that never ends
    turns = hold(stand_in.endpoint, "p", "anna", source=source, sink=Clock(), over=over, on_turn=tell)

    assert turns == told and [turn.role for turn in turns] == ["user", "agent"]
    answer = turns[1]
    assert answer.latency_s is not None and answer.start and answer.end and answer.end > answer.start
    assert signal_handlers_and_loggers() == before


def signal_handlers_and_loggers() -> list[object]:
    import signal

    root = logging.getLogger()
    return [*map(signal.getsignal, (signal.SIGINT, signal.SIGTERM)), root.level, *root.handlers]


def test_what_it_fails_of_is_raised_and_both_ends_are_closed(tmp_path: Path) -> None:
    class Watched(Playback):
        closed = False

        def close(self) -> None:
            self.closed = True

    sink, source = Watched(), WavSource(ROOT / "standin" / "sample.wav")
    with pytest.raises(VoiceLiveError, match="nobody listens there"):
        hold("http://127.0.0.1:9", "p", "anna", source=source, sink=sink)

    assert sink.closed and next(iter(source), None) is None

    with pytest.raises(VoiceLiveError, match="must have no user") as failure:
        hold("https://u:hunter2@host", "p", "anna", source=source, sink=sink)
    assert failure.value.exit_code == 2 and "hunter2" not in str(failure.value)


def test_a_token_of_one_s_own_is_what_is_sent() -> None:
    service = Service("wss://host/voice-live/realtime", "2025-05-01-preview")
    classic = AgentTarget("asst_1", "p", {"agent-id": "asst_1"}, ML_SCOPE)

    access = fetch_access(service, classic, lambda scope: f"for {scope}", lambda secret: None, Credential())

    assert access.headers == {"Authorization": f"Bearer for {AI_SCOPE}"}
    assert access.agent_token == f"for {ML_SCOPE}"
    assert fetch_access(service, classic, "mine", lambda secret: None, Credential()).agent_token == "mine"


def test_importing_it_is_quick_and_everything_is_there() -> None:
    code = "import sys, voicelive; print(sorted({'numpy', 'logging', 'websocket'} & set(sys.modules)))"
    assert run(code, ROOT).stdout.strip() == "[]"
    for name in voicelive._HOMES:
        assert getattr(voicelive, name).__name__ == name
    with pytest.raises(AttributeError):
        _ = voicelive.no_such_thing


def test_a_wav_file_is_all_there(stand_in: StandIn, question: str, tmp_path: Path) -> None:
    """The call returns when the last frame was heard."""
    sink = voicelive.WavSink(tmp_path / "answer.wav")
    (_, answer) = hold(stand_in.endpoint, "p", "anna", source=WavSource(Path(question)), sink=sink)

    with wave.open(str(tmp_path / "answer.wav")) as file:
        assert file.getnframes() >= 24_000
    account = sink.account(answer.item_id)
    assert account.heard == account.received
