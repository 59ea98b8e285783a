"""The README of the front lists what is refused, what is not emulated, and the functions: all of it, and no more."""

from __future__ import annotations

import re

import pytest

from local.warehouse.rewrite import expressions
from local.warehouse.rewrite.windows import FUNCTIONS

from .inventory import PACKAGE, formatted_sites, refused_names, unemulated_names

README = (PACKAGE / "README.md").read_text(encoding="utf-8")
# Errors whose name is put together where they are raised: what the lists say of each.
KNOWN_SITES = {
    "__init__.py: CREATE …": "CREATE INDEX",
    "__init__.py: … …": "CREATE RLS",
    "bodies.py: … inside a stored procedure": "VACUUM inside a stored procedure",
    "columns.py: COPY into a column of type …": "Types:",
    "ddl.py: … on a column": "a CHECK constraint",
    "expressions.py: function …": "CHECKSUM",
    "expressions.py: function …()": "string_agg",
    "merge.py: WHEN … MATCHED … in MERGE": "conditions of MERGE's WHEN clauses",
    "procedures.py: LANGUAGE …": "functions in Python",
    "queries.py: … ALL": "EXCEPT ALL",
    "show.py: SHOW …": "SHOW VIEW",
    "statement.py: COPY from …": "COPY PARQUET",
    "statement.py: COPY option …": "COPY LZOP",
    "statement.py: UNLOAD option …": "UNLOAD JSON",
    "types.py: data type …": "GEOMETRY",
}


def _section(title: str) -> str:
    return README.split(f"## {title}\n")[1].split("\n## ")[0]


@pytest.mark.parametrize(
    ("title", "names"),
    [
        ("What Redshift refuses, and the front refuses by name", refused_names()),
        ("What Redshift has and the front has not: it fails by name", unemulated_names()),
    ],
)
def test_the_lists_are_those_of_the_source(title: str, names: set[str]) -> None:
    listed = set(re.findall(r"`([^`]+)`", _section(title)))
    extra = {name for name in listed - names if not name.startswith("…") and name != "SHOW TABLE"}
    assert (names - listed, extra) == (set(), set())


def test_every_error_with_a_name_made_on_the_spot_is_known() -> None:
    assert formatted_sites() == set(KNOWN_SITES)
    assert all(text in README for text in KNOWN_SITES.values())


def test_every_function_is_listed() -> None:
    """Those that the front has a rule or a helper for; a table of README names them in upper case."""
    ours = expressions.HELPERS | expressions.MORE_HELPERS | expressions.SUPER_FUNCTIONS | FUNCTIONS
    ours |= set(expressions._SPECIAL) | set(expressions.RENAMED) | expressions._PART_FIRST
    listed = set(re.findall(r"[A-Z][A-Z0-9_]+", _section("Functions")))
    mixtures = {name for name in ours if "_cmp_" in name}  # "and their mixtures"
    missing = {name for name in ours - mixtures if name.upper() not in listed}
    assert missing <= {"cast", "date_add", "date_diff", "datepart"}
