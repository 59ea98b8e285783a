"""CREATE PROCEDURE and CREATE FUNCTION: parameters, and the statements of a plpgsql body, dynamic ones too."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ..errors import SYNTAX_ERROR, SqlError, not_emulated, refused
from ..tokens import (
    Kind,
    Token,
    after,
    at,
    before,
    compact,
    is_op,
    is_word,
    raw,
    render,
    significant,
    split,
    tokenize,
)
from .ddl import Reader
from .expressions import rewrite_expressions
from .queries import rewrite_query
from .types import column_type, type_end

BODY_DELIMITER = "$rs_body$"
# Redshift puts a variable wherever its name occurs in a query; PostgreSQL would call a column of that name ambiguous.
DIRECTIVE = "#variable_conflict use_variable\n"
_MODES = ("in", "out", "inout")

StatementRewriter = Callable[[Sequence[Token]], list[Token]]


def create_routine(tokens: Sequence[Token], rewrite_statement: StatementRewriter) -> str:
    """The PostgreSQL text of a CREATE [OR REPLACE] PROCEDURE or FUNCTION."""
    reader = Reader(tokens)
    reader.take()
    reader.accept("or", "replace")
    kind = reader.take().value
    name = reader.name()
    parameters = ", ".join(_parameter(part) for part in split(reader.group(), ",") if significant(part))
    rest = reader.rest()
    language = _language(rest)
    if language not in ("plpgsql", "sql"):
        raise not_emulated(f"LANGUAGE {language}")
    done = []
    for index, token in enumerate(rest):
        if is_word(token, "nonatomic"):
            raise not_emulated("NONATOMIC procedures")
        previous = at(rest, before(rest, index))
        if token.kind in (Kind.DOLLAR, Kind.STRING) and is_word(previous, "as"):
            done.append(raw(_quoted_body(token.value, language, rewrite_statement)))
        else:
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


def _quoted_body(body: str, language: str, rewrite_statement: StatementRewriter) -> str:
    if language == "plpgsql":
        text = DIRECTIVE + rewrite_body(body, rewrite_statement)
    else:
        text = render(rewrite_statement(tokenize(body)))
    return f"{BODY_DELIMITER}{text}{BODY_DELIMITER}"


def rewrite_body(body: str, rewrite_statement: StatementRewriter) -> str:
    """A plpgsql body with all its statements rewritten."""
    return _Body(rewrite_statement).run(tokenize(body))


@dataclass
class _Body:
    """Walks through a body, cutting it into fragments: statements, and headers such as `IF … THEN`."""

    rewrite_statement: StatementRewriter
    done: list[Token] = field(default_factory=list)
    current: list[Token] = field(default_factory=list)
    blocks: list[bool] = field(default_factory=list)  # per open BEGIN: whether its handler has begun
    declaring: bool = False
    depth: int = 0
    cases: int = 0
    truncates: bool = False

    def run(self, tokens: Sequence[Token]) -> str:
        for token in tokens:
            self._step(token)
        self._flush()
        return render(self.done)

    def _step(self, token: Token) -> None:
        self.depth += is_op(token, "(") - is_op(token, ")")
        if self.depth == 0 and is_op(token, ";"):
            self._flush()
            self.done.append(token)
        elif self.depth == 0 and self._is_boundary(token):
            self._flush()
            self._enter(token)
            self.done.append(token)
        else:
            self.current.append(token)

    def _is_boundary(self, token: Token) -> bool:
        kept = significant(self.current)
        first = kept[0] if kept else None
        if len(kept) == 1 and is_word(first, "end"):
            return False
        if is_word(token, "case") and kept:
            self.cases += 1
        elif is_word(token, "end") and self.cases:
            self.cases -= 1
        if self.cases or is_word(first, "merge"):
            return False
        starts = not kept or (is_op(first, "<") and is_op(kept[-1], ">"))
        if is_word(token, "begin", "declare", "else", "exception"):
            return starts
        return is_word(token, "then", "loop")

    def _enter(self, token: Token) -> None:
        if token.value == "declare":
            self.declaring = True
        elif token.value == "begin":
            self.declaring = False
            self.blocks.append(False)
        elif token.value == "exception":
            self.blocks[-1] = True
            if self.truncates:
                raise refused("TRUNCATE together with EXCEPTION in one procedure")

    def _flush(self) -> None:
        fragment, self.current, self.cases = self.current, [], 0
        first = after(fragment, -1)
        if first == len(fragment):
            self.done += fragment
        elif self.declaring:
            self.done += _declaration(fragment)
        elif is_word(fragment[first], "end"):
            self._end(fragment, first)
        else:
            self._check_handler(fragment, first)
            self.done += self._fragment(fragment, first)

    def _end(self, fragment: list[Token], first: int) -> None:
        """END of a block. Redshift re-throws behind a handler, so the handler gets a RAISE at its end."""
        following = at(fragment, after(fragment, first))
        if not is_word(following, "if", "loop", "case") and self.blocks and self.blocks.pop():
            self.done += [*fragment[:first], raw("raise; "), *fragment[first:]]
        else:
            self.done += fragment

    def _check_handler(self, fragment: list[Token], first: int) -> None:
        if self.blocks and self.blocks[-1] and is_word(fragment[first], "when"):
            condition = at(fragment, after(fragment, first))
            if not is_word(condition, "others"):
                raise refused("an exception handler for anything but OTHERS")

    def _fragment(self, fragment: list[Token], first: int) -> list[Token]:
        word = fragment[first].value if fragment[first].kind is Kind.WORD else ""
        if word in ("copy", "unload"):
            raise not_emulated(f"{word.upper()} inside a stored procedure")
        if word == "vacuum":
            raise refused("VACUUM inside a stored procedure")
        if word == "truncate":
            self.truncates = True
            return [*fragment[:first], *self.rewrite_statement(fragment[first:]), raw("; commit")]
        if _execute_at(fragment) is not None:
            return _dynamic(fragment)
        if word in ("create", "alter", "drop", "insert", "update", "delete", "select", "with", "call", "merge"):
            return [*fragment[:first], *self.rewrite_statement(fragment[first:])]
        return rewrite_expressions(rewrite_query(fragment))


def _declaration(fragment: Sequence[Token]) -> list[Token]:
    """`name [constant] type [not null] [:= value]` in a DECLARE section."""
    name = after(fragment, -1)
    start = after(fragment, name)
    if is_word(at(fragment, start), "constant"):
        start = after(fragment, start)
    if not is_word(at(fragment, start)) or is_word(at(fragment, start), "cursor", "alias", "record", "refcursor"):
        return rewrite_expressions(rewrite_query(fragment))
    end = type_end(fragment, start)
    if any(token.text == "%" for token in fragment[end : end + 1]) or is_op(at(fragment, after(fragment, start)), "."):
        return list(fragment)
    return [*fragment[:start], raw(column_type(fragment[start:end])), *rewrite_expressions(fragment[end:])]


def _execute_at(fragment: Sequence[Token]) -> int | None:
    """Where a dynamic EXECUTE stands in a fragment: at its start, or behind IN, FOR or QUERY."""
    for index, token in enumerate(fragment):
        previous = at(fragment, before(fragment, index))
        if is_word(token, "execute") and (previous is None or is_word(previous, "in", "for", "query")):
            return index
    return None


def _dynamic(fragment: list[Token]) -> list[Token]:
    """EXECUTE expr [INTO …] [USING …]: the text is rewritten when it is known, by rs.rw."""
    index = _execute_at(fragment)
    assert index is not None
    depth, end = 0, len(fragment)
    for position in range(index + 1, len(fragment)):
        token = fragment[position]
        depth += is_op(token, "(") - is_op(token, ")")
        if depth == 0 and is_word(token, "into", "using"):
            end = position
            break
    expression = compact(rewrite_expressions(fragment[index + 1 : end]))
    rest = rewrite_expressions(fragment[end:])
    return [*rewrite_expressions(fragment[:index]), raw(f"execute rs.rw({expression}) "), *rest]
