"""A field appears in the org, is taken up without a person, and the next run has its values in itg.

On a stack of its own, for it alters tables. The metadata in the bucket are those of the objects that a test adds.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from idiscover.aws import taking_up
from idiscover.aws.new_fields import ask_for, asked_for
from idiscover.aws.publishing import PublishReport, catalog_in_force, publish
from idiscover.aws.release_record import record_statements, record_template, recorded_statements
from idiscover.aws.s3 import Bucket, S3Reader
from idiscover.aws.schema_drift import check_schema
from idiscover.aws.taking_up import TakenUp, take_up_new_fields
from idiscover.cli.metadata_delta import checksum
from idiscover.cli.pulling import pull
from idiscover.lake.keys import RELEASE_KEY, context_key, metadata_key
from idiscover.metadata.loading import load_catalog
from idiscover.metadata.models import Catalog
from idiscover.metadata.org_describe import read_describe
from idiscover.metadata.proposal_text import proposal_files
from idiscover.metadata.proposals import propose
from idiscover.warehouse.procedures import TEMPLATE
from idiscover.warehouse.release import release

from tests.support.added_objects import Described, Rows, a_field, an_object, give, some_rows
from tests.support.aws_platform import aws_client
from tests.support.chain_fixtures import SCALE, SEED, beginning
from tests.support.direct_chain import DirectChain
from tests.support.direct_stack import CONTEXT_FILE, DirectStack, running_stack
from tests.support.warehouse_stack import REPOSITORY

BASE = (
    a_field("Id", "id"),
    a_field("Label__c", "string"),
    a_field("SystemModstamp", "datetime"),
)
STAMPS = ["2025-03-17T08:30:00.000Z"]
SCORE, EMAIL, PLACE = a_field("Score__c", "double"), a_field("Mail__c", "email", length=80), a_field("At__c", "location")


class World:
    """A stack whose bucket has the metadata of one object that takes new fields, released and published.

    Each test has an object of its own, for tables keep their columns.
    """

    def __init__(self, stack: DirectStack, root: Path, sobject: str) -> None:
        stack.empty(SEED, SCALE)
        self.stack, self.root, self.sobject = stack, root, sobject
        self.name = sobject.removesuffix("__c").lower()
        self.path = f"objects/{self.name}.yaml"
        self.described = an_object(sobject, BASE)
        self.rows = some_rows(self.described, 6, seed=len(sobject), SystemModstamp=STAMPS)
        give(stack.org, self.described, self.rows)
        self._release()

    @property
    def bucket(self) -> Bucket:
        """The data bucket."""
        return Bucket(self.stack.context.buckets.data, self.stack.context.region)

    @property
    def catalog(self) -> Catalog:
        """The metadata in the bucket."""
        return load_catalog(S3Reader(self.bucket))

    def _release(self) -> None:
        proposal = propose(read_describe(self.described), Catalog(objects={}, delta_filters={}, tables={}, versions={}))
        files = proposal_files(proposal)
        files[self.path] = files[self.path].replace("fields:\n", "new_fields: take\nhistory: true\nfields:\n")
        context = CONTEXT_FILE.read_text()
        s3 = aws_client(self.stack.aws_endpoint, "s3")
        self.bucket.delete(self.bucket.list("metadata/"))  # the repository's
        for path, text in files.items():
            self.bucket.write_text(metadata_key(path), text)
            target = self.root / "metadata" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
        self.bucket.write_text(context_key("local"), context)
        statements = release(self.catalog, REPOSITORY / "sql")
        record_statements(self.bucket, statements)
        record_template(self.bucket, (REPOSITORY / "sql" / TEMPLATE).read_text())
        hashes = {path: checksum([text]) for path, text in files.items()}
        told = {"code_sha": "a" * 40, "recorded_sql": "1", "metadata": hashes}
        told["context"] = {context_key("local"): checksum([context])}
        self.bucket.write_text(RELEASE_KEY, json.dumps(told))
        connection = psycopg2.connect(self.stack.front_dsn)
        with connection, connection.cursor() as cursor:
            for item in statements:
                if f".{self.name}" in item.name or f"load_{self.name}" in item.name:
                    cursor.execute(item.sql)
        connection.close()
        s3.create_bucket(Bucket=self.stack.context.buckets.dags)
        mail = aws_client(self.stack.aws_endpoint, "ses")
        mail.verify_email_identity(EmailAddress=self.stack.context.mail.sender)
        self.publish()

    def publish(self, **options: bool) -> PublishReport:
        """One run of publish_dags."""
        uri = f"s3://{self.bucket.name}/{context_key('local')}"
        return publish(uri, self.stack.context.region, lambda _context: lambda pools: len(pools), **options)

    def take_up(self) -> list[TakenUp]:
        """What a run of publish_dags does first."""
        return take_up_new_fields(self.stack.context, lambda: catalog_in_force(self.stack.context))

    def chain(self, before: DirectChain | None = None) -> DirectChain:
        """The DAGs of what is in the bucket."""
        return DirectChain(self.stack, self.catalog, before)

    def org_gets(self, *fields: Described, **given: Sequence[Any]) -> Rows:
        """New fields, with values in every record."""
        self.described = an_object(self.sobject, [*self.described["fields"], *fields])
        values = [{name: column[n % len(column)] for name, column in given.items()} for n in range(len(self.rows))]
        self.rows = [{**row, **more} for row, more in zip(self.rows, values, strict=True)]
        give(self.stack.org, self.described, self.rows)
        return self.rows

    def object_text(self) -> str:
        """The object's file in the bucket."""
        return self.bucket.read_text(metadata_key(self.path))

    def traces(self) -> dict[str, object]:
        """What taking up changes: every object of the bucket, and the columns of the tables."""
        s3 = aws_client(self.stack.aws_endpoint, "s3")
        keys = {item["Key"]: item["ETag"] for item in s3.list_objects_v2(Bucket=self.bucket.name)["Contents"]}
        return {"keys": keys, "columns": self.columns()}

    def columns(self) -> set[tuple[str, str]]:
        """Table and column of the object's tables."""
        return set(
            self.stack.warehouse(
                "select table_schema || '.' || table_name, column_name from information_schema.columns"
                " where table_schema in ('stg', 'itg') and table_name like %s",
                f"{self.name}%",
            )
        )

    def scores(self) -> set[object]:
        """The column in itg, as numbers."""
        return {None if row["score"] is None else float(row["score"]) for row in self.stack.rows(f"itg.{self.name}")}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DirectStack]:
    with running_stack(tmp_path_factory.mktemp("new fields")) as started, beginning(started):
        yield started


