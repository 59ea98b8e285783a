"""Every message with which a run can fail for good, collected from the source, with the kind of failure that it is.

A message is the first argument of an error's constructor. What is filled in when it is raised is shown as `…`. Where a
function only passes the message on (`_fault(what, …)`), the messages are those of its callers in the same module.
`ConfigError` is left out: it says itself what to correct and where.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

from idiscover import errors as platform_errors
from idiscover.errors import FailureKind

REPOSITORY = Path(__file__).resolve().parents[3]
SHIPPED = ("plugins/idiscover", "emr_jobs")
KINDS: dict[str, FailureKind] = {
    **{
        name: getattr(platform_errors, name).kind
        for name in ("RetriableError", "NextRunError", "UnforeseenError", "FatalError", "DataQualityError")
    },
    "AirflowFailException": FailureKind.NEEDS_A_PERSON,
    "AirflowException": FailureKind.NEEDS_A_PERSON,
}
FILLED_IN = "…"

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Raised:
    """Where a message is raised, as `file:line`, and of which kinds the failures are that it tells."""

    place: str
    kinds: frozenset[FailureKind]


@cache  # several tests ask, and none changes the answer
def raised_messages(roots: tuple[str, ...] = SHIPPED) -> dict[str, Raised]:
    """Message → where and what, for all modules that ship."""
    trees = {
        path: ast.parse(path.read_text(encoding="utf-8"))
        for root in roots
        for path in sorted((REPOSITORY / root).rglob("*.py"))
    }
    classes = KINDS | _derived(trees.values())
    found: dict[str, Raised] = {}
    for path, tree in trees.items():
        for message, line, kinds in messages_of(tree, classes):
            known = found.get(message, Raised(f"{path.relative_to(REPOSITORY)}:{line}", frozenset()))
            found[message] = Raised(known.place, known.kinds | kinds)
    return found


def messages_of(tree: ast.Module, classes: dict[str, FailureKind]) -> Iterator[tuple[str, int, frozenset[FailureKind]]]:
    """Messages of one module, with their lines and kinds."""
    for function, call in _calls(tree):
        kinds = _kinds(call, function or tree, classes)
        if not kinds or not call.args or _is_only_mapped(call.args[0]):
            continue
        for message, line in _texts(call.args[0], function, tree):
            yield message, line, kinds


def _kinds(call: ast.Call, scope: ast.AST, classes: dict[str, FailureKind]) -> frozenset[FailureKind]:
    """Of the error that a call makes; none if it makes no error.

    A variable may hold the class: `kind = RetriableError if … else FatalError`.
    """
    name = _name(call.func)
    if name in classes:
        return frozenset({classes[name]})
    return frozenset(
        classes[part.id]
        for value in _assigned(scope).get(name, [])
        for part in ast.walk(value)
        if isinstance(part, ast.Name) and part.id in classes and not _is_called(part, value)
    )


@lru_cache(maxsize=64)  # the calls of a scope come one after the other
def _assigned(scope: ast.AST) -> dict[str, list[ast.expr]]:
    """Variable → all that is assigned to it within the scope."""
    found: dict[str, list[ast.expr]] = {}
    for node in ast.walk(scope):
        if isinstance(node, ast.Assign):
            for to in node.targets:
                if isinstance(to, ast.Name):
                    found.setdefault(to.id, []).append(node.value)
    return found


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


def _derived(trees: Iterable[ast.Module]) -> dict[str, FailureKind]:
    """Classes that derive directly from one of the platform's."""
    return {
        node.name: KINDS[_name(base)]
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        for base in node.bases
        if _name(base) in KINDS and node.name not in KINDS
    }


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
