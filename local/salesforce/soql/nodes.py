"""The syntax tree of a query, as written: names are not yet bound to the schema."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum


class Operator(Enum):
    """Comparisons."""

    EQ = "="
    NE = "!="
    LT = "<"
    LE = "<="
    GT = ">"
    GE = ">="
    LIKE = "LIKE"
    IN = "IN"
    NOT_IN = "NOT IN"


class LiteralKind(Enum):
    """Kinds of literal: each fits certain field types."""

    STRING = "string"
    NUMBER = "number"
    BOOLEAN = "boolean"
    NULL = "null"
    DATE = "date"
    DATETIME = "dateTime"


@dataclass(frozen=True)
class Literal:
    """A literal; `text` is as written, a string's without its quotes but still escaped."""

    kind: LiteralKind
    text: str


@dataclass(frozen=True)
class FieldPath:
    """`Lab__r.Country_Code__c` as its parts."""

    parts: tuple[str, ...]
    position: int

    @property
    def text(self) -> str:
        """The path as one name."""
        return ".".join(self.parts)


class SelectKind(Enum):
    """What stands in a SELECT list besides fields. Bulk refuses all of it."""

    AGGREGATE = "aggregate functions"
    FIELDS = "FIELDS()"
    TYPEOF = "TYPEOF"
    SUBQUERY = "nested queries"


@dataclass(frozen=True)
class OtherItem:
    """A SELECT item that is no plain field; `argument` is FIELDS's group or an aggregate's field."""

    kind: SelectKind
    text: str
    argument: str
    position: int


@dataclass(frozen=True)
class Comparison:
    """`path operator literals` (one literal, or IN's list)."""

    path: FieldPath
    operator: Operator
    literals: tuple[Literal, ...]


@dataclass(frozen=True)
class Not:
    """Negation."""

    inner: "Condition"


@dataclass(frozen=True)
class Junction:
    """All (AND) or any (OR) of the terms."""

    is_and: bool
    terms: tuple["Condition", ...]


Condition = Comparison | Not | Junction


@dataclass(frozen=True)
class OrderItem:
    """One ORDER BY term."""

    path: FieldPath
    descending: bool
    nulls_last: bool


@dataclass(frozen=True)
class Query:
    """A whole query. `is_count` is SELECT COUNT(), which has no items."""

    text: str
    items: tuple[FieldPath | OtherItem, ...]
    is_count: bool
    object_name: str
    object_position: int
    alias: str | None
    where: Condition | None
    order_by: tuple[OrderItem, ...]
    limit: int | None
    offset: int | None
    has_group_by: bool


_ESCAPES: Mapping[str, str] = {"n": "\n", "N": "\n", "r": "\r", "R": "\r", "t": "\t", "T": "\t", "b": "\b", "f": "\f"}


def unescape(text: str) -> str:
    """The value of a string literal's inside."""
    out = []
    chars = iter(text)
    for char in chars:
        if char == "\\":
            escaped = next(chars)
            char = _ESCAPES.get(escaped, escaped)
        out.append(char)
    return "".join(out)
