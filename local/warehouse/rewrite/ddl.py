"""CREATE TABLE and ALTER TABLE: Redshift's physical design is noted, its unenforced constraints are not enforced."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..errors import SYNTAX_ERROR, SqlError, not_emulated, refused
from ..tokens import (
    Kind,
    Token,
    after,
    at,
    closing,
    compact,
    identifier,
    is_name,
    is_op,
    is_word,
    literal,
    render,
    significant,
    split,
)
from .expressions import rewrite_expressions
from .types import column_type, type_end

# A constraint of this name carries a new table's design to the event trigger in rs, which takes it off again.
ATTRIBUTES_CONSTRAINT = "rs_attributes"
NO_CHANGE = "reset (fillfactor)"
_COLUMN_ATTRIBUTES = frozenset(
    {"default", "identity", "generated", "encode", "distkey", "sortkey", "not", "null", "unique", "primary",
     "references", "collate", "constraint", "check"}
)  # fmt: skip
_INTEGER_BITS = {16: ("smallint", "int2"), 32: ("int", "integer", "int4")}
_TABLE_CONSTRAINTS = ("primary", "unique", "foreign", "constraint", "check", "like")


@dataclass
class TableDesign:
    """What Redshift would use to lay a table out or to plan, and PostgreSQL does not need."""

    attributes: dict[str, object] = field(default_factory=dict)
    not_null: list[str] = field(default_factory=list)

    def note(self, key: str, value: object) -> None:
        """Remember one attribute."""
        self.attributes[key] = value

    def append(self, key: str, value: object) -> None:
        """Remember one more of several."""
        known = self.attributes.setdefault(key, [])
        assert isinstance(known, list)
        known.append(value)

    def constraints(self) -> list[str]:
        """Table constraints that stand for the design: NOT NULL of key columns, and the carrier of the rest."""
        found = [f"not null {identifier(name)}" for name in dict.fromkeys(self.not_null)]
        if self.attributes:
            packed = json.dumps(self.attributes).encode().hex()
            found.append(f"constraint {ATTRIBUTES_CONSTRAINT} check (rs.attributes('{packed}'))")
        return found


class Reader:
    """A position in the significant tokens of a statement."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self.tokens = list(tokens)
        self.index = after(self.tokens, -1)

    def peek(self) -> Token | None:
        """The token here, None at the end."""
        return at(self.tokens, self.index)

    def take(self) -> Token:
        """The token here; the position moves on. Raises SqlError at the end."""
        token = self.peek()
        if token is None:
            raise SqlError("syntax error at end of input", code=SYNTAX_ERROR)
        self.index = after(self.tokens, self.index)
        return token

    def accept(self, *values: str) -> bool:
        """Take these words if they all come next."""
        mark = self.index
        for value in values:
            if not is_word(self.peek(), value):
                self.index = mark
                return False
            self.take()
        return True

    def name(self) -> str:
        """A possibly qualified name, as it shall be written."""
        text = self.take().text
        while is_op(self.peek(), "."):
            self.take()
            text += "." + self.take().text
        return text

    def group(self) -> list[Token]:
        """What stands in the parentheses that open here."""
        if not is_op(self.peek(), "("):
            found = self.peek()
            near = f"at or near {found.text!r}" if found else "at end of input"
            raise SqlError(f"syntax error {near}: expected a parenthesis", code=SYNTAX_ERROR)
        end = closing(self.tokens, self.index)
        inner = self.tokens[self.index + 1 : end]
        self.index = after(self.tokens, end)
        return inner

    def rest(self) -> list[Token]:
        """The tokens from here on."""
        return self.tokens[self.index :]


def names_in(tokens: Sequence[Token]) -> list[str]:
    """The names in a comma-separated list."""
    return [token.value for token in significant(tokens) if is_name(token)]


def create_table(tokens: Sequence[Token]) -> str:
    """The PostgreSQL text of a CREATE TABLE, CREATE TABLE (LIKE …) or CREATE TABLE AS."""
    reader = Reader(tokens)
    reader.take()
    reader.accept("local")
    temporary = reader.accept("temp") or reader.accept("temporary")
    reader.accept("table")
    guard = "if not exists " if reader.accept("if", "not", "exists") else ""
    temporary = temporary or (reader.peek() or tokens[0]).kind is Kind.TEMP
    name = reader.name()
    head = f"create {'temp ' if temporary else ''}table {guard}{name}"
    elements = reader.group() if is_op(reader.peek(), "(") else None
    design = TableDesign()
    _table_attributes(reader, design)
    if reader.accept("as"):
        columns = f" ({render(elements)})" if elements is not None else ""
        return f"{head}{columns} as {render(rewrite_expressions(reader.rest()))}"
    if elements is None:
        raise SqlError(f"syntax error: CREATE TABLE {name} has neither columns nor a query", code=SYNTAX_ERROR)
    lines = [line for element in split(elements, ",") if (line := _element(element, design))]
    return f"{head} (\n    " + ",\n    ".join([*lines, *design.constraints()]) + "\n)"


