"""Our field lists against the org's own describe, as the simulator answers it."""

from __future__ import annotations

import pytest
from idiscover.metadata.loading import FolderReader, load_catalog
from idiscover.metadata.models import DECIMAL_TYPES, TEXT_TYPES, FieldType

from local.salesforce.schema import OBJECTS
from tests.unit.metadata_samples import REPOSITORY

CATALOG = load_catalog(FolderReader(REPOSITORY / "metadata"))
# docs/marts.md has no column for these
LEFT_OUT = {"RecordType": {"NamespacePrefix", "Description"}}


@pytest.mark.parametrize("name", sorted(CATALOG.objects))
def test_types_and_sizes_are_those_of_the_org(name: str) -> None:
    spec = CATALOG.objects[name]
    org = {field.name: field for field in OBJECTS[spec.salesforce_object].plain_fields}
    for field in spec.fields:
        theirs = org[field.salesforce]
        assert theirs.type.value == field.type.value
        if field.type in TEXT_TYPES:
            assert theirs.length == field.length
        if field.type in DECIMAL_TYPES:
            assert (theirs.precision, theirs.scale) == (field.precision, field.scale)


@pytest.mark.parametrize("name", sorted(CATALOG.objects))
def test_no_field_of_the_org_is_forgotten(name: str) -> None:
    spec = CATALOG.objects[name]
    org = {field.name for field in OBJECTS[spec.salesforce_object].plain_fields}
    assert {field.salesforce for field in spec.fields} == org - LEFT_OUT.get(spec.salesforce_object, set())


@pytest.mark.parametrize("name", sorted(CATALOG.objects))
def test_columns_are_named_by_the_rule(name: str) -> None:
    for field in CATALOG.objects[name].fields:
        plain = "".join(f"_{c.lower()}" if c.isupper() else c for c in field.salesforce.removesuffix("__c"))
        snake = plain.strip("_").replace("__", "_").replace("t_a_t", "tat").replace("h_c_p", "hcp")
        is_custom_reference = field.type is FieldType.REFERENCE and field.salesforce.endswith("__c")
        assert field.column == (f"{snake}_id" if is_custom_reference else snake)
