"""What `stg_to_itg__…`, `itg_to_dm__…` and `dm_to_dm__…` would do, from their plans alone. Pure."""

from __future__ import annotations

from datetime import date

from idiscover.cli.planning.dag import (
    airflow_section,
    consumers_section,
    document_section,
    status_key_of_a_run,
)
from idiscover.cli.planning.sections import BATCH_ID, RUN_ID, Section, facts
from idiscover.lake.keys import archive_prefix, source_prefix
from idiscover.metadata.statements import Parameter
from idiscover.plan.model import ItgPlan, RefreshPlan
from idiscover.warehouse.checks import Written, failing_sql
from idiscover.warehouse.queries import batches_sql, held_absences_sql, newest_read_sql, stale_slices_sql
from idiscover.warehouse.statements import parse_statement

_ANY_DATE = date(2000, 1, 1)  # stands for the run's
_ANY_COUNTRY = "ZZ"  # stands for those of a unit
_BOUND = {
    Parameter.COUNTRY_CODE: "each country of the unit, one after the other",
    Parameter.AS_OF_DATE: "the newest order date that was claimed",
    Parameter.RUN_ID: "the run's",
}
_SHOWN = ("inputs", "reference_inputs", "statements", "consumers", "cut_off_hours", "metadata_key")
_DOCUMENTS = {
    "slices": "what was claimed, and its units",
    "call_COUNTRIES": "one per unit: its calls",
    "end": "what became of the Ids, what was archived",
    "failure": "if the run fails for good",
    "dry_run": "of a dry run, instead of all others",
}


def refresh_sections(plan: RefreshPlan) -> list[Section]:
    """All that a run of a refresh would send and write, per country of the slices that changed."""
    return [
        Section("inputs", _inputs(plan)),
        Section("units", _units(plan)),
        Section("statements", _statements(plan)),
        *_checks(plan),
        *(_questions(plan.itg) if plan.itg else ()),
        Section("keys in S3", _keys(plan)),
        consumers_section(plan.consumers, plan.wakes),
        airflow_section(plan),
        document_section(plan, _SHOWN),
    ]


def _inputs(plan: RefreshPlan) -> str:
    """Every table that is waited for. What an input marks stands among the consumers of its own plan."""
    rows = [("tables", "\n".join(plan.inputs))]
    if plan.reference_inputs:
        rows.append(("mark slice ZZ alone", "\n".join(plan.reference_inputs)))
    ready = f"once all of them have arrived for an order date, or {plan.cut_off_hours} h after that day's end"
    rows.append(("ready", f"{ready}, by the org's clock; at once after manual runs and backfills"))
    return facts(rows)


def _units(plan: RefreshPlan) -> str:
    rows = [("one unit", "one country: any order of them ends alike")]
    found = "the countries whose winners itg does not hold (see stale slices)"
    if plan.itg is None:
        rows = [("one unit", "one country; those that a move joins are one")]
        found = "the countries that the inputs' changes have marked; every slice at the first refresh and at a mark *"
        if plan.uses_as_of_date:
            found += ", and at a new order date"
    rows.append(("found", found))
    rows.append(("tasks", f"up to {plan.context.airflow.units_per_task} units each, each unit a transaction"))
    return facts(rows)


def _statements(plan: RefreshPlan) -> str:
    """Each CALL as it is configured and as it is sent, its parameters by name."""
    lines = []
    for text in plan.statements:
        sql, _ = parse_statement(text).bind("ZZ", _ANY_DATE, "")
        lines += [text, f"  sent as  {sql}"]
    used = [name for name in Parameter if any(f":{name.value}" in text for text in plan.statements)]
    lines += [f"  %({name.value})s  {_BOUND[name]}" for name in used]
    return "\n".join([*lines, f"read anew by each run from {plan.metadata_key}"])


def _checks(plan: RefreshPlan) -> list[Section]:
    """What each check asks of the slices that were written, of one country as an example."""
    run = Written(plan.table, plan.grain, (_ANY_COUNTRY,), _ANY_DATE, RUN_ID, {_ANY_COUNTRY: 0})
    return [
        Section(
            f"check {check.label}",
            f"{failing_sql(check, run)};",
            "sql",
            summary="the slice is rolled back where a row is found" if check.severity == "fail" else "warns",
        )
        for check in plan.checks
    ]


def _questions(itg: ItgPlan) -> list[Section]:
    """The questions that a run asks of the warehouse."""
    texts = {
        "SQL of stale slices": (stale_slices_sql(itg), "which countries have something to write"),
        "SQL of batches": (batches_sql(itg), "which batches are wholly in place, and may leave stg"),
        "SQL of the newest read": (newest_read_sql(itg), "which read of every Id counts"),
        "SQL of held absences": (held_absences_sql(itg), "whether itg holds records that it does not have"),
    }
    return [Section(title, f"{sql};", "sql", summary=told) for title, (sql, told) in texts.items()]


def _keys(plan: RefreshPlan) -> str:
    rows = [("bucket", plan.context.buckets.data), (plan.metadata_key, "read: the statements of now")]
    rows += [(status_key_of_a_run(plan.header.dag_id, step), text) for step, text in _DOCUMENTS.items()]
    if plan.itg is not None:
        rows.append((source_prefix(plan.itg.object, BATCH_ID), "leaves for archive/ once itg holds all of it"))
        rows.append((archive_prefix(plan.itg.object, BATCH_ID), "its files and its manifest from then on"))
    return facts(rows)
