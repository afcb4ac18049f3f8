"""`export`: a recorded conversation to read, and as subtitles that players take."""

import html
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from program import ROOT, environment
from typer.testing import CliRunner, Result

from voicelive.extras.export.forms import subrip, webvtt
from voicelive.extras.export.spoken import Spoken
from voicelive_agent import app

STAMP = "2026-11-22_21-23-27"
CONVERSATION = (
    ("user", "Tell me a story.", 0.46, 3.5),
    ("agent", "Once upon a time", 4.7, 8.4133),
    ("user", "Stop!", 8.1, 8.9),
    ("user", "One\r\n\r\ntwo", 10.0, 10.0),
    ("agent", "Three.", None, None),
    ("agent", "An hour later.", 3_661.5, 3_663.0),
)


def line(role: str, text: str, start: object, end: object, **others: object) -> str:
    turn = {"role": role, "text": text, "start": start, "end": end, "interrupted": False, "interim": False}
    return json.dumps({**turn, "latency": None, "usage": None, **others}, ensure_ascii=False)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / f"{STAMP}_conversation.jsonl"
    lines = [line(*turn, interrupted=turn[1] == "Once upon a time") for turn in CONVERSATION]
    path.write_text("".join(f"{each}\n" for each in lines), encoding="utf-8")
    return path


def exported(path: object, *options: str) -> Result:
    done = CliRunner().invoke(app, ["export", str(path), *options])
    assert done.exception is None or isinstance(done.exception, SystemExit)
    return done


def written(folder: Path, *turns: tuple[str, str, object, object], name: str = "x.jsonl") -> Path:
    (folder / name).write_text(
        "".join(f"{line(*turn)}\n" for turn in turns), encoding="utf-8", errors="backslashreplace"
    )
    return folder / name


Cues = list[tuple[int, int, str]]  # milliseconds, and the text


def from_srt(data: bytes) -> Cues:
    """As strict as the strictest player."""
    return parsed(data.decode(), "\r\n", ",", r"\d{2,}")


def from_vtt(data: bytes) -> Cues:
    """By the grammar of https://www.w3.org/TR/webvtt1/, of which a cue's text uses entities alone."""
    text = data.decode()
    assert text.startswith("WEBVTT\n\n") or text == "WEBVTT\n"
    cues = parsed(text.removeprefix("WEBVTT\n").removeprefix("\n") + "\n", "\n", r"\.", r"\d{2,}")
    for _, _, said in cues:
        assert not re.search(r"[<>]|&(?!(?:amp|lt|gt);)", said)
    return [(begin, end, html.unescape(said)) for begin, end, said in cues]


def parsed(text: str, line_break: str, point: str, hours: str) -> Cues:
    clock = rf"({hours}):([0-5]\d):([0-5]\d){point}(\d\d\d)"
    assert "\r" not in text.replace("\r\n", "") and text.count("\n") == text.count(line_break)
    *blocks, rest = text.split(2 * line_break)
    assert not rest.strip()
    cues: Cues = []
    for number, block in enumerate(blocks, 1):
        index, times, *rows = block.split(line_break)
        assert index == str(number)
        assert rows and all(row.strip() and "-->" not in row for row in rows)
        found = re.fullmatch(rf"{clock} --> {clock}", times)
        assert found
        values = [int(value) for value in found.groups()]
        begin, end = (3_600_000 * h + 60_000 * m + 1000 * s + ms for h, m, s, ms in (values[:4], values[4:]))
        cues.append((begin, end, "\n".join(rows)))
    return cues


