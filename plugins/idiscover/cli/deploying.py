"""Brings this repository to an environment: code, metadata, tables and procedures, DAG files; in that order.

Each step compares first and does only what is needed, so that a deploy may be repeated. What the last deploy brought is
recorded in the bucket (`status/deploy/release.json`): what was edited there since is kept, and said.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from idiscover.aws import postgres
from idiscover.aws.redshift import transaction
from idiscover.aws.s3 import Bucket, S3Reader
from idiscover.aws.secrets import read_secret
from idiscover.cli.compiling import compile_dags
from idiscover.cli.metadata_delta import MetadataDelta, PreviewReader, checksum, compare
from idiscover.cli.places import read_context
from idiscover.cli.release_code import code_sha, script_files
from idiscover.errors import ConfigError
from idiscover.lake.keys import context_key, metadata_key, script_prefix
from idiscover.metadata.loading import FolderReader, Reader, load_catalog
from idiscover.metadata.models import Context
from idiscover.warehouse.release import ReleaseStatement, release

RELEASE_KEY = "status/deploy/release.json"
STATEMENTS_KEY = "status/deploy/statements.json"  # name → SQL of the last release: `idiscover plan --diff` reads it
JOB_METADATA_DDL = "sql/job_metadata/ddl.sql"


def deploy(root: Path, context_place: str, dry_run: bool = False, overwrite: bool = False) -> Iterator[str]:
    """Yields one line per step, as it is done.

    Args:
        root: the repository.
        context_place: a file, or s3://bucket/key.
        dry_run: say what would be done, and do nothing.
        overwrite: replace what was edited in the bucket, too.

    Raises:
        ConfigError: the metadata are wrong, here or with what is kept in the bucket; nothing was deployed then.
    """
    _require_repository(root)
    context = read_context(context_place)
    here = FolderReader(root / "metadata")
    load_catalog(here)
    bucket = Bucket(context.buckets.data, context.region)
    last = _last_release(bucket)
    there = _files_of(S3Reader(bucket))
    delta = compare(_texts(_files_of(here)), _texts(there), last, overwrite)
    preview = PreviewReader(delta.result, there)
    catalog = load_catalog(preview)  # all mistakes before the first change
    script = script_files(root)
    sha = code_sha(script)
    yield _upload_script(script, bucket, sha, dry_run)
    yield _upload_metadata(bucket, delta, last, dry_run)
    yield _upload_context(context_place, context, bucket, dry_run)
    statements = release(catalog, root / "sql")
    job_ddl = (root / JOB_METADATA_DDL).read_text(encoding="utf-8")
    sql = checksum([*(statement.sql for statement in statements), job_ddl])
    if last.get("sql") == sql:
        yield f"tables and procedures: unchanged ({len(statements)} statements)"
    else:
        yield _apply_sql(context, statements, job_ddl, dry_run)
    _record_statements(bucket, statements, dry_run)
    # what is written names the versions that the bucket gave to the files
    metadata = preview if dry_run else S3Reader(bucket)
    report = compile_dags(metadata, context_place, _dags(context), sha, dry_run)
    yield report.text(dry_run)
    _record(bucket, last, {"code_sha": sha, "metadata": delta.hashes, "sql": sql}, dry_run)


def _require_repository(root: Path) -> None:
    if not (root / "metadata").is_dir() or not (root / JOB_METADATA_DDL).is_file():
        raise ConfigError(
            "this is not the repository",
            where=str(root),
            expected="metadata/, sql/ and emr_jobs/ in it",
            remedy="run it in the repository, or name it: --root",
        )


def _files_of(reader: Reader) -> dict[str, tuple[str, str]]:
    """Path → text and version of each metadata file; what an editor leaves beside them is none."""
    paths = (path for path in reader.list() if path.endswith((".yaml", ".yml")))
    return {path: reader.read(path) for path in paths if not path.rpartition("/")[2].startswith(".")}


def _texts(files: Mapping[str, tuple[str, str]]) -> dict[str, str]:
    return {path: text for path, (text, _) in files.items()}


def _dags(context: Context) -> str:
    return f"s3://{context.buckets.dags}/dags/generated/"


def _last_release(bucket: Bucket) -> dict[str, Any]:
    if not bucket.exists(RELEASE_KEY):
        return {}
    return dict(json.loads(bucket.read_text(RELEASE_KEY)))


def _record(bucket: Bucket, last: dict[str, Any], now: dict[str, Any], dry_run: bool) -> None:
    if not dry_run and last != now:
        bucket.write_text(RELEASE_KEY, json.dumps(now, indent=2, sort_keys=True))


def _record_statements(bucket: Bucket, statements: list[ReleaseStatement], dry_run: bool) -> None:
    text = json.dumps({statement.name: statement.sql for statement in statements}, indent=1, ensure_ascii=False)
    if not dry_run and not (bucket.exists(STATEMENTS_KEY) and bucket.read_text(STATEMENTS_KEY) == text):
        bucket.write_text(STATEMENTS_KEY, text)


def _upload_script(script: dict[str, bytes], bucket: Bucket, sha: str, dry_run: bool) -> str:
    prefix = script_prefix(sha)
    standing = set(bucket.list(prefix))
    missing = {name: content for name, content in script.items() if prefix + name not in standing}
    if not dry_run:
        for name, content in missing.items():
            bucket.write_bytes(prefix + name, content)
    return f"code: {bucket.uri(prefix)}, {_files(len(missing))} {_done('uploaded', dry_run)}"


def _upload_metadata(bucket: Bucket, delta: MetadataDelta, last: dict[str, Any], dry_run: bool) -> str:
    """Uploads and deletes; the line to show. What was edited in the bucket since stays as it is."""
    if not dry_run and (delta.write or delta.delete):
        # written down before, so that what a killed deploy has uploaded is not taken for an edit by the next
        uploading = {path: checksum([text]) for path, text in delta.write.items()}
        _record(bucket, last, {**last, "uploading": uploading}, dry_run)
        for path, text in delta.write.items():
            bucket.write_text(metadata_key(path), text, "application/yaml")
        bucket.delete([metadata_key(path) for path in delta.delete])
    line = f"metadata: {_files(len(delta.result))}, {len(delta.write)} {_done('uploaded', dry_run)}"
    if delta.delete:
        line += f", {len(delta.delete)} {_done('deleted', dry_run)}: {', '.join(delta.delete)}"
    return line + (f"; kept as edited in the bucket: {', '.join(delta.kept)}" if delta.kept else "")


def _upload_context(place: str, context: Context, bucket: Bucket, dry_run: bool) -> str:
    key = context_key(context.environment)
    text = Path(place).read_text(encoding="utf-8") if Path(place).is_file() else None
    if text is None or (bucket.exists(key) and bucket.read_text(key) == text):
        return f"context: {bucket.uri(key)} unchanged"
    if not dry_run:
        bucket.write_text(key, text, "application/yaml")
    return f"context: {bucket.uri(key)} {_done('uploaded', dry_run)}"


def _apply_sql(context: Context, statements: list[ReleaseStatement], job_ddl: str, dry_run: bool) -> str:
    if not dry_run:
        secret = read_secret(context.secrets.job_metadata, context.region)
        connection = postgres.connect(secret, "job metadata")
        try:
            with postgres.transaction(connection, "job metadata") as cursor:
                cursor.execute(job_ddl)
        finally:
            connection.close()
        with transaction(context.secrets.redshift, context.region) as cursor:
            for statement in statements:
                cursor.execute(statement.sql)
    return f"tables and procedures: {len(statements)} statements {_done('run', dry_run)}"


def _files(count: int) -> str:
    return f"{count} file{'' if count == 1 else 's'}"


def _done(verb: str, dry_run: bool) -> str:
    return f"would be {verb}" if dry_run else verb
