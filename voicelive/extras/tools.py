"""Your functions, which the agent may call: those in tools.py with @tool, and no others."""

import importlib.util
import inspect
import json
import logging
import queue
import sys
import threading
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Literal,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from voicelive.app.extras import Extra, Part, Run
from voicelive.app.options import ROOT
from voicelive.errors import EXIT_USAGE, VoiceLiveError
from voicelive.service import AgentTarget
from voicelive.text import brief, without_secrets

if TYPE_CHECKING:  # --help need not wait for it
    from voicelive.toolcalls import Answer, FunctionCall

log = logging.getLogger(__name__)

TIME_LIMIT_S = 20.0  # for one call; less than NO_ANSWER_S, after which the agent counts as silent
MOST_AT_ONCE = 16  # calls that run, those that were given up included
LONGEST_ARGUMENTS = 100_000  # characters
LONGEST_OUTPUT = 20_000  # characters of JSON
SAID_CHARACTERS = 300  # of what a function raises
MARK = "_voicelive_tool"

_NAMES = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    NoneType: "null",
}  # in JSON's terms

F = TypeVar("F", bound=Callable[..., object])


@dataclass(frozen=True)
class Tool:
    """A function, and what it takes: its annotations, and the JSON schema that they come to."""

    function: Callable[..., object]
    takes: dict[str, Any]
    schema: dict[str, Any]

    @property
    def name(self) -> str:
        """The one that the agent calls it by."""
        return self.function.__name__

    def call(self, arguments: str) -> str:
        """Call it with a JSON object; its result as JSON.

        Raises ValueError, in words for the agent, for arguments that do not fit and a result that cannot be
        sent; and whatever the function raises.
        """
        return as_output(self.function(**self.read(arguments)))

    def read(self, arguments: str) -> dict[str, object]:
        """The arguments, as its annotations want them. Raises ValueError."""
        if len(arguments) > LONGEST_ARGUMENTS:
            raise ValueError("the arguments are too long")
        try:
            given = json.loads(arguments)
        except RecursionError:
            given = None
        if not isinstance(given, dict):
            raise ValueError("the arguments must be a JSON object")
        if missing := [name for name in self.schema["required"] if name not in given]:
            raise ValueError(f"missing: {', '.join(missing)}")
        if odd := [name for name in given if name not in self.takes]:
            raise ValueError(f"unknown: {', '.join(odd)}; it takes {', '.join(self.takes) or 'nothing'}")
        return {name: fitted(value, self.takes[name], name) for name, value in given.items()}


def tool(function: F) -> F:
    """Let the agent call this function, by its name and with arguments that fit its annotations.

    Raises TypeError for a function that cannot be called so.
    """
    setattr(function, MARK, described(function))
    return function


def described(function: Callable[..., object]) -> Tool:
    """The tool that a function is. Raises TypeError where it cannot be one."""
    name = getattr(function, "__name__", "a tool")
    if inspect.iscoroutinefunction(function):
        raise TypeError(f"{name} must be a plain function: write `def`, not `async def`")
    hints = get_type_hints(function, include_extras=True)
    takes, required, properties = {}, [], {}
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise TypeError(f"{name}: {parameter} cannot be given by name")
        if parameter.name not in hints:
            raise TypeError(f"{name}: {parameter.name} needs an annotation, such as `{parameter.name}: str`")
        takes[parameter.name] = hints[parameter.name]
        properties[parameter.name] = schema_of(hints[parameter.name], f"{name}: {parameter.name}")
        if parameter.default is parameter.empty:
            required.append(parameter.name)
    shape = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    return Tool(function, takes, shape)


class Toolbox:
    """Runs the functions that were registered, each call on threads of its own, which end with it."""

    def __init__(self, tools: Iterable[Tool], note: Callable[[str], None]) -> None:
        """`note` shows a line, from any thread."""
        self._tools = {tool.name: tool for tool in tools}
        self._note = note
        self._free = threading.BoundedSemaphore(MOST_AT_ONCE)  # taken by each call until its function returns

    def run(self, call: "FunctionCall", answer: "Answer") -> bool:
        """Have the function run, and its output, or what was wrong, answered; whether there is one."""
        found = self._tools.get(call.name)
        if found is None:
            return False
        threading.Thread(
            target=self._attend, args=(found, call, answer), name="tool call", daemon=True
        ).start()
        return True

    def _attend(self, found: Tool, call: "FunctionCall", answer: "Answer") -> None:
        """Make sure that a call is answered, whatever happens to it."""
        results: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()  # what _work comes to: one pair
        problem = f"{call.name} has too many calls at once"
        output = ""
        if self._free.acquire(blocking=False):
            threading.Thread(
                target=self._work, args=(found, call, results), name=call.name, daemon=True
            ).start()
            try:
                output, problem = results.get(timeout=TIME_LIMIT_S)
            except queue.Empty:
                problem = f"{call.name} took longer than {TIME_LIMIT_S:.0f} s"
        if problem:
            self._note(f"{problem}.")
        answer(output or json.dumps({"error": problem}))

    def _work(self, found: Tool, call: "FunctionCall", results: "queue.SimpleQueue[tuple[str, str]]") -> None:
        """Call the function; put its output, and what is wrong with it in words, or '' each."""
        try:
            results.put((found.call(call.arguments), ""))
        except (Exception, SystemExit) as error:
            log.exception("%s failed", call.name)
            why = brief(without_secrets(str(error) or type(error).__name__), SAID_CHARACTERS)
            results.put(("", f"{call.name} failed: {why.rstrip('.')}"))
        finally:
            results.put(
                ("", f"{call.name} failed")
            )  # of another kind, or without words; else nobody takes it
            self._free.release()


