"""Splits a query into tokens."""

import re
from dataclasses import dataclass
from enum import Enum

from local.salesforce.soql.errors import MALFORMED_QUERY, error_at


class TokenKind(Enum):
    """Kinds of token; a keyword is a NAME until the parser expects one."""

    NAME = "name"
    STRING = "string"
    NUMBER = "number"
    DATE = "date"
    DATETIME = "datetime"
    SYMBOL = "symbol"
    END = "end"


@dataclass(frozen=True)
class Token:
    """A token, its text as written, and where it starts."""

    kind: TokenKind
    text: str
    position: int

    def is_word(self, word: str) -> bool:
        """Whether this is the keyword, in any case."""
        return self.kind is TokenKind.NAME and self.text.upper() == word

    def is_symbol(self, symbol: str) -> bool:
        """Whether this is the operator or bracket."""
        return self.kind is TokenKind.SYMBOL and self.text == symbol


_PATTERN = re.compile(
    r"""
    (?P<space>\s+)
  | (?P<string>'(?:[^'\\]|\\.)*')
  | (?P<datetime>\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:Z|[+-]\d{2}:?\d{2}))
  | (?P<date>\d{4}-\d{2}-\d{2}(?![\dT]))
  | (?P<number>[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w]))
  | (?P<name>[A-Za-z_]\w*)
  | (?P<symbol><=|>=|!=|<>|[=<>(),.:])
    """,
    re.VERBOSE | re.DOTALL | re.ASCII,
)


def tokenize(text: str) -> list[Token]:
    """The tokens of a query, closed by an END token. Raises SoqlError for text that is none."""
    tokens = []
    position = 0
    while position < len(text):
        match = _PATTERN.match(text, position)
        if match is None or match.lastgroup is None:
            raise error_at(MALFORMED_QUERY, text, position, _explain(text, position))
        if match.lastgroup != "space":
            tokens.append(Token(TokenKind(match.lastgroup), match.group(), position))
        position = match.end()
    tokens.append(Token(TokenKind.END, "<EOF>", len(text)))
    return tokens


def _explain(text: str, position: int) -> str:
    if text[position] == "'":
        return "Bad quoted string or no closing quote"
    return f"unexpected token: '{text[position : position + 20].split()[0]}'"
