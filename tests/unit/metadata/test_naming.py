"""Names of objects and columns: snake case, unique, no word that is kept, the same whatever describe's order."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from idiscover.metadata.models import NAME_PATTERN, FieldType
from idiscover.metadata.naming import column_names, object_name, snake_case
from idiscover.metadata.object_checks import RESERVED_COLUMNS
from idiscover.metadata.reserved_words import REDSHIFT_RESERVED_WORDS

KINDS = {"Id": FieldType.ID, "Status": FieldType.PICKLIST}


@pytest.mark.parametrize(
    ("api_name", "expected"),
    [
        ("Sample_Shipment__c", "sample_shipment"),
        ("CreatedById", "created_by_id"),
        ("SystemModstamp", "system_modstamp"),
        ("RoleInTerritory2", "role_in_territory2"),
        ("HCPName__c", "hcp_name"),
        ("ns__Lab_Type__c", "ns_lab_type"),
        ("ns__Total__c", "ns_total"),
        ("ISO15189__c", "iso15189"),
        ("Email__pc", "email"),
    ],
)
def test_snake_case(api_name: str, expected: str) -> None:
    assert snake_case(api_name) == expected


@pytest.mark.parametrize(
    ("api_name", "taken", "expected"),
    [
        ("User", (), "sf_user"),
        ("User", ("sf_user",), "sf_user_2"),
        ("Batch_Load__c", (), "sf_batch_load"),
        ("Lab__c", ("lab",), "lab_2"),
        ("Lab__c", ("lab", "lab_2"), "lab_3"),
        ("A" + "b" * 60 + "__c", (), "a" + "b" * 33),
        ("A" + "b" * 60 + "__c", ("a" + "b" * 33,), "a" + "b" * 31 + "_2"),
    ],
)
def test_object_names(api_name: str, taken: tuple[str, ...], expected: str) -> None:
    assert object_name(api_name, taken) == expected


def test_references_reserved_words_and_collisions() -> None:
    fields = {
        "Id": FieldType.ID,
        "Status__c": FieldType.PICKLIST,
        "Status": FieldType.PICKLIST,
        "STATUS__c": FieldType.STRING,
        "Lab__c": FieldType.REFERENCE,
        "OwnerId": FieldType.REFERENCE,
        "Order__c": FieldType.DOUBLE,
        "Oid__c": FieldType.STRING,
        "Xmin__c": FieldType.STRING,
        "P_Run_Id__c": FieldType.STRING,
        "IsDeleted": FieldType.BOOLEAN,
        "Is_Deleted__c": FieldType.BOOLEAN,
    }
    assert column_names(fields, "kit") == {
        "Id": "id",
        "Status__c": "status_3",
        "Status": "status",
        "STATUS__c": "status_2",
        "Lab__c": "lab_id",
        "OwnerId": "owner_id",
        "Order__c": "kit_order",
        "Oid__c": "kit_oid",
        "Xmin__c": "kit_xmin",
        "P_Run_Id__c": "kit_p_run_id",
        "IsDeleted": "is_deleted",
        "Is_Deleted__c": "kit_is_deleted",
    }


def test_columns_that_there_are_keep_their_names() -> None:
    assert column_names({"Status": FieldType.PICKLIST}, "kit", taken=["status"]) == {"Status": "status_2"}


API_NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9]{0,70}(__c)?", fullmatch=True)


@settings(max_examples=60, deadline=None)
@given(st.lists(API_NAMES, min_size=1, max_size=30, unique=True), st.randoms(use_true_random=False))
def test_any_names_become_columns_in_any_order(names: list[str], rng: random.Random) -> None:
    kinds = {name: rng.choice((FieldType.STRING, FieldType.REFERENCE)) for name in names}
    columns = column_names(kinds, "kit")
    assert len(set(columns.values())) == len(names)
    assert all(re.fullmatch(NAME_PATTERN, column) for column in columns.values())
    assert not set(columns.values()) & (REDSHIFT_RESERVED_WORDS | RESERVED_COLUMNS)
    shuffled = list(names)
    rng.shuffle(shuffled)
    assert column_names({name: kinds[name] for name in shuffled}, "kit") == columns
