"""CREATE USER, ALTER USER, CREATE SCHEMA: options that PostgreSQL words otherwise, or has no use for."""

from __future__ import annotations

from collections.abc import Sequence

from ..tokens import Token, literal, raw
from .ddl import Reader

# Redshift's words, PostgreSQL's; with a number in it, the number is taken away too.
_OPTIONS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("createuser",), "superuser"),
    (("nocreateuser",), "nosuperuser"),
    (("password", "disable"), "password null"),
    (("connection", "limit", "unlimited"), "connection limit -1"),
    (("syslog", "access", "restricted"), ""),
    (("syslog", "access", "unrestricted"), ""),
    (("reset", "session", "timeout"), ""),
)


def user_options(tokens: Sequence[Token]) -> list[Token]:
    """CREATE USER or ALTER USER with the options of PostgreSQL; a session never times out here."""
    reader, done = Reader(tokens), []
    while reader.peek() is not None:
        if reader.accept("with"):  # ALTER USER u WITH RENAME TO …: PostgreSQL has it before some options only
            continue
        replacement = next((text for words, text in _OPTIONS if reader.accept(*words)), None)
        if replacement is not None:
            done.append(raw(f" {replacement}"))
        elif reader.accept("session", "timeout"):
            reader.take()
        else:
            done += [raw(" "), reader.take()]
    return done


def alter_schema(tokens: Sequence[Token]) -> list[Token]:
    """ALTER SCHEMA s QUOTA …: disks are not counted here, but the schema has to be there."""
    reader = Reader(tokens)
    reader.accept("alter", "schema")
    name = reader.take()
    if not reader.accept("quota"):
        return list(tokens)
    return [raw(f"call rs.require_schema({literal(name.value)})")]


def without_quota(tokens: Sequence[Token]) -> list[Token]:
    """CREATE SCHEMA without its QUOTA: disks are not counted here."""
    reader, done = Reader(tokens), []
    while reader.peek() is not None:
        if not reader.accept("quota"):
            done += [raw(" "), reader.take()]
        elif not reader.accept("unlimited"):
            reader.take()
            reader.take()
    return done
