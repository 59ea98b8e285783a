"""Brings this repository to an environment: code, tables and procedures, metadata, DAG files; in that order.

Whatever reads metadata in the bucket finds the tables and procedures that they speak of: a run, and `publish_dags`.

Each step compares first and does only what is needed, so that a deploy may be repeated. What the last deploy brought is
recorded in the bucket (`status/deploy/release.json`): what was edited there since stops the next one, unless it is told
to keep the edits or to overwrite them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from idiscover.aws.airflow_rest import AirflowRest
from idiscover.aws.dag_files import BucketTarget
from idiscover.aws.publish_state import read_state
from idiscover.aws.publishing import EnsurePools, Inputs, Publisher, latest_metadata, read_metadata
from idiscover.aws.release_record import last_release, record_statements, record_template, recorded_statements
from idiscover.aws.s3 import Bucket, LatestVersion
from idiscover.aws.table_migrations import ReleaseSql
from idiscover.cli.context_delta import compare_context
from idiscover.cli.contracting import contract_problems
from idiscover.cli.deployed import requester
from idiscover.cli.metadata_delta import MetadataDelta, checksum, compare, differences
from idiscover.cli.migrating import apply_sql, check_sql, release_checksum
from idiscover.cli.places import read_context, read_entitlements
from idiscover.cli.release_code import code_sha, script_files
from idiscover.errors import ConfigError, RetriableError
from idiscover.lake.keys import RELEASE_KEY, context_key, metadata_key, script_prefix
from idiscover.metadata.context_checks import hashes_have_a_key
from idiscover.metadata.entitlement import Entitlement, entitlement_path
from idiscover.metadata.last_good import MetadataFile, SoundMetadata
from idiscover.metadata.loading import CatalogError, FolderReader, load_catalog, parse_context
from idiscover.metadata.models import Catalog, Context
from idiscover.metadata.paths import is_metadata
from idiscover.metadata.sql_inventory import SqlInventory
from idiscover.warehouse.migration_files import read_migrations
from idiscover.warehouse.procedures import TEMPLATE
from idiscover.warehouse.release import ReleaseStatement, for_analysts, release

JOB_METADATA_DDL = "sql/job_metadata/ddl.sql"
PUBLISH_DAG = "dags/publish_dags.py"


def deploy(
    root: Path,
    context_place: str,
    dry_run: bool = False,
    overwrite: bool = False,
    keep_edits: bool = False,
    ensure_pools: EnsurePools | None = None,
) -> Iterator[str]:
    """Yields one line per step, as it is done; before it stops because of edits in the bucket, their differences.

    Args:
        root: the repository.
        context_place: a file, or s3://bucket/key.
        dry_run: say what would be done, and do nothing.
        overwrite: replace what was edited in the bucket, too.
        keep_edits: leave what was edited in the bucket as it is, and deploy everything else.
        ensure_pools: makes the pools that a DAG needs; Airflow's REST API by default.

    Raises:
        ConfigError: the metadata are wrong, here or with what is kept in the bucket, or a file that was edited in the
            bucket would be overwritten; nothing was deployed then.
        RetriableError: metadata were edited in the bucket while it was at work; a deploy once more compares anew.
    """
    _require_repository(root)
    context = read_context(context_place)
    here = texts_here(root)
    load_catalog(FolderReader(root / "metadata"), SqlInventory.read(root / "sql"))
    bucket = Bucket(context.buckets.data, context.region)
    last = last_release(bucket)
    latest = latest_metadata(bucket)
    there = read_metadata(bucket, latest)
    delta = compare(here, texts_there(there), last, overwrite)
    settings, settings_here, settings_there = compare_context(context_place, context, bucket, last, overwrite)
    if (delta.edits or settings.edits) and not keep_edits:
        for path in delta.edits:
            yield differences(metadata_key(path), here.get(path), texts_there(there).get(path))
        for key in settings.edits:
            yield differences(key, settings_here, settings_there)
        raise _edited([*delta.kept, *settings.kept])
    script = script_files(root)
    sha = code_sha(script)
    in_force, fault = _in_force(context, settings, bucket)
    publisher = _Deployed(in_force, sha, bucket, dry_run, allow_deletions=not keep_edits)
    sound = publisher.preview(delta, there)  # all mistakes before the first change
    release_sql = release_sql_of(root, sound.catalog, in_force, bucket, sha)
    job_ddl = (root / JOB_METADATA_DDL).read_text(encoding="utf-8")
    sql = release_checksum(release_sql, job_ddl)
    if last.get("sql") != sql:
        yield from check_sql(context, release_sql, dry_run)
    yield _upload_script(script, bucket, sha, dry_run)
    still = partial(_require_still, bucket, latest)
    record = partial(_record_sql, bucket, release_sql, root)
    if last.get("sql") == sql:
        yield f"tables and procedures: unchanged ({len(release_sql.statements)} statements)"
        if not dry_run:
            still()
            record()  # unless they stand there
    else:
        last = _forget_sql(bucket, last, dry_run)
        yield from apply_sql(context, release_sql, job_ddl, dry_run, still, record)
    publisher.sql = sql
    _record_uploading(bucket, last, {**delta.write, **settings.write}, delta.delete, dry_run)
    if not dry_run:
        still()
    yield _upload_metadata(bucket, delta, dry_run)
    yield _upload_context(context, settings, bucket, dry_run)
    if fault is not None:
        yield f"the context as edited in the bucket is faulty, the DAGs get that of {context_place}: {fault}"
    yield from publisher.publish(ensure_pools, is_final=fault is None)
    yield _upload_publish_dag(root, context, dry_run)
    now = {"code_sha": sha, "metadata": delta.hashes, "context": settings.hashes, "sql": sql}
    now["recorded_sql"] = sql  # outlives `_forget_sql`: for publish_dags, whose edits wait for what was released
    _record(bucket, now, dry_run)


def _require_still(bucket: Bucket, latest: Mapping[str, LatestVersion]) -> None:
    """The metadata in the bucket are those that were compared.

    Raises:
        RetriableError: somebody has edited one since, or `publish_dags` has taken up a field of the org.
    """
    now = {path: item.version for path, item in latest_metadata(bucket).items()}
    then = {path: item.version for path, item in latest.items()}
    if changed := sorted(path for path in {*now, *then} if now.get(path) != then.get(path)):
        raise RetriableError(
            "metadata were edited in the bucket while this deploy was at work",
            where=bucket.uri(metadata_key("")),
            got=", ".join(changed),
            expected="what was compared when it began",
            remedy="deploy again: it compares anew",
        )


def _record_sql(bucket: Bucket, sql: ReleaseSql, root: Path) -> None:
    record_statements(bucket, sql.statements)
    record_template(bucket, (root / "sql" / TEMPLATE).read_text(encoding="utf-8"))


def release_sql_of(root: Path, catalog: Catalog, context: Context, bucket: Bucket, sha: str) -> ReleaseSql:
    """What the repository has for the warehouse, beside what the last release had.

    Raises:
        ConfigError: a migration is not as it has to be, or the views break their contract.
    """
    sql = root / "sql"
    if broken := contract_problems(catalog, sql):  # by an edit in the bucket that is kept; the repository's are linted
        raise CatalogError(broken, "views of dm")
    statements = for_analysts(release(catalog, sql), catalog, sql, context.redshift.analyst_role)
    entitlements = entitlements_of(root, context.environment)
    return ReleaseSql(statements, read_migrations(sql), _recorded(bucket), requester(), sha, entitlements=entitlements)


def _recorded(bucket: Bucket) -> list[ReleaseStatement] | None:
    """SQL of the last release; None where nothing tells it. What cannot be read, a deploy writes anew."""
    try:
        return recorded_statements(bucket)
    except ConfigError:
        return None


def entitlements_of(root: Path, environment: str) -> tuple[Entitlement, ...]:
    """Who may see which country there; nobody, where the environment has no such file.

    Raises:
        ConfigError: a row is not as it has to be.
    """
    path = entitlement_path(f"context/{environment}.yaml")
    return read_entitlements(root, path) if (root / path).is_file() else ()


class _Deployed:
    """The last step of a deploy: pools and DAG files, as `publish_dags` makes them."""

    def __init__(self, context: Context, sha: str, bucket: Bucket, dry_run: bool, allow_deletions: bool) -> None:
        self._context, self._sha, self._bucket = context, sha, bucket
        self._dry_run, self._allow_deletions = dry_run, allow_deletions
        self._target = BucketTarget(Bucket(context.buckets.dags, context.region))
        self._publisher: Publisher | None = None
        self.sql = ""  # checksum of what is released; known once the metadata are

    def preview(self, delta: MetadataDelta, there: Mapping[str, MetadataFile]) -> SoundMetadata:
        """The metadata that are to be in force.

        Raises:
            CatalogError: something is wrong with them that is no edit in the bucket, or the context lacks a setting
                that they need.
        """
        coming = {
            path: MetadataFile(text.encode("utf-8", "surrogateescape"), "to be uploaded")
            for path, text in delta.result.items()
        }
        stays = {path: file for path, file in there.items() if path in coming and coming[path].content == file.content}
        current = {**coming, **stays}
        self._publisher = self._over(current, "", before_release=True)
        sound = self._publisher.resolve(allow_deletions=self._allow_deletions)
        if wrong := [problem for edit in sound.refused if edit.path not in delta.edits for problem in edit.problems]:
            raise CatalogError(wrong)
        if keyless := list(hashes_have_a_key(self._context, sound.catalog)):
            raise CatalogError([fault.at(context_key(self._context.environment)) for fault in keyless], "context")
        return sound

    def publish(self, ensure_pools: EnsurePools | None, is_final: bool) -> Iterator[str]:
        """Yields what was done; where that is not `is_final`, `publish_dags` has to look once more."""
        publisher = self._publisher if self._dry_run else self._over(*self._as_uploaded())
        assert publisher is not None
        report = publisher.publish(ensure_pools or _pools_of(self._context), allow_deletions=self._allow_deletions)
        yield f"pools: {len(report.pools)} {_done('ensured', self._dry_run)}"
        yield report.files.text(self._dry_run)
        for edit in report.refused:
            yield f"refused, as edited in the bucket: {edit.path}; its DAGs stay as they were"
        if is_final and not report.refused and not publisher.has_to_tell:
            publisher.record(report)  # else publish_dags has mails to send first

    def _as_uploaded(self) -> tuple[dict[str, MetadataFile], str]:
        # what is written names the versions that the bucket gave to the files
        key = context_key(self._context.environment)
        version = self._bucket.read_text_version(key)[1] if self._bucket.exists(key) else ""
        return read_metadata(self._bucket, latest_metadata(self._bucket)), version

    def _over(
        self, current: Mapping[str, MetadataFile], context_version: str, before_release: bool = False
    ) -> Publisher:
        inputs = Inputs(self._context, context_version, self._sha, self.sql, current)
        state = read_state(self._bucket, self._target)
        return Publisher(
            inputs, state, self._bucket, self._target, dry_run=self._dry_run, before_release=before_release
        )


def _pools_of(context: Context) -> EnsurePools:
    return lambda pools: AirflowRest(context).ensure_pools(pools)


def _in_force(context: Context, settings: MetadataDelta, bucket: Bucket) -> tuple[Context, ConfigError | None]:
    """The context that runs will read; the repository's, and what is wrong, where an edit that is kept is faulty."""
    for key in settings.edits:
        try:
            return parse_context(settings.result.get(key, ""), bucket.uri(key)), None
        except ConfigError as error:
            return context, error
    return context, None


