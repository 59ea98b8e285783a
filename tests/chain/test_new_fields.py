"""A field appears in the org, is taken up without a person, and the next run has its values in itg.

The metadata in the bucket are those of objects that the org did not have. Each test has one of its own, for tables keep
their columns.
"""

from __future__ import annotations

import email
import email.policy
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import requests
from idiscover.aws import taking_up
from idiscover.aws.new_fields import ask_for, asked_for
from idiscover.aws.publishing import PublishReport, catalog_in_force, publish
from idiscover.aws.rebuild import rebuild
from idiscover.aws.release_record import last_release, record_statements, record_template, recorded_statements
from idiscover.aws.s3 import Bucket, S3Reader
from idiscover.aws.schema_drift import check_schema
from idiscover.aws.taking_up import TakenUp, take_up_new_fields
from idiscover.cli.metadata_delta import checksum
from idiscover.cli.pulling import pull
from idiscover.errors import DataQualityError
from idiscover.lake.keys import RELEASE_KEY, context_key, metadata_key
from idiscover.metadata.loading import load_catalog
from idiscover.metadata.models import Catalog
from idiscover.metadata.org_describe import read_describe
from idiscover.metadata.proposal_text import proposal_files
from idiscover.metadata.proposals import propose
from idiscover.plan.model import RunIdentity
from idiscover.warehouse.procedures import TEMPLATE
from idiscover.warehouse.release import ReleaseStatement, release

from tests.support.added_objects import Described, a_field, an_object, give, some_rows
from tests.support.aws_platform import aws_client
from tests.support.chain_fixtures import SCALE, SEED, beginning
from tests.support.direct_chain import DirectChain
from tests.support.direct_stack import CONTEXT_FILE, DirectStack
from tests.support.warehouse_stack import REPOSITORY

BASE = (
    a_field("Id", "id"),
    a_field("Label__c", "string"),
    a_field("SystemModstamp", "datetime"),
)
SOBJECTS = ("Badge__c", "Lanyard__c", "Pouch__c", "Sleeve__c")
STAMPS = ["2025-03-17T08:30:00.000Z"]
SCORE, EMAIL, PLACE = (
    a_field("Score__c", "double"),
    a_field("Mail__c", "email", length=80),
    a_field("At__c", "location"),
)


