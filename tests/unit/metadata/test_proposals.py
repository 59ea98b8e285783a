"""What is proposed for an object of the org, and that it holds up as metadata."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from idiscover.errors import ConfigError
from idiscover.metadata.loading import FolderReader, load_catalog
from idiscover.metadata.models import Catalog, ObjectSpec, Owner, PiiClass
from idiscover.metadata.org_describe import read_describe
from idiscover.metadata.proposal_text import proposal_files
from idiscover.metadata.proposals import Proposal, propose

from local.salesforce import schema
from local.salesforce.describe import describe
from tests.unit.metadata_samples import REPOSITORY, MemoryReader, sample_catalog, sample_files

CATALOG = sample_catalog()


def field(name: str, kind: str, **more: Any) -> dict[str, Any]:
    sizes = {"string": {"length": 80}, "picklist": {"length": 255}, "email": {"length": 80}, "phone": {"length": 40}}
    sizes |= {"double": {"precision": 18, "scale": 2}, "url": {"length": 255}, "textarea": {"length": 32768}}
    return {"name": name, "type": kind, "label": name.removesuffix("__c"), **sizes.get(kind, {}), **more}


ID, DELETED, STAMP = field("Id", "id"), field("IsDeleted", "boolean"), field("SystemModstamp", "datetime")
MODIFIED = field("LastModifiedDate", "datetime")
COUNTRY = field("Country_Code__c", "string", length=2)
LAB = field("Lab__c", "reference", referenceTo=["Account"])


def proposed(*fields: dict[str, Any], name: str = "Rack__c", **options: Any) -> Proposal:
    described = {"name": name, "label": "Rack", "labelPlural": "Racks", "fields": list(fields)}
    return propose(read_describe(described), CATALOG, **options)


def loaded(proposal: Proposal) -> Catalog:
    """The sample's metadata with the proposed files."""
    return load_catalog(MemoryReader({**sample_files(), **proposal_files(proposal)}))


def spec_of(proposal: Proposal) -> ObjectSpec:
    return loaded(proposal).objects[proposal.object]


def test_an_ordinary_object() -> None:
    help_text = 'How full.\nIn "percent"'
    proposal = proposed(
        ID, DELETED, STAMP, LAB, field("Fill__c", "percent", precision=5, scale=2, inlineHelpText=help_text)
    )
    catalog = loaded(proposal)
    spec, delta, table = catalog.objects["rack"], catalog.delta_filters["rack"], catalog.tables["itg.rack"]
    assert (spec.salesforce_object, spec.grain, spec.load_mode, spec.history) == (
        "Rack__c",
        "one row per rack",
        "delta",
        False,
    )
    assert (spec.owner, spec.schedule) == (CATALOG.objects["lab"].owner, "0 0 * * *")
    assert spec.country.model_dump() == {"rule": "via", "column": "lab_id", "object": "lab"}
    assert (delta.field, delta.sweep, delta.formula_refresh, delta.lookback_minutes) == (
        "SystemModstamp",
        "daily",
        "never",
        720,
    )
    assert [item.table for item in table.inputs] == ["stg.rack", "itg.lab"]
    fill = spec.fields[-1]
    assert (fill.column, fill.precision, fill.scale) == ("fill", 5, 2)
    assert fill.description == 'Fill: How full. In "percent".'


