"""Plans from metadata: a pure function, one plan per DAG."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from idiscover.metadata.models import (
    Catalog,
    Context,
    CountryColumn,
    CountryVia,
    Family,
    FieldType,
    ObjectSpec,
    Owner,
    PiiClass,
    TableSpec,
)
from idiscover.metadata.paths import delta_filter_path, object_path, table_path
from idiscover.metadata.table_checks_spec import checks_in_force
from idiscover.plan.columns import column_plan
from idiscover.plan.describe import describe_extraction, describe_load, describe_refresh
from idiscover.plan.model import (
    ConsumerPlan,
    DagHeader,
    ExtractionPlan,
    ItgPlan,
    LoadPlan,
    Plan,
    ReadinessPlan,
    RefreshPlan,
)
from idiscover.plan.reads import daily_read_mode, due_every_days

EMR_POOL = "emr"
_CONDITION_TYPES = frozenset({FieldType.STRING, FieldType.PICKLIST})
BATCH_COLUMNS = ("_read_at_utc", "_batch_id")  # the last two of every file and of every stg table


def build_plans(catalog: Catalog, context: Context, code_sha: str) -> list[Plan]:
    """The plans of all DAGs, sorted by dag_id.

    Args:
        catalog: checked metadata (`metadata.loading.load_catalog`).
        context: the environment that the DAGs run in.
        code_sha: version of the PySpark code under `script/`.
    """
    plans: list[Plan] = []
    for spec in catalog.objects.values():
        plans.append(_extraction(spec, catalog, context, code_sha))
        plans.append(_load(spec, catalog, context))
    plans.extend(_refresh(table, catalog, context) for table in catalog.tables.values())
    return sorted(plans, key=lambda plan: plan.header.dag_id)


def asset_uri(table: str) -> str:
    """URI of the asset of a table, or of `source.<object>` for an object's batches in S3.

    Airflow leaves a scheme that begins with `x-` alone; for any other it imports every provider's URI handlers, in each
    process that imports a DAG file.
    """
    schema, name = table.split(".")
    return f"x-idiscover://{schema}/{name}"


def ready_uri(table: str) -> str:
    """URI of the asset that wakes the refresh of a table: something is ready for it."""
    return f"x-idiscover://ready/{table}"


def target_pool(table: str) -> str:
    """The pool whose one slot is the right to write to `table`: Redshift's write locks are per table."""
    return f"table__{table.replace('.', '__')}"


def dag_id(family: Family, name: str) -> str:
    """`<family>__<object or table>`."""
    return f"{family.value}__{name}"


def _extraction(spec: ObjectSpec, catalog: Catalog, context: Context, code_sha: str) -> ExtractionPlan:
    delta = catalog.delta_filters[spec.object]
    header = _header(
        Family.SFDC_TO_S3,
        spec.object,
        context,
        owner=spec.owner,
        description=f"{spec.salesforce_object} from Salesforce to S3",
        doc_md=describe_extraction(spec, delta),
        wakes_on=(),
        outlet=asset_uri(f"source.{spec.object}"),
        pools={EMR_POOL: context.airflow.emr_pool_slots},
        versions=_versions(catalog, [object_path(spec.object), delta_filter_path(spec.object)]),
    )
    return ExtractionPlan(
        header=header,
        context=context,
        schedule=spec.schedule,
        object=spec.object,
        salesforce_object=spec.salesforce_object,
        operation="queryAll" if spec.has_is_deleted else "query",
        columns=tuple(column_plan(field) for field in spec.fields),
        key=spec.key,
        daily_read_mode=daily_read_mode(spec, delta),
        due_every_days=due_every_days(spec, delta),
        most_gone_percent=delta.most_gone_percent,
        delta_field=delta.field,
        lookback_minutes=delta.lookback_minutes,
        start=_as_utc(delta.start),
        filter=delta.filter,
        country_field=_country_field(spec),
        extraction=spec.extraction,
        cluster_group=spec.cluster_group,
        takes_new_fields=spec.new_fields == "take",
        code_sha=code_sha,
    )


def _country_field(spec: ObjectSpec) -> str | None:
    """The field by which a query can pick records by country: SOQL's IN takes neither multi-select nor long text."""
    if not isinstance(spec.country, CountryColumn):
        return None
    column = spec.country.column
    return next((f.salesforce for f in spec.fields if f.column == column and f.type in _CONDITION_TYPES), None)