class World:
    """A stack whose bucket has the metadata of some objects that take new fields, released and published."""

    def __init__(self, stack: DirectStack, root: Path) -> None:
        stack.empty(SEED, SCALE)
        self.stack, self.root = stack, root
        self.added = {sobject: Added(self, sobject) for sobject in SOBJECTS}
        files = {path: text for item in self.added.values() for path, text in item.files().items()}
        self.bucket.delete(self.bucket.list("metadata/"))  # the repository's
        for path, text in files.items():
            self.bucket.write_text(metadata_key(path), text)
            (root / "metadata" / path).parent.mkdir(parents=True, exist_ok=True)
            (root / "metadata" / path).write_text(text)
        self._release({path: checksum([text]) for path, text in files.items()})
        aws_client(stack.aws_endpoint, "s3").create_bucket(Bucket=stack.context.buckets.dags)
        aws_client(stack.aws_endpoint, "ses").verify_email_identity(EmailAddress=stack.context.mail.sender)
        self.publish()

    @property
    def bucket(self) -> Bucket:
        """The data bucket."""
        return Bucket(self.stack.context.buckets.data, self.stack.context.region)

    @property
    def catalog(self) -> Catalog:
        """The metadata in the bucket."""
        return load_catalog(S3Reader(self.bucket))

    def statements(self) -> list[ReleaseStatement]:
        """Of a release of what is in the bucket."""
        return release(self.catalog, REPOSITORY / "sql")

    def _release(self, hashes: dict[str, str]) -> None:
        """What a deploy leaves in the warehouse and in its records."""
        statements, context = self.statements(), CONTEXT_FILE.read_text()
        names = tuple(item.name for item in self.added.values())
        connection = psycopg2.connect(self.stack.front_dsn)
        with connection, connection.cursor() as cursor:
            for statement in statements:
                if any(f".{name}" in statement.name or f"load_{name}" in statement.name for name in names):
                    cursor.execute(statement.sql)
        connection.close()
        record_statements(self.bucket, statements)
        record_template(self.bucket, (REPOSITORY / "sql" / TEMPLATE).read_text())
        self.bucket.write_text(context_key("local"), context)
        told = {"code_sha": "a" * 40, "recorded_sql": "1", "metadata": hashes}
        told["context"] = {context_key("local"): checksum([context])}
        self.bucket.write_text(RELEASE_KEY, json.dumps(told))

    def publish(self, **options: bool) -> PublishReport:
        """One run of publish_dags."""
        uri = f"s3://{self.bucket.name}/{context_key('local')}"
        return publish(uri, self.stack.context.region, lambda _context: lambda pools: len(pools), **options)

    def take_up(self) -> list[TakenUp]:
        """What a run of publish_dags does first."""
        in_force = partial(catalog_in_force, self.stack.context)
        return take_up_new_fields(self.stack.context, in_force, last_release(self.bucket))

    def chain(self, before: DirectChain | None = None) -> DirectChain:
        """The DAGs of what is in the bucket."""
        return DirectChain(self.stack, self.catalog, before)

    def mails(self, subject: str) -> list[str]:
        """The texts of the mails with these words in their subject."""
        sent = requests.get(f"{self.stack.aws_endpoint}/moto-api/data.json", timeout=30).json()["ses"]
        messages = [
            email.message_from_string(item["raw_data"], policy=email.policy.default) for item in sent["RawMessage"]
        ]
        found = [message.get_body(("plain",)) for message in messages if subject in str(message["Subject"])]
        return [body.get_content() for body in found if body is not None]


class Added:
    """One object of the org, its file and its tables."""

    def __init__(self, world: World, sobject: str) -> None:
        self.world, self.sobject = world, sobject
        self.name = sobject.removesuffix("__c").lower()
        self.path = f"objects/{self.name}.yaml"
        self._described = an_object(sobject, BASE)
        self.rows = some_rows(self._described, 6, seed=SOBJECTS.index(sobject), SystemModstamp=STAMPS)
        give(world.stack.org, self._described, self.rows)

    def files(self) -> dict[str, str]:
        """As somebody has onboarded it."""
        org, nothing = read_describe(self._described), Catalog(objects={}, delta_filters={}, tables={}, versions={})
        files = proposal_files(propose(org, nothing))
        files[self.path] = files[self.path].replace("fields:\n", "new_fields: take\nhistory: true\nfields:\n")
        return files

    def org_gets(self, *fields: Described, **values: object) -> None:
        """New fields; with these values in every record."""
        self._described = an_object(self.sobject, [*self._described["fields"], *fields])
        self.rows = [{**row, **values} for row in self.rows]
        give(self.world.stack.org, self._described, self.rows)

    def text(self) -> str:
        """The object's file in the bucket."""
        return self.world.bucket.read_text(metadata_key(self.path))

    def edit(self, text: str) -> None:
        """Somebody writes it."""
        self.world.bucket.write_text(metadata_key(self.path), text, "application/yaml")

    def columns(self) -> set[tuple[str, str]]:
        """Table and column of the object's tables."""
        return set(
            self.world.stack.warehouse(
                "select table_schema || '.' || table_name, column_name from information_schema.columns"
                " where table_schema in ('stg', 'itg') and table_name like %s",
                f"{self.name}%",
            )
        )

    def traces(self) -> dict[str, object]:
        """What taking up changes: objects of the bucket, and columns."""
        s3, bucket = aws_client(self.world.stack.aws_endpoint, "s3"), self.world.bucket.name
        keys = {item["Key"]: item["ETag"] for item in s3.list_objects_v2(Bucket=bucket)["Contents"]}
        return {"keys": keys, "columns": self.columns()}

    def scores(self) -> set[float | None]:
        """The new column in itg."""
        rows = self.world.stack.rows(f"itg.{self.name}")
        assert len(rows) == len(self.rows)
        return {None if row["score"] is None else float(row["score"]) for row in rows}

    def read_whole(self, chain: DirectChain) -> None:
        """What `idiscover resync` starts, to its end in itg."""
        chain.extract(self.name, self.whole_run(chain))
        chain.load(self.name)
        chain.settle()

    def whole_run(self, chain: DirectChain) -> RunIdentity:
        """A run that reads every record."""
        return chain.manual(self.name).model_copy(update={"mode": "full"})


