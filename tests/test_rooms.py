"""Who may import whom: what holds each room together, and lets an extra be left out."""

import ast
import re
from collections.abc import Iterator
from graphlib import TopologicalSorter

import pytest
from program import ROOT

MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for room in ("voicelive", "standin")
    for path in sorted((ROOT / room).rglob("*.py"))
}
MAY_IMPORT = {
    "core": {"core"},
    "app": {"core", "app"},
    "standin": {"standin"},
    "extras.demo": {"core", "app", "standin"},
}


def imported(module: str) -> Iterator[str]:
    """The modules of ours that one names, wherever it does: late, and for types only."""
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)
        elif isinstance(node, ast.ImportFrom) and node.module in MODULES:
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name if name in MODULES else node.module for name in inner)


def room_of(module: str) -> str:
    """The core, app, the extra, or the stand-in that a module belongs to."""
    extra = re.match(r"voicelive\.(app|extras\.\w+)", module)
    return extra[1] if extra else "standin" if module.startswith("standin") else "core"


@pytest.mark.parametrize("module", MODULES)
def test_each_room_imports_what_it_may(module: str) -> None:
    room = room_of(module)

    assert {room_of(other) for other in imported(module)} <= {room, *MAY_IMPORT.get(room, {"core", "app"})}


def test_no_module_imports_itself_in_a_roundabout_way() -> None:
    TopologicalSorter({module: set(imported(module)) for module in MODULES}).prepare()
