"""Functions of yours: what the agent may call, with which arguments, and what it is answered."""

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, Optional

import pytest

from voicelive.errors import EXIT_USAGE, VoiceLiveError
from voicelive.extras import tools as module
from voicelive.extras.tools import Tool, Toolbox, described, for_session, load, tool
from voicelive.toolcalls import FunctionCall

TOOLS = Path(__file__).resolve().parents[2] / "tools.py"


def sample(
    text: str,
    count: int = 1,
    share: float | None = None,
    sure: bool = True,
    names: list[str] | None = None,
    size: Literal["small", "large"] = "small",
    more: Optional[dict[str, int]] = None,  # noqa: UP045
    note: Annotated[str, "for you"] = "",
) -> dict[str, object]:
    """Give back
    what it got."""
    return {"text": text, "count": count, "share": share, "names": names, "size": size, "more": more}


def called(function: Callable[..., object], arguments: object) -> tuple[Any, list[str]]:
    """What a call is answered, and what a person is told."""
    notes: list[str] = []
    answered = threading.Event()
    outputs: list[str] = []

    def answer(output: str) -> None:
        outputs.append(output)
        answered.set()

    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    name = getattr(function, "__name__", "")
    assert Toolbox([described(function)], notes.append).run(FunctionCall("call_1", name, text), answer)
    assert answered.wait(10)
    return json.loads(outputs[0]), notes


def test_a_function_gets_its_arguments_and_its_result_is_the_output() -> None:
    output, notes = called(sample, {"text": "a", "count": 2.0, "share": 1, "names": ["b"], "more": {"c": 3}})

    assert output == {
        **{"text": "a", "count": 2, "share": 1.0, "names": ["b"], "size": "small", "more": {"c": 3}}
    }
    assert notes == []


class UnspeakableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("there are no words for it")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # its traceback is logged
@pytest.mark.parametrize("kind", [KeyboardInterrupt, GeneratorExit, UnspeakableError])
def test_whatever_a_function_raises_the_agent_is_answered_at_once(kind: type[BaseException]) -> None:
    def fails() -> None:
        raise kind

    output, notes = called(fails, {})

    assert output == {"error": "fails failed"}
    assert notes == ["fails failed."]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({}, "missing: text"),
        ({"text": "a", "place": "b"}, "unknown: place"),
        ({"text": 1}, 'text must be of the type {"type": "string"}'),
        ({"text": "a", "count": "1"}, "count must be of the type"),
        ({"text": "a", "count": True}, "count must be of the type"),
        ({"text": "a", "count": 1.5}, "count must be of the type"),
        ({"text": "a", "names": ["b", 1]}, "names[1] must be of the type"),
        ({"text": "a", "more": {"c": "d"}}, "more.c must be of the type"),
        ({"text": "a", "size": "huge"}, 'size must be one of ["small", "large"]'),
        ({"text": "a", "sure": None}, "sure must be of the type"),
        ([1], "must be a JSON object"),
        ("not JSON", "Expecting value"),
        ("[" * 100_000, "must be a JSON object"),
        ('{"text": "' + "a" * 200_000 + '"}', "too long"),
    ],
)
def test_arguments_that_do_not_fit_are_told_to_the_agent_and_nothing_is_run(
    arguments: object, problem: str
) -> None:
    output, notes = called(sample, arguments)

    assert problem in output["error"]
    assert notes == [f"{output['error']}."]


def test_a_function_that_fails_is_told_to_the_agent_and_to_the_person() -> None:
    def broken() -> None:
        raise OSError("the door is stuck")

    output, notes = called(broken, {})

    assert output == {"error": "broken failed: the door is stuck"}
    assert notes == ["broken failed: the door is stuck."]


@pytest.mark.parametrize("result", ["x" * 30_000, float("nan"), {(1, 2): 3}])
def test_a_result_that_cannot_be_sent_is_told(result: object) -> None:
    def gives() -> object:
        return result

    output, _ = called(gives, {})

    assert output["error"].startswith("gives failed: ")


def test_a_function_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TIME_LIMIT_S", 0.05)
    may_end = threading.Event()

    def slow() -> None:
        may_end.wait(10)

    output, notes = called(slow, {})
    may_end.set()

    assert output == {"error": "slow took longer than 0 s"}
    assert notes == ["slow took longer than 0 s."]


