"""Binds a syntax tree to the schema: fields to getters, conditions to predicates, with the platform's type checks."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal

from local.salesforce import schema
from local.salesforce.fields import Field, FieldType, SObject
from local.salesforce.ids import SHORT_LENGTH, is_valid
from local.salesforce.rows import Row, Value
from local.salesforce.soql.errors import (
    INVALID_FIELD,
    INVALID_FILTER,
    INVALID_TYPE,
    MALFORMED_QUERY,
    SoqlError,
    error_at,
)
from local.salesforce.soql.nodes import (
    Comparison,
    Condition,
    FieldPath,
    Junction,
    Literal,
    LiteralKind,
    Not,
    Operator,
    Query,
    unescape,
)

Records = Mapping[str, Mapping[str, Row]]
Getter = Callable[[Row, Records], Value]
Predicate = Callable[[Row, Records], bool]
Key = str | int | float | Decimal | bool
_RANGES: Mapping[Operator, Callable[[Key, Key], bool]] = {
    Operator.LT: lambda left, right: left < right,  # type: ignore[operator]
    Operator.LE: lambda left, right: left <= right,  # type: ignore[operator]
    Operator.GT: lambda left, right: left > right,  # type: ignore[operator]
    Operator.GE: lambda left, right: left >= right,  # type: ignore[operator]
}
_NO_COLUMN = (
    "No such column '{name}' on entity '{entity}'. If you are attempting to use a custom field, be sure to append "
    "the '__c' after the custom field name. Please reference your WSDL or the describe call for the appropriate names."
)
_NO_OBJECT = (
    "sObject type '{name}' is not supported. If you are attempting to use a custom object, be sure to append the "
    "'__c' after the entity name. Please reference your WSDL or the describe call for the appropriate names."
)


@dataclass(frozen=True)
class Column:
    """A field of `entity`, reached from the queried object: `hops` are (reference field, its target object)."""

    path: tuple[str, ...]
    hops: tuple[tuple[Field, SObject], ...]
    entity: SObject
    field: Field

    def getter(self) -> Getter:
        """Reads the field's value of a record; null when a reference on the way is. A formula is one hop more."""
        name = self.field.name
        hops = tuple((hop.name, target.name) for hop, target in self.hops)
        if self.field.formula is not None:
            relationship, name = self.field.formula
            reference = self.entity.by_lower_relationship[relationship.lower()]
            hops = (*hops, (reference.name, _target_of(reference).name))
        if not hops:
            position = self.entity.positions.get(name)
            # Compound fields have none; whoever reads them makes them of their parts.
            return lambda record, _: None if position is None else record.cells[position]

        def read(record: Row, records: Records) -> Value:
            for reference, target in hops:
                found = records[target].get(str(record[reference]))
                if found is None:
                    return None
                record = found
            return record[name]

        return read


def bind_object(query: Query) -> SObject:
    """The object of FROM. Raises SoqlError (INVALID_TYPE)."""
    found = schema.find_object(query.object_name)
    if found is None:
        detail = _NO_OBJECT.format(name=query.object_name)
        raise error_at(INVALID_TYPE, query.text, query.object_position, detail)
    return found


def bind_path(query: Query, sobject: SObject, path: FieldPath) -> Column:
    """The column a path names. Raises SoqlError (INVALID_FIELD) for a name the schema does not have."""
    parts = path.parts
    prefixes = [sobject.name.lower()] if query.alias is None else [sobject.name.lower(), query.alias.lower()]
    if len(parts) > 1 and parts[0].lower() in prefixes and parts[0].lower() not in sobject.by_lower_relationship:
        parts = parts[1:]
    entity, hops, names = sobject, [], []
    for part in parts[:-1]:
        reference = entity.by_lower_relationship.get(part.lower())
        if reference is None:
            detail = (
                f"Didn't understand relationship '{part}' in field path. If you are attempting to use a custom "
                "relationship, be sure to append the '__r' after the custom relationship name."
            )
            raise error_at(INVALID_FIELD, query.text, path.position, detail)
        entity = _target_of(reference)
        hops.append((reference, entity))
        names.append(str(reference.relationship_name))
    field = entity.by_lower_name.get(parts[-1].lower())
    if field is None:
        detail = _NO_COLUMN.format(name=parts[-1], entity=entity.name)
        raise error_at(INVALID_FIELD, query.text, path.position, detail)
    return Column((*names, field.name), tuple(hops), entity, field)


