"""A tokenizer for Redshift's SQL, and the small operations on token lists that the rewriting rules are made of.

Redshift reads backslashes in ordinary string literals as escapes and folds quoted identifiers to lower case.
Otherwise nothing is lost: the texts of the tokens, joined, are the input.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from .errors import SYNTAX_ERROR, SqlError


class Kind(Enum):
    """What a token is."""

    SPACE = "space"  # white space and comments
    WORD = "word"  # an unquoted identifier or keyword
    QUOTED = "quoted"  # "identifier"
    TEMP = "temp"  # #name
    STRING = "string"  # 'text', E'text'
    DOLLAR = "dollar"  # $tag$text$tag$
    NUMBER = "number"
    PARAM = "param"  # $1
    OP = "op"  # operators and punctuation
    RAW = "raw"  # SQL that a rule has put in; no rule looks into it again


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of SQL. `value` is what rules compare: lower case for words, the name for quoted identifiers."""

    kind: Kind
    text: str
    value: str


_PATTERN = re.compile(
    r"""
      (?P<space>\s+|--[^\n]*)
    | (?P<comment>/\*)
    | (?P<string>[eE]?'(?:[^'\\]|\\.|'')*')
    | (?P<quoted>"(?:[^"]|"")*")
    | (?P<dollar>\$(?P<tag>[A-Za-z_\u0080-\uffff][A-Za-z_0-9\u0080-\uffff]*)?\$)
    | (?P<param>\$[0-9]+)
    | (?P<temp>\#[A-Za-z_\u0080-\U0010ffff][A-Za-z_0-9\u0080-\U0010ffff]*)
    | (?P<word>[A-Za-z_\u0080-\U0010ffff][A-Za-z_0-9$\u0080-\U0010ffff]*)
    | (?P<number>(?:[0-9]+(?:\.(?!\.)[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
    | (?P<op>::|:=|\.\.|<=|>=|<>|!=|\|\||->>|->|=>|!~\*|!~|~\*|[-+*/<>=~!@\#%^&|`?.,;:()\[\]{}\\])
    """,
    re.VERBOSE | re.DOTALL,
)
_COMMENT_EDGE = re.compile(r"/\*|\*/")


_LOWER = str.maketrans({chr(code): chr(code + 32) for code in range(ord("A"), ord("Z") + 1)})


def fold(name: str) -> str:
    """ASCII letters in lower case, others as they are: how identifiers are compared."""
    return name.translate(_LOWER)


def tokenize(sql: str) -> list[Token]:
    """All tokens of `sql` in order. Raises SqlError (42601) for an unterminated string, identifier or comment."""
    tokens = []
    position = 0
    while position < len(sql):
        match = _PATTERN.match(sql, position)
        if match is None:
            raise SqlError(
                f"unterminated quoted string at or near {sql[position : position + 40]!r}", code=SYNTAX_ERROR
            )
        token, position = _token(sql, match)
        tokens.append(token)
    return tokens


def _token(sql: str, match: re.Match[str]) -> tuple[Token, int]:
    """The token that `match` begins, and where the next one begins."""
    group, text, end = match.lastgroup or "", match.group(), match.end()
    if group == "space":
        return Token(Kind.SPACE, text, " "), end
    if group == "comment":
        end = _comment_end(sql, match.start())
        return Token(Kind.SPACE, sql[match.start() : end], " "), end
    if group == "dollar":
        close = sql.find(text, end)
        if close < 0:
            raise SqlError(f"unterminated dollar-quoted string at or near {text!r}", code=SYNTAX_ERROR)
        whole_end = close + len(text)
        return Token(Kind.DOLLAR, sql[match.start() : whole_end], sql[end:close]), whole_end
    if group == "quoted":
        return Token(Kind.QUOTED, fold(text), fold(text[1:-1].replace('""', '"'))), end
    if group == "temp":
        return Token(Kind.TEMP, identifier(fold(text)), fold(text)), end
    if group == "string":
        return Token(Kind.STRING, text, unescape(text)), end
    return Token(Kind(group), text, fold(text)), end


def _comment_end(sql: str, start: int) -> int:
    """The end of the (nestable) block comment that begins at `start`."""
    depth = 0
    for edge in _COMMENT_EDGE.finditer(sql, start):
        depth += 1 if edge.group() == "/*" else -1
        if depth == 0:
            return edge.end()
    raise SqlError("unterminated /* comment", code=SYNTAX_ERROR)