def test_calls_that_never_end_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TIME_LIMIT_S", 0.05)
    may_end = threading.Event()
    outputs: list[str] = []
    answered = threading.Semaphore(0)

    def slow() -> None:
        may_end.wait(10)

    def answer(output: str) -> None:
        outputs.append(output)
        answered.release()

    box = Toolbox([described(slow)], lambda _: None)
    for number in range(module.MOST_AT_ONCE + 1):
        box.run(FunctionCall(f"call_{number}", "slow", "{}"), answer)
        assert answered.acquire(timeout=10)
    may_end.set()

    assert "too many calls at once" in outputs[-1]
    assert "took longer" in outputs[-2]


def test_a_name_that_is_not_registered_is_not_run() -> None:
    assert not Toolbox([described(sample)], print).run(FunctionCall("call_1", "eval", "{}"), print)


def _unannotated(place) -> str:  # type: ignore[no-untyped-def]
    return str(place)


def _many(*places: str) -> str:
    return str(places)


def _odd(place: Path) -> str:
    return str(place)


async def _later(place: str) -> str:
    return place


@pytest.mark.parametrize(
    ("function", "problem"),
    [
        (_unannotated, "place needs an annotation, such as `place: str`"),
        (_many, "cannot be given by name"),
        (_odd, "place may be str, int"),
        (_later, "plain function"),
    ],
)
def test_a_function_that_cannot_be_called_so_is_refused_at_once(
    function: Callable[..., object], problem: str
) -> None:
    with pytest.raises(TypeError, match=problem.replace("(", r"\(")):
        tool(function)


def test_a_model_is_told_what_there_is() -> None:
    (told,) = for_session([described(sample)])

    assert (told["type"], told["name"], told["description"]) == (
        "function",
        "sample",
        "Give back what it got.",
    )
    parameters = told["parameters"]
    assert parameters["required"] == ["text"]
    assert parameters["properties"]["share"] == {"anyOf": [{"type": "number"}, {"type": "null"}]}
    assert parameters["properties"]["names"]["anyOf"][0] == {"type": "array", "items": {"type": "string"}}
    assert parameters["properties"]["size"] == {"enum": ["small", "large"]}
    assert parameters["properties"]["note"] == {"type": "string", "description": "for you"}


def test_the_worked_example_tells_the_time_in_a_place() -> None:
    (time_in,) = load(TOOLS)

    assert time_in.name == "time_in"
    assert json.loads(time_in.call('{"place": "Tokyo"}')) == json.loads(
        time_in.call('{"place": "asia/tokyo"}')
    )
    with pytest.raises(ValueError, match="no time zone is named after Atlantis"):
        time_in.call('{"place": "Atlantis"}')


def test_the_function_of_the_document_is_one(tmp_path: Path) -> None:
    text = (TOOLS.parent / "docs" / "make-it-yours.md").read_text(encoding="utf-8")
    code = text.partition("\n## A function of yours\n")[2].partition("```python\n# tools.py\n")[2]
    path = tmp_path / "tools.py"
    path.write_text(code.partition("```")[0])

    (set_light,) = load(path)

    output = set_light.call('{"room": "Kitchen", "state": "on"}')
    assert json.loads(output) == {"room": "Kitchen", "state": "on", "percent": 100}
    with pytest.raises(ValueError, match="state must be one of"):
        set_light.call('{"room": "Kitchen", "state": "dim"}')


def test_only_what_is_registered_is_found(tmp_path: Path) -> None:
    path = tmp_path / "tools.py"
    path.write_text(
        "from voicelive.extras.tools import tool\n\n"
        "def helper() -> str:\n    return ''\n\n"
        "@tool\ndef mine() -> str:\n    return helper()\n"
    )

    assert [one.name for one in load(path)] == ["mine"]
    assert load(tmp_path / "none.py") == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "import nowhere\n",
            r"tools.py cannot be used: ModuleNotFoundError: No module named 'nowhere' \(line 1\)",
        ),
        ("x = (\n", "tools.py cannot be used: SyntaxError"),
        ("import sys\nsys.exit(3)\n", "tools.py cannot be used: SystemExit: 3"),
    ],
)
def test_a_file_that_fails_is_a_wrong_setting(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "tools.py"
    path.write_text(text)

    with pytest.raises(VoiceLiveError, match=said) as failure:
        load(path)

    assert failure.value.exit_code == EXIT_USAGE


def test_a_tool_can_still_be_called_as_what_it_is() -> None:
    @tool
    def double(number: int) -> int:
        return 2 * number

    assert double(2) == 4
    assert isinstance(getattr(double, module.MARK), Tool)