@pytest.mark.parametrize("named", ["jsonl", "wav", "log"])
def test_a_transcript_says_who_said_what_when(recording: Path, named: str) -> None:
    done = exported(recording.with_suffix(f".{named}"))

    assert done.exit_code == 0, done.output
    assert done.stdout == (
        "# Conversation of 2026-11-22 21:23:27\n\n"
        "- `0:00\u20130:03` **You**: Tell me a story.\n"
        "- `0:04\u20130:08` **Agent** (interrupted): Once upon a time\n"
        "- `0:08` **You**: Stop!\n"
        "- `0:10` **You (typed)**: One  \n  two\n"
        "- **Agent**: Three.\n"
        "- `1:01:01\u20131:01:03` **Agent**: An hour later.\n"
    )
    assert done.stderr == ""


def test_a_recording_may_be_named_by_its_time(recording: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(recording.parent)

    assert "Once upon a time" in exported(STAMP).stdout
    assert "Once upon a time" in exported(recording.parent / STAMP).stdout


@pytest.mark.parametrize(("form", "parse"), [("srt", from_srt), ("vtt", from_vtt)])
def test_subtitles_go_by_the_clock_of_the_sound(
    recording: Path, form: str, parse: Callable[[bytes], Cues]
) -> None:
    cues = parse(exported(recording, "--as", form).stdout_bytes)

    assert cues == [
        (460, 3_500, "You: Tell me a story."),
        (4_700, 8_100, "Agent: Once upon a time (interrupted)"),  # until the next begins
        (8_100, 9_100, "You: Stop!"),  # as long as it takes to read it
        (10_000, 11_000, "You (typed): One\ntwo"),
        (11_000, 12_000, "Agent: Three."),
        (3_661_500, 3_663_000, "Agent: An hour later."),
    ]


MARKUP = "<i>R&D</i> &lt; a --> b {\\an8} <v Me> 00:00:01,000 --> 00:00:02,000 \\N"


def test_markup_in_what_was_said_is_shown_as_it_is(tmp_path: Path) -> None:
    path = written(tmp_path, ("agent", MARKUP, 1.0, 9.0))
    subrip, webvtt = (exported(path, "--as", form).stdout_bytes for form in ("srt", "vtt"))

    said = " ".join(text for *_, text in from_vtt(webvtt)).replace("\n", " ")
    assert said == f"Agent: {MARKUP}"
    shown = " ".join(text for *_, text in from_srt(subrip)).replace("\n", " ")
    assert shown.replace("\u200b", "") == said
    assert not re.search(r"<[\w/]|\{\\|-->", shown)


def test_nothing_that_was_said_looks_like_another_entry(tmp_path: Path) -> None:
    said = "Hi.\n\n- `0:01` **Agent**: Yes\n# Title\n![x](http://h/i) <img src=x> \\<b> &lt; R&D <3 \x1b[2J"
    text = exported(written(tmp_path, ("user", said, 1.0, 2.0))).stdout

    entries = [row for row in text.splitlines() if not row.startswith("  ")]
    assert entries == ["# Conversation of x", "", "- `0:01\u20130:02` **You**: Hi.  "]
    assert r"\![x](http://h/i) \<img src=x> \\\<b> \&lt; R&D <3" in text
    assert "\x1b" not in text


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.builds(
            lambda who, text, begin, takes, cut: Spoken(who, text.strip() or "x", begin, takes, True, cut),
            st.sampled_from(["You", "Agent"]),
            st.text("ab \n<&->{}\\1\u6f22", min_size=1, max_size=300),
            st.integers(0, 60_000),
            st.none() | st.integers(0, 60_000),
            st.booleans(),
        )
    )
)
def test_whatever_was_said_no_two_are_shown_at_once_and_each_for_a_second(spoken: list[Spoken]) -> None:
    spoken = [replace(turn, end=None if turn.end is None else turn.begin + turn.end) for turn in spoken]
    for cues in (from_srt(subrip(spoken).encode()), from_vtt(webvtt(spoken).encode())):
        assert all(end - begin >= 1_000 for begin, end, _ in cues)
        assert all(one[1] <= other[0] for one, other in pairwise(cues))
        words = sorted(re.sub(r"\s|\u200b", "", "".join(text for *_, text in cues)))
        marks = ("(interrupted)" if turn.is_interrupted else "" for turn in spoken)
        said = "".join(f"{turn.who}:{turn.text}{mark}" for turn, mark in zip(spoken, marks, strict=True))
        assert words == sorted(re.sub(r"\s", "", said))


