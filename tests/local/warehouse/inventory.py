"""What the front refuses or does not emulate, read from its source: the names that its errors are raised with."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

from local.warehouse import rewrite
from local.warehouse.copy import statement as copy_statement
from local.warehouse.rewrite import bodies, expressions, forms, types
from local.warehouse.unload import statement as unload_statement

show = importlib.import_module("local.warehouse.rewrite.show")  # a function of this name hides the module
PACKAGE = Path(rewrite.__file__).parents[1]


def refused_names() -> set[str]:
    """What Redshift has not, and the front refuses by name; functions and types in lower case."""
    return (
        set(_literals("refused"))
        | {f"CREATE {name.upper()}" for name in rewrite._REFUSED_OBJECTS}
        | {name.upper() for name in rewrite._REFUSED_STATEMENTS}
        | {f"{name.upper()} inside a stored procedure" for name in bodies._NOT_IN_PROCEDURES}
        | {"EXCEPT ALL", "INTERSECT ALL", "MINUS ALL"}
        | set(expressions._NOT_IN_REDSHIFT)
        | set(types._NOT_IN_REDSHIFT)
    )


def unemulated_names() -> set[str]:
    """What Redshift has and the front has not."""
    return (
        set(_literals("not_emulated"))
        | {f"CREATE {name.upper()}" for name in rewrite._UNEMULATED_OBJECTS}
        | {name.upper() for name in rewrite._UNEMULATED_STATEMENTS | expressions._NOT_EMULATED}
        | {name.upper() for name in types._NOT_EMULATED}
        | forms.NAMES
        | {f"COPY {name.upper()}" for name in copy_statement._FORMATS_NOT_EMULATED}
        | {f"COPY {name.upper()}" for name in copy_statement._OPTIONS_NOT_EMULATED}
        | {f"UNLOAD {name.upper()}" for name in unload_statement._NOT_EMULATED}
        | {f"SHOW {name.upper()}" for name in show._UNEMULATED}
    )


def formatted_sites() -> set[str]:
    """The constant parts of names that are put together where the error is raised, by file."""
    return {
        f"{path.name}: {_constant_parts(argument)}"
        for path, argument in _arguments("refused", "not_emulated")
        if isinstance(argument, ast.JoinedStr)
    }


def _literals(function: str) -> Iterator[str]:
    for _, argument in _arguments(function):
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
            yield argument.value


def _arguments(*functions: str) -> Iterator[tuple[Path, ast.expr]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in functions:
                yield path, node.args[0]


def _constant_parts(text: ast.JoinedStr) -> str:
    return "".join(part.value if isinstance(part, ast.Constant) else "…" for part in text.values)
