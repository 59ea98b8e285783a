"""Brings subjects to Tableau after a load: data source, certification, warning, extract. Again, it does nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from psycopg2.extensions import connection as Connection

from idiscover.aws import postgres
from idiscover.aws.job_metadata import open_job_metadata
from idiscover.aws.job_metadata_checks import StoredResult, newest_failures
from idiscover.aws.redshift import WHERE
from idiscover.aws.report_rows import failed_checks
from idiscover.aws.secrets import read_secret
from idiscover.aws.tableau_site import TableauSite, fingerprint_of, tableau_site
from idiscover.errors import ConfigError
from idiscover.metadata.models import Context
from idiscover.metadata.sql_inventory import SqlColumn
from idiscover.metadata.sql_types import normal_type
from idiscover.metadata.subjects import SubjectSpec
from idiscover.metadata.table_columns import ViewColumn, view_columns
from idiscover.plan.tableau import SubjectPlan
from idiscover.tableau.data_source import Warehouse, render_data_source
from idiscover.tableau.notes import Failure, TableState, certification_note, rows_note, stale_warning
from idiscover.warehouse.views import view_of

_COMPARED = """
select status, source_table, source_live_rows, source_high_water_mark_utc, loaded_at_utc
from dm.v_dm_data_freshness
where table_name = %s
"""
# The types of dm's tables as the warehouse has them: on MWAA there is no sql/.
_COLUMNS = """
select a.attname, format_type(a.atttypid, a.atttypmod), not a.attnotnull
from pg_catalog.pg_class as c
inner join pg_catalog.pg_namespace as n on c.relnamespace = n.oid
inner join pg_catalog.pg_attribute as a on c.oid = a.attrelid
where n.nspname = 'dm' and c.relname = %s and a.attnum > 0 and not a.attisdropped
"""


@dataclass(frozen=True)
class Wanted:
    """What Tableau shall have of a subject.

    Attributes:
        environment: that publishes it.
        text: of its data source.
        reader: login to the warehouse that the server keeps; None: viewers are asked for theirs.
        rows: how the note begins; another beginning tells of another load.
        again: publish the text though it stands there.
    """

    subject: SubjectSpec
    environment: str
    text: str
    reader: tuple[str, str] | None
    note: str
    warning: str | None
    rows: str
    again: bool = False

    @property
    def fingerprint(self) -> str:
        """Of all that is published but the password, which could be guessed from it."""
        user = self.reader[0] if self.reader else ""
        return hashlib.sha256(f"{user}\n{self.text}".encode()).hexdigest()[:16]

    @property
    def description(self) -> str:
        """For those who look for a data source."""
        return f"{self.subject.description} Owner: {self.subject.owner.name}."


def publish_subjects(
    plans: Sequence[SubjectPlan], context: Context, tell: Callable[[str], None], again: bool = False
) -> None:
    """Publishes subjects, one after the other.

    Args:
        plans: of the subjects.
        context: of the environment.
        tell: hears a line per subject.
        again: publish the data sources though the same texts stand there, such as after a change of the password.

    Raises:
        ConfigError: the context names no secret for Tableau, or one is wrong; see `tableau_site`. Or the warehouse
            has no table of a subject.
        FatalError, NextRunError, RetriableError: see `tableau_site` and `postgres.transaction`.
    """
    secret = tableau_secret(context)
    wanted = wanted_of(plans, context, reader_of(secret), again)
    with tableau_site(secret, context.tableau) as site:
        project = site.project_id()
        for item in wanted:
            tell(f"{item.subject.title}: {bring(site, project, item)}")


def tableau_secret(context: Context) -> dict[str, str]:
    """The login to Tableau.

    Raises:
        ConfigError: the context names none, or it cannot be read.
    """
    if context.secrets.tableau is None:
        remedy = "make the secret and name it in secrets.tableau"
        raise ConfigError("the context names no login to Tableau", where=context.environment, remedy=remedy)
    return read_secret(context.secrets.tableau, context.region)


def wanted_of(
    plans: Sequence[SubjectPlan], context: Context, reader: tuple[str, str] | None, again: bool = False
) -> list[Wanted]:
    """Asks the warehouse and the job metadata; Tableau is not spoken to meanwhile."""
    with open_job_metadata(context) as metadata:
        failures = newest_failures(metadata)
    login = read_secret(context.secrets.redshift, context.region)
    connection, found = postgres.connect(login, WHERE), []
    warehouse = Warehouse(login["host"], int(login["port"]), login["dbname"])
    try:
        for plan in plans:
            text = render_data_source(plan.subject, _columns(connection, plan), warehouse)
            state = _state(connection, plan.subject.table)
            failed = failures_of(plan, failures)
            told = (certification_note(state, failed), stale_warning(state, failed), rows_note(state))
            found.append(Wanted(plan.subject, context.environment, text, reader, *told, again))
    finally:
        connection.close()
    return found


def bring(site: TableauSite, project: str, wanted: Wanted) -> str:
    """What was done, in words. The text is published if another stands there, an extract refreshed once per load."""
    title, done = wanted.subject.title, "as it was"
    item = site.find(title, project)
    if item is None or wanted.again or fingerprint_of(item) != wanted.fingerprint:
        done = "published" if item is None else "published anew"
        site.publish(title, project, wanted.text, wanted.reader, wanted.description)
        item = site.found(title, project)
    site.warn(item, wanted.warning)
    is_loaded = not (item.certification_note or "").startswith(wanted.rows)
    refreshes = wanted.subject.extract and (done != "as it was" or is_loaded)
    if refreshes:
        site.refresh(item)
    # last, as the note tells the next run that all of it was done for this load
    site.describe(item, wanted.description, wanted.note, wanted.fingerprint, wanted.environment)
    extract = ", extract refreshed" if refreshes else ""
    return f"{done}, certified{extract}{', with a warning' if wanted.warning else ''}"


def reader_of(secret: Mapping[str, str]) -> tuple[str, str] | None:
    """The login to the warehouse that Tableau is to keep; None: viewers are asked for theirs."""
    if "reader_username" not in secret:
        return None
    if "reader_password" not in secret:
        raise ConfigError("Tableau's secret is incomplete", got="reader_username", expected="reader_password beside it")
    return secret["reader_username"], secret["reader_password"]


def failures_of(plan: SubjectPlan, failures: Sequence[StoredResult]) -> list[Failure]:
    """What viewers of a subject are told: failures of its table, and those that have stopped one it is made of.

    Of checks that are declared; those of itg and dm that are not of the subject's concern are left out.
    """
    found = failed_checks(failures, plan.checks)
    table = plan.subject.table
    own = [Failure(item.check, item.severity, item.countries) for item in found if item.table == table]
    stopped = [item for item in found if item.table != table and item.severity == "fail"]
    return [*own, *(Failure(item.check, item.severity, item.countries, item.table) for item in stopped)]


def _state(connection: Connection, table: str) -> TableState | None:
    """Rows and their load as they stand; the comparison with the source only if it is of that load."""
    with postgres.transaction(connection, view_of(table)) as cursor:
        cursor.execute(f"select count(*), max(_loaded_at_utc) from {view_of(table)}")
        rows, loaded_at = cursor.fetchone() or (0, None)
        cursor.execute(_COMPARED, [table])
        compared = cursor.fetchone()
    if compared is None:  # the table of freshness says nothing of itself
        return TableState(table, rows, loaded_at) if rows else None
    status, source, live_rows, high_water_at, compared_load = compared
    if compared_load != loaded_at:
        return TableState(table, rows, loaded_at, source, is_compared=False)
    return TableState(table, rows, loaded_at, source, status, live_rows, high_water_at)


def _columns(connection: Connection, plan: SubjectPlan) -> tuple[ViewColumn, ...]:
    """Of a subject's view, with their types.

    Raises:
        ConfigError: the warehouse has none of them; what is published is not to become a data source without fields.
    """
    table = plan.subject.table
    found = view_columns(plan.columns, _types(connection, table))
    if not {column.name for column in found} & {column.name for column in plan.columns}:
        raise ConfigError(
            "a subject's table is not in the warehouse",
            where=WHERE,
            key=plan.subject.subject,
            got=f"no {table} with the columns of its file",
            expected="a release that has made it",
            remedy="deploy what the metadata say: idiscover deploy",
        )
    return found


def _types(connection: Connection, table: str) -> dict[str, SqlColumn]:
    with postgres.transaction(connection, table) as cursor:
        cursor.execute(_COLUMNS, [table.partition(".")[2]])
        return {name: SqlColumn(_type(kind), is_nullable) for name, kind, is_nullable in cursor.fetchall()}


def _type(text: str) -> str:
    """As `SqlColumn` has it: no blank in the brackets."""
    return normal_type(text).replace(", ", ",")