def _table_attributes(reader: Reader, design: TableDesign) -> None:
    while (token := reader.peek()) is not None and not is_word(token, "as"):
        _table_attribute(reader, design)


def _table_attribute(reader: Reader, design: TableDesign) -> None:
    if reader.accept("diststyle"):
        design.note("diststyle", reader.take().value)
    elif reader.accept("distkey"):
        columns = names_in(reader.group())
        if len(columns) != 1:
            raise SqlError("syntax error: DISTKEY takes one column", code=SYNTAX_ERROR)
        design.note("distkey", columns[0])
    elif reader.accept("compound") or reader.accept("interleaved"):
        return
    elif reader.accept("sortkey"):
        _sort_key(reader, design)
    elif reader.accept("encode") or reader.accept("backup"):
        reader.take()
    else:
        found = reader.take()
        raise SqlError(f"syntax error at or near {found.text!r} behind the columns of a table", code=SYNTAX_ERROR)


def _sort_key(reader: Reader, design: TableDesign) -> None:
    if not reader.accept("auto"):
        design.note("sortkey", names_in(reader.group()))


def _element(tokens: Sequence[Token], design: TableDesign) -> str:
    """One element between the parentheses: a column or a table constraint, empty if nothing is left of it."""
    reader = Reader(tokens)
    if is_word(reader.peek(), *_TABLE_CONSTRAINTS):
        return _table_constraint(reader, design)
    return column_definition(reader, design)


def _table_constraint(reader: Reader, design: TableDesign) -> str:
    if is_word(reader.peek(), "like"):
        return compact(reader.rest())
    if reader.accept("constraint"):
        reader.take()
    if reader.accept("primary", "key"):
        columns = names_in(reader.group())
        design.note("primary_key", columns)
        design.not_null.extend(columns)
    elif reader.accept("unique"):
        design.append("unique", names_in(reader.group()))
    elif reader.accept("foreign", "key"):
        design.append("foreign_key", compact(reader.rest()))
    else:
        raise refused("a CHECK constraint")
    return ""


def column_definition(reader: Reader, design: TableDesign) -> str:
    """A column's name, type and what PostgreSQL keeps of its attributes."""
    name = reader.take()
    if not is_name(name) or not is_word(reader.peek()):
        raise SqlError(f"syntax error at or near {name.text!r}: expected a column and its type", code=SYNTAX_ERROR)
    end = type_end(reader.tokens, reader.index)
    parts = [name.text, column_type(reader.tokens[reader.index : end])]
    reader.index = after(reader.tokens, end - 1)
    while reader.peek() is not None:
        parts.append(_column_attribute(reader, name.value, parts[1], design))
    return " ".join(part for part in parts if part)


def _column_attribute(reader: Reader, column: str, kind: str, design: TableDesign) -> str:
    if reader.accept("not", "null"):
        return "not null"
    if reader.accept("null"):
        return "null"
    if reader.accept("default"):
        return "default " + _default(reader)
    if reader.accept("identity"):
        return _identity("always", kind, reader.group())
    if reader.accept("generated", "by", "default", "as", "identity"):
        return _identity("by default", kind, reader.group())
    if reader.accept("primary", "key"):
        design.note("primary_key", [column])
        return "not null"
    return _unenforced(reader, column, design)


def _unenforced(reader: Reader, column: str, design: TableDesign) -> str:
    """Attributes that leave nothing behind in PostgreSQL."""
    if reader.accept("unique"):
        design.append("unique", [column])
    elif reader.accept("distkey"):
        design.note("distkey", column)
    elif reader.accept("sortkey"):
        design.note("sortkey", [column])
    elif reader.accept("encode"):
        reader.take()
    elif reader.accept("references"):
        design.append("foreign_key", f"({column}) references {reader.name()}")
        if is_op(reader.peek(), "("):
            reader.group()
    elif reader.accept("collate"):
        if reader.take().value != "case_sensitive":
            raise not_emulated("COLLATE CASE_INSENSITIVE")
    else:
        found = reader.take()
        if is_word(found, "check", "constraint"):
            raise refused(f"{found.text.upper()} on a column")
        raise SqlError(f"syntax error at or near {found.text!r} in column {column}", code=SYNTAX_ERROR)
    return ""


def _default(reader: Reader) -> str:
    """The default's expression: all up to the next attribute."""
    start, depth = reader.index, 0
    while (token := reader.peek()) is not None:
        depth += is_op(token, "(") - is_op(token, ")")
        if depth == 0 and reader.index > start and is_word(token, *_COLUMN_ATTRIBUTES):
            break
        reader.take()
    return compact(rewrite_expressions(reader.tokens[start : reader.index]))


