"""What a deploy does in the databases: checked first, then applied; each line is for people."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from idiscover.aws.job_metadata import JobMetadata, open_job_metadata
from idiscover.aws.table_migrations import Migrator, ReleaseSql, planned_from_record, read_plan, tables_alone
from idiscover.cli.metadata_delta import checksum
from idiscover.metadata.models import Context
from idiscover.warehouse.migration_plan import described, planned_lines
from idiscover.warehouse.table_changes import ChangeKind


def release_checksum(sql: ReleaseSql, job_ddl: str) -> str:
    """Of all that a release has for the databases."""
    texts = [*(statement.sql for statement in sql.statements), *(file.checksum for file in sql.files), job_ddl]
    texts += [f"{item.user_name},{item.country_code}" for item in sql.entitlements]
    return checksum(texts)


def check_sql(context: Context, sql: ReleaseSql, dry_run: bool) -> Iterator[str]:
    """Yields what needs a migration that nobody has written, before it stops for that; else nothing.

    Args:
        context: the environment.
        sql: of the release.
        dry_run: by the record of the release before, not by the warehouse: who only plans has no login.

    Raises:
        ConfigError: tables have to change in a way that no file says, or files are not those that were applied.
        RetriableError: the warehouse does not answer.
    """
    plan = planned_from_record(sql) if dry_run else read_plan(context, sql)
    if plan is not None:
        yield from planned_lines(plan.uncovered)
        plan.require_covered()


def apply_sql(
    context: Context,
    sql: ReleaseSql,
    job_ddl: str,
    dry_run: bool,
    require: Callable[[], None],
    record: Callable[[], None],
) -> Iterator[str]:
    """Yields a line for each thing that was done, or would be, in the job metadata and in the warehouse.

    Args:
        context: the environment.
        sql: of the release.
        job_ddl: tables of the job metadata.
        dry_run: say what would be done, and do nothing.
        require: raises if something has come between; asked before anything is done, alone with the tables.
        record: writes down what stands now; so too.

    Raises:
        ConfigError, RetriableError, FatalError, DataQualityError: see `Migrator.run`; what `require` raises.
    """
    if dry_run:
        yield from _from_record(sql)
        return
    with open_job_metadata(context) as metadata, tables_alone(metadata):
        require()
        _job_tables(metadata, job_ddl)
        for line in Migrator(context, sql).run():
            metadata.require_locks()  # the lock goes with its connection, and the next step would not be alone
            yield line
        record()


def _job_tables(metadata: JobMetadata, ddl: str) -> None:
    with metadata.transaction() as cursor:
        cursor.execute(ddl)


def _from_record(sql: ReleaseSql) -> Iterator[str]:
    plan = planned_from_record(sql)
    if plan is not None:
        for change in plan.automatic:
            if change.kind is not ChangeKind.CREATE_TABLE:
                yield f"would be done by itself: {described(change)}"
        yield from (f"would be filled: {fill.described}" for fill in plan.fills)
    yield f"tables and procedures: {len(sql.statements)} statements would be run"