@pytest.fixture(scope="module")
def world(started_stack: DirectStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with beginning(started_stack):
        yield World(started_stack, tmp_path_factory.mktemp("repository"))


def test_a_field_appears_and_is_read(world: World) -> None:
    badge, first = world.added["Badge__c"], world.chain()
    plan = first.extraction_plan("badge")
    assert check_schema(plan).news == ()
    first.run_day(["badge"])

    badge.org_gets(SCORE, EMAIL, PLACE, Score__c=7.5)
    beside = badge.whole_run(first)
    found = check_schema(plan)
    assert found.taken == ("Score__c",)
    assert [line.partition(" is new")[0] for line in found.added] == ["At__c", "Mail__c"]
    assert "it may be personal: type email" in found.added[1] and "compound" in found.added[0]
    assert check_schema(plan).news == () and asked_for(world.bucket) == {"badge": ["Score__c"]}
    first.read("badge", beside)  # by the plan that it had

    before, text = badge.traces(), badge.text()
    assert world.publish(dry_run=True).new_fields[0].taken == ("Score__c → score numeric(18, 2)",)
    assert badge.traces() == before

    report = world.publish()
    assert [list(item.lines()) for item in report.new_fields] == [
        ["new in the org, taken up: badge: Score__c → score numeric(18, 2)"]
    ]
    assert set(report.edits) == {badge.path} and report.refused == ()
    new = {(table, "score") for table in ("stg.badge", "itg.badge", "itg.badge__history")}
    assert badge.columns() - before["columns"] == new  # type: ignore[operator]
    assert asked_for(world.bucket) == {} and world.publish().is_unchanged
    assert "idiscover resync badge" in world.mails("badge: new fields taken up")[0]

    # an edit of the bucket like any other: it is shown, and brought home
    told = "\n".join(pull(world.root, str(CONTEXT_FILE)))
    assert "Score__c" in told and f"1 file brought here: {badge.path} (edited there)" in told
    assert (world.root / "metadata" / badge.path).read_text() == badge.text() != text

    second = world.chain(first)
    assert second.extraction_plan("badge").columns[-1].salesforce == "Score__c"
    assert first.register("badge", beside).rows == len(badge.rows)
    second.load("badge")
    second.settle()
    assert badge.scores() == {None}, "what was read without it is there, and lacks it"
    badge.read_whole(second)
    assert badge.scores() == {7.5}

    # read by the old plan, after the new one: it would blank what was read
    late = badge.whole_run(first).model_copy(update={"run_id": "manual__late"})
    first.extract("badge", late)
    with pytest.raises(DataQualityError, match="6 of its records have values of score"):
        second.load("badge")
    second.extract("badge", late)
    second.load("badge")
    second.settle()
    assert badge.scores() == {7.5}
    rebuilt = rebuild(second.refresh_plan("itg.badge"), second.load_plan("badge"), lambda _line: None)
    assert rebuilt["batches"] == 4 and badge.scores() == {7.5}, "of batches with the field and without"


class Killed(BaseException):
    """The process ends here."""


def kill(*_args: object, **_options: object) -> None:
    raise Killed


def test_each_try_completes_what_the_kill_before_has_cut(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the columns, after the record, after the file, after the mail; what stands then runs."""
    lanyard, chain = world.added["Lanyard__c"], world.chain()
    lanyard.org_gets(SCORE, Score__c=1.5)
    ask_for(world.bucket, chain.extraction_plan("lanyard"), ["Score__c"])
    effects = (
        (taking_up, "record_statements"),
        (Bucket, "replace_text"),
        (taking_up, "send_or_warn"),
        (taking_up, "forget"),
    )
    for place, name in effects:
        with monkeypatch.context() as patch, pytest.raises(Killed):
            patch.setattr(place, name, kill)
            world.take_up()
        if name in ("replace_text", "send_or_warn"):
            chain = world.chain(chain)
            lanyard.read_whole(chain)
            assert lanyard.scores() == {None if name == "replace_text" else 1.5}
    [done] = world.take_up()
    assert done.taken == ("Score__c → score numeric(18, 2)",) and done.waits_for is None
    assert (world.take_up(), asked_for(world.bucket)) == ([], {})
    assert world.publish().refused == ()
    recorded = {item.name: item.sql for item in recorded_statements(world.bucket) or ()}
    assert recorded == {item.name: item.sql for item in world.statements()}, "as a release would have recorded it"
    assert lanyard.text().count("Score__c") == 1


def test_what_is_in_the_way_is_told_once_and_waited_for(world: World) -> None:
    pouch = world.added["Pouch__c"]
    pouch.org_gets(SCORE, a_field("Size__c", "double"), a_field("Label__pc", "string"))
    plan = world.chain().extraction_plan("pouch")
    ask_for(world.bucket, plan, ["Score__c", "Size__c", "Label__pc", "Lost__c"])
    world.stack.warehouse("alter table itg.pouch add column size varchar(9)")  # of a field that was there once
    sound, before = pouch.text(), pouch.columns()
    pouch.edit(sound.replace("type: string", "type: strng"))
    for _ in range(2):
        assert "not in force" in str(world.publish().new_fields[0].waits_for)
    assert pouch.columns() == before
    assert len(world.mails("pouch: new fields HELD UP")) == 1, "told once"

    pouch.edit(sound)
    [done] = world.publish().new_fields
    assert done.taken == ("Score__c → score numeric(18, 2)",)
    assert done.refused == {
        "Label__pc": "its column would be label, which is that of another field",
        "Lost__c": "the org does not show it any more",
        "Size__c": "itg.pouch has a column size already, varchar(9)",
    }
    [text] = world.mails("pouch: new fields taken up")
    assert "idiscover onboard Pouch__c --fields Label__pc,Lost__c,Size__c" in " ".join(text.split())


def test_an_edit_at_the_same_moment_is_not_written_over(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    sleeve = world.added["Sleeve__c"]
    sleeve.org_gets(SCORE, Score__c=2.5)
    ask_for(world.bucket, world.chain().extraction_plan("sleeve"), ["Score__c"])
    by_hand = sleeve.text().replace('"Sleeves."', '"Sleeves, as somebody writes."')
    plain = taking_up.record_statements

    def meanwhile(*args: Any) -> None:
        plain(*args)
        sleeve.edit(by_hand)

    with monkeypatch.context() as patch:
        patch.setattr(taking_up, "record_statements", meanwhile)
        [done] = world.take_up()
    assert "somebody else" in str(done.waits_for) and sleeve.text() == by_hand
    assert world.mails("sleeve") == [], "it passes by itself"
    [done] = world.publish().new_fields
    assert done.taken and "as somebody writes" in sleeve.text() and "Score__c" in sleeve.text()
    ask_for(world.bucket, world.chain().extraction_plan("sleeve"), ["Label__c"])
    assert (world.take_up(), asked_for(world.bucket)) == ([TakenUp("sleeve")], {}), "somebody was faster"
    sleeve.edit(sleeve.text().replace("new_fields: take", "new_fields: report"))
    ask_for(world.bucket, world.chain().extraction_plan("sleeve"), ["Other__c"])
    assert (world.take_up(), asked_for(world.bucket)) == ([], {}), "its policy has changed"
