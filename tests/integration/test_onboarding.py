"""Objects that nothing here knows go from the org to itg: onboarded, deployed, run, refreshed. No Python is touched.

On a stack of their own: what they release would be in the way of tests that expect the repository's tables.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from idiscover.cli.onboarding_command import OnboardRequest, run_onboard
from idiscover.errors import ConfigError
from idiscover.lake.keys import metadata_key
from idiscover.metadata.loading import FolderReader, load_catalog
from idiscover.metadata.models import Catalog, CountryNone
from idiscover.metadata.paths import table_path
from idiscover.metadata.reserved_words import REDSHIFT_RESERVED_WORDS
from idiscover.warehouse.release import ReleaseStatement, release

from tests.support.added_objects import (
    ASSAY,
    MANY,
    TAG,
    a_field,
    an_object,
    assays,
    expected_in_itg,
    give,
    some_rows,
    tags,
)
from tests.support.aws_platform import aws_client
from tests.support.chain_fixtures import SCALE, SEED, beginning
from tests.support.direct_chain import DirectChain
from tests.support.direct_stack import CONTEXT_FILE, METADATA, DirectStack, running_stack
from tests.support.warehouse_stack import REPOSITORY

ALIKE = re.compile(r"^comment .*\.result_number_\d\d+$")  # comments on hundreds of columns that differ in a number


class Workshop:
    """A copy of the metadata folder, a stack, and the chain of what was onboarded."""

    def __init__(self, stack: DirectStack, folder: Path, released: set[ReleaseStatement]) -> None:
        self.stack = stack
        self.folder = folder / "metadata"
        shutil.copytree(METADATA, self.folder)
        self._released = released

    @property
    def catalog(self) -> Catalog:
        """The copy, loaded and checked."""
        return load_catalog(FolderReader(self.folder))

    def onboard(self, *sobjects: str, **options: Any) -> None:
        """The verb, over the wire, without its questions."""
        chosen: dict[str, Any] = {"name": None, "fields": None, "all_fields": False, "owner": None}
        chosen |= {"ddl": False, "yes": True, "dry_run": False, "as_json": False, **options}
        run_onboard(OnboardRequest(sobjects=sobjects, context=str(CONTEXT_FILE), metadata=self.folder, **chosen))

    def deploy(self, before: DirectChain | None = None) -> DirectChain:
        """What the metadata bring to warehouse and bucket; the chain of accounts and of the new objects.

        Args:
            before: the chain of what was deployed before.
        """
        catalog = self.catalog
        assert catalog.objects.keys() > self.stack.catalog.objects.keys()
        new = [item for item in release(catalog, REPOSITORY / "sql") if item not in self._released]
        connection = psycopg2.connect(self.stack.front_dsn)
        with connection, connection.cursor() as cursor:
            for item in new:
                if not ALIKE.search(item.name):
                    cursor.execute(item.sql)
        connection.close()
        names = {"account"} | (set(catalog.objects) - set(self.stack.catalog.objects))
        s3 = aws_client(self.stack.aws_endpoint, "s3")
        for name in names:
            path = table_path(f"itg.{name}")
            key, text = metadata_key(path), (self.folder / path).read_bytes()
            s3.put_object(Bucket=self.stack.context.buckets.data, Key=key, Body=text)
        some = {
            "objects": {name: catalog.objects[name] for name in names},
            "delta_filters": {name: catalog.delta_filters[name] for name in names},
            "tables": {f"itg.{name}": catalog.tables[f"itg.{name}"] for name in names},
        }
        return DirectChain(self.stack, catalog.model_copy(update=some), before)

    def in_itg(self, name: str) -> dict[str, dict[str, Any]]:
        """Id → column → value, without the platform's own columns."""
        return {
            row["id"]: {column: value for column, value in row.items() if not column.startswith("_")}
            for row in self.stack.rows(f"itg.{name}")
        }


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DirectStack]:
    with running_stack(tmp_path_factory.mktemp("onboarding")) as started, beginning(started):
        yield started


@pytest.fixture(scope="module")
def released(stack: DirectStack) -> set[ReleaseStatement]:
    """The repository's own, which the stack has run."""
    return set(release(stack.catalog, REPOSITORY / "sql"))


@pytest.fixture
def workshop(stack: DirectStack, released: set[ReleaseStatement], tmp_path: Path) -> Workshop:
    stack.empty(SEED, SCALE)
    return Workshop(stack, tmp_path, released)


def columns_of(catalog: Catalog, name: str) -> dict[str, str]:
    """Field → column."""
    return {field.salesforce: field.column for field in catalog.objects[name].fields}