def _edited(kept: Sequence[str]) -> ConfigError:
    return ConfigError(
        "metadata were edited in the bucket since the last release",
        where="metadata/ and context/ of the bucket",
        got=", ".join(kept),
        expected="what the last release brought",
        remedy="bring the edits here: idiscover pull; or keep them there: --keep-edits; or discard them: --overwrite",
    )


def _require_repository(root: Path) -> None:
    if not (root / "metadata").is_dir() or not (root / JOB_METADATA_DDL).is_file():
        raise ConfigError(
            "this is not the repository",
            where=str(root),
            expected="metadata/, sql/ and emr_jobs/ in it",
            remedy="run it in the repository, or name it: --root",
        )


def texts_here(root: Path) -> dict[str, str]:
    """Path → text of each metadata file of the repository; what an editor leaves beside them is none."""
    reader = FolderReader(root / "metadata")
    return {path: reader.read(path)[0] for path in reader.list() if is_metadata(path)}


def texts_there(files: Mapping[str, MetadataFile]) -> dict[str, str]:
    """Path → text of each metadata file of the bucket; a byte that is not UTF-8 stands as an escape."""
    return {
        path: file.content.decode("utf-8", "surrogateescape")
        for path, file in files.items()
        if file.content is not None
    }


def _record(bucket: Bucket, now: dict[str, Any], dry_run: bool) -> None:
    """Compared with what stands: a deploy that only discards edits ends as it began, but for `uploading`."""
    if not dry_run and last_release(bucket) != now:
        _write_release(bucket, now)


