"""What a release of this repository would do to standing tables, what was done to them, and a file to start from."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from idiscover.aws.publishing import latest_metadata, read_metadata
from idiscover.aws.release_record import last_release
from idiscover.aws.s3 import Bucket
from idiscover.aws.table_migrations import ReleaseSql, read_ledger, read_plan
from idiscover.cli.deploying import release_sql_of, texts_here, texts_there
from idiscover.cli.metadata_delta import compare
from idiscover.cli.places import read_context
from idiscover.cli.release_code import code_sha, script_files
from idiscover.errors import ConfigError
from idiscover.metadata.loading import load_catalog
from idiscover.metadata.models import Context
from idiscover.metadata.sql_inventory import SqlInventory
from idiscover.warehouse.migration_files import FOLDER
from idiscover.warehouse.migration_ledger import TABLE
from idiscover.warehouse.migration_plan import described
from idiscover.warehouse.table_changes import TableChange

_NAME = re.compile(r"[a-z0-9]+(?:_[a-z0-9]+)*")


def plan_lines(root: Path, context_place: str) -> Iterator[str]:
    """What a deploy that keeps the edits in the bucket would do to the tables; at the end, whether it would stop.

    Raises:
        ConfigError: it would stop, or the metadata or a migration are wrong.
        RetriableError: the warehouse does not answer.
    """
    context = read_context(context_place)
    plan = read_plan(context, _to_come(root, context))
    lines = list(plan.lines())
    yield from lines or ["the tables are as this release wants them"]
    plan.require_covered()


def history_lines(context_place: str) -> Iterator[str]:
    """The ledger, the oldest first.

    Raises:
        RetriableError: the warehouse does not answer.
    """
    entries = read_ledger(read_context(context_place))
    if not entries:
        yield f"no ledger yet: the next deploy begins it ({TABLE})"
    for entry in entries:
        done = f", {entry.done} statements" if entry.done else ""
        who = f"by {entry.applied_by}, release {entry.release[:12]}, checksum {entry.checksum[:12]}"
        when = f"{entry.applied_at_utc:%Y-%m-%d %H:%M} UTC"
        yield f"{entry.entry:>4}  {when}  {entry.kind.value:<9}  {entry.state.value:<9}  {entry.name}{done}  {who}"


def draft_lines(root: Path, context_place: str, name: str) -> Iterator[str]:
    """Writes the next file, with statements for all that needs a person; what was written.

    Raises:
        ConfigError: the name is none, or nothing needs a migration.
        RetriableError: the warehouse does not answer.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError("a migration has no proper name", got=name, expected="lower_case_words", remedy="rename it")
    context = read_context(context_place)
    sql = _to_come(root, context)
    changes = read_plan(context, sql).uncovered
    if not changes:
        raise ConfigError("nothing needs a migration", where="Redshift", remedy="idiscover migrate --plan shows why")
    path = root / "sql" / FOLDER / f"{len(sql.files) + 1:04}_{name}.sql"
    path.parent.mkdir(exist_ok=True)
    path.write_text(_draft(changes), encoding="utf-8")
    yield from (f"written for {described(change)}" for change in changes)
    yield f"{path.relative_to(root)}: read it, decide what is left open, and say in its header why and how to go back"


def _draft(changes: list[TableChange]) -> str:
    tables = ", ".join(dict.fromkeys(change.table for change in changes))
    head = ["-- Purpose:     …", f"-- Tables:      {tables}", "-- Back:        …"]
    parts = [f"-- {described(change)}\n-- {change.why}\n{change.sql}" for change in changes]
    return "\n".join(head) + "\n\n" + "\n\n".join(parts) + "\n"


def _to_come(root: Path, context: Context) -> ReleaseSql:
    """The SQL of a release of this repository, with the metadata that were edited in the bucket as they are there."""
    bucket = Bucket(context.buckets.data, context.region)
    there = texts_there(read_metadata(bucket, latest_metadata(bucket)))
    delta = compare(texts_here(root), there, last_release(bucket), overwrite=False)
    catalog = load_catalog(_Texts(delta.result), SqlInventory.read(root / "sql"))
    return release_sql_of(root, catalog, context, bucket, code_sha(script_files(root)))


class _Texts:
    """Metadata from memory."""

    def __init__(self, texts: dict[str, str]) -> None:
        self._texts = texts

    def list(self) -> list[str]:
        """Paths, sorted."""
        return sorted(self._texts)

    def read(self, path: str) -> tuple[str, str]:
        """Text; what version it is does not matter here."""
        return self._texts[path], ""
