"""The one kind of SQL that metadata may configure: a CALL of a procedure.

    CALL schema.procedure(:country_code, :as_of_date, :run_id, 'literal', 42, null)

Everything else is refused here, at validation, long before a statement could reach the warehouse.
`warehouse/statements.py` turns a parsed statement into text and parameters.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from idiscover.errors import ConfigError

EXPECTED = "CALL schema.procedure(:country_code, :as_of_date, :run_id, 'text', 42, true, null)"
SCHEMAS = frozenset({"itg", "dm"})

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<word>[A-Za-z_][A-Za-z0-9_]*)
      | :(?P<parameter>[A-Za-z_][A-Za-z0-9_]*)
      | (?P<number>[+-]?[0-9]+(?:\.[0-9]+)?)(?![A-Za-z0-9_.])
      | '(?P<text>(?:[^'\\\x00]|'')*)'
      | (?P<mark>[.,();])
    )""",
    re.VERBOSE,
)
_CONSTANTS = {"true": True, "false": False, "null": None}
_PROCEDURE = re.compile(r"[a-z][a-z0-9_]{0,126}")


class Parameter(StrEnum):
    """What a run binds into a statement."""

    COUNTRY_CODE = "country_code"
    AS_OF_DATE = "as_of_date"
    RUN_ID = "run_id"


Literal = str | int | Decimal | bool | None


@dataclass(frozen=True)
class Call:
    """A parsed statement. An argument is a `Parameter` that a run binds, or a literal."""

    schema: str
    procedure: str
    arguments: tuple[Parameter | Literal, ...]

    @property
    def qualified_name(self) -> str:
        """`schema.procedure`."""
        return f"{self.schema}.{self.procedure}"


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str


def parse_call(text: str) -> Call:
    """Parse one configured statement.

    Raises:
        ConfigError: the text is anything but one CALL of a qualified procedure of itg or dm.
    """
    return _Parser(text).call()


class _Parser:
    """Reads one CALL from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = self._scan()
        self._at = 0

    def call(self) -> Call:
        if self._take("word").lower() != "call":
            raise self._error("only CALL is allowed")
        schema = self._take("word")
        self._mark(".")
        procedure = self._take("word")
        if schema not in SCHEMAS:
            raise self._error(f"schema {schema!r} is not one of {', '.join(sorted(SCHEMAS))}")
        if not _PROCEDURE.fullmatch(procedure):
            raise self._error(f"{procedure!r} is no procedure name (lower snake case)")
        arguments = self._arguments()
        if self._peek() == _Token("mark", ";"):
            self._at += 1
        if self._peek() is not None:
            raise self._error(f"unexpected {self._tokens[self._at].text!r} after the CALL")
        return Call(schema, procedure, arguments)

    def _arguments(self) -> tuple[Parameter | Literal, ...]:
        self._mark("(")
        if self._peek() == _Token("mark", ")"):
            self._at += 1
            return ()
        arguments = [self._argument()]
        while self._peek() == _Token("mark", ","):
            self._at += 1
            arguments.append(self._argument())
        self._mark(")")
        return tuple(arguments)

    def _argument(self) -> Parameter | Literal:
        token = self._peek()
        if token is None:
            raise self._error("the argument list does not end")
        self._at += 1
        if token.kind == "parameter" and token.text in set(Parameter):
            return Parameter(token.text)
        if token.kind == "number":
            return Decimal(token.text) if "." in token.text else int(token.text)
        if token.kind == "text":
            return token.text.replace("''", "'")
        if token.kind == "word" and token.text.lower() in _CONSTANTS:
            return _CONSTANTS[token.text.lower()]
        if token.kind == "parameter":
            raise self._error(f"unknown parameter :{token.text}")
        raise self._error(f"{token.text!r} is neither a parameter nor a literal")

    def _peek(self) -> _Token | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _take(self, kind: str) -> str:
        token = self._peek()
        if token is None or token.kind != kind:
            raise self._error(f"unexpected {token.text!r}" if token else "the statement ends too early")
        self._at += 1
        return token.text

    def _mark(self, mark: str) -> None:
        if self._peek() != _Token("mark", mark):
            found = self._peek()
            raise self._error(f"expected {mark!r}, got {found.text!r}" if found else f"expected {mark!r}, got the end")
        self._at += 1

    def _scan(self) -> list[_Token]:
        tokens, at, text = [], 0, self._text.rstrip()
        while at < len(text):
            match = _TOKEN.match(text, at)
            if match is None:
                raise self._error(f"cannot read {text[at : at + 20].strip()!r}")
            tokens.append(_Token(str(match.lastgroup), match.group(str(match.lastgroup))))
            at = match.end()
        return tokens

    def _error(self, what: str) -> ConfigError:
        return ConfigError(
            f"a configured statement is refused: {what}",
            got=self._text,
            expected=EXPECTED,
            remedy="put other SQL into a procedure of the target's schema and CALL it",
        )