def test_a_field_appears_and_is_read(stack: DirectStack, tmp_path: Path) -> None:
    world = World(stack, tmp_path, "Badge__c")
    first = world.chain()
    plan = first.extraction_plan("badge")
    assert check_schema(plan).news == ()
    first.run_day(["badge"])

    world.org_gets(SCORE, EMAIL, PLACE, Score__c=[7.5])
    beside = first.manual("badge")
    found = check_schema(plan)
    assert found.taken == ("Score__c",)
    assert [line.partition(" is new")[0] for line in found.added] == ["At__c", "Mail__c"]
    assert "it may be personal: type email" in found.added[1] and "compound" in found.added[0]
    assert check_schema(plan).news == () and asked_for(world.bucket) == {"badge": ["Score__c"]}
    first.read("badge", beside)  # by the plan that it had

    before, edited = world.traces(), world.object_text()
    assert world.publish(dry_run=True).new_fields[0].taken == ("Score__c → score numeric(18, 2)",)
    assert world.traces() == before

    report = world.publish()
    assert [list(item.lines()) for item in report.new_fields] == [
        ["new in the org, taken up: badge: Score__c → score numeric(18, 2)"]
    ]
    assert set(report.edits) == {world.path} and report.refused == ()
    assert world.columns() - before["columns"] == {
        (table, "score") for table in ("stg.badge", "itg.badge", "itg.badge__history")
    }
    assert asked_for(world.bucket) == {} and world.publish().is_unchanged

    # the edit is one of the bucket: it is brought home, and comes from there like any other
    assert [line for line in pull(tmp_path, str(CONTEXT_FILE)) if "file" in line][0].startswith("1 file brought here")
    assert (tmp_path / "metadata" / world.path).read_text() == world.object_text() != edited

    second = world.chain(first)
    assert second.extraction_plan("badge").columns[-1].salesforce == "Score__c"
    first.register("badge", beside)
    second.load("badge")
    second.settle()
    assert world.scores() == {None}, "what was read before is there, and lacks it"
    second.advance()
    second.run_day(["badge"])
    assert world.scores() == {None}, "nothing has changed in the org"
    second.extract("badge", second.manual("badge").model_copy(update={"full": True}))
    second.load("badge")
    second.settle()
    assert world.scores() == {7.5}


class Killed(BaseException):
    """The process ends here."""


