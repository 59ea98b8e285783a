"""The documentation that a DAG shows in the UI: Markdown made from metadata."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from idiscover.metadata.models import (
    CountryColumn,
    CountryVia,
    DeltaFilter,
    ExtractionSettings,
    FieldSpec,
    ObjectSpec,
    Protection,
    TableSpec,
)
from idiscover.metadata.table_checks_spec import checks_in_force
from idiscover.plan.columns import column_plan
from idiscover.plan.model import ColumnPlan, ConsumerPlan, ExtractionPlan
from idiscover.plan.reads import daily_read_mode, describe_daily_read, due_every_days

_PROTECTED = {Protection.HASH: "hashed", Protection.MASK: "masked"}


def describe_extraction(spec: ObjectSpec, delta: DeltaFilter) -> str:
    """Documentation of `sfdc_to_s3__<object>`."""
    deleted = "seen as deleted (queryAll)" if spec.has_is_deleted else "not seen (the object has no IsDeleted)"
    conditions = "; ".join(f"`{c.field} {c.op} {c.value!r}`" for c in delta.filter) or "none"
    facts = [
        ("Object", f"`{spec.salesforce_object}`"),
        ("Grain", spec.grain),
        ("Owner", _owner(spec)),
        ("Schedule", f"`{spec.schedule}` (UTC)"),
        ("Delta", _delta(delta)),
        ("Filter", conditions),
        ("A day's run reads", describe_daily_read(daily_read_mode(spec, delta), due_every_days(spec, delta))),
        ("Records in the bin", deleted),
        ("Broken rows", describe_quarantine(spec.extraction)),
        *([("Cluster", describe_group(spec.cluster_group))] if spec.cluster_group else []),
        ("Country", _country(spec)),
        ("Writes", f"`source/{spec.object}/<batch>/`, announced as `x-idiscover://source/{spec.object}`"),
    ]
    return _page(f"{spec.salesforce_object} → S3", spec.description, facts, _columns(spec.fields))


def describe_load(spec: ObjectSpec, consumers: Sequence[ConsumerPlan]) -> str:
    """Documentation of `s3_to_redshift__<object>`."""
    facts = [
        ("Grain", f"{spec.grain}, per batch"),
        ("Owner", _owner(spec)),
        ("Schedule", f"when a batch of {spec.object} has arrived in S3"),
        ("Inputs", f"`source/{spec.object}/`"),
        ("Consumers", _consumers(consumers)),
    ]
    return _page(f"S3 → stg.{spec.object}", spec.description, facts, _columns(spec.fields))


def describe_refresh(table: TableSpec, spec: ObjectSpec | None, consumers: Sequence[ConsumerPlan]) -> str:
    """Documentation of a DAG that refreshes a table of itg or dm; `spec` is there for itg."""
    facts = [
        ("Grain", ", ".join(f"`{column}`" for column in table.grain)),
        ("Owner", _owner(table)),
        ("Schedule", f"when its inputs have arrived, at the latest {table.cut_off_hours} h after the order date's end"),
        ("Inputs", ", ".join(f"`{item.table}` (marks {item.marks})" for item in table.inputs)),
        ("Consumers", _consumers(consumers)),
        ("As-of date", "a new order date changes every slice" if table.uses_as_of_date else "not used"),
    ]
    if spec is not None:
        facts.append(("Country", _country(spec)))
    statements = "### Statements\n\nRun for each stale country, in one transaction:\n\n```sql"
    parts = [f"{statements}\n" + "\n".join(table.statements) + "\n```"]
    parts.append(_checks(table))
    if spec is not None:
        parts.append(_columns(spec.fields))
    return _page(table.table, table.description, facts, *parts)


def _checks(table: TableSpec) -> str:
    rows = [f"| `{check.label}` | {check.kind} | {check.severity} |" for check in checks_in_force(table.checks)]
    head = "### Checks\n\nOf the slices that a refresh has written, before it is committed:\n\n"
    return head + "\n".join(["| check | kind | severity |\n|---|---|---|", *rows])


def _page(title: str, description: str, facts: Iterable[tuple[str, str]], *parts: str) -> str:
    rows = "\n".join(f"| {name} | {_cell(value)} |" for name, value in facts)
    return "\n\n".join([f"## {title}", description, f"| | |\n|---|---|\n{rows}", *parts]) + "\n"


def _columns(fields: Iterable[FieldSpec]) -> str:
    rows = [
        f"| `{item.column}` | `{item.salesforce}` | {describe_values(column_plan(item))} | {item.pii.value}"
        f" | {_cell(item.description)} |"
        for item in fields
    ]
    head = "### Columns\n\n| column | Salesforce | type | PII | meaning |\n|---|---|---|---|---|"
    return "\n".join([head, *rows])


def describe_values(column: ColumnPlan) -> str:
    """Type and size of a column's values, and what is done to them: `email(80), trimmed, hashed`."""
    sizes = [size for size in (column.length, column.precision, column.scale) if size is not None]
    size = f"({', '.join(map(str, sizes))})" if sizes else ""
    rules = [*(["trimmed"] if column.trim else []), *([_PROTECTED[column.protect]] if column.protect else [])]
    formula = ["formula"] if column.calculated else []
    return ", ".join([f"{column.type.value}{size}", *formula, *rules])


def describe_quarantine(settings: ExtractionSettings) -> str:
    """What becomes of rows that break their contract."""
    limit = settings.quarantine_limit
    fails = "any of them fails the run" if limit == 0 else f"more than {limit:,} in a read fail the run"
    return f"rows that break their contract go to quarantine/, with the reason; {fails}"


def describe_cluster(plan: ExtractionPlan) -> str:
    """The cluster that a run will use, in a line."""
    emr = plan.context.emr
    size = f"{emr.release_label}, {emr.instance_type}, 1 primary + {emr.core_instances} core"
    return f"{size}; {describe_group(plan.cluster_group)}" if plan.cluster_group else size


def describe_group(cluster_group: str) -> str:
    """Whose cluster a run uses that has none of its own."""
    return f"shared by the group {cluster_group}: made by the first run that needs it, ended by the last"


def _country(spec: ObjectSpec) -> str:
    if isinstance(spec.country, CountryColumn):
        return f"its own `{spec.country.column}`"
    if isinstance(spec.country, CountryVia):
        return f"that of the {spec.country.object} in `{spec.country.column}`"
    return "none: reference data in slice ZZ"


def _consumers(consumers: Sequence[ConsumerPlan]) -> str:
    return ", ".join(f"`{consumer.table}`" for consumer in consumers) or "none"


def _delta(delta: DeltaFilter) -> str:
    if delta.field is None:
        return "none: the records have no time of their last change"
    return f"`{delta.field}`, read again for {delta.lookback_minutes} minutes back"


def _owner(spec: ObjectSpec | TableSpec) -> str:
    return f"{spec.owner.name} <{spec.owner.email}>"


def _cell(text: str) -> str:
    """`text` inside a Markdown table: on one line, without column marks."""
    return " ".join(text.split()).replace("|", "\\|")
