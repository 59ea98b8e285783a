"""The SQL statements inside procedures, as files that can be linted: sqlfluff reads a body as one long text.

Every statement keeps its line; what is between them (declarations, IF, RAISE …) becomes an empty comment.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_BODY = re.compile(r"\bas\s+\$\$\n?(.*?)\$\$", re.DOTALL | re.IGNORECASE)
# comments and texts hold no statement's end; parentheses neither
_PIECE = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|[();]", re.DOTALL)
_SQL = re.compile(r"(select|insert|delete|update|create|drop|analyze|with|merge|alter)\b", re.IGNORECASE)
# what may stand before a statement, up to where that begins
_CONTROL = re.compile(
    r"\s*(?:--[^\n]*\n|(?:declare|begin|else|loop)\b(?!\s*;)|exception\s+when\s+others\s+then\b"
    r"|(?:if|elsif)\b.*?\bthen\b|(?:for|while)\b.*?\bloop\b)",
    re.DOTALL | re.IGNORECASE,
)
# of `select a into v from t`: the variables are none of SQL's tables
_INTO = re.compile(r"\binto\s+v_\w+(?:\s*,\s*v_\w+)*", re.IGNORECASE)


def lintable_body(text: str) -> str | None:
    """The statements of a procedure's body, line by line where they stand; None if `text` makes no procedure."""
    found = _BODY.search(text)
    if found is None:
        return None
    lines = ["--"] * (text.count("\n") + 1)
    for start, statement in _statements(found[1]):
        first = text.count("\n", 0, found.start(1) + start)
        for number, line in enumerate(_alone(statement, found[1], start)):
            lines[first + number] = line
    return "\n".join(lines).rstrip("-\n") + "\n"


def _statements(body: str) -> Iterator[tuple[int, str]]:
    """Where each SQL statement begins, and its text with the semicolon."""
    begin, depth = 0, 0
    for piece in _PIECE.finditer(body):
        depth += {"(": 1, ")": -1}.get(piece[0], 0)
        if piece[0] != ";" or depth:
            continue
        start = begin
        while (control := _CONTROL.match(body, start, piece.start())) is not None:
            start = control.end()
        statement = body[start : piece.end()]
        start += len(statement) - len(statement.lstrip())
        if _SQL.match(body, start):
            yield start, body[start : piece.end()]
        begin = piece.end()


def _alone(statement: str, body: str, start: int) -> list[str]:
    """Its lines, without the indentation that the body gives it."""
    indent = start - (body.rfind("\n", 0, start) + 1)
    text = _INTO.sub(lambda into: re.sub(r"[^\n]", " ", into[0]), statement)
    lines = [line[min(indent, len(line) - len(line.lstrip())) :] if number else line
             for number, line in enumerate(text.split("\n"))]  # fmt: skip
    return [line.rstrip() for line in lines]