EFFECTS = {
    "columns and procedure": (taking_up, "record_statements"),
    "the record": (Bucket, "replace_text"),
    "the file": (taking_up, "send_or_warn"),
    "the mail": (taking_up, "forget"),
}


@pytest.mark.parametrize("effect", EFFECTS)
def test_the_next_try_completes_what_a_kill_has_cut(
    stack: DirectStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, effect: str
) -> None:
    world = World(stack, tmp_path, f"Kit_{hashlib.md5(effect.encode()).hexdigest()[:4]}__c")
    world.org_gets(SCORE, Score__c=[1.5])
    ask_for(world.bucket, world.chain().extraction_plan(world.name), ["Score__c"])

    def kill(*_args: object, **_options: object) -> None:
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(*EFFECTS[effect], kill)
        world.take_up()
    chain = world.chain()  # whatever was cut, what stands runs
    chain.run_day([world.name])
    assert len(stack.rows(f"itg.{world.name}")) == len(world.rows)

    [done] = world.take_up()
    assert done.taken == ("Score__c → score numeric(18, 2)",) and done.waits_for is None
    assert (world.take_up(), asked_for(world.bucket)) == ([], {})
    report = world.publish()
    assert report.refused == ()
    recorded = {item.name: item.sql for item in recorded_statements(world.bucket) or ()}
    wanted = {item.name: item.sql for item in release(world.catalog, REPOSITORY / "sql")}
    assert recorded == wanted, "as a release of the file would have recorded it"
    assert world.object_text().count("Score__c") == 1
    chain = world.chain(chain)
    chain.extract(world.name, chain.manual(world.name).model_copy(update={"full": True}))
    chain.load(world.name)
    chain.settle()
    assert world.scores() == {1.5}


def test_what_is_in_the_way_is_told_once_and_waited_for(stack: DirectStack, tmp_path: Path) -> None:
    world = World(stack, tmp_path, "Pouch__c")
    world.org_gets(SCORE, a_field("Size__c", "double"), a_field("Gone__c", "string"))
    plan = world.chain().extraction_plan("pouch")
    ask_for(world.bucket, plan, ["Score__c", "Size__c", "Lost__c"])
    # a column of a field that was there once, of another type; and one with its values
    stack.warehouse("alter table itg.pouch add column size varchar(9)")
    sound = world.object_text()
    world.bucket.write_text(metadata_key(world.path), sound.replace("type: string", "type: strng"))
    before = world.traces()
    report = world.publish()
    assert "not in force" in str(report.new_fields[0].waits_for)
    assert world.columns() == before["columns"] and asked_for(world.bucket)["pouch"]
    mails = sent_mails(stack)
    assert sum("new fields HELD UP" in mail for mail in mails) == 1
    world.publish()
    assert sum("new fields HELD UP" in mail for mail in sent_mails(stack)) == 1, "told once"

    world.bucket.write_text(metadata_key(world.path), sound)
    [done] = world.publish().new_fields
    assert done.taken == ("Score__c → score numeric(18, 2)",)
    assert done.refused == {
        "Lost__c": "the org does not show it any more",
        "Size__c": "itg.pouch has a column size already, varchar(9)",
    }
    assert sum("idiscover onboard Pouch__c --fields Lost__c,Size__c" in mail for mail in sent_mails(stack)) == 1


def test_an_edit_at_the_same_moment_is_not_written_over(
    stack: DirectStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(stack, tmp_path, "Sleeve__c")
    world.org_gets(SCORE, Score__c=[2.5])
    ask_for(world.bucket, world.chain().extraction_plan("sleeve"), ["Score__c"])
    by_hand = world.object_text().replace('"Sleeves."', '"Sleeves, as somebody writes."')
    plain = taking_up.record_statements

    def meanwhile(*args: Any) -> None:
        plain(*args)
        world.bucket.write_text(metadata_key(world.path), by_hand)

    with monkeypatch.context() as patch:
        patch.setattr(taking_up, "record_statements", meanwhile)
        [done] = world.take_up()
    assert "somebody else" in str(done.waits_for) and world.object_text() == by_hand
    assert not any("Sleeve" in mail for mail in sent_mails(stack)), "it passes by itself"
    [done] = world.publish().new_fields
    assert done.taken and "as somebody writes" in world.object_text() and "Score__c" in world.object_text()


def sent_mails(stack: DirectStack) -> list[str]:
    """The raw text of all mails of the stack."""
    import requests

    sent = requests.get(f"{stack.aws_endpoint}/moto-api/data.json", timeout=30).json()["ses"]
    return [json.dumps(item) for item in sent.get("RawMessage", [])]
