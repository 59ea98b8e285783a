"""COPY as text."""

from __future__ import annotations

import json

import pytest
from idiscover.warehouse.copy import copy_manifest, copy_sql

from tests.unit.golden_files import check_golden

ROLE = "arn:aws:iam::123456789012:role/copy"


def test_copy() -> None:
    columns = ("id", "order", "_read_at_utc", "_batch_id")
    uri = "s3://bucket/status/dag/run/copy_manifest.json"
    check_golden("warehouse/copy.sql", copy_sql("stg.lab", columns, uri, ROLE, "eu-central-1") + "\n")


def test_a_quote_cannot_end_a_literal() -> None:
    text = copy_sql("stg.lab", ("id",), "s3://b/it's'; drop table x; --", ROLE, "us-east-1")
    assert "from 's3://b/it''s''; drop table x; --'\n" in text


@pytest.mark.parametrize("uri", ["s3://b/a\\b", "s3://b/a\x00b"])
def test_characters_that_no_address_has_are_refused(uri: str) -> None:
    with pytest.raises(ValueError, match="no address"):
        copy_sql("stg.lab", ("id",), uri, ROLE, "us-east-1")


def test_manifest_names_every_file_as_mandatory() -> None:
    manifest = copy_manifest([("s3://b/2.csv.gz", 20), ("s3://b/1.csv.gz", 10)])
    assert json.loads(json.dumps(manifest)) == {
        "entries": [
            {"url": "s3://b/1.csv.gz", "mandatory": True, "meta": {"content_length": 10}},
            {"url": "s3://b/2.csv.gz", "mandatory": True, "meta": {"content_length": 20}},
        ]
    }
