"""Brings this repository to an environment: code, metadata, tables and procedures, DAG files; in that order.

Each step compares first and does only what is needed, so that a deploy may be repeated. What the last deploy brought is
recorded in the bucket (`status/deploy/release.json`): a metadata file that was edited there since is kept, and said.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from idiscover.aws import postgres
from idiscover.aws.redshift import transaction
from idiscover.aws.s3 import Bucket
from idiscover.aws.secrets import read_secret
from idiscover.cli.compiling import compile_dags
from idiscover.cli.places import read_context
from idiscover.cli.release_code import code_sha, script_files
from idiscover.lake.keys import context_key, metadata_key, script_prefix
from idiscover.metadata.loading import FolderReader, load_catalog
from idiscover.metadata.models import Context
from idiscover.warehouse.release import ReleaseStatement, release

RELEASE_KEY = "status/deploy/release.json"
JOB_METADATA_DDL = "sql/ddl/job_metadata.sql"


def deploy(root: Path, context_place: str, dry_run: bool = False) -> Iterator[str]:
    """Yields one line per step, as it is done.

    Raises:
        ConfigError: the repository's metadata is wrong; nothing was deployed then.
    """
    context = read_context(context_place)
    catalog = load_catalog(FolderReader(root / "metadata"))  # all mistakes before the first change
    bucket = Bucket(context.buckets.data, context.region)
    last = _last_release(bucket)
    sha = code_sha(root)
    yield _upload_script(root, bucket, sha, dry_run)
    hashes, line = _upload_metadata(root, bucket, last.get("metadata", {}), dry_run)
    yield line
    yield _upload_context(context_place, context, bucket, dry_run)
    statements = release(catalog, root / "sql")
    job_ddl = (root / JOB_METADATA_DDL).read_text(encoding="utf-8")
    checksum = _checksum([*(statement.sql for statement in statements), job_ddl])
    if last.get("sql") == checksum:
        yield f"tables and procedures: unchanged ({len(statements)} statements)"
    else:
        yield _apply_sql(context, statements, job_ddl, dry_run)
    place = f"s3://{context.buckets.data}/metadata/"
    report = compile_dags(
        place if last or not dry_run else str(root / "metadata"), context_place, _dags(context), sha, dry_run
    )
    yield report.text(dry_run)
    if not dry_run:
        document = {"code_sha": sha, "metadata": hashes, "sql": checksum}
        bucket.write_text(RELEASE_KEY, json.dumps(document, indent=2, sort_keys=True))


def _dags(context: Context) -> str:
    return f"s3://{context.buckets.dags}/dags/generated/"


def _last_release(bucket: Bucket) -> dict[str, Any]:
    if not bucket.exists(RELEASE_KEY):
        return {}
    return dict(json.loads(bucket.read_text(RELEASE_KEY)))


def _upload_script(root: Path, bucket: Bucket, sha: str, dry_run: bool) -> str:
    prefix = script_prefix(sha)
    standing = set(bucket.list(prefix))
    missing = {name: content for name, content in script_files(root).items() if prefix + name not in standing}
    if not dry_run:
        for name, content in missing.items():
            bucket.write_bytes(prefix + name, content)
    return f"code: {bucket.uri(prefix)}, {len(missing)} files {_done('uploaded', dry_run)}"


def _upload_metadata(root: Path, bucket: Bucket, last: dict[str, str], dry_run: bool) -> tuple[dict[str, str], str]:
    """Hashes of what is deployed now, and the line to show. Files edited in the bucket since stay as they are."""
    reader = FolderReader(root / "metadata")
    hashes: dict[str, str] = {}
    written, kept = 0, []
    for path in reader.list():
        text = reader.read(path)[0]
        key, hashes[path] = metadata_key(path), _checksum([text])
        standing = bucket.read_text(key) if bucket.exists(key) else None
        if standing == text:
            continue
        if standing is not None and _checksum([standing]) != last.get(path):
            kept.append(path)
            hashes[path] = last.get(path, "")
            continue
        written += 1
        if not dry_run:
            bucket.write_text(key, text, "application/yaml")
    line = f"metadata: {len(hashes)} files, {written} {_done('uploaded', dry_run)}"
    return hashes, line + (f"; kept as edited in the bucket: {', '.join(kept)}" if kept else "")


def _upload_context(place: str, context: Context, bucket: Bucket, dry_run: bool) -> str:
    key = context_key(context.environment)
    text = Path(place).read_text(encoding="utf-8") if Path(place).is_file() else None
    if text is not None and not dry_run:
        bucket.write_text(key, text, "application/yaml")
    return f"context: {bucket.uri(key)} {_done('uploaded', dry_run) if text is not None else 'stands'}"


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


def _checksum(texts: list[str]) -> str:
    digest = hashlib.sha256()
    for text in texts:
        digest.update(text.encode() + b"\0")
    return digest.hexdigest()


def _done(verb: str, dry_run: bool) -> str:
    return f"would be {verb}" if dry_run else verb
