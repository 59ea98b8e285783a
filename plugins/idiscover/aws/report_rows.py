"""What the report shows, asked of the marts' views and of the job metadata. Sums only: no row of a lab or a person."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from idiscover.aws.job_metadata_checks import StoredResult
from idiscover.aws.postgres import transaction
from idiscover.metadata.models import Catalog
from idiscover.metadata.table_checks_spec import checks_in_force
from idiscover.report.figures import (
    BiomarkerRow,
    CoverageRow,
    FailedCheck,
    Figures,
    FreshnessRow,
    ObjectiveRow,
    UptakeRow,
)

_WHERE = "the marts' views"
_UNKNOWN_MONTH = date(1900, 1, 1)

_COUNTRIES = "select iso_country_code, country_name from dm.v_dim_country"
_UPTAKE = """
select country_code, month, sum(eligible_patients), sum(tested_patients), sum(positive_patients),
    coalesce(sum(mean_tat_days * tested_patients), 0),
    coalesce(sum(case when mean_tat_days is not null then tested_patients end), 0)
from dm.v_dm_testing_uptake
where month > %s
group by country_code, month
order by country_code, month
"""
_BIOMARKERS = """
select therapeutic_area_name, biomarker_name, sum(eligible_patients), sum(tested_patients),
    coalesce(sum(mean_tat_days * tested_patients), 0),
    coalesce(sum(case when mean_tat_days is not null then tested_patients end), 0)
from dm.v_dm_testing_uptake
where month > %s
    and month > (select add_months(max(month), -12) from dm.v_dm_testing_uptake)
group by therapeutic_area_name, biomarker_name
order by therapeutic_area_name, biomarker_name
"""
_OBJECTIVES = """
select quarter, sum(objectives), sum(objectives_met), sum(objectives_missed), sum(objectives_overdue)
from dm.v_dm_objective_attainment
group by quarter
order by quarter
"""
_COVERAGE = """
select country_code, month, sum(labs_covered), sum(labs_visited), sum(visits)
from dm.v_dm_field_coverage
group by country_code, month
order by country_code, month
"""
_FRESHNESS = """
select table_name, status, table_rows, source_high_water_mark_utc, loaded_at_utc
from dm.v_dm_data_freshness
order by table_name
"""


def read_figures(connection: Connection, environment: str, failed: Sequence[FailedCheck]) -> Figures:
    """Asks the views, all at one moment.

    Args:
        connection: to the warehouse.
        environment: its name.
        failed: checks whose newest outcome is a failure.

    Raises:
        FatalError: a view is not there, or may not be read.
        RetriableError: see `postgres.transaction`.
    """
    with transaction(connection, _WHERE) as cursor:
        return Figures(
            environment=environment,
            made_at_utc=datetime.now(UTC).replace(tzinfo=None),
            countries=dict(_ask(cursor, _COUNTRIES)),
            uptake=[UptakeRow(*row) for row in _ask(cursor, _UPTAKE, _UNKNOWN_MONTH)],
            biomarkers=[BiomarkerRow(*row) for row in _ask(cursor, _BIOMARKERS, _UNKNOWN_MONTH)],
            objectives=[ObjectiveRow(row[0], *map(int, row[1:])) for row in _ask(cursor, _OBJECTIVES)],
            coverage=[CoverageRow(*row) for row in _ask(cursor, _COVERAGE)],
            freshness=[FreshnessRow(*row) for row in _ask(cursor, _FRESHNESS)],
            failed_checks=failed,
        )


def failed_checks(failures: Sequence[StoredResult], catalog: Catalog) -> list[FailedCheck]:
    """A line per check that is declared still, of its newest failures: the countries, and the newest day."""
    declared = {(name, check.label) for name, spec in catalog.tables.items() for check in checks_in_force(spec.checks)}
    found: dict[tuple[str, str], list[StoredResult]] = {}
    for result in failures:
        if (result.table, result.check.name) in declared:
            found.setdefault((result.table, result.check.name), []).append(result)
    return [
        FailedCheck(
            table=table,
            check=name,
            severity=results[0].check.severity,
            order_date=max(result.order_date for result in results),
            countries=tuple(sorted(result.country_code for result in results)),
        )
        for (table, name), results in sorted(found.items())
    ]


def _ask(cursor: Cursor, query: str, *values: object) -> list[tuple[Any, ...]]:
    cursor.execute(query, values)
    return cursor.fetchall()
