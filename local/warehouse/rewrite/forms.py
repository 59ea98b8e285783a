"""Forms of statements that Redshift has and the front has not: each fails by name, not by PostgreSQL's syntax error."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import not_emulated
from ..tokens import Token, is_op, is_word, significant

# The first words of statements, a run of words in them (`*` is any one), and what the form is called.
_FORMS: tuple[tuple[tuple[str, ...], tuple[str, ...], str], ...] = (
    (("alter table",), ("row", "level", "security"), "ROW LEVEL SECURITY"),
    (("alter materialized",), ("row", "level", "security"), "ROW LEVEL SECURITY"),
    (("alter table",), ("set", "table", "properties"), "ALTER TABLE of an external table"),
    (("alter table",), ("set", "location"), "ALTER TABLE of an external table"),
    (("alter table",), ("set", "file", "format"), "ALTER TABLE of an external table"),
    (("alter table",), ("add", "partition"), "ALTER TABLE of an external table"),
    (("alter table",), ("exists", "partition"), "ALTER TABLE of an external table"),
    (("alter table",), ("drop", "partition"), "ALTER TABLE of an external table"),
    (("alter table",), ("partition", "*", "set"), "ALTER TABLE of an external table"),
    (("create database", "alter database"), ("isolation", "level"), "ISOLATION LEVEL of a database"),
    (("create database", "alter database"), ("collate",), "COLLATE of a database"),
    (("create database", "alter database"), ("integration",), "INTEGRATION of a database"),
    (("create database",), ("from",), "CREATE DATABASE FROM"),
    (("create role", "alter role"), ("externalid",), "EXTERNALID of a role"),
    (("create user", "alter user"), ("externalid",), "EXTERNALID of a user"),
    (("alter role",), ("owner", "to"), "ALTER ROLE OWNER"),
    (("drop role",), ("force",), "DROP ROLE FORCE"),
    (("grant", "revoke"), ("assumerole",), "GRANT ASSUMEROLE"),
    (("grant", "revoke"), ("for", "*", "in"), "GRANT FOR all objects of a kind"),
    (("grant", "revoke"), ("on", "datashare"), "GRANT on a datashare"),
    (("grant", "revoke"), ("on", "model"), "GRANT on a model"),
)
_SYSTEM_PERMISSIONS = (
    "create", "drop", "alter", "access", "vacuum", "analyze", "cancel", "ignore", "explain", "truncate",
)  # fmt: skip
_TABLE_PERMISSIONS = ("alter", "drop")
NAMES = frozenset(name for _, _, name in _FORMS)


def refuse_forms(tokens: Sequence[Token]) -> None:
    """Raise SqlError if the statement has a form that the front has not."""
    kept = significant(tokens)
    begins = " ".join(token.value for token in kept[:2])
    for statements, run, name in _FORMS:
        if begins.startswith(statements) and _has(kept, run):
            raise not_emulated(name)
    if begins.startswith(("grant", "revoke")):
        _permissions(kept)


def _has(kept: Sequence[Token], run: Sequence[str]) -> bool:
    return any(
        all(word == "*" or is_word(token, word) for word, token in zip(run, kept[place:], strict=False))
        for place in range(len(kept) - len(run) + 1)
    )


def _permissions(kept: Sequence[Token]) -> None:
    """GRANT CREATE USER TO ROLE r names nothing that it is on; ALTER and DROP of a table are no permissions here."""
    start = 4 if is_word(kept[1], "grant", "admin") else 1  # REVOKE GRANT OPTION FOR …
    end = next((i for i, token in enumerate(kept) if is_word(token, "on", "to", "from")), len(kept))
    named = [token for place, token in enumerate(kept[start:end]) if place == 0 or is_op(kept[start + place - 1], ",")]
    on_something = end < len(kept) and is_word(kept[end], "on")
    if not on_something and any(is_word(token, *_SYSTEM_PERMISSIONS) for token in named):
        raise not_emulated("GRANT of system permissions")
    if on_something and any(is_word(token, *_TABLE_PERMISSIONS) for token in named):
        raise not_emulated("GRANT of ALTER or DROP")
