"""What the history keeps of a statement: its text without secrets, and its type as Redshift names it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..errors import SqlError
from ..tokens import Kind, Token, at, before, is_word, literal, render, tokenize, words

# Views that show the history: what has ended is to stand there before one of them is asked.
HISTORY_VIEWS = frozenset(
    {"stl_query", "stl_querytext", "stl_ddltext", "stl_utilitytext", "stl_wlm_query", "svl_qlog", "svl_statementtext",
     "sys_query_history", "sys_query_text"}
)  # fmt: skip
MAX_CHARACTERS = 16_000
# What stands behind one of these words, AS or not, is a secret; so is what stands behind a key of CREDENTIALS.
_SECRETS = frozenset(
    {"password", "credentials", "access_key_id", "secret_access_key", "session_token", "master_symmetric_key"}
)
_SECRET = re.compile(rf"\b({'|'.join(sorted(_SECRETS))})", re.IGNORECASE)
_KEY = re.compile(r"((?:aws_access_key_id|aws_secret_access_key|;\s*token)\s*=)[^;']+", re.IGNORECASE)
_HIDDEN = "'***'"
_QUERIES = frozenset({"select", "insert", "update", "delete", "merge", "copy", "unload"})
_DDL = frozenset({"create", "alter", "drop", "truncate", "comment", "grant", "revoke", "refresh"})


def recorded_text(tokens: Sequence[Token]) -> str:
    """The statement as it was written, passwords and keys hidden, cut to MAX_CHARACTERS."""
    return _without_secrets(tokens).strip()[:MAX_CHARACTERS]


def _without_secrets(tokens: Sequence[Token]) -> str:
    """The text of the tokens, also of SQL within literals, with *** for what is secret."""
    text = render(tokens)
    if not _SECRET.search(text) and not _KEY.search(text):
        return text
    shown = []
    for index, token in enumerate(tokens):
        if token.kind not in (Kind.STRING, Kind.DOLLAR):
            shown.append(token.text)
        else:
            shown.append(_HIDDEN if _is_secret(tokens, index) else _literal_without_secrets(token))
    return _KEY.sub(r"\1***", "".join(shown))


def _is_secret(tokens: Sequence[Token], index: int) -> bool:
    """Whether the literal at `index` is the one, or goes on with the one, that stands behind a word for a secret."""
    previous = before(tokens, index)
    while is_word(at(tokens, previous), "as") or (previous >= 0 and tokens[previous].kind is Kind.STRING):
        previous = before(tokens, previous)
    return is_word(at(tokens, previous), *_SECRETS)


def _literal_without_secrets(token: Token) -> str:
    """A literal, which may be SQL itself, or a part of it that ends within a literal of its own."""
    found = _SECRET.search(token.value)
    if found is None:
        return token.text
    try:
        hidden = _without_secrets(tokenize(token.value))
    except SqlError:
        hidden = f"{token.value[: found.end()]} ***"
    if hidden == token.value:
        return token.text
    tag = token.text[: token.text.index("$", 1) + 1] if token.kind is Kind.DOLLAR else ""
    return f"{tag}{hidden}{tag}" if tag else literal(hidden)


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