def _target_of(reference: Field) -> SObject:
    """The object a relationship leads to; where there are several (owners), the one that the org has records of."""
    known = (schema.find_object(name) for name in reference.reference_to)
    return next(target for target in known if target is not None)


def bind_condition(query: Query, sobject: SObject, condition: Condition) -> Predicate:
    """A predicate over records. Raises SoqlError for unknown fields and literals of another type."""
    if isinstance(condition, Not):
        inner = bind_condition(query, sobject, condition.inner)
        return lambda record, records: not inner(record, records)
    if isinstance(condition, Junction):
        return _bind_junction([bind_condition(query, sobject, term) for term in condition.terms], condition.is_and)
    return _bind_comparison(query, sobject, condition)


def _bind_junction(terms: list[Predicate], is_and: bool) -> Predicate:
    def holds(record: Row, records: Records) -> bool:
        for term in terms:
            if term(record, records) is not is_and:
                return not is_and
        return is_and

    return holds


def _bind_comparison(query: Query, sobject: SObject, comparison: Comparison) -> Predicate:
    column = bind_path(query, sobject, comparison.path)
    field, operator = column.field, comparison.operator
    if field.is_compound:
        message = f"field '{field.name}' can not be filtered in a query call"
        raise error_at(INVALID_FIELD, query.text, comparison.path.position, message)
    get, key = column.getter(), sort_key(field)
    if operator is Operator.LIKE:
        return _like(query, comparison, get, field)
    wanted = [_literal_key(query, comparison, field, literal) for literal in comparison.literals]
    if operator in _RANGES:
        return _range(query, comparison, get, key, wanted[0])
    # A null field is unlike any value, so != and NOT IN find it.
    values = frozenset(wanted)
    if operator in (Operator.EQ, Operator.IN):
        return lambda record, records: _keyed(get(record, records), key) in values
    return lambda record, records: _keyed(get(record, records), key) not in values


def _keyed(value: Value, key: Callable[[Value], Key]) -> Key | None:
    return None if value is None else key(value)


def _range(
    query: Query, comparison: Comparison, get: Getter, key: Callable[[Value], Key], wanted: Key | None
) -> Predicate:
    if wanted is None or isinstance(wanted, bool):
        raise error_at(INVALID_FILTER, query.text, comparison.path.position, "invalid operator on this field or value")
    compare = _RANGES[comparison.operator]

    def in_range(record: Row, records: Records) -> bool:
        value = get(record, records)
        return value is not None and compare(key(value), wanted)

    return in_range


def _like(query: Query, comparison: Comparison, get: Getter, field: Field) -> Predicate:
    literal = comparison.literals[0]
    if literal.kind is not LiteralKind.STRING or not field.type.is_text:
        detail = f"invalid operator LIKE on field '{field.name}'"
        raise error_at(INVALID_FILTER, query.text, comparison.path.position, detail)
    pattern = re.compile(_like_pattern(literal.text), re.IGNORECASE | re.DOTALL)
    return lambda record, records: isinstance(v := get(record, records), str) and pattern.fullmatch(v) is not None


def _like_pattern(text: str) -> str:
    out = []
    for part in re.findall(r"\\.|.", text, re.DOTALL):
        out.append({"%": ".*", "_": "."}.get(part) or re.escape(unescape(part)))
    return "".join(out)