def _load(spec: ObjectSpec, catalog: Catalog, context: Context) -> LoadPlan:
    table = f"stg.{spec.object}"
    consumers = _consumers(table, catalog)
    header = _header(
        Family.S3_TO_REDSHIFT,
        spec.object,
        context,
        owner=spec.owner,
        description=f"batches of {spec.object} from S3 to {table}",
        doc_md=describe_load(spec, consumers),
        wakes_on=(asset_uri(f"source.{spec.object}"),),
        outlet=asset_uri(table),
        pools={target_pool(table): 1},
        versions=_versions(catalog, [object_path(spec.object)]),
    )
    return LoadPlan(
        header=header,
        context=context,
        object=spec.object,
        table=table,
        columns=(*(field.column for field in spec.fields), *BATCH_COLUMNS),
        late_columns=tuple(field.column for field in spec.fields if field.since is not None),
        told_columns=(*(field.column for field in spec.fields if field.pii is PiiClass.NONE), *BATCH_COLUMNS),
        key=spec.key,
        consumers=consumers,
        wakes=_wakes(consumers, catalog),
    )


def _refresh(table: TableSpec, catalog: Catalog, context: Context) -> RefreshPlan:
    spec = catalog.objects[table.name] if table.family is Family.STG_TO_ITG else None
    consumers = _consumers(table.table, catalog)
    files = [table_path(table.table)]
    if spec is not None:
        files.append(object_path(spec.object))
        if isinstance(spec.country, CountryVia):
            files.append(object_path(spec.country.object))
    header = _header(
        table.family,
        table.name,
        context,
        owner=table.owner,
        description=f"{table.table}, refreshed slice by slice",
        doc_md=describe_refresh(table, spec, consumers),
        wakes_on=(ready_uri(table.table),),
        outlet=asset_uri(table.table),
        pools={target_pool(table.table): 1},
        versions=_versions(catalog, files),
    )
    return RefreshPlan(
        header=header,
        context=context,
        table=table.table,
        itg=itg_plan(spec) if spec is not None else None,
        inputs=tuple(item.table for item in table.inputs),
        reference_inputs=tuple(item.table for item in table.inputs if item.marks == "reference"),
        consumers=consumers,
        wakes=_wakes(consumers, catalog),
        uses_as_of_date=table.uses_as_of_date,
        cut_off_hours=table.cut_off_hours,
        metadata_key=f"metadata/{table_path(table.table)}",
        statements=table.statements,
        grain=table.grain,
        checks=checks_in_force(table.checks),
        target_pool=target_pool(table.table),
    )


def itg_plan(spec: ObjectSpec) -> ItgPlan:
    """What the SQL around an object's itg table has to know."""
    return ItgPlan(
        object=spec.object,
        key=spec.key,
        version_column=spec.version_column,
        columns=tuple(field.column for field in spec.fields),
        country=spec.country,
        history=spec.history,
    )


def _header(
    family: Family,
    name: str,
    context: Context,
    *,
    owner: Owner,
    description: str,
    doc_md: str,
    wakes_on: tuple[str, ...],
    outlet: str,
    pools: dict[str, int],
    versions: dict[str, str],
) -> DagHeader:
    return DagHeader(
        dag_id=dag_id(family, name),
        family=family,
        description=description,
        doc_md=doc_md,
        owner=owner,
        tags=(family.value, name, context.environment),
        wakes_on=wakes_on,
        outlet=outlet,
        pools=pools,
        metadata_versions=versions,
    )


def _consumers(table: str, catalog: Catalog) -> tuple[ConsumerPlan, ...]:
    """Tables that have `table` among their inputs, sorted by name."""
    return tuple(
        ConsumerPlan(table=consumer.table, marks=item.marks)
        for _, consumer in sorted(catalog.tables.items())
        for item in consumer.inputs
        if item.table == table
    )


def _wakes(consumers: Iterable[ConsumerPlan], catalog: Catalog) -> tuple[ReadinessPlan, ...]:
    tables = [catalog.tables[consumer.table] for consumer in consumers]
    return tuple(
        ReadinessPlan(
            table=table.table, inputs=tuple(item.table for item in table.inputs), cut_off_hours=table.cut_off_hours
        )
        for table in tables
    )


def _versions(catalog: Catalog, paths: Iterable[str]) -> dict[str, str]:
    return {path: catalog.versions[path] for path in sorted(paths) if path in catalog.versions}


def _as_utc(moment: datetime) -> datetime:
    """Metadata's times are UTC whether they say so or not."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