def _write_release(bucket: Bucket, release_record: Mapping[str, Any]) -> None:
    bucket.write_text(RELEASE_KEY, json.dumps(release_record, indent=2, sort_keys=True))


def _forget_sql(bucket: Bucket, last: dict[str, Any], dry_run: bool) -> dict[str, Any]:
    """Until this deploy has ended nobody knows whose procedures stand: after one that was killed, the next runs all.

    From now on `publish_dags` waits; written again by a deploy after one that was killed, so that it waits for that.
    """
    rest = {"uploading": {}, **{name: value for name, value in last.items() if name != "sql"}}
    if not dry_run:
        _write_release(bucket, rest)
    return rest


def _upload_script(script: dict[str, bytes], bucket: Bucket, sha: str, dry_run: bool) -> str:
    prefix = script_prefix(sha)
    standing = set(bucket.list(prefix))
    missing = {name: content for name, content in script.items() if prefix + name not in standing}
    if not dry_run:
        for name, content in missing.items():
            bucket.write_bytes(prefix + name, content)
    return f"code: {bucket.uri(prefix)}, {_files(len(missing))} {_done('uploaded', dry_run)}"


def _record_uploading(
    bucket: Bucket, last: dict[str, Any], write: Mapping[str, str], delete: Sequence[str], dry_run: bool
) -> None:
    """Written down before, so that what a killed deploy has uploaded is not taken for an edit by the next.

    Written anew by that next one, though it has nothing left to upload: `publish_dags` waits from then on.
    """
    killed: dict[str, str] = last.get("uploading", {})
    if not dry_run and (write or delete or "uploading" in last):
        uploading = {**killed, **{path: checksum([text]) for path, text in write.items()}}
        _write_release(bucket, {**last, "uploading": uploading})


