"""Runs a bound query over a view of the org."""

from collections.abc import Callable
from dataclasses import dataclass

from local.salesforce.fields import FieldType, SObject
from local.salesforce.org import OrgView
from local.salesforce.rows import Row, Value
from local.salesforce.soql.binding import (
    Column,
    Getter,
    Predicate,
    Records,
    bind_condition,
    bind_object,
    bind_path,
    instant_text,
    sort_key,
)
from local.salesforce.soql.errors import MALFORMED_QUERY, SoqlError, error_at
from local.salesforce.soql.nodes import (
    Comparison,
    Condition,
    FieldPath,
    Junction,
    Literal,
    Operator,
    OrderItem,
    OtherItem,
    Query,
    SelectKind,
)
from local.salesforce.soql.parser import parse

FIELDS_LIMIT = 200
OFFSET_LIMIT = 2000


@dataclass(frozen=True)
class Window:
    """The half-open range of SystemModstamp a query asks for, as ISO text ending in Z; None where open."""

    start: str | None
    end: str | None


@dataclass(frozen=True)
class BoundQuery:
    """A query whose every name is known."""

    query: Query
    sobject: SObject
    columns: tuple[Column, ...]
    predicate: Predicate
    sort: Callable[[list[Row], OrgView], None]
    window: Window

    def select(self, view: OrgView, with_deleted: bool) -> list[Row]:
        """The records that match, in order. Deleted ones only `with_deleted` (queryAll)."""
        records = view.records
        hide = self.sobject.has_is_deleted and not with_deleted
        rows = [
            record
            for record in records[self.sobject.name].values()
            if not (hide and record["IsDeleted"]) and self.predicate(record, records)
        ]
        self.sort(rows, view)
        start = self.query.offset or 0
        end = None if self.query.limit is None else start + self.query.limit
        return rows[start:end]


def bind(text: str) -> BoundQuery:
    """Parse a query and bind it to the schema. Raises SoqlError."""
    query = parse(text)
    sobject = bind_object(query)
    columns = tuple(column for item in query.items for column in _columns(query, sobject, item))
    predicate = _everything if query.where is None else bind_condition(query, sobject, query.where)
    if (query.offset or 0) > OFFSET_LIMIT:
        raise SoqlError("NUMBER_OUTSIDE_VALID_RANGE", f"Maximum SOQL offset allowed is {OFFSET_LIMIT}")
    if query.has_group_by:
        raise SoqlError(MALFORMED_QUERY, "GROUP BY is not supported by this simulator")
    return BoundQuery(query, sobject, columns, predicate, _sorter(query, sobject), window_of(query))


def _everything(record: Row, records: Records) -> bool:
    return True


def _columns(query: Query, sobject: SObject, item: FieldPath | OtherItem) -> list[Column]:
    if isinstance(item, FieldPath):
        return [bind_path(query, sobject, item)]
    if item.kind is SelectKind.FIELDS:
        return _fields_group(query, sobject, item)
    detail = f"{item.kind.value} are not supported by this simulator, except COUNT()"
    raise error_at(MALFORMED_QUERY, query.text, item.position, detail)


def _fields_group(query: Query, sobject: SObject, item: OtherItem) -> list[Column]:
    wanted = {"ALL": (True, False), "STANDARD": (False,), "CUSTOM": (True,)}.get(item.argument)
    if wanted is None:
        raise error_at(MALFORMED_QUERY, query.text, item.position, f"unexpected token: '{item.argument}'")
    if item.argument != "STANDARD" and not (query.limit and query.limit <= FIELDS_LIMIT):
        detail = "The SOQL FIELDS function must have a LIMIT of at most 200"
        raise error_at(MALFORMED_QUERY, query.text, item.position, detail)
    return [Column((field.name,), (), sobject, field) for field in sobject.fields if field.custom in wanted]


def _sorter(query: Query, sobject: SObject) -> Callable[[list[Row], OrgView], None]:
    terms = [_order_key(query, sobject, item) for item in query.order_by]

    def sort(rows: list[Row], view: OrgView) -> None:
        # Later terms first: sorting is stable. Nulls go by a pass of their own, untouched by DESC.
        for item, get, key in reversed(terms):
            values = [(value, row) for row in rows for value in (get(row, view.records),)]
            nulls = [row for value, row in values if value is None]
            known = [(key(value), row) for value, row in values if value is not None]
            known.sort(key=lambda pair: pair[0], reverse=item.descending)
            ordered = [row for _, row in known]
            rows[:] = ordered + nulls if item.nulls_last else nulls + ordered

    return sort


def _order_key(query: Query, sobject: SObject, item: OrderItem) -> tuple[OrderItem, Getter, Callable[[Value], object]]:
    column = bind_path(query, sobject, item.path)
    if column.field.type is FieldType.MULTIPICKLIST or column.field.is_compound:
        detail = f"field '{column.field.name}' can not be sorted in a query call"
        raise error_at(MALFORMED_QUERY, query.text, item.path.position, detail)
    return item, column.getter(), sort_key(column.field)


def window_of(query: Query) -> Window:
    """The SystemModstamp range that every row of the query must lie in, from the ANDed comparisons of WHERE."""
    starts, ends = [], []
    for comparison in _conjuncts(query.where):
        if [part.lower() for part in comparison.path.parts] != ["systemmodstamp"]:
            continue
        if comparison.operator in (Operator.GE, Operator.GT):
            starts.append(_instant(comparison.literals[0]))
        elif comparison.operator in (Operator.LT, Operator.LE):
            ends.append(_instant(comparison.literals[0]))
    return Window(max(starts, default=None), min(ends, default=None))


def _instant(literal: Literal) -> str:
    return instant_text(literal.text) + "Z"


def _conjuncts(condition: Condition | None) -> list[Comparison]:
    if isinstance(condition, Comparison):
        return [condition]
    if isinstance(condition, Junction) and condition.is_and:
        return [found for term in condition.terms for found in _conjuncts(term)]
    return []
