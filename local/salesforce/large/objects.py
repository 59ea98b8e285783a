"""A large object as queries see it: a WHERE of ranges of Id and SystemModstamp is a range of its rows.

    python -m local.salesforce serve … --large Test_Record__c=5000000

Several objects share the rows on disk: each is so many of the first of them. What a query may ask for is what can be
answered without a look at the rows: ranges and equality of Id and SystemModstamp, joined by AND, IsDeleted, LIMIT,
and an ORDER BY of Id or SystemModstamp, which is the order that they are in. Any fields can be selected; all of them in
their order are what is sent as it lies on disk.
"""

import csv
import io
import sys
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from local.salesforce import schema
from local.salesforce.fields import FieldType, SObject
from local.salesforce.ids import SHORT_LENGTH
from local.salesforce.large.blocks import PLAIN, BlockStore
from local.salesforce.large.rows import NAMES, large_sobject, record_id, record_ids, stamp
from local.salesforce.results import CsvDialect, gzipped
from local.salesforce.rows import Value
from local.salesforce.soql.binding import instant_text
from local.salesforce.soql.errors import MALFORMED_QUERY, SoqlError
from local.salesforce.soql.execution import BoundQuery
from local.salesforce.soql.nodes import Comparison, Condition, Junction, Literal, Operator, OrderItem, unescape
from local.salesforce.values import json_value

_ROWS_PER_CHUNK = 1_000
_ROWS_PER_WORD = 500_000
_ID, _STAMP, _DELETED = "id", "systemmodstamp", "isdeleted"


@dataclass(frozen=True)
class LargeObject:
    """One large object of `rows` records."""

    sobject: SObject
    rows: int
    store: BlockStore

    def select(self, bound: BoundQuery) -> range:
        """The rows that a query matches. Raises SoqlError for one that only a look at the rows could answer."""
        query = bound.query
        if query.offset or any(not _is_natural(item) for item in query.order_by):
            raise _too_much("OFFSET, or another order than that of Id or SystemModstamp,")
        found = self._where(query.where)
        return found if query.limit is None else found[: query.limit]

    def csv(self, bound: BoundQuery, rows: range, dialect: CsvDialect, packed: bool) -> Iterator[bytes]:
        """A result page: the header row and a range of rows; `packed` as one gzip stream."""
        names = [column.field.name for column in bound.columns]
        header = dialect.line(".".join(column.path) for column in bound.columns)
        if names == list(NAMES) and dialect == PLAIN:
            return self.store.gzipped(header, rows) if packed else _with_header(header, self.store.plain(rows))
        lines = _id_lines(rows, dialect) if names == ["Id"] else self._projected(names, rows, dialect)
        chunks = _with_header(header, lines)
        return gzipped(chunks) if packed else chunks

    def records(self, bound: BoundQuery, rows: range, version: str) -> list[dict[str, object]]:
        """Records as REST has them."""
        base = f"/services/data/v{version}/sobjects/{self.sobject.name}/"
        fields = [
            (column.field, NAMES.index(column.field.name), _parser(column.field.type)) for column in bound.columns
        ]
        return [
            {
                "attributes": {"type": self.sobject.name, "url": base + values[0]},
                **{field.name: json_value(field, parse(values[at])) for field, at, parse in fields},
            }
            for values in self._values(rows)
        ]

    def _projected(self, names: Sequence[str], rows: range, dialect: CsvDialect) -> Iterator[bytes]:
        positions = [NAMES.index(name) for name in names]
        lines: list[bytes] = []
        for found in self._values(rows):
            lines.append(dialect.line([found[at] for at in positions]))
            if len(lines) == _ROWS_PER_CHUNK:
                yield b"".join(lines)
                lines.clear()
        yield b"".join(lines)

    def _values(self, rows: range) -> Iterator[Sequence[str]]:
        for text in self.store.plain(rows):
            yield from csv.reader(io.StringIO(text.decode(), newline=""))

    def _where(self, condition: Condition | None) -> range:
        """The rows that a condition holds for."""
        everything = range(self.rows)
        if condition is None:
            return everything
        if isinstance(condition, Junction) and condition.is_and:
            found = [self._where(term) for term in condition.terms]
            first, last = max(term.start for term in found), min(term.stop for term in found)
            return range(first, max(first, last))
        if isinstance(condition, Comparison) and len(condition.literals) == 1:
            return self._compared(condition, condition.literals[0])
        raise _too_much("other conditions than comparisons joined by AND")

    def _compared(self, comparison: Comparison, literal: Literal) -> range:
        name = comparison.path.parts[-1].lower()
        if name == _DELETED and comparison.operator is Operator.EQ:
            return range(self.rows if literal.text.lower() == "false" else 0)
        if name == _ID:
            bound, key = unescape(literal.text)[:SHORT_LENGTH], _short_id
        elif name == _STAMP:
            bound, key = instant_text(literal.text), _instant
        else:
            raise _too_much(f"a condition on {comparison.path.text}")
        everything = range(self.rows)
        below, through = bisect_left(everything, bound, key=key), bisect_right(everything, bound, key=key)
        match comparison.operator:
            case Operator.GE:
                return range(below, self.rows)
            case Operator.GT:
                return range(through, self.rows)
            case Operator.LT:
                return range(below)
            case Operator.LE:
                return range(through)
            case Operator.EQ:
                return range(below, through)
        raise _too_much(f"{comparison.operator.value} of {comparison.path.text}")


