"""What the report shows, asked of the marts' views and of the job metadata. Sums only: no row of a lab or a person."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
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
# Months that are over by the order date of the data: some records are of the year 4000, or of no month.
_MONTHS = "month in (select month_start from dm.v_dim_date where months_from_as_of between %s and -1)"
_SHOWN, _YEAR = -24, -12

_COUNTRIES = "select iso_country_code, country_name from dm.v_dim_country"
_UPTAKE = f"""
select country_code, month, sum(eligible_patients), sum(tested_patients), sum(positive_patients),
    coalesce(sum(mean_tat_days * tested_patients), 0),
    coalesce(sum(case when mean_tat_days is not null then tested_patients end), 0)
from dm.v_dm_testing_uptake
where {_MONTHS}
group by country_code, month
order by country_code, month
"""
_BIOMARKERS = f"""
select therapeutic_area_name, biomarker_name, sum(eligible_patients), sum(tested_patients),
    coalesce(sum(mean_tat_days * tested_patients), 0),
    coalesce(sum(case when mean_tat_days is not null then tested_patients end), 0)
from dm.v_dm_testing_uptake
where {_MONTHS}
group by therapeutic_area_name, biomarker_name
order by therapeutic_area_name, biomarker_name
"""
_OBJECTIVES = """
select quarter, sum(objectives), sum(objectives_met), sum(objectives_missed), sum(objectives_overdue)
from dm.v_dm_objective_attainment
group by quarter
order by quarter
"""
_COVERAGE = f"""
select country_code, month, sum(labs_covered), sum(labs_visited), sum(visits)
from dm.v_dm_field_coverage
where {_MONTHS}
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
            uptake=[UptakeRow(*row) for row in _ask(cursor, _UPTAKE, _SHOWN)],
            biomarkers=[BiomarkerRow(*row) for row in _ask(cursor, _BIOMARKERS, _YEAR)],
            objectives=[ObjectiveRow(row[0], *map(int, row[1:])) for row in _ask(cursor, _OBJECTIVES)],
            coverage=[CoverageRow(*row) for row in _ask(cursor, _COVERAGE, _SHOWN)],
            freshness=[FreshnessRow(*row) for row in _ask(cursor, _FRESHNESS)],
            failed_checks=failed,
        )


def declared_checks(catalog: Catalog) -> dict[str, tuple[str, ...]]:
    """Table → the checks that are declared of it."""
    return {name: tuple(check.label for check in checks_in_force(spec.checks)) for name, spec in catalog.tables.items()}


def failed_checks(failures: Sequence[StoredResult], declared: Mapping[str, Collection[str]]) -> list[FailedCheck]:
    """A line per check that is declared still, of its newest failures: the countries, and the newest day.

    Args:
        failures: newest results.
        declared: table → its checks.
    """
    found: dict[tuple[str, str], list[StoredResult]] = {}
    for result in failures:
        if result.check.name in declared.get(result.table, ()):
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