_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_ESCAPE = re.compile(r"\\([0-7]{1,3}|.)", re.DOTALL)


def unescape(literal: str, *, keep_unknown: bool = False) -> str:
    """The value of a string literal. `keep_unknown` leaves `\\N` as it stands, as COPY's options want it."""
    body = literal[literal.index("'") + 1 : -1].replace("''", "'")

    def plain(match: re.Match[str]) -> str:
        inner = match.group(1)
        if inner[0] in "01234567":
            return chr(int(inner, 8))
        if inner in _ESCAPES:
            return _ESCAPES[inner]
        return match.group() if keep_unknown and inner != "\\" else inner

    return _ESCAPE.sub(plain, body)


def literal(value: str) -> str:
    """`value` as an SQL string literal that means the same whatever standard_conforming_strings is."""
    escaped = value.replace("\\", "\\\\").replace("'", "''")
    return f"E'{escaped}'" if "\\" in escaped else f"'{escaped}'"


def identifier(name: str) -> str:
    """`name` as a quoted identifier."""
    escaped = name.replace('"', '""')
    return f'"{escaped}"'


def render(tokens: Sequence[Token]) -> str:
    """The SQL text of the tokens."""
    return "".join(token.text for token in tokens)


def compact(tokens: Sequence[Token]) -> str:
    """The SQL text without comments, so that anything may be put behind it."""
    return "".join(" " if token.kind is Kind.SPACE else token.text for token in tokens).strip()


def raw(sql: str) -> Token:
    """SQL that no rule looks into any more."""
    return Token(Kind.RAW, sql, "")


def is_word(token: Token | None, *values: str) -> bool:
    """Whether the token is one of these unquoted words (lower case); without `values`, any unquoted word."""
    return token is not None and token.kind is Kind.WORD and (not values or token.value in values)


def is_op(token: Token | None, value: str) -> bool:
    """Whether the token is this operator or punctuation mark."""
    return token is not None and token.kind is Kind.OP and token.text == value


def is_name(token: Token | None) -> bool:
    """Whether the token can name a table, a column or a schema."""
    return token is not None and token.kind in (Kind.WORD, Kind.QUOTED, Kind.TEMP)


def after(tokens: Sequence[Token], index: int) -> int:
    """The index of the next token after `index` that is not space; len(tokens) if there is none."""
    index += 1
    while index < len(tokens) and tokens[index].kind is Kind.SPACE:
        index += 1
    return index


def before(tokens: Sequence[Token], index: int) -> int:
    """The index of the last token before `index` that is not space; -1 if there is none."""
    index -= 1
    while index >= 0 and tokens[index].kind is Kind.SPACE:
        index -= 1
    return index


def at(tokens: Sequence[Token], index: int) -> Token | None:
    """The token at `index`, or None outside the list."""
    return tokens[index] if 0 <= index < len(tokens) else None


def closing(tokens: Sequence[Token], opening: int) -> int:
    """The index of the parenthesis that closes the one at `opening`. Raises SqlError if there is none."""
    depth = 0
    for index in range(opening, len(tokens)):
        if is_op(tokens[index], "("):
            depth += 1
        elif is_op(tokens[index], ")"):
            depth -= 1
            if depth == 0:
                return index
    raise SqlError("syntax error: a parenthesis is not closed", code=SYNTAX_ERROR)


def split(tokens: Sequence[Token], separator: str) -> list[list[Token]]:
    """The tokens between `separator`s that stand outside parentheses, in order."""
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in tokens:
        if is_op(token, "("):
            depth += 1
        elif is_op(token, ")"):
            depth -= 1
        if depth == 0 and is_op(token, separator):
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def significant(tokens: Sequence[Token]) -> list[Token]:
    """The tokens without white space and comments."""
    return [token for token in tokens if token.kind is not Kind.SPACE]


def words(tokens: Sequence[Token], count: int) -> tuple[str, ...]:
    """The first `count` significant tokens' values, for telling statements apart."""
    found: list[str] = []
    for token in significant_iter(tokens):
        found.append(token.value if token.kind is Kind.WORD else token.text)
        if len(found) == count:
            break
    return tuple(found)


def significant_iter(tokens: Sequence[Token]) -> Iterator[Token]:
    """Like significant(), lazily."""
    return (token for token in tokens if token.kind is not Kind.SPACE)
