"""Metadata → plans → DAG files, for whoever compiles by hand: all or nothing."""

from __future__ import annotations

from pathlib import Path

from idiscover.aws.dag_files import BucketTarget, CompileReport, FolderTarget, Target, generated_files, synchronise
from idiscover.aws.s3 import Bucket
from idiscover.cli.places import is_s3, metadata_reader, read_context, split_s3
from idiscover.errors import ConfigError
from idiscover.metadata.loading import load_catalog
from idiscover.metadata.sql_inventory import SqlInventory
from idiscover.plan.build import build_plans


def compile_dags(
    metadata: str,
    context_place: str,
    out: str,
    code_sha: str,
    dry_run: bool = False,
    sql: SqlInventory | None = None,
) -> CompileReport:
    """Makes the DAG files of `metadata` in `out`. Nothing is written if anything in the metadata is wrong.

    Args:
        metadata: a folder, or an `s3://` prefix.
        context_place: a file, or s3://bucket/key.
        out: a folder, or an `s3://` prefix.
        code_sha: of the PySpark code that the DAGs are to run.
        dry_run: say what would be written, and write nothing.
        sql: what the repository's `sql/` holds; then what statements name has to be in it.

    Raises:
        ConfigError: lists everything that is wrong.
    """
    context = read_context(context_place)
    catalog = load_catalog(metadata_reader(metadata, context.region), sql)
    if not catalog.objects and not catalog.tables:
        # a folder that is not the right one must not take every DAG away
        raise ConfigError(
            "no metadata", where=metadata, expected="objects/*.yaml and tables/*.yaml", remedy="--metadata"
        )
    plans = build_plans(catalog, context, code_sha)
    report = CompileReport(out=out, plans=plans)
    synchronise(generated_files(plans, catalog, context), _target(out, context.region), report, dry_run)
    return report


def _target(out: str, region: str) -> Target:
    if not is_s3(out):
        return FolderTarget(Path(out))
    bucket, prefix = split_s3(out.rstrip("/") + "/")
    return BucketTarget(Bucket(bucket, region), prefix)
