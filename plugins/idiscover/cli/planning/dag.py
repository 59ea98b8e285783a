"""What is shown of any DAG, whatever its family. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from idiscover.cli.planning.sections import RUN_ID, Section, as_json, facts
from idiscover.lake.keys import status_key
from idiscover.plan.model import ConsumerPlan, Plan, ReadinessPlan
from idiscover.plan.picture import tasks_of

_PLACEHOLDER = "RUN-ID"  # `status_key` makes a path segment of a run's id, and would not let `<run_id>` through


def status_key_of_a_run(dag_id: str, step: str) -> str:
    """Where a step's document lies, for any run; COUNTRIES in the step's name stands for those of a unit."""
    key = status_key(dag_id, _PLACEHOLDER, step)
    return key.replace(f"/{_PLACEHOLDER}/", f"/{RUN_ID}/").replace("COUNTRIES", "<countries>")


def airflow_section(plan: Plan, schedule: str = "") -> Section:
    """Tasks, pools, assets, owner and retries.

    Args:
        plan: the DAG's.
        schedule: its cron expression, where it has one.
    """
    header, airflow = plan.header, plan.context.airflow
    rows = [("tasks", " >> ".join(tasks_of(plan)))]
    if schedule:
        starts = "" if airflow.schedules_start_runs else "; in this environment schedules start nothing"
        rows.append(("schedule", f"{schedule} (UTC){starts}"))
    for uri in header.wakes_on:
        rows.append(("woken by", uri))
    rows.append(("emits", header.outlet))
    for pool, slots in sorted(header.pools.items()):
        rows.append(("pool", f"{pool}, {slots} slot{'' if slots == 1 else 's'}"))
    rows.append(("retries", f"{airflow.retries}, {airflow.retry_delay_seconds} s apart, doubling"))
    rows.append(("owner", f"{header.owner.name} <{header.owner.email}>"))
    rows.append(("tags", ", ".join(header.tags)))
    return Section("Airflow", facts(rows))


def consumers_section(consumers: Sequence[ConsumerPlan], wakes: Sequence[ReadinessPlan]) -> Section:
    """The tables that are computed from this one, what a change makes stale in them, and when they are woken."""
    if not consumers:
        return Section("consumers", "none")
    waits = {item.table: item for item in wakes}
    rows = []
    for consumer in consumers:
        text = f"marks: {consumer.marks} ({describe_marks(consumer.marks)})"
        if consumer.table in waits:
            wake = waits[consumer.table]
            text += f"\nwoken once {_inputs(wake)}, or {wake.cut_off_hours} h after the day's end"
        rows.append((consumer.table, text))
    return Section("consumers", facts(rows))


def _inputs(wake: ReadinessPlan) -> str:
    if len(wake.inputs) == 1:
        return f"{wake.inputs[0]} has arrived"
    return f"{', '.join(wake.inputs[:-1])} and {wake.inputs[-1]} have arrived"


def describe_marks(marks: str) -> str:
    """What a change of an input makes stale, in a few words."""
    return {
        "same": "the slices that changed",
        "all": "every slice once a row of ZZ changed, else those that changed",
        "reference": "slice ZZ, whatever changed",
    }[marks]


def document_section(plan: Plan, shown: Collection[str]) -> Section:
    """All of the plan that no other section says: documentation, tags, the environment's settings, and what is new.

    Versions of the metadata files are left out: a folder and a bucket name them in different ways.

    Args:
        plan: the DAG's.
        shown: keys of the plan that other sections show.
    """
    document = plan.model_dump(mode="json", exclude=set(shown))
    del document["header"]["metadata_versions"]
    return Section("documentation, settings", as_json(document), "json", summary="the rest of the DAG's plan")
