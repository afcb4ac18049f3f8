"""The changes that people make, tried from the document itself: each in a copy of this folder."""

import os
import re
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from program import NAMED, ROOT, Program, environment

from standin.server import StandIn
from voicelive.wav import paced

DOCUMENT = ROOT / "docs" / "make-it-yours.md"
IMPORT = r"`(from voicelive\S* import \w+)`"  # to be added, in the text


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    copied = tmp_path / "copy"
    copied.mkdir()
    shutil.copytree(ROOT / "voicelive", copied / "voicelive", ignore=shutil.ignore_patterns("__pycache__"))
    for script in ("voicelive_agent.py", "hub_variant.py"):
        shutil.copy(ROOT / script, copied)
    return copied


def section_of(title: str) -> str:
    text = DOCUMENT.read_text(encoding="utf-8")
    section = text.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    assert section, title
    return section


def change(copy: Path, title: str) -> None:
    """Make the change that is described under a title, imports and all."""
    section = section_of(title)
    for kind, name, body in re.findall(r"^```(\w+)\n# (\S+)\n(.*?)^```$", section, re.MULTILINE | re.DOTALL):
        assert len([line for line in body.splitlines() if line.strip()]) <= 15
        if kind == "diff":
            edit(copy / name, body)
        else:
            (copy / name).write_text(body)
    for line in re.findall(IMPORT, section):
        path = copy / "voicelive" / "app" / "run.py"
        path.write_text(path.read_text().replace("import json\n", f"import json\n{line}\n", 1))


def edit(path: Path, diff: str) -> None:
    """Replace the lines with - or without a mark by those with + or without one."""
    old, new = (
        "".join(line[1:] + "\n" for line in diff.splitlines() if line[:1] not in skip) for skip in "+-"
    )
    # A block of added lines alone would be found anywhere.
    text = path.read_text()
    assert old and text.count(old) == 1, f"not once in {path.name}:\n{old}"
    path.write_text(text.replace(old, new))


def talk(copy: Path, stand_in: StandIn, logs: Path, *sound: str) -> Program:
    command = ("project", "--endpoint", stand_in.endpoint, *NAMED, *sound)
    return Program(*command, log_dir=logs, cwd=copy, env=environment(PYTHONPATH=""))


def test_the_session_is_changed(copy: Path, stand_in: StandIn, logs: Path, sound: tuple[str, ...]) -> None:
    change(copy, "The voice and the session")
    before = len(stand_in.sessions)

    assert talk(copy, stand_in, logs, *sound).wait() == 0

    asked = stand_in.sessions[before].received[0]["session"]["turn_detection"]
    assert asked["silence_duration_ms"] == 500


def test_another_event_is_reacted_to(copy: Path) -> None:
    change(copy, "Reacting to another event")
    handled = """
from held import Held
held = Held()
held.handle({"type": "conversation.item.truncated", "item_id": "i", "content_index": 0, "audio_end_ms": 504})
assert held.notes == ["The service keeps 504 ms of the answer."], held.notes
"""
    paths = os.pathsep.join([str(copy), str(ROOT / "tests")])

    subprocess.run([sys.executable, "-c", handled], env=environment(PYTHONPATH=paths), cwd=copy, check=True)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no MSG_WAITALL")
def test_sound_comes_from_somewhere_else(copy: Path, stand_in: StandIn, logs: Path, question: str) -> None:
    change(copy, "Another source of sound")
    pcm = Path(question).read_bytes()[44:] + bytes(48_000)
    with socket.create_server(("127.0.0.1", 0)) as gateway:
        phone = copy / "voicelive" / "phone.py"
        phone.write_text(phone.read_text().replace("5004", str(gateway.getsockname()[1])))
        gateway.settimeout(10)
        program = talk(copy, stand_in, logs, "--output", os.devnull)
        caller, _ = gateway.accept()
        with caller:
            program.wait_for(lambda: "Speak." in program.stderr)
            for block in paced((pcm[at : at + 960] for at in range(0, len(pcm), 960)), threading.Event()):
                caller.sendall(block)
            program.wait_for(lambda: "Agent: You spoke" in program.stdout)
            program.type("q")
            assert program.wait() == 0, program.stderr

    assert "Microphone: a phone line" in program.stderr


def test_sound_goes_somewhere_else(copy: Path, stand_in: StandIn, logs: Path, question: str) -> None:
    change(copy, "Another place for the agent's sound")

    program = talk(copy, stand_in, logs, "--input", question)

    assert program.wait() == 0, program.stderr
    assert "Speaker: a pipe" in program.stderr
    assert any((logs / "agent.pcm").read_bytes())


@pytest.mark.parametrize("script", ["model_variant.py", "voicelive_agent.py"])
def test_a_third_kind_of_agent(
    copy: Path, stand_in: StandIn, logs: Path, sound: tuple[str, ...], script: str
) -> None:
    change(copy, "Another kind of agent")
    before = len(stand_in.sessions)
    command = ("run", "model") if script == "voicelive_agent.py" else ()
    env = environment(PYTHONPATH="", AZURE_VOICE_LIVE_ENDPOINT=stand_in.endpoint)

    program = Program(*command, *sound, script=script, log_dir=logs, cwd=copy, env=env)

    assert program.wait() == 0, program.stderr
    assert stand_in.sessions[before].query["model"] == "gpt-4.1-mini"
    assert "Agent: You spoke" in program.stdout


def test_transcripts_go_somewhere_else(
    copy: Path, stand_in: StandIn, logs: Path, sound: tuple[str, ...]
) -> None:
    change(copy, "Transcripts somewhere else")

    assert talk(copy, stand_in, logs, *sound).wait() == 0

    lines = (copy / "lines.txt").read_text().splitlines()
    assert [line.partition(":")[0] for line in lines] == ["user", "agent"]


def test_an_extra_is_left_out(copy: Path, stand_in: StandIn, logs: Path, sound: tuple[str, ...]) -> None:
    change(copy, "Leaving out an extra")
    (copy / "voicelive" / "extras" / "init.py").unlink(missing_ok=True)  # it may be left out already

    command = [sys.executable, "voicelive_agent.py", "--help"]
    listed = subprocess.check_output(command, cwd=copy, env=environment(PYTHONPATH=""), text=True)
    assert not re.search(r"^ +init ", listed, re.MULTILINE)
    assert talk(copy, stand_in, logs, *sound).wait() == 0


def test_the_changes_are_those_of_the_table() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    titles = re.findall(r"^## (.*)", text, re.MULTILINE)

    anchors = [re.sub(r"[^a-z -]", "", title.lower()).replace(" ", "-") for title in titles]
    rows = re.findall(r"^\| \[.*\(#(\S+)\) .* (\d+) \|$", text, re.MULTILINE)
    assert rows == [(anchor, str(lines_of(title))) for anchor, title in zip(anchors, titles, strict=True)]
    assert len(titles) >= 7  # without an extra there is one less


def lines_of(title: str) -> int:
    """How many lines the change takes: those of a new file, those that a diff adds, and imports."""
    section = section_of(title)
    pieces = re.findall(r"^```(\w+)\n# \S+\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    lines = [line for kind, body in pieces for line in body.splitlines() if kind != "diff" or line[0] == "+"]
    return len([line for line in lines if line.strip("+ ")]) + len(re.findall(IMPORT, section))
