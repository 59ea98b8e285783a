"""What `s3_to_redshift__<object>` would do, from its plan alone. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from idiscover.cli.planning.dag import airflow_section, consumers_section, document_section, status_key_of_a_run
from idiscover.cli.planning.sections import BATCH_ID, Section, as_json, facts
from idiscover.lake.keys import manifest_key, source_prefix
from idiscover.plan.model import LoadPlan
from idiscover.warehouse.copy import copy_manifest, copy_sql

_ROWS, _IDS = "copy_manifest", "copy_manifest_ids"
_DOCUMENTS = {
    _ROWS: "the COPY manifest of rows",
    _IDS: "and of Ids",
    "copy": "what was copied",
    "reconcile": "what was counted anew",
    "end": "which batches are loaded",
    "failure": "if the run fails for good",
    "dry_run": "of a dry run, instead of all others",
}


def load_sections(plan: LoadPlan) -> list[Section]:
    """All that a run of a load would send and write; it takes every pending batch of the object."""
    return [
        Section("transaction", _transaction(plan)),
        *_copy(plan, "rows", _ROWS, plan.table, plan.columns, "part"),
        *_copy(plan, "Ids", _IDS, plan.ids_table, (plan.key, "_batch_id"), "ids"),
        Section("keys in S3", _keys(plan)),
        consumers_section(plan.consumers, plan.wakes),
        airflow_section(plan),
        document_section(plan, ("columns", "consumers")),
    ]


def _transaction(plan: LoadPlan) -> str:
    return facts(
        [
            ("takes", f"every pending batch of {plan.object} that stg.batch_load does not have"),
            ("runs", f"lock {plan.table}; COPY of rows; COPY of Ids; a row per batch into stg.batch_load; commit"),
            ("counted", "manifest = COPY = stg, per batch, before the commit; by reconcile anew"),
            ("then", f"job metadata: the batches are loaded, and {plan.table} has arrived at its consumers"),
        ]
    )


def _copy(
    plan: LoadPlan, what: str, document: str, table: str, columns: Sequence[str], file: str
) -> tuple[Section, Section]:
    """The COPY manifest, for a file that a run would find, and the COPY that reads it."""
    context = plan.context
    bucket = f"s3://{context.buckets.data}/"
    key = status_key_of_a_run(plan.header.dag_id, document)
    manifest = copy_manifest([(f"{bucket}{source_prefix(plan.object, BATCH_ID)}{file}-<page>.csv.gz", 0)])
    for entry in manifest["entries"]:
        entry["meta"] = {"content_length": "<bytes>"}
    copy = copy_sql(table, columns, f"{bucket}{key}", context.redshift.copy_role_arn, context.region)
    return (
        Section(f"COPY manifest of {what}", as_json(manifest), "json"),
        Section(f"COPY of {what}", f"{copy};", "sql"),
    )


def _keys(plan: LoadPlan) -> str:
    manifest = manifest_key(source_prefix(plan.object, BATCH_ID))
    rows = [("bucket", plan.context.buckets.data), (manifest, "read, and the files that it names")]
    rows += [(status_key_of_a_run(plan.header.dag_id, step), text) for step, text in _DOCUMENTS.items()]
    return facts(rows)