def test_from_nothing_to_itg(workshop: Workshop, capsys: pytest.CaptureFixture[str]) -> None:
    accounts = {row["Id"]: row for row in workshop.stack.org.records("Account")}
    labs = sorted(accounts)[:7]
    tag, tag_rows = tags()
    assay, assay_rows = assays(labs)
    give(workshop.stack.org, tag, tag_rows)
    give(workshop.stack.org, assay, assay_rows)

    workshop.onboard(TAG, ASSAY)
    told = capsys.readouterr().out
    assert "Report__c (base64)" in told and "Site__c (location)" in told

    catalog = workshop.catalog
    small, large = catalog.objects["sf_tag"], catalog.objects["assay_run"]
    assert (small.load_mode, small.version_column, len(small.fields)) == ("full", "_read_at_utc", 3)
    assert isinstance(small.country, CountryNone)
    assert (large.load_mode, large.version_column, len(large.fields)) == ("delta", "last_modified_date", MANY)
    assert catalog.delta_filters["assay_run"].sweep == "daily"
    columns = {field.column for spec in (small, large) for field in spec.fields}
    assert not columns & REDSHIFT_RESERVED_WORDS
    assert {item.table for item in catalog.tables["dm.fact_source_table"].inputs} >= {"itg.sf_tag", "itg.assay_run"}

    chain = workshop.deploy()
    chain.run_day()
    assert workshop.in_itg("sf_tag") == expected_in_itg(tag, tag_rows, columns_of(catalog, "sf_tag"))
    assert workshop.in_itg("assay_run") == expected_in_itg(assay, assay_rows, columns_of(catalog, "assay_run"))
    countries = {row["id"]: row["_country_code"] for row in workshop.stack.rows("itg.assay_run")}
    assert countries == {row["Id"]: accounts[row["Lab__c"]]["Country_Code__c"] for row in assay_rows}
    assert {row["_country_code"] for row in workshop.stack.rows("itg.sf_tag")} == {"ZZ"}
    workshop.stack.warehouse("call dm.load_fact_source_table('ZZ', '2026-01-05', 'test')")
    counted = workshop.stack.warehouse("select itg_rows from dm.fact_source_table where source_table = 'itg.assay_run'")
    assert counted == [(len(assay_rows),)]


def test_changes_and_deletions_without_a_time_of_change(workshop: Workshop) -> None:
    tag, rows = tags()
    give(workshop.stack.org, tag, rows)
    workshop.onboard(TAG)
    chain = workshop.deploy()
    chain.run_day(["sf_tag", "account"])

    later = [{**rows[0], "Group__c": "changed"}, *rows[2:], *some_rows(tag, 1, seed=9)]
    give(workshop.stack.org, tag, later)
    chain.advance()
    chain.run_day(["sf_tag", "account"])
    assert workshop.in_itg("sf_tag") == expected_in_itg(tag, later, columns_of(chain.catalog, "sf_tag"))

    with pytest.raises(ConfigError, match="no window of it can be read"):
        chain.extract("sf_tag", chain.backfill("sf_tag", chain.order_date()))


def test_a_field_that_the_org_has_added(workshop: Workshop, capsys: pytest.CaptureFixture[str]) -> None:
    tag, rows = tags()
    give(workshop.stack.org, tag, rows)
    workshop.onboard(TAG)
    path = workshop.folder / "objects" / "sf_tag.yaml"
    by_hand = path.read_text().replace('description: "Group."}', 'description: "What it marks."}  # as the labs say')
    assert "as the labs say" in by_hand
    path.write_text(by_hand)
    chain = workshop.deploy()
    chain.run_day(["sf_tag", "account"])

    fields = [dict(field) for field in tag["fields"]]
    fields[1]["length"] = 200
    newer = an_object(TAG, [*fields, a_field("Contact_Email__c", "email", length=80)])
    newer_rows = [{**row, "Contact_Email__c": f"lab{n}@example.com"} for n, row in enumerate(rows)]
    newer_rows[0]["Group__c"] = "x" * 200
    give(workshop.stack.org, newer, newer_rows)
    capsys.readouterr()
    workshop.onboard(TAG)
    told = capsys.readouterr().out
    assert "Contact_Email__c → contact_email: pii personal" in told
    kept = [line for line in by_hand.splitlines() if line not in path.read_text().splitlines()]
    assert len(kept) == 1 and "length: 80" in kept[0]

    alters = [line for line in told.splitlines() if line.startswith("alter table")]
    assert len(alters) == 4
    for statement in alters:
        workshop.stack.warehouse(statement)
    chain = workshop.deploy(before=chain)
    chain.advance()
    chain.run_day(["sf_tag", "account"])
    assert workshop.in_itg("sf_tag") == expected_in_itg(newer, newer_rows, columns_of(chain.catalog, "sf_tag"))