def sort_key(field: Field) -> Callable[[Value], Key]:
    """How values of a field compare: ids by their 15 characters as ASCII (base 62), text without case."""
    if field.type in (FieldType.ID, FieldType.REFERENCE):
        return lambda value: str(value)[:SHORT_LENGTH]
    if field.type is FieldType.DATETIME:
        return lambda value: str(value).rstrip("Z")
    if field.type.is_decimal or field.type is FieldType.INT:
        return lambda value: Decimal(str(value))
    if field.type is FieldType.BOOLEAN:
        return bool
    if field.type is FieldType.DATE:
        return str
    return lambda value: str(value).lower()


def _literal_key(query: Query, comparison: Comparison, field: Field, literal: Literal) -> Key | None:
    """The literal as `sort_key` makes field values; None is null. Raises SoqlError when the types do not fit."""
    if literal.kind is LiteralKind.NULL:
        return None
    expected = _expected_literal(field)
    if literal.kind is not expected:
        quotes = (
            "should be enclosed in quotes" if expected is LiteralKind.STRING else "should not be enclosed in quotes"
        )
        shown = "string" if expected is LiteralKind.STRING else _TYPE_WORDS[expected]
        detail = f"value of filter criterion for field '{field.name}' must be of type {shown} and {quotes}"
        raise error_at(INVALID_FIELD, query.text, comparison.path.position, detail)
    if literal.kind is LiteralKind.STRING:
        return _string_key(query, comparison, field, unescape(literal.text))
    if literal.kind is LiteralKind.NUMBER:
        return Decimal(literal.text)
    if literal.kind is LiteralKind.BOOLEAN:
        return literal.text == "true"
    try:
        return instant_text(literal.text) if literal.kind is LiteralKind.DATETIME else _date_text(literal.text)
    except ValueError as error:
        detail = f"unexpected token: '{literal.text}' ({error})"
        raise error_at(MALFORMED_QUERY, query.text, comparison.path.position, detail) from error


_TYPE_WORDS = {
    LiteralKind.NUMBER: "double",
    LiteralKind.BOOLEAN: "boolean",
    LiteralKind.DATE: "date",
    LiteralKind.DATETIME: "dateTime",
}


def _expected_literal(field: Field) -> LiteralKind:
    by_type = {
        FieldType.DOUBLE: LiteralKind.NUMBER,
        FieldType.CURRENCY: LiteralKind.NUMBER,
        FieldType.PERCENT: LiteralKind.NUMBER,
        FieldType.INT: LiteralKind.NUMBER,
        FieldType.BOOLEAN: LiteralKind.BOOLEAN,
        FieldType.DATE: LiteralKind.DATE,
        FieldType.DATETIME: LiteralKind.DATETIME,
    }
    return by_type.get(field.type, LiteralKind.STRING)


def _string_key(query: Query, comparison: Comparison, field: Field, value: str) -> Key | None:
    if value == "" and comparison.operator not in _RANGES:
        return None
    is_id = field.type in (FieldType.ID, FieldType.REFERENCE)
    if is_id and comparison.operator not in _RANGES and not is_valid(value):
        raise error_at(INVALID_FILTER, query.text, comparison.path.position, f"invalid ID field: {value}")
    return sort_key(field)(value)


def _date_text(text: str) -> str:
    return date.fromisoformat(text).isoformat()


def instant_text(literal: str) -> str:
    """A datetime literal as comparable text: UTC, milliseconds, further digits only when they are not zero.

    Raises ValueError for a date or time that does not exist.
    """
    head, fraction, zone = _split_instant(literal)
    utc = datetime.fromisoformat(f"{head}{zone}").astimezone(UTC)
    digits = fraction.rstrip("0").ljust(3, "0")
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{digits}"


def _split_instant(literal: str) -> tuple[str, str, str]:
    match = re.fullmatch(r"(.{19})(?:\.(\d+))?(Z|[+-]\d{2}:?\d{2})", literal)
    if match is None:
        raise SoqlError(MALFORMED_QUERY, f"unexpected token: '{literal}'")
    zone = "+00:00" if match[3] == "Z" else match[3]
    return match[1], match[2] or "", zone if ":" in zone else f"{zone[:3]}:{zone[3:]}"
