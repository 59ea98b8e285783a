"""CREATE PROCEDURE and CREATE FUNCTION: parameters, and the statements of a plpgsql body, dynamic ones too."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import SYNTAX_ERROR, SqlError, not_emulated
from ..tokens import (
    Kind,
    Token,
    after,
    at,
    before,
    is_op,
    is_word,
    raw,
    render,
    significant,
    split,
    tokenize,
)
from .bodies import StatementRewriter, rewrite_body
from .ddl import Reader
from .expressions import rewrite_expressions
from .types import column_type, type_end

BODY_DELIMITER = "$rs_body$"
# Redshift puts a variable wherever its name occurs in a query; PostgreSQL would call a column of that name ambiguous.
DIRECTIVE = "#variable_conflict use_variable\n"
_MODES = ("in", "out", "inout")


def create_routine(tokens: Sequence[Token], rewrite_statement: StatementRewriter) -> str:
    """The PostgreSQL text of a CREATE [OR REPLACE] PROCEDURE or FUNCTION."""
    reader = Reader(tokens)
    reader.take()
    reader.accept("or", "replace")
    kind = reader.take().value
    name = reader.name()
    parts = [part for part in split(reader.group(), ",") if significant(part)]
    parameters, names = ", ".join(map(_parameter, parts)), [significant(part)[0].value for part in parts]
    rest = reader.rest()
    language = _language(rest)
    if language not in ("plpgsql", "sql"):
        raise not_emulated(f"LANGUAGE {language}")
    atomic = not any(is_word(token, "nonatomic") for token in rest)
    # PostgreSQL lets no such procedure commit.
    commits = not any(is_word(token, "definer", "set") for token in rest)
    done = []
    for index, token in enumerate(rest):
        previous = at(rest, before(rest, index))
        if token.kind in (Kind.DOLLAR, Kind.STRING) and is_word(previous, "as"):
            if language == "plpgsql":
                body = DIRECTIVE + rewrite_body(
                    token.value, rewrite_statement, atomic=atomic, commits=commits, parameters=names
                )
            else:
                body = render(rewrite_statement(tokenize(token.value)))
            done.append(raw(f"{BODY_DELIMITER}{body}{BODY_DELIMITER}"))
        elif not is_word(token, "nonatomic"):
            done.append(token)
    return f"create or replace {kind} {name}({parameters}) {render(rewrite_expressions(done))}"


def _language(tokens: Sequence[Token]) -> str:
    for index, token in enumerate(tokens):
        if is_word(token, "language"):
            return (at(tokens, after(tokens, index)) or token).value
    raise SqlError("no language specified", code=SYNTAX_ERROR)


def _parameter(tokens: Sequence[Token]) -> str:
    """`name [mode] type`. OUT becomes INOUT with a default, because Redshift's CALL leaves OUT parameters away."""
    kept = significant(tokens)
    mode = next((token.value for token in kept[:2] if is_word(token, *_MODES)), "in")
    named = [token for token in kept if not (is_word(token, *_MODES) and token in kept[:2])]
    if len(named) == 1 or is_op(named[1], "("):  # a function's parameter without a name
        return f"{mode} {column_type(named)}"
    end = type_end(named, 1)
    declared = f"{named[0].text} {'inout' if mode == 'out' else mode} {column_type(_spaced(named[1:end]))}"
    return declared + (" default null" if mode == "out" else "")


def _spaced(tokens: Sequence[Token]) -> list[Token]:
    return [part for token in tokens for part in (token, Token(Kind.SPACE, " ", " "))]
