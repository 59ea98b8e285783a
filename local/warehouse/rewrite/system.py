"""Redshift's own columns of PostgreSQL's catalogue: who asks for one gets a view in rs that has it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from ..tokens import Kind, Token, after, at, before, is_op, is_word, raw, significant, split

# The columns that PostgreSQL's table lacks, by table.
_ADDED_COLUMNS = {
    "pg_class": frozenset({"reldiststyle", "releffectivediststyle", "relhasoids"}),
    "pg_proc": frozenset({"proisagg", "proiswindow"}),
    "pg_attribute": frozenset({"attisdistkey", "attsortkeyord", "attencodingtype"}),
    "pg_attrdef": frozenset({"adsrc"}),
}

# JDBC's names, which redshift_connector uses too, and those of SQLAlchemy's dialect.
_CLIENT_ALIASES = frozenset({"table_cat", "table_schem", "table_name", "table_type", "schema", "relname"})
_CATALOGUE = ("pg_", "svv_")
_SPACE = Token(Kind.SPACE, " ", " ")
_OPENING, _CLOSING = Token(Kind.OP, "(", "("), Token(Kind.OP, ")", ")")


def rewrite_system_names(tokens: Sequence[Token]) -> list[Token]:
    """`pg_class` becomes `rs.pg_class` where a statement names a column that only Redshift's has, and so on.

    `WHERE 1` is a condition to Redshift: it becomes true. A WHERE may name an alias of the select list.
    """
    tokens = _without_driver_aliases(_parted(tokens))
    named = {token.value for token in tokens if token.kind in (Kind.WORD, Kind.QUOTED)}
    wanted = {table for table, columns in _ADDED_COLUMNS.items() if columns & named}
    if "table_schem" in named:
        wanted.add("pg_class")
    if "pg_constraint" in named:
        wanted |= {"pg_constraint", "pg_get_constraintdef"}
    has_number_condition = any(_is_number_condition(tokens, index) for index in range(len(tokens)))
    if not wanted and not has_number_condition and "is_autoincrement" not in named:
        return list(tokens)
    return [_renamed(tokens, index, wanted) for index in range(len(tokens))]


def _parted(tokens: Sequence[Token]) -> Sequence[Token]:
    """A space between a number and a word right behind it, which PostgreSQL would take for junk: `then 4when`."""
    places = [
        index
        for index, token in enumerate(tokens[:-1])
        if token.kind is Kind.NUMBER and tokens[index + 1].kind is Kind.WORD
    ]
    if not places:
        return tokens
    return [part for index, token in enumerate(tokens) for part in ((token, _SPACE) if index in places else (token,))]


def _without_driver_aliases(tokens: Sequence[Token]) -> Sequence[Token]:
    """Clients' queries of the catalogue compare aliases in their WHERE: each becomes its expression.

    In general only PostgreSQL could tell whether a name is a column or an alias; these are columns of no table asked.
    """
    if not any(_is_alias(token) for token in tokens):
        return tokens
    starts = [0, *(index for index, token in _outermost(tokens) if is_word(token, "union")), len(tokens)]
    branches = [tokens[start:end] for start, end in pairwise(starts)]
    return [token for branch in branches for token in _branch_without_aliases(branch)]


def _branch_without_aliases(tokens: Sequence[Token]) -> Sequence[Token]:
    """One SELECT of a UNION."""
    clauses: dict[str, int] = {}
    for index, token in _outermost(tokens):
        if is_word(token, "select", "from", "where", "order"):
            clauses.setdefault(token.value, index)
    if not {"select", "from", "where"} <= clauses.keys():
        return tokens
    asked = significant([token for _, token in _outermost(tokens[clauses["from"] : clauses["where"]])])
    if not all(token.value.startswith(_CATALOGUE) for token in _relations(asked)):
        return tokens
    expressions: dict[str, list[Token]] = {}
    for item in split(tokens[clauses["select"] + 1 : clauses["from"]], ","):
        kept = significant(item)
        if len(kept) > 2 and _is_alias(kept[-1]) and is_word(kept[-2], "as"):
            expressions[kept[-1].value] = [_OPENING, *_spaced(kept[:-2]), _CLOSING]
    end = clauses.get("order", len(tokens))
    done = list(tokens[: clauses["where"]])
    for index in range(clauses["where"], end):
        token = tokens[index]
        is_alias = token.value in expressions and is_word(token) and not is_op(at(tokens, before(tokens, index)), ".")
        done += expressions[token.value] if is_alias else [token]
    return [*done, *tokens[end:]]


def _is_alias(token: Token) -> bool:
    return token.kind in (Kind.WORD, Kind.QUOTED) and token.value in _CLIENT_ALIASES


def _outermost(tokens: Sequence[Token]) -> Iterator[tuple[int, Token]]:
    """The tokens outside parentheses, with their places."""
    depth = 0
    for index, token in enumerate(tokens):
        depth += is_op(token, "(") - is_op(token, ")")
        if depth == 0:
            yield index, token


def _relations(asked: Sequence[Token]) -> Iterator[Token]:
    """The first name of each relation in a FROM clause: its schema, or itself."""
    for token, following in pairwise(asked):
        if is_word(token, "from", "join") or is_op(token, ","):
            yield following


def _spaced(tokens: Sequence[Token]) -> list[Token]:
    """The tokens with a space behind each."""
    return [part for token in tokens for part in (token, _SPACE)]


def _renamed(tokens: Sequence[Token], index: int, wanted: set[str]) -> Token:
    token = tokens[index]
    if _is_number_condition(tokens, index):
        return raw("true" if float(token.text) else "false")
    if is_word(token, "is_autoincrement") and is_word(at(tokens, after(tokens, index)), "as"):
        return raw(
            "null"
        )  # drivers repeat an alias of the same select list; what IDENTITY is to them is not known here
    if is_word(token, *wanted) and wanted and not is_op(at(tokens, after(tokens, index)), "."):
        qualified = is_op(at(tokens, before(tokens, index)), ".")
        return token if qualified else raw(f"rs.{token.value}")
    if is_word(token, "pg_catalog") and is_op(at(tokens, after(tokens, index)), "."):
        table = at(tokens, after(tokens, after(tokens, index)))
        return raw("rs") if wanted and is_word(table, *wanted) else token
    return token


def _is_number_condition(tokens: Sequence[Token], index: int) -> bool:
    """Whether the token is the number of a WHERE that has nothing else, or goes on with AND."""
    if tokens[index].kind is not Kind.NUMBER or not is_word(at(tokens, before(tokens, index)), "where"):
        return False
    following = at(tokens, after(tokens, index))
    return following is None or is_op(following, ")") or is_word(following, "and", "or", "order", "group", "union")
