"""`publish_dags` from a shell, with what it says."""

from __future__ import annotations

from collections.abc import Iterator

from idiscover.aws.airflow_rest import AirflowRest
from idiscover.aws.publishing import PublishReport, publish
from idiscover.cli.metadata_delta import differences
from idiscover.cli.places import is_s3, read_context
from idiscover.lake.keys import context_key, metadata_key
from idiscover.metadata.last_good import MetadataFile


def publish_from_shell(context_place: str, *, allow_deletions: bool, dry_run: bool) -> PublishReport:
    """Publishes the edits in the bucket of an environment; every DAG file is compared.

    Args:
        context_place: a file, or s3://bucket/key. A file says only where the environment's own context lies.
        allow_deletions: take DAGs away, however many.
        dry_run: do nothing.

    Raises:
        ConfigError: as `aws.publishing.publish`.
    """
    context = read_context(context_place)
    uri = context_place if is_s3(context_place) else f"s3://{context.buckets.data}/{context_key(context.environment)}"
    return publish(
        uri,
        context.region,
        lambda environment: AirflowRest(environment).ensure_pools,
        even_if_unchanged=True,
        allow_deletions=allow_deletions,
        dry_run=dry_run,
    )


def described(report: PublishReport, dry_run: bool) -> Iterator[str]:
    """Each edit as a diff from what was in force, then what became of it."""
    for item in report.new_fields:
        yield from item.lines(dry_run)
    for path, (before, now) in report.edits.items():
        yield differences(metadata_key(path), _text(before), _text(now), ("in force", "edited"))
    for edit in report.refused:
        verb = "deletion" if edit.is_deletion else "edit"
        stays = f"version {edit.good.version} stays in force" if edit.good else "it was never published"
        yield f"refused: the {verb} of metadata/{edit.path}; {stays}"
        yield from (f"  {line}" for problem in edit.problems for line in str(problem).splitlines())
    yield from (f"mended: metadata/{path}" for path in report.mended)
    yield from (f"warning: {text}" for text in report.warnings)
    yield f"pools: {len(report.pools)} {'would be ' if dry_run else ''}ensured"
    yield report.files.text(dry_run)


def _text(file: MetadataFile | None) -> str | None:
    return None if file is None or file.content is None else file.content.decode("utf-8", "backslashreplace")
