"""Objects that somebody adds to the org, each a describe and its rows; kept in the state, served like any other.

    POST /idiscover/objects
    {"describe": {"name": "Courier__c", "label": "Courier", "fields": [
        {"name": "Id", "type": "id", "label": "Record ID"},
        {"name": "City__c", "type": "string", "label": "City", "length": 80}]},
     "rows": [{"Id": "a1x8d00000000AAAAA", "City__c": "Basel"}]}

Of a describe and its fields, what is left out is as it is for the org's own objects. A row has the values by field
name, as Bulk would print them (numbers and booleans as such); what it leaves out is null. The rows are there at once,
and no day of the org changes them: whoever wants others posts the object again, whole.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from local.salesforce import schema
from local.salesforce.fields import Field, FieldType, SObject
from local.salesforce.ids import is_valid
from local.salesforce.rows import Row, Value
from local.salesforce.store import Store

_SIZES = ("length", "precision", "scale")


@dataclass(frozen=True)
class AddedObject:
    """An object that the org does not have by itself, and its records by id."""

    sobject: SObject
    rows: Sequence[Mapping[str, Value]]

    @property
    def records(self) -> dict[str, Row]:
        """The rows as the org keeps records."""
        empty: dict[str, Value] = dict.fromkeys(self.sobject.positions)
        if self.sobject.has_is_deleted:
            empty["IsDeleted"] = False
        return {str(row["Id"]): Row.of(self.sobject, str(row["Id"]), {**empty, **row}) for row in self.rows}


def added_object(described: Mapping[str, object], rows: Sequence[Mapping[str, Value]]) -> AddedObject:
    """The object of a describe.

    Raises:
        ValueError: the describe is not whole, the org has the object by itself, or a row does not fit.
    """
    name, fields = described.get("name"), described.get("fields")
    if not isinstance(name, str) or not isinstance(fields, list) or not fields:
        raise ValueError("describe: expected a name and a list of fields")
    if name in schema.OBJECTS:
        raise ValueError(f"describe.name: the org has {name} by itself")
    label = str(described.get("label", name))
    prefix = str(described.get("keyPrefix") or "")
    plural = str(described.get("labelPlural", f"{label}s"))
    sobject = SObject(name, label, plural, prefix, tuple(map(_field, fields)), described=described)
    if "Id" not in sobject.positions:
        raise ValueError("describe.fields: expected an Id among them")
    for row in rows:
        unknown = sorted(set(row) - set(sobject.positions))
        if unknown:
            raise ValueError(f"rows: {name} has no field {unknown[0]} with a value of its own")
        if not is_valid(str(row.get("Id", ""))):
            raise ValueError(f"rows: got Id {row.get('Id')!r}; expected a record id of 18 characters")
    return AddedObject(sobject, rows)


def keep_object(store: Store, item: AddedObject) -> None:
    """Keep the object in the state, in the place of one of the same name."""
    kept = (item.sobject.name, json.dumps(item.sobject.described), json.dumps(list(item.rows)))
    store.execute("INSERT OR REPLACE INTO added_objects VALUES (?, ?, ?)", kept)


def kept_objects(store: Store) -> list[AddedObject]:
    """All objects that were added to this state, by name."""
    rows = store.rows("SELECT * FROM added_objects ORDER BY name")
    return [added_object(json.loads(row["described"]), json.loads(row["rows"])) for row in rows]


def _field(described: object) -> Field:
    if not isinstance(described, dict) or not isinstance(described.get("name"), str):
        raise ValueError(f"describe.fields: got {described!r}; expected an object with a name")
    name = described["name"]
    try:
        kind = FieldType(described.get("type"))
    except ValueError as error:
        raise ValueError(f"describe.fields: {name}: {error}") from error
    return Field(
        name,
        kind,
        str(described.get("label", name)),
        **{size: int(described.get(size) or 0) for size in _SIZES},
        nillable=bool(described.get("nillable", True)),
        updateable=bool(described.get("updateable", True)),
        auto_number=bool(described.get("autoNumber", False)),
        name_field=bool(described.get("nameField", False)),
        picklist=tuple(str(item["value"]) for item in described.get("picklistValues") or ()),
        reference_to=tuple(described.get("referenceTo") or ()),
        relationship_name=described.get("relationshipName"),
        compound_field=described.get("compoundFieldName"),
    )
