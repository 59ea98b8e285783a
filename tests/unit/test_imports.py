"""Imports point one way: errors, metadata ← plan ← {salesforce, lake, …} ← aws ← orchestration, cli."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGE = REPOSITORY / "plugins" / "idiscover"

# A package may import those of lower ranks, itself, and of its own rank only what is named below.
RANKS = {
    "errors": 0,
    "metadata": 1,
    "plan": 2,
    "salesforce": 3,
    "lake": 3,
    "warehouse": 3,
    "emr": 3,
    "notify": 3,
    "tableau": 3,
    "report": 3,
    "aws": 4,
    "orchestration": 5,
    "cli": 5,
}
# Names of S3 keys and manifests are what the others of its rank talk about.
NEIGHBOURS = {"lake"}
ONLY_IN = {
    "airflow": {"orchestration"},
    "boto3": {"aws"},
    "botocore": {"aws"},
    "psycopg2": {"aws"},
    "tableauhyperapi": {"aws"},
    "tableauserverclient": {"aws"},
}


def _modules(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*.py") if "__pycache__" not in path.parts)


def _imports(path: Path) -> Iterator[tuple[int, str]]:
    """Line and full dotted name of everything a module imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute"
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def _layer(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def _is_allowed(source: str, target: str) -> bool:
    if target == source:
        return True
    if target in NEIGHBOURS and RANKS[source] == RANKS[target]:
        return True
    return RANKS[target] < RANKS[source]


LAYERED = [path for path in _modules(PACKAGE) if path != PACKAGE / "__init__.py"]


def test_every_layer_is_known() -> None:
    assert len(LAYERED) > 30
    assert {_layer(path) for path in LAYERED} <= set(RANKS)


@pytest.mark.parametrize("path", LAYERED, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_what_lies_below_it(path: Path) -> None:
    source = _layer(path)
    for line, name in _imports(path):
        top, _, rest = name.partition(".")
        assert top != "local", f"{path}:{line}: {name}: what ships knows nothing of the laptop's stand-ins"
        assert source in ONLY_IN.get(top, {source}), f"{path}:{line}: {name} belongs to {ONLY_IN[top]}"
        if top == "idiscover" and rest:
            target = rest.split(".")[0]
            assert _is_allowed(source, target), f"{path}:{line}: {source} may not import {target}"


@pytest.mark.parametrize("folder", ["dags", "emr_jobs", "plugins"])
def test_nothing_that_ships_imports_local(folder: str) -> None:
    for path in _modules(REPOSITORY / folder):
        for line, name in _imports(path):
            assert name.split(".")[0] != "local", f"{path}:{line}: {name}"


def test_the_rules_themselves() -> None:
    assert _is_allowed("warehouse", "plan") and _is_allowed("emr", "lake") and _is_allowed("cli", "aws")
    assert not _is_allowed("plan", "warehouse") and not _is_allowed("metadata", "plan")
    assert not _is_allowed("warehouse", "emr") and not _is_allowed("cli", "orchestration")
