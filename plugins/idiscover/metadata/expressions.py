"""Conditions that metadata may state of a row: a small part of SQL that reads one row and cannot fail.

    tested_patients <= eligible_patients or eligible_patients is null

No subquery, no other table, no division: whatever is accepted here costs a look at the row. Columns are told from
words of SQL, so that `warehouse/checks.py` can quote them and `check_rules.py` can look them up.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from idiscover.errors import ConfigError

EXPECTED = "a condition such as: tested_patients <= eligible_patients and month >= date '2000-01-01'"
FUNCTIONS = frozenset({"abs", "coalesce", "length", "lower", "nullif", "round", "upper"})
_KEYWORDS = frozenset({"and", "or", "not", "is", "null", "in", "between", "true", "false", "date"})
_CONSTANTS = frozenset({"null", "true", "false"})
_COMPARISONS = frozenset({"=", "<>", "<", "<=", ">", ">="})
_DEEPEST = 20  # brackets within brackets

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<word>[a-zA-Z_][a-zA-Z0-9_]*)
      | (?P<number>[0-9]+(?:\.[0-9]+)?)(?![A-Za-z0-9_.])
      | (?P<text>'(?:[^'\\\x00-\x1f]|'')*')
      | (?P<mark><>|<=|>=|[-+*(),=<>])
    )""",
    re.VERBOSE,
)
_DAY = re.compile(r"'\d{4}-\d{2}-\d{2}'")


@dataclass(frozen=True)
class Token:
    """A part of a condition. `kind`: column, word (of SQL), number, text or mark."""

    kind: str
    text: str


@dataclass(frozen=True)
class Condition:
    """A condition that was read."""

    tokens: tuple[Token, ...]

    @property
    def columns(self) -> frozenset[str]:
        """The columns that it looks at."""
        return frozenset(token.text for token in self.tokens if token.kind == "column")

    def sql(self, column: Callable[[str], str]) -> str:
        """The condition as SQL; `column` writes a column's name."""
        text, before, is_sign = "", Token("mark", "("), False
        for token in self.tokens:
            shown = column(token.text) if token.kind == "column" else token.text
            is_call = before.kind == "word" and before.text in FUNCTIONS and token.text == "("
            is_tight = before.text == "(" or token.text in (")", ",") or is_call
            is_tight = is_tight or (is_sign and token.text != "-")  # two of them would begin a comment
            text += shown if is_tight else f" {shown}"
            is_operand = before.kind in ("column", "number", "text") or before.text in (")", *_CONSTANTS)
            before, is_sign = token, token.text == "-" and not is_operand
        return text


def parse_condition(text: str) -> Condition:
    """Reads a condition.

    Raises:
        ConfigError: it is anything but what `Expression.holds` describes.
    """
    return _Parser(text).condition()


class _Parser:
    """Reads one condition from left to right, by recursive descent."""

    def __init__(self, text: str) -> None:
        self._text, self._at, self._depth = text, 0, 0
        self._tokens = self._scan()

    def condition(self) -> Condition:
        self._either()
        if self._at < len(self._tokens):
            raise self._error(f"unexpected {self._tokens[self._at].text!r}")
        return Condition(tuple(self._tokens))

    def _either(self) -> None:
        self._both()
        while self._takes("or"):
            self._both()

    def _both(self) -> None:
        self._negated()
        while self._takes("and"):
            self._negated()

    def _negated(self) -> None:
        while self._takes("not"):
            pass
        self._predicate()

    def _predicate(self) -> None:
        self._sum()
        if self._takes(*_COMPARISONS):
            self._sum()
        elif self._takes("is"):
            self._takes("not")
            self._needs("null")
        else:
            is_negated = self._takes("not")
            if self._takes("in"):
                self._needs("(")
                self._list(self._literal)
            elif self._takes("between"):
                self._sum()
                self._needs("and")
                self._sum()
            elif is_negated:
                raise self._error("`in` or `between` has to follow `not`")

    def _sum(self) -> None:
        self._factor()
        while self._takes("+", "-", "*"):
            self._factor()

    def _factor(self) -> None:
        self._takes("-")
        if self._takes("("):
            self._depth += 1
            if self._depth > _DEEPEST:
                raise self._error(f"more than {_DEEPEST} brackets within brackets")
            self._either()
            self._depth -= 1
            self._needs(")")
            return
        token = self._peek()
        if token is not None and token.kind == "column":
            self._at += 1
        elif token is not None and token.kind == "word" and token.text in FUNCTIONS:
            self._at += 1
            self._needs("(")
            self._list(self._either)
        else:
            self._literal()

    def _literal(self) -> None:
        if self._takes("date"):
            token = self._peek()
            if token is None or not _DAY.fullmatch(token.text):
                raise self._error("a day such as date '2026-01-05' is written otherwise")
            self._at += 1
            return
        self._takes("-")
        token = self._peek()
        if token is None:
            raise self._error("it ends too early")
        if token.kind not in ("number", "text") and token.text not in _CONSTANTS:
            raise self._error(f"unexpected {token.text!r}")
        self._at += 1

    def _list(self, item: Callable[[], None]) -> None:
        """Items up to the closing bracket."""
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self._error(f"more than {_DEEPEST} brackets within brackets")
        item()
        while self._takes(","):
            item()
        self._depth -= 1
        self._needs(")")

    def _peek(self) -> Token | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _takes(self, *texts: str) -> bool:
        token = self._peek()
        if token is None or token.kind not in ("word", "mark") or token.text not in texts:
            return False
        self._at += 1
        return True

    def _needs(self, text: str) -> None:
        if not self._takes(text):
            token = self._peek()
            raise self._error(f"expected {text!r}, got {token.text!r}" if token else f"expected {text!r}, got the end")

    def _scan(self) -> list[Token]:
        tokens, at, text = [], 0, self._text.strip()
        while at < len(text):
            match = _TOKEN.match(text, at)
            if match is None:
                raise self._error(f"cannot read {text[at : at + 20].strip()!r}")
            tokens.append(self._token(str(match.lastgroup), match.group(str(match.lastgroup))))
            at = match.end()
        return tokens

    def _token(self, kind: str, text: str) -> Token:
        if kind != "word":
            return Token(kind, text)
        word = text.lower()
        is_sql = word in _KEYWORDS or word in FUNCTIONS
        return Token("word" if is_sql else "column", word if is_sql else text)

    def _error(self, what: str) -> ConfigError:
        return ConfigError(
            f"a condition is refused: {what}",
            got=self._text,
            expected=EXPECTED,
            remedy="see `holds` in docs/metadata.md for what may stand there",
        )
