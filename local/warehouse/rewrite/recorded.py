"""What the history keeps of a statement: its text without secrets, and its type as Redshift names it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..tokens import Kind, Token, render, words

# Views that show the history: what has ended is to stand there before one of them is asked.
HISTORY_VIEWS = frozenset(
    {"stl_query", "stl_querytext", "stl_ddltext", "stl_utilitytext", "stl_wlm_query", "svl_qlog", "svl_statementtext",
     "sys_query_history", "sys_query_text"}
)  # fmt: skip
MAX_CHARACTERS = 16_000
_SECRET = re.compile(
    r"\b(password|credentials|access_key_id|secret_access_key|session_token|master_symmetric_key)"
    r"(\s+(?:as\s+)?)e?'(?:[^'\\]|''|\\.)*'",
    re.IGNORECASE | re.DOTALL,
)
_QUERIES = frozenset({"select", "insert", "update", "delete", "merge", "copy", "unload"})
_DDL = frozenset({"create", "alter", "drop", "truncate", "comment", "grant", "revoke", "refresh"})


def recorded_text(tokens: Sequence[Token]) -> str:
    """The statement as it was written, passwords and keys hidden, cut to MAX_CHARACTERS."""
    return _SECRET.sub(r"\1\2'***'", render(tokens).strip())[:MAX_CHARACTERS]


def query_type(tokens: Sequence[Token]) -> str:
    """SELECT, INSERT, …, CTAS, DDL or UTILITY."""
    kept = words(tokens, 6)
    first = kept[0] if kept else ""
    if first in ("with", "values", "table", ""):
        return "SELECT"
    if first == "create" and "table" in kept[1:4]:
        return "CTAS" if _has(tokens, "select") else "DDL"
    if first == "select":
        return "CTAS" if _has(tokens, "into") else "SELECT"
    return first.upper() if first in _QUERIES else "DDL" if first in _DDL else "UTILITY"


def reads_history(tokens: Sequence[Token]) -> bool:
    """Whether a view of the history is named."""
    return any(token.kind in (Kind.WORD, Kind.QUOTED) and token.value in HISTORY_VIEWS for token in tokens)


def _has(tokens: Sequence[Token], word: str) -> bool:
    return any(token.kind is Kind.WORD and token.value == word for token in tokens)