def _identity(mode: str, kind: str, arguments: Sequence[Token]) -> str:
    """IDENTITY(seed, step) of a column of the type `kind`: a seed may be anything that it holds."""
    parts = [compact(part) for part in split(arguments, ",")]
    if len(parts) != 2:
        raise SqlError("syntax error: expected IDENTITY(seed, step)", code=SYNTAX_ERROR)
    seed, step = parts
    bits = next((bits for bits, names in _INTEGER_BITS.items() if kind.lower() in names), 64)
    bound = f"minvalue {-(2 ** (bits - 1))}" if not step.startswith("-") else f"maxvalue {2 ** (bits - 1) - 1}"
    return f"generated {mode} as identity (start with {seed} increment by {step} {bound})"


def alter_table(tokens: Sequence[Token]) -> str:
    """The PostgreSQL text of an ALTER TABLE; changes of encodings change nothing."""
    reader = Reader(tokens)
    reader.accept("alter", "table")
    guard = "if exists " if reader.accept("if", "exists") else ""
    name = reader.name()
    head = f"alter table {guard}{name} "
    if reader.accept("append"):
        return _append(reader, name)
    if reader.accept("add"):
        return head + _add(reader)
    if reader.accept("alter"):
        return head + _alter(reader)
    if reader.accept("drop", "constraint"):  # keys that are not enforced: there is nothing in PostgreSQL to drop
        return head + NO_CHANGE
    return head + render(rewrite_expressions(reader.rest()))


def _alter_design(reader: Reader) -> str:
    """What follows ALTER TABLE t ALTER where keys or distribution change: the carrier of what is other than before."""
    design = TableDesign()
    while reader.peek() is not None:
        if reader.accept("diststyle"):
            design.note("diststyle", reader.take().value)
            design.note("distkey", None)
        elif reader.accept("distkey"):
            design.note("diststyle", "key")
            design.note("distkey", reader.take().value)
        elif reader.accept("sortkey", "none") or reader.accept("sortkey", "auto"):
            design.note("sortkey", [])
        elif reader.accept("sortkey"):
            design.note("sortkey", names_in(reader.group()))
        elif not (reader.accept("compound") or reader.accept("interleaved")):
            raise SqlError(f"syntax error at or near {reader.take().text!r} in ALTER TABLE", code=SYNTAX_ERROR)
    (carrier,) = design.constraints()
    return f"add {carrier} not valid"


def _append(reader: Reader, target: str) -> str:
    """ALTER TABLE t APPEND FROM s [IGNOREEXTRA | FILLTARGET]: a procedure moves the rows."""
    if not reader.accept("from"):
        raise SqlError("syntax error: expected ALTER TABLE t APPEND FROM s", code=SYNTAX_ERROR)
    source = reader.name()
    ignore, fill = "false", "false"
    while reader.peek() is not None:
        if reader.accept("ignoreextra"):
            ignore = "true"
        elif reader.accept("filltarget"):
            fill = "true"
        else:
            raise SqlError(f"syntax error at or near {reader.take().text!r} in APPEND", code=SYNTAX_ERROR)
    return f"call rs.append_table({literal(target)}, {literal(source)}, {ignore}, {fill})"


def create_materialized_view(tokens: Sequence[Token]) -> str:
    """The PostgreSQL text of a CREATE MATERIALIZED VIEW; it is never refreshed by itself."""
    reader = Reader(tokens)
    reader.accept("create", "materialized", "view")
    guard = "if not exists " if reader.accept("if", "not", "exists") else ""
    name = reader.name()
    columns = f" ({render(reader.group())})" if is_op(reader.peek(), "(") else ""
    design = TableDesign()
    while not reader.accept("as"):
        if reader.accept("auto", "refresh"):
            reader.take()
        else:
            _table_attribute(reader, design)
    return f"create materialized view {guard}{name}{columns} as {render(rewrite_expressions(reader.rest()))}"


def alter_materialized_view(tokens: Sequence[Token]) -> str:
    """ALTER MATERIALIZED VIEW v AUTO REFRESH …, and changes of its design, change nothing."""
    reader = Reader(tokens)
    reader.accept("alter", "materialized", "view")
    name = reader.name()
    if reader.accept("auto", "refresh") or reader.accept("alter"):
        return f"alter materialized view {name} {NO_CHANGE}"
    return f"alter materialized view {name} {render(rewrite_expressions(reader.rest()))}"


def _add(reader: Reader) -> str:
    if is_word(reader.peek(), "constraint", "primary", "unique", "foreign", "check"):
        design = TableDesign()
        _table_constraint(reader, design)
        return NO_CHANGE
    reader.accept("column")
    return "add column " + column_definition(reader, TableDesign())


def _alter(reader: Reader) -> str:
    if is_word(reader.peek(), "diststyle", "distkey", "sortkey", "compound", "interleaved"):
        return _alter_design(reader)
    if reader.accept("encode"):
        return NO_CHANGE
    reader.accept("column")
    column = reader.take().text
    if reader.accept("encode"):
        return NO_CHANGE
    if reader.accept("type"):
        return f"alter column {column} type {column_type(reader.rest())}"
    return f"alter column {column} {render(rewrite_expressions(reader.rest()))}"
