"""Every object is complete when its constructor returns: nobody completes it from outside."""

import ast
from collections.abc import Iterator

import pytest
from test_rooms import MODULES

ALLOWED = {
    # Objects of other people's, which can be told in no other way.
    *(
        "wrapper.__signature__",
        "threading.excepthook",
        "sys.unraisablehook",
        "logger.propagate",
        "timer.daemon",
    ),
    *(
        "self._app.timeoutlen",
        "self._app.ttimeoutlen",
        "context.sslsocket_class",
        "screen.show_cursor",
        "output.erase_down",
    ),
    *("context.keylog_filename", "context.verify_flags"),
    # A failure on its way up: whoever passes it on knows more of it.
    *("failure.message", "failure.remedy"),
    # A part of one's own, made by one's own constructor.
    "self.tools.owes_words",
}


def written(node: ast.AST) -> Iterator[ast.Attribute]:
    """The attributes that a statement assigns to."""
    for target in node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]:
        parts = target.elts if isinstance(target, ast.Tuple) else [target]
        yield from (part for part in parts if isinstance(part, ast.Attribute))


@pytest.mark.parametrize("module", [name for name in MODULES if name.startswith("voicelive")])
def test_nothing_is_assigned_into_an_object_from_outside(module: str) -> None:
    """But into the records of a book, in the module that has both."""
    nodes = list(ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))))
    fields = {
        ast.unparse(part.target)
        for node in nodes
        if isinstance(node, ast.ClassDef)
        for part in node.body
        if isinstance(part, ast.AnnAssign)
    }

    found = {
        ast.unparse(part)
        for node in nodes
        for part in written(node)
        if ast.unparse(part.value) != "self" and part.attr not in fields
    }
    assert found <= ALLOWED
