"""Takes up the new fields that runs have asked for: columns, procedure, record of the release, the object's file.

`publish_dags` does it, and `idiscover publish`: where DAG files may be written, by one at a time, beside no deploy. The
order makes a kill harmless: columns that nobody reads, a record of SQL that stands, and only then the file, from which
the plans are made. Each step looks first, so the next try completes what the last has begun.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from psycopg2.extensions import cursor as Cursor

from idiscover.aws.job_metadata import open_job_metadata
from idiscover.aws.job_metadata_batches import FILES
from idiscover.aws.mailing import send_or_warn
from idiscover.aws.new_fields import asked_for, forget, is_news
from idiscover.aws.redshift import transaction
from idiscover.aws.release_record import (
    STATEMENTS_KEY,
    TEMPLATE_KEY,
    last_release,
    record_statements,
    recorded_statements,
    recorded_template,
)
from idiscover.aws.s3 import Bucket, StoredText
from idiscover.aws.secrets import read_secret
from idiscover.aws.table_migrations import checksum, standing_tables, tables_alone, write_entry
from idiscover.errors import ConfigError, IdiscoverError, RetriableError
from idiscover.lake.keys import RELEASE_KEY, metadata_key
from idiscover.metadata.loading import parse_object
from idiscover.metadata.models import Catalog, Context, FieldSpec, ObjectSpec
from idiscover.metadata.new_fields import NewFields, judge, with_new_fields
from idiscover.metadata.org_describe import OrgObject, read_describe
from idiscover.metadata.paths import object_path
from idiscover.metadata.validation import problems
from idiscover.notify.new_fields import new_fields_mail
from idiscover.salesforce.session import open_session
from idiscover.warehouse.limits import check_limits
from idiscover.warehouse.migration_ledger import EntryKind, new_entry
from idiscover.warehouse.procedures import itg_procedure
from idiscover.warehouse.release import ReleaseStatement, tables_of
from idiscover.warehouse.table_changes import ChangeKind, TableChange, shapes_of_object, table_changes
from idiscover.warehouse.table_shapes import TableShape
from idiscover.warehouse.types import column_type, quoted

log = logging.getLogger(__name__)

_LONGEST_STATEMENT_SECONDS = 120  # an ALTER waits for whoever is at the table, and others wait behind it
_RELEASE = "release once more: idiscover deploy"

Standing = Mapping[str, TableShape]


@dataclass(frozen=True)
class TakenUp:
    """What became of an object's new fields.

    Attributes:
        object: its name.
        taken: a line for each field that was taken up, or would be.
        refused: API name of each that was not → why.
        waits_for: why nothing was done yet; they are tried again.
        warnings: mails that could not be sent.
    """

    object: str
    taken: tuple[str, ...] = ()
    refused: Mapping[str, str] = field(default_factory=dict)
    waits_for: str | None = None
    warnings: tuple[str, ...] = ()

    def lines(self, dry_run: bool = False) -> Iterator[str]:
        """For people."""
        would = "would be " if dry_run else ""
        yield from (f"new in the org, {would}taken up: {self.object}: {line}" for line in self.taken)
        yield from (f"new in the org, not taken up: {self.object}: {name}: {why}" for name, why in self.refused.items())
        if self.waits_for:
            yield f"new in the org, not taken up yet: {self.object}: {self.waits_for}"


def take_up_new_fields(
    context: Context, catalog: Callable[[], Catalog], last: Mapping[str, Any], *, dry_run: bool = False
) -> list[TakenUp]:
    """Takes up what waits, object by object. What is in the way of one is told, and holds nothing else up.

    Args:
        context: the environment.
        catalog: the metadata in force; asked only if something waits.
        last: the record of the last release; once it is another, a deploy has begun, and nothing is taken up beside it.
        dry_run: say what would be taken up, and do nothing.

    Raises:
        IdiscoverError: as `catalog`, or the bucket cannot be listed.
    """
    bucket = Bucket(context.buckets.data, context.region)
    waiting = asked_for(bucket)
    in_force = catalog() if waiting else None
    found: list[TakenUp] = []
    for name, fields in waiting.items():
        assert in_force is not None
        spec = in_force.objects.get(name)
        if spec is None or spec.new_fields != "take":
            log.info("%s takes no new fields any more: %s stay as they are", name, ", ".join(fields))
            _forget(bucket, name, fields, dry_run)
            continue
        one = _TakingUp(context, bucket, in_force, spec, fields, catalog, last)
        found.append(_told(one, dry_run))
    return found


def _told(one: _TakingUp, dry_run: bool) -> TakenUp:
    """What was done with one object, once its owner was told of it."""
    spec, context = one.spec, one.context
    try:
        done = one.do(dry_run)
    except IdiscoverError as error:
        done, is_passing = TakenUp(spec.object, waits_for=str(error)), isinstance(error, RetriableError)
        log.warning("new fields of %s wait: %s", spec.object, error)
        if dry_run or is_passing or not is_news(one.bucket, spec.object, one.fields, str(error)):
            return done
    if dry_run:
        return done
    warning: str | None = None
    if done.taken or done.refused or done.waits_for:
        mail = new_fields_mail(spec, done.taken, done.refused, done.waits_for, context.environment)
        warning = send_or_warn(mail, context, [spec.owner.email])
    if not done.waits_for:
        forget(one.bucket, spec.object, one.fields)  # after the mail: killed between the two, it is sent once more
    return TakenUp(done.object, done.taken, done.refused, done.waits_for, (warning,) if warning else ())


class _TakingUp:
    """The new fields of one object, from what was asked to what stands."""

    def __init__(
        self,
        context: Context,
        bucket: Bucket,
        catalog: Catalog,
        spec: ObjectSpec,
        fields: Sequence[str],
        in_force: Callable[[], Catalog],
        last: Mapping[str, Any],
    ) -> None:
        self.context, self.bucket, self.spec, self.fields = context, bucket, spec, fields
        self._catalog, self._in_force, self._last = catalog, in_force, last
        self._has_itg_table = f"itg.{spec.object}" in catalog.tables
        self._key = metadata_key(object_path(spec.object))

    def do(self, dry_run: bool) -> TakenUp:
        """Takes up what may be.

        Raises:
            ConfigError: the file's newest edit is not in force, or a release is wanted first.
            FatalError: the login may not alter the tables.
            RetriableError: a service does not answer, or somebody else is at the tables or at the file.
        """
        if dry_run:
            return self._prepared()[0]
        # beside no load, replay or rebuild: they name the columns of stg
        with open_job_metadata(self.context) as metadata, metadata.exclusive(FILES, self.spec.object):
            self._catalog = self._in_force()  # another may have taken them up while this one waited for the lock
            self.spec = self._catalog.objects.get(self.spec.object, self.spec)
            done, stored, text = self._prepared()
            if text is not None:
                after = parse_object(text, self._key)
                with tables_alone(metadata):  # a deploy alters, records and looks at the files under the same lock
                    self._require_no_deploy()
                    self._alter(after)
                    self._record(after)
                    metadata.require_locks()
                    self.bucket.replace_text(self._key, text, stored.etag, "application/yaml")
        return done

    def _require_no_deploy(self) -> None:
        if last_release(self.bucket) != self._last:
            raise RetriableError(
                "a deploy has begun since new fields were looked for",
                where=self.bucket.uri(RELEASE_KEY),
                expected="the record of the release that was in force then",
                remedy="nothing to do: they are taken up by the next run of publish_dags once it has ended",
            )

    def _prepared(self) -> tuple[TakenUp, StoredText, str | None]:
        """What is to become of the fields; the file as it stands, and as it is to be, if anything is taken up."""
        stored = self._stored()
        org = self._org()
        found = self._judged(org, stored.text)
        before = {item.salesforce: item for item in self.spec.fields}
        done = [name for name in self.fields if name in before and before[name].since]  # by a try that was killed
        text: str | None = None
        specs = before
        if found.taken:
            self._recorded()
            _, text = with_new_fields(self.spec, stored.text, org, found.taken, datetime.now(UTC).date())
            specs = {item.salesforce: item for item in parse_object(text, self._key).fields}
        lines = [f"{name} → {specs[name].column} {column_type(specs[name])}" for name in (*done, *found.taken)]
        return TakenUp(self.spec.object, tuple(lines), found.refused), stored, text

    def _stored(self) -> StoredText:
        stored = self.bucket.read_stored(self._key)
        in_force = self._catalog.versions.get(object_path(self.spec.object))
        if stored.version != in_force:
            raise ConfigError(
                "new fields wait for an edit of the object's file that is not in force",
                where=self.bucket.uri(self._key),
                got=f"version {stored.version}",
                expected=f"version {in_force}, which is in force",
                remedy="mend the edit, release what it needs, or take it back; then they are taken up by themselves",
            )
        return stored

    def _org(self) -> OrgObject:
        secret = read_secret(self.context.secrets.salesforce, self.context.region)
        session = open_session(secret, self.context.salesforce.api_version)
        return read_describe(session.describe(self.spec.salesforce_object))

    def _judged(self, org: OrgObject, text: str) -> NewFields:
        """By the field itself, then by the object with all of them, then by the tables."""
        spec, delta = self.spec, self._catalog.delta_filters[self.spec.object]
        formulas_are_read = spec.load_mode == "full" or delta.formula_refresh != "never"
        found = judge(spec, text, org, self.fields, formulas_are_read=formulas_are_read)
        if not found.taken:
            return found
        _, new_text = with_new_fields(spec, text, org, found.taken, datetime.now(UTC).date())
        after = parse_object(new_text, self._key)
        if why := self._unsound(after):
            return NewFields((), {**found.refused, **dict.fromkeys(found.taken, why)})
        clashes = self._clashes(after)
        taken = tuple(name for name in found.taken if name not in clashes)
        return NewFields(taken, {**found.refused, **clashes})

    def _unsound(self, after: ObjectSpec) -> str | None:
        catalog = self._catalog.model_copy(update={"objects": {**self._catalog.objects, after.object: after}})
        if faults := list(problems(catalog, set(), None)):
            return f"the metadata would not be sound: {faults[0].what}"
        try:
            check_limits(after)
        except ConfigError as error:
            return error.what
        return None

    def _clashes(self, after: ObjectSpec) -> dict[str, str]:
        """Fields whose column stands already, with another type or with values: of a field that was there once."""
        clashes: dict[str, str] = {}
        with self._transaction() as cursor:
            standing = self._standing(cursor)
            for item in self._added(after):
                for table, shape in standing.items():
                    column = shape.columns.get(item.column)
                    if column is not None and column.type != column_type(item):
                        clashes[item.salesforce] = f"{table} has a column {item.column} already, {column.type}"
                    elif column is not None and _has_values(cursor, table, item.column):
                        clashes[item.salesforce] = f"{table} has a column {item.column} already, with values"
        return clashes

    def _added(self, after: ObjectSpec) -> list[FieldSpec]:
        known = {item.column for item in self.spec.fields}
        return [item for item in after.fields if item.column not in known]

    def _transaction(self) -> AbstractContextManager[Cursor]:
        return transaction(self.context.secrets.redshift, self.context.region)

    def _standing(self, cursor: Cursor) -> Standing:
        """The columns of the object's tables.

        Raises:
            ConfigError: a table is missing.
        """
        name = self.spec.object
        tables = [f"stg.{name}", *([f"itg.{name}"] if self._has_itg_table else [])]
        tables += [f"itg.{name}__history"] if self._has_itg_table and self.spec.history else []
        found = standing_tables(cursor)
        if missing := [table for table in tables if table not in found]:
            raise ConfigError(
                "tables that are to have new columns are missing",
                where="Redshift",
                got=", ".join(missing),
                expected="the tables of the last release, seen by this login",
                remedy=_RELEASE,
            )
        return {table: found[table] for table in tables}

    def _alter(self, after: ObjectSpec) -> None:
        """Columns, their comments, the procedure, and the ledger, in one transaction: older plans do not notice."""
        procedure = self._procedure(after)
        before, wanted = (shapes_of_object(spec, has_itg_table=self._has_itg_table) for spec in (self.spec, after))
        added = {item.column for item in self._added(after)}
        with self._transaction() as cursor:
            cursor.execute("set statement_timeout to %s", [_LONGEST_STATEMENT_SECONDS * 1000])
            standing = self._standing(cursor)
            changes = table_changes(standing, {name: wanted[name] for name in standing}, before)
            missing = [item for item in changes if item.kind is ChangeKind.ADD_COLUMN and item.column in added]
            for change in missing:
                cursor.execute(change.sql)
            for statement in [*self._comments(after, standing), *procedure]:
                cursor.execute(statement.sql)
            if missing:
                write_entry(cursor, self._entry(missing))

    def _entry(self, changes: Sequence[TableChange]) -> Mapping[str, object]:
        columns = ", ".join(dict.fromkeys(change.column for change in changes))
        statements = [change.sql for change in changes]
        return new_entry(
            f"{self.spec.object}: new in the org: {columns}",
            EntryKind.TAKEN_UP,
            statements,
            checksum=checksum(statements),
            by=f"publish_dags@{socket.gethostname()}",
            release=str(last_release(self.bucket).get("code_sha", "")),
        )

    def _comments(self, after: ObjectSpec, standing: Standing) -> list[ReleaseStatement]:
        wanted = {f"comment {table}.{item.column}" for table in standing for item in self._added(after)}
        statements = tables_of(after, has_itg_table=self._has_itg_table)
        return [statement for statement in statements if statement.name in wanted]

    def _procedure(self, after: ObjectSpec) -> list[ReleaseStatement]:
        if not self._has_itg_table:
            return []
        template = recorded_template(self.bucket)
        assert template is not None  # see _recorded
        return [ReleaseStatement(f"procedure itg.load_{after.object}", itg_procedure(after, template))]

    def _record(self, after: ObjectSpec) -> None:
        """As a release of the file would have recorded it: `publish_dags` finds that the edit needs no other SQL."""
        texts = {statement.name: statement for statement in self._recorded()}
        for statement in [*tables_of(after, has_itg_table=self._has_itg_table), *self._procedure(after)]:
            texts[statement.name] = statement
        record_statements(self.bucket, texts.values())

    def _recorded(self) -> list[ReleaseStatement]:
        recorded = recorded_statements(self.bucket)
        if recorded is None or recorded_template(self.bucket) is None:
            raise ConfigError(
                "no release has recorded its SQL",
                where=self.bucket.uri(STATEMENTS_KEY),
                expected=f"that, and {TEMPLATE_KEY} beside it",
                remedy=_RELEASE,
            )
        return recorded


def _forget(bucket: Bucket, name: str, fields: Collection[str], dry_run: bool) -> None:
    if not dry_run:
        forget(bucket, name, fields)


def _has_values(cursor: Cursor, table: str, column: str) -> bool:
    cursor.execute(f"select 1 from {table} where {quoted(column)} is not null limit 1")
    return cursor.fetchone() is not None
