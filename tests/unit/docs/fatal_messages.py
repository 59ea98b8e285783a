"""Every message with which a run can fail for good, collected from the source.

A message is the first argument of an error's constructor. What is filled in when it is raised is shown as `…`. Where a
function only passes the message on (`_fault(what, …)`), the messages are those of its callers in the same module.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
SHIPPED = ("plugins/idiscover", "emr_jobs")
ERRORS = frozenset({"FatalError", "DataQualityError", "AirflowFailException", "AirflowException"})
FILLED_IN = "…"

Function = ast.FunctionDef | ast.AsyncFunctionDef


def raised_messages(roots: tuple[str, ...] = SHIPPED) -> dict[str, str]:
    """Message → `file:line` where it is raised, for all modules that ship."""
    trees = {
        path: ast.parse(path.read_text(encoding="utf-8"))
        for root in roots
        for path in sorted((REPOSITORY / root).rglob("*.py"))
    }
    errors = ERRORS | _derived(trees.values())
    found: dict[str, str] = {}
    for path, tree in trees.items():
        for message, line in messages_of(tree, errors):
            found.setdefault(message, f"{path.relative_to(REPOSITORY)}:{line}")
    return found


def messages_of(tree: ast.Module, errors: frozenset[str]) -> Iterator[tuple[str, int]]:
    """Messages of one module, with their lines."""
    names = errors | _aliases(tree, errors)
    for function, call in _calls(tree):
        if _name(call.func) not in names or not call.args or _is_only_mapped(call.args[0]):
            continue
        yield from _texts(call.args[0], function, tree)


def _texts(value: ast.expr, function: Function | None, tree: ast.Module) -> Iterator[tuple[str, int]]:
    if isinstance(value, ast.Constant):
        yield str(value.value), value.lineno
    elif isinstance(value, ast.JoinedStr):
        parts = [str(part.value) if isinstance(part, ast.Constant) else FILLED_IN for part in value.values]
        yield "".join(parts), value.lineno
    elif isinstance(value, ast.IfExp):
        yield from _texts(value.body, function, tree)
        yield from _texts(value.orelse, function, tree)
    elif isinstance(value, ast.Name) and function is not None and value.id in _parameters(function):
        position = _parameters(function).index(value.id)
        for caller, call in _calls(tree):
            if _name(call.func) == function.name and len(call.args) > position:
                yield from _texts(call.args[position], caller, tree)
    else:
        raise AssertionError(f"line {value.lineno}: the message of an error is not written where it is raised")


def _aliases(tree: ast.Module, errors: frozenset[str]) -> frozenset[str]:
    """Variables that hold one of the classes: `kind = RetriableError if … else FatalError`."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and any(
            isinstance(part, ast.Name) and part.id in errors and not _is_called(part, node.value)
            for part in ast.walk(node.value)
        ):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return frozenset(found)


def _is_called(name: ast.Name, value: ast.expr) -> bool:
    return any(isinstance(call, ast.Call) and call.func is name for call in ast.walk(value))


def _is_only_mapped(value: ast.expr) -> bool:
    """`AirflowFailException(str(error))` passes on the text of an error of the platform."""
    return isinstance(value, ast.Call) and _name(value.func) == "str"


def _calls(tree: ast.Module) -> Iterator[tuple[Function | None, ast.Call]]:
    """Every call of a module, with the innermost function around it."""

    def walk(node: ast.AST, function: Function | None) -> Iterator[tuple[Function | None, ast.Call]]:
        for child in ast.iter_child_nodes(node):
            inner = child if isinstance(child, Function) else function
            if isinstance(child, ast.Call):
                yield inner, child
            yield from walk(child, inner)

    return walk(tree, None)


def _parameters(function: Function) -> list[str]:
    names = [argument.arg for argument in function.args.args]
    return names[1:] if names[:1] == ["self"] else names


def _derived(trees: Iterator[ast.Module] | object) -> frozenset[str]:
    """Names of classes that derive from FatalError or DataQualityError."""
    found = set()
    for tree in trees:  # type: ignore[attr-defined]
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and any(_name(base) in ERRORS for base in node.bases):
                found.add(node.name)
    return frozenset(found)


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