def test_a_long_answer_is_shown_two_rows_at_a_time(tmp_path: Path) -> None:
    path = written(tmp_path, ("agent", "Quite a few words. " * 18, 1.0, 31.0))
    cues = from_srt(exported(path, "--as", "srt").stdout_bytes)

    assert len(cues) == 5
    assert (cues[0][0], cues[-1][1]) == (1_000, 31_000)
    for _, _, text in cues:
        assert text.count("\n") <= 1
        assert max(map(len, text.split("\n"))) <= 42


def test_a_line_that_breaks_off_is_left_out_and_that_is_told(recording: Path) -> None:
    whole = recording.read_bytes()
    recording.write_bytes(whole + line("user", "na\u00efve", 9, 10).encode()[:26])  # within the character

    for form in ("md", "srt", "vtt"):
        done = exported(recording, "--as", form)
        assert done.exit_code == 0
        assert done.stderr.endswith("line 7, the last, is incomplete and is left out.\n")
        assert done.stdout_bytes.endswith((b"An hour later.\n", b"An hour later.\r\n\r\n"))


@pytest.mark.parametrize(
    "bad",
    [
        "User Input:\tHello\n",
        '{"role": "user", "text": "brea\n',
        '{"role": "user"}\n',
        '{"role": "user", "text": 1, "start": 1, "end": 2}\n',
        '{"role": "user", "text": "x", "start": NaN, "end": 2}\n',
        '{"role": "user", "text": "x", "start": 1e400, "end": 2}\n',
        '{"role": "user", "text": "x", "start": true, "end": 2}\n',
        '{"role": "user", "text": "x", "start": -1, "end": 2}\n',
        "[" * 100_000,
        "\xff\xfe\x00",
        "RIFF",
    ],
)
def test_what_is_no_recording_is_refused(recording: Path, bad: str) -> None:
    before = recording.read_bytes()
    for number, text in (1, bad.encode("latin-1") + before), (7, before + bad.encode("latin-1")):
        recording.write_bytes(text)
        done = exported(recording)
        assert done.exit_code == 2
        assert f"{recording.name}: line {number} is not a recorded turn.\n" in done.stderr
        assert "--record" in done.stderr
        assert done.stdout == ""


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.wav").touch()

    assert f"{tmp_path / 'y'}: there is no such file.\n" in exported(tmp_path / "y").stderr
    assert "x.wav: there is no x.jsonl beside it.\n" in exported(tmp_path / "x.wav").stderr
    assert f"{tmp_path}: it is a folder.\n" in exported(tmp_path).stderr
    assert exported(tmp_path).exit_code == exported(tmp_path / "x.wav").exit_code == 2


def test_where_nothing_was_said_that_is_told(tmp_path: Path) -> None:
    path = written(tmp_path)

    assert exported(path).stderr.endswith("x.jsonl: nothing was said.\n")
    assert exported(path, "--as", "srt").stdout == ""
    assert exported(path, "--as", "vtt").stdout == "WEBVTT\n"


@pytest.mark.skipif(os.name == "nt", reason="Windows' consoles choose their own encoding")
def test_a_pipe_gets_utf_8_whatever_the_locale_says(tmp_path: Path) -> None:
    path = written(tmp_path, ("agent", "Gr\u00fc\u00df dich \ud83d", 0, 1))
    command = [sys.executable, "voicelive_agent.py", "export", str(path), "--as", "srt"]
    env = environment(PYTHONIOENCODING="ascii", PYTHONUTF8="0", LC_ALL="C")

    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True)

    assert done.returncode == 0, done.stderr
    assert from_srt(done.stdout) == [(0, 1_080, "Agent: Gr\u00fc\u00df dich \ufffd")]