def for_session(tools: Iterable[Tool]) -> list[dict[str, Any]]:
    """The `tools` of a session with a model [reference]; agents bring their own."""
    return [
        {
            "type": "function",
            "name": one.name,
            "description": " ".join((inspect.getdoc(one.function) or "").split()),
            "parameters": one.schema,
        }
        for one in tools
    ]


def load(path: Path) -> list[Tool]:
    """The functions that a file registers; none if there is no file.

    Raises VoiceLiveError (exit code 2) for one that fails.
    """
    spec = importlib.util.spec_from_file_location("tools", path)
    if spec is None or spec.loader is None or not path.exists():
        return []
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look there
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        lines = [
            frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)
        ]
        where = f" (line {lines[-1]})" if lines else ""
        raise VoiceLiveError(
            f"{path.name} cannot be used: {type(error).__name__}: {error}{where}.",
            'docs/make-it-yours.md, "A function of yours", says what it may contain.',
            EXIT_USAGE,
        ) from error
    return [
        getattr(value, MARK)
        for value in vars(module).values()
        if isinstance(getattr(value, MARK, None), Tool)
    ]


def as_output(result: object) -> str:
    """A result as JSON. Raises ValueError, in words for the agent, for one that is too long or has none."""
    try:
        output = json.dumps(result, ensure_ascii=False, allow_nan=False, default=str)
    except (TypeError, RecursionError) as error:
        raise ValueError(f"the result is not JSON ({error})") from error
    if len(output) > LONGEST_OUTPUT:
        raise ValueError(f"the result is too long: {len(output)} characters, of {LONGEST_OUTPUT} at most")
    return output


def schema_of(kind: Any, what: str) -> dict[str, Any]:
    """The JSON schema of an annotation. Raises TypeError for one that JSON has no values for."""
    arguments = get_args(kind)
    match get_origin(kind) or kind:
        case origin if origin is Annotated:
            return {**schema_of(arguments[0], what), "description": str(arguments[1])}
        case origin if origin is Literal:
            return {"enum": list(arguments)}
        case origin if origin in (Union, UnionType):
            return {"anyOf": [schema_of(one, what) for one in arguments]}
        case origin if origin is list:
            return {"type": "array", "items": schema_of(arguments[0], what) if arguments else {}}
        case origin if origin is dict and arguments[:1] in ((), (str,)):
            return {
                "type": "object",
                "additionalProperties": schema_of(arguments[1], what) if arguments else {},
            }
        case origin if origin in _NAMES:
            return {"type": _NAMES[origin]}
        case origin if origin is Any:
            return {}
    raise TypeError(
        f"{what} may be str, int, float, bool, list[...], dict[str, ...], Literal[...], one of them, or None"
    )


def fitted(value: Any, kind: Any, what: str) -> object:
    """A value from JSON as the annotation wants it. Raises ValueError, in words for the agent."""
    arguments = get_args(kind)
    match get_origin(kind) or kind:
        case origin if origin is Annotated:
            return fitted(value, arguments[0], what)
        case origin if origin is Any:
            return value
        case origin if origin is Literal:
            if any(value == one and type(value) is type(one) for one in arguments):
                return value
            raise ValueError(f"{what} must be one of {json.dumps(arguments, ensure_ascii=False)}")
        case origin if origin in (Union, UnionType):
            return _fitted_to_one(value, arguments, what)
        case origin if origin is list and isinstance(value, list):
            of = arguments[0] if arguments else Any
            return [fitted(one, of, f"{what}[{number}]") for number, one in enumerate(value)]
        case origin if origin is dict and isinstance(value, dict):
            of = arguments[1] if arguments else Any
            return {key: fitted(one, of, f"{what}.{key}") for key, one in value.items()}
        case origin if origin is float and type(value) is int:
            return float(value)
        case origin if origin is int and type(value) is float and value.is_integer():
            return int(value)
        case origin if type(value) is origin:
            return value
    raise ValueError(f"{what} must be of the type {json.dumps(schema_of(kind, what))}")


def _fitted_to_one(value: object, kinds: Iterable[Any], what: str) -> object:
    problem = ""
    for kind in kinds:
        try:
            return fitted(value, kind, what)
        except ValueError as error:
            problem = problem or str(error)
    raise ValueError(problem)


class _Tools(Extra):
    def session_fields(self, target: AgentTarget) -> dict[str, Any]:
        """A model must be told about the functions; an agent knows them."""
        found = load(ROOT / "tools.py") if "model" in target.query else []
        return {"tools": for_session(found)} if found else {}

    def join(self, run: Run) -> Part:
        return Part(run_function=Toolbox(load(ROOT / "tools.py"), run.note).run)


EXTRA = _Tools()
