"""A conversation with words in it: scripts that are played, and what the stand-in knows by heart."""

import subprocess
import sys
from pathlib import Path

import pytest
from standin_client import MS, Client, sample, silence, sound

from standin import script
from standin.repertoire import answer_to
from standin.server import StandIn

ROOT = Path(__file__).resolve().parents[2]


def test_the_example_is_played_turn_by_turn() -> None:
    example = script.read(script.EXAMPLE)
    heard, answered, lengths_ms = [], [], []

    with StandIn(pace=1000, script=example) as stand_in, Client(stand_in.endpoint) as client:
        client.configure()
        for _ in range(len(example.turns) + 1):
            client.say(sample() + silence(700))
            events = client.until("response.done")
            completed = next(event for event in events if event["type"].endswith("transcription.completed"))
            heard.append(completed["transcript"])
            answered.append(events[-1]["response"]["output"][0]["content"][0]["transcript"])
            lengths_ms.append(len(sound(events)) // MS)

    assert list(zip(heard, answered, strict=True))[:-1] == list(example.turns)
    assert heard[-1] == "(3.5 s of speech)", "after its end it is its own self again"
    words = [len(answer.split()) for _, answer in example.turns]
    assert lengths_ms[:-1] == [pytest.approx(400 * count, abs=1) for count in words]


def test_what_is_typed_as_in_the_script_is_answered_as_in_the_script() -> None:
    said, answer = script.read(script.EXAMPLE).turns[2]

    with (
        StandIn(pace=1000, script=script.read(script.EXAMPLE)) as stand_in,
        Client(stand_in.endpoint) as client,
    ):
        client.configure()
        content = [{"type": "input_text", "text": said.upper()}]
        item = {"type": "message", "role": "user", "content": content}
        client.send("conversation.item.create", item=item)
        client.send("response.create")
        response = client.until("response.done")[-1]["response"]

    assert response["output"][0]["content"][0]["transcript"] == answer


def test_a_line_that_is_indented_goes_on(tmp_path: Path) -> None:
    file = tmp_path / "script.txt"
    file.write_text("# a comment\n\nYou: one\n  two\nAgent: three\n", encoding="utf-8")

    assert script.read(file).turns == (("one two", "three"),)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "at least once"),
        (b"You: hello\n", "at least once"),
        (b"Agent: hello\n", "line 1: expected 'You: "),
        (b"You: hello\nYou: again\n", "line 2: expected 'Agent: "),
        (b"You:\nAgent: x\n", "line 1: expected 'You: "),
        (b'{"said": "hello"}', "line 1: expected 'You: "),
        (b"You: \xff\nAgent: x\n", "UTF-8"),
        (b"#" * 1_000_001, "1000000 bytes"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_bad_script_is_one_clear_sentence(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "bad.txt"
    file.write_bytes(content)

    result = alone("--script", str(file))

    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
    assert str(file) in result.stderr
    assert message in result.stderr


def test_a_script_that_is_not_there_is_named(tmp_path: Path) -> None:
    result = alone("--script", str(tmp_path / "none.txt"))

    assert result.returncode == 2
    assert result.stderr.endswith("none.txt cannot be read: No such file or directory.\n")


def alone(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "standin", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Who are you?", "I am the stand-in for Azure AI Voice Live"),
        ("What's your name?", "I have no name of my own."),
        ("Repeat after me: the quick fox", "the quick fox"),
        ("Please count to five.", "One, two, three, four, five."),
        ("Count up to 3", "One, two, three."),
        ("count to 1000", "I count from one to twenty at most."),
        ("What is 17 plus 25?", "17 + 25 = 42."),
        ("What day is it?", "Today is "),
        ("help", "You can ask me what time it is"),
        ("What can you do?", "You can ask me what time it is"),
        ("Thank you!", "You are welcome."),
        ("Goodbye", "Goodbye."),
        ("Hello", 'You wrote "Hello". I am only a stand-in and play my one recording.'),
        ("", "You asked me to speak."),
        ("x" * 100, f'You wrote "{"x" * 60} ..."'),
    ],
)
def test_it_knows_a_few_sentences_by_heart(text: str, answer: str) -> None:
    assert answer_to(text, in_sound=True).startswith(answer)