WINDOWS = ("delta", "SystemModstamp", "system_modstamp", "daily", "never")
READS = {
    "SystemModstamp and IsDeleted": ((DELETED, STAMP), WINDOWS),
    "no IsDeleted": ((STAMP,), WINDOWS),
    "both times": ((MODIFIED, STAMP), WINDOWS),
    "LastModifiedDate alone": ((MODIFIED,), ("delta", "LastModifiedDate", "last_modified_date", "daily", "never")),
    "neither": ((field("CreatedDate", "datetime"),), ("full", None, "_read_at_utc", "never", "never")),
    "a formula": (
        (STAMP, field("Age__c", "double", calculated=True)),
        ("delta", "SystemModstamp", "system_modstamp", "never", "daily"),
    ),
    "a formula, and no time of a change": (
        (field("Age__c", "double", calculated=True),),
        ("full", None, "_read_at_utc", "never", "never"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", READS)
def test_what_is_read(case: str) -> None:
    fields, expected = READS[case]
    catalog = loaded(proposed(ID, *fields))
    spec, delta = catalog.objects["rack"], catalog.delta_filters["rack"]
    assert (spec.load_mode, delta.field, spec.version_column, delta.sweep, delta.formula_refresh) == expected


COUNTRIES = {
    "two characters": ((COUNTRY,), {"rule": "column", "column": "country_code"}, False),
    "values of a picklist": (
        (field("Country__c", "picklist", picklistValues=[{"value": "DE"}, {"value": "CH"}]),),
        {"rule": "column", "column": "country"}, False,
    ),
    "names of countries are no codes": (
        (field("Country__c", "picklist", picklistValues=[{"value": "Germany"}]),), {"rule": "none"}, False,
    ),
    "by its name alone": (
        (field("Country_ISO_Code__c", "string"),), {"rule": "column", "column": "country_iso_code"}, True,
    ),
    "its own before that of an address": (
        (field("BillingCountryCode", "picklist", picklistValues=[{"value": "DE"}]), COUNTRY),
        {"rule": "column", "column": "country_code"}, False,
    ),
    "its own before its lab's": ((LAB, COUNTRY), {"rule": "column", "column": "country_code"}, False),
    "what it cannot be without": (
        (field("Any__c", "reference", referenceTo=["Account"]), {**LAB, "nillable": False}),
        {"rule": "via", "column": "lab_id", "object": "lab"}, True,
    ),
    "a parent without a country": ((field("Unit__c", "reference", referenceTo=["Unit__c"]),), {"rule": "none"}, False),
    "a reference to several objects": (
        (field("Owner__c", "reference", referenceTo=["Account", "Test__c"]),), {"rule": "none"}, False,
    ),
    "nothing": ((), {"rule": "none"}, False),
}  # fmt: skip


@pytest.mark.parametrize("case", COUNTRIES)
def test_the_country(case: str) -> None:
    fields, rule, is_guess = COUNTRIES[case]
    proposal = proposed(ID, STAMP, *fields)
    assert spec_of(proposal).country.model_dump() == rule
    assert proposal.country.is_guess == is_guess
    assert proposal.country.why in " ".join(proposal.notes)


PII = {
    "Contact_Email__c": ("email", PiiClass.PERSONAL),
    "Mobile": ("phone", PiiClass.PERSONAL),
    "Work_Phone__c": ("string", PiiClass.PERSONAL),
    "Birthdate": ("date", PiiClass.PERSONAL),
    "Date_of_Birth__c": ("date", PiiClass.PERSONAL),
    "LastName": ("string", PiiClass.PERSONAL),
    "MailingStreet": ("textarea", PiiClass.PERSONAL),
    "License_Number__c": ("string", PiiClass.PERSONAL),
    "Diagnosis__c": ("textarea", PiiClass.SENSITIVE),
    "Passport_Number__c": ("string", PiiClass.SENSITIVE),
    "Email_Count__c": ("double", None),
    "Has_Phone__c": ("boolean", None),
    "Name": ("string", None),
    "Storage__c": ("string", None),
    "Percentage__c": ("string", None),
}


@pytest.mark.parametrize("name", PII)
def test_guesses_of_what_is_personal_are_marked(name: str) -> None:
    kind, expected = PII[name]
    proposal = proposed(ID, STAMP, field(name, kind))
    found = next(item for item in spec_of(proposal).fields if item.salesforce == name)
    assert found.pii == (expected or PiiClass.NONE)
    text = proposal_files(proposal)["objects/rack.yaml"]
    assert ("# to confirm" in text) == (expected is not None) == bool(proposal.to_confirm)


def test_the_name_of_a_person() -> None:
    assert proposed(ID, STAMP, field("Name", "string"), name="Contact").to_confirm


LEFT_OUT = {"address": "compound", "location": "compound", "base64": "binary", "encryptedstring": "encrypted",
            "anyType": "changes from record", "time": "without a day", "somethingNew": "type somethingNew"}  # fmt: skip


@pytest.mark.parametrize("kind", LEFT_OUT)
def test_what_cannot_be_carried_is_left_out_with_its_reason(kind: str) -> None:
    proposal = proposed(ID, STAMP, field("X__c", kind), field("Y__c", "string"))
    [left] = proposal.org.left_out
    assert left.name == "X__c" and LEFT_OUT[kind] in str(left.left_out)
    assert "# left out: X__c" in proposal_files(proposal)["objects/rack.yaml"]
    assert [item.salesforce for item in spec_of(proposal).fields] == ["Id", "SystemModstamp", "Y__c"]


def test_some_fields_and_what_an_extraction_needs() -> None:
    proposal = proposed(
        ID, DELETED, STAMP, MODIFIED, LAB, field("A__c", "string"), field("B__c", "string"), wanted=["a__C"]
    )
    taken = [item.salesforce for item in spec_of(proposal).fields]
    assert taken == ["Id", "IsDeleted", "SystemModstamp", "Lab__c", "A__c"]
    assert proposal.not_taken == ("LastModifiedDate", "B__c")


def test_a_wanted_field_that_cannot_be_is_refused_with_the_reason() -> None:
    with pytest.raises(ConfigError, match="Photo__c: binary content"):
        proposed(ID, STAMP, field("Photo__c", "base64"), wanted=["Photo__c"])
    with pytest.raises(ConfigError, match="the org has no such field"):
        proposed(ID, STAMP, wanted=["Fotos__c"])


def test_an_object_without_an_id_or_that_cannot_be_queried_is_refused() -> None:
    with pytest.raises(ConfigError, match="without an Id"):
        read_describe({"name": "Odd", "fields": [field("Name", "string")]})
    with pytest.raises(ConfigError, match="be queried"):
        read_describe({"name": "Odd", "queryable": False, "fields": [ID]})


def test_texts_that_yaml_could_take_for_something_else() -> None:
    label = "yes: {no} # \"quoted\" \\ 'single' – 検査 %"
    owner = Owner(name='Lab "Data" #1: x', email="lab@example.com")
    spec = spec_of(proposed(ID, STAMP, field("A__c", "string", label=label), owner=owner))
    assert spec.fields[-1].description == f"{label}."
    assert spec.owner == owner


def test_the_repositorys_own_objects_would_be_proposed_as_they_stand() -> None:
    """But for what people decided: small objects read whole, two columns that are reserved words, names of accounts."""
    catalog = load_catalog(FolderReader(REPOSITORY / "metadata"))
    columns, differing, personal = {}, [], {}
    for name, spec in catalog.objects.items():
        others = {key: other for key, other in catalog.objects.items() if key != name}
        org = read_describe(describe(schema.OBJECTS[spec.salesforce_object], "62.0"))
        proposal = propose(org, catalog.model_copy(update={"objects": others}))
        found = {item.field.name: item for item in proposal.fields}
        rule = yaml.safe_load(proposal.country.rule)
        if (rule, proposal.reads.load_mode) != (spec.country.model_dump(), spec.load_mode):
            differing.append(name)
        for item in spec.fields:
            proposed_item = found[item.salesforce]
            if proposed_item.column != item.column:
                columns[item.column] = proposed_item.column
            if (proposed_item.guess.pii if proposed_item.guess else PiiClass.NONE) is not item.pii:
                personal[f"{name}.{item.column}"] = item.pii.value
    assert differing == ["record_type", "user_territory_association"]
    assert columns == {"group": "product_group", "order": "product_order"}
    assert personal == dict.fromkeys(
        [
            "account.name",
            "account.billing_city",
            "account.billing_postal_code",
            "lab_interaction.topic",
            "lab_interaction.outcome",
            "lab_interaction.next_step",
            "lab_objective.notes",
        ],
        "personal",
    )