# What the org that this process serves has of them.
_SERVED: dict[str, LargeObject] = {}


def serve_large(sizes: Mapping[str, int], store: BlockStore) -> None:
    """Have objects of these names and numbers of rows, and make of the rows what is not there yet.

    Raises:
        ValueError: the org has an object of that name by itself.
    """
    for name in sizes:
        if name in schema.OBJECTS:
            raise ValueError(f"--large: the org has {name} by itself")
    store.make(max(sizes.values(), default=0), _tell)
    found = [LargeObject(large_sobject(name), rows, store) for name, rows in sizes.items()]
    _SERVED.clear()
    _SERVED.update({item.sobject.name: item for item in found})
    schema.set_large(item.sobject for item in found)


def served_large(name: str) -> LargeObject | None:
    """The large object of this name, as its sobject has it; None for any other."""
    return _SERVED.get(name)


def _tell(rows: int) -> None:
    if rows % _ROWS_PER_WORD == 0:
        print(f"large objects: {rows:,} rows made", file=sys.stderr, flush=True)


def _short_id(row: int) -> str:
    return record_id(row)[:SHORT_LENGTH]


def _instant(row: int) -> str:
    return stamp(row).removesuffix("Z")


def _is_natural(item: OrderItem) -> bool:
    return not item.descending and item.path.parts[-1].lower() in (_ID, _STAMP)


def _too_much(what: str) -> SoqlError:
    return SoqlError(MALFORMED_QUERY, f"{what} is not supported by this simulator for large objects")


def _parser(kind: FieldType) -> Callable[[str], Value]:
    """Bulk's text of a value as the value; empty is null."""
    if kind is FieldType.BOOLEAN:
        return lambda text: text == "true"
    if kind.is_decimal:
        return lambda text: float(text) if text else None
    return lambda text: text or None


def _id_lines(rows: range, dialect: CsvDialect) -> Iterator[bytes]:
    """Rows of an Id alone, which needs no look at the disk, and no escape of a quote."""
    end = f'"{dialect.line_ending}'
    between = f'{end}"'
    ids = record_ids(rows)
    while chunk := list(islice(ids, _ROWS_PER_CHUNK)):
        yield f'"{between.join(chunk)}{end}'.encode()


def _with_header(header: bytes, chunks: Iterator[bytes]) -> Iterator[bytes]:
    yield header
    yield from chunks