def _upload_metadata(bucket: Bucket, delta: MetadataDelta, dry_run: bool) -> str:
    """Uploads and deletes; the line to show. What was edited in the bucket since stays as it is."""
    if not dry_run:
        for path, text in delta.write.items():
            bucket.write_text(metadata_key(path), text, "application/yaml")
        bucket.delete([metadata_key(path) for path in delta.delete])
    line = f"metadata: {_files(len(delta.result))}, {len(delta.write)} {_done('uploaded', dry_run)}"
    if delta.delete:
        line += f", {len(delta.delete)} {_done('deleted', dry_run)}: {', '.join(delta.delete)}"
    return line + (f"; kept as edited in the bucket: {', '.join(delta.kept)}" if delta.kept else "")


def _upload_context(context: Context, settings: MetadataDelta, bucket: Bucket, dry_run: bool) -> str:
    uri = bucket.uri(context_key(context.environment))
    for key, text in settings.write.items():
        if not dry_run:
            bucket.write_text(key, text, "application/yaml")
        return f"context: {uri} {_done('uploaded', dry_run)}"
    return f"context: {uri} " + ("kept as edited in the bucket" if settings.edits else "unchanged")


def _upload_publish_dag(root: Path, context: Context, dry_run: bool) -> str:
    """After its plan, which is written with the generated files."""
    bucket, text = Bucket(context.buckets.dags, context.region), (root / PUBLISH_DAG).read_text(encoding="utf-8")
    if bucket.exists(PUBLISH_DAG) and bucket.read_text(PUBLISH_DAG) == text:
        return f"publish_dags: {bucket.uri(PUBLISH_DAG)} unchanged"
    if not dry_run:
        bucket.write_text(PUBLISH_DAG, text, "text/plain; charset=utf-8")
    return f"publish_dags: {bucket.uri(PUBLISH_DAG)} {_done('uploaded', dry_run)}"


def _files(count: int) -> str:
    return f"{count} file{'' if count == 1 else 's'}"


def _done(verb: str, dry_run: bool) -> str:
    return f"would be {verb}" if dry_run else verb
