"""The stage environment: plugins.zip and requirements.txt for MWAA, which is updated only if one of them changed.

Nothing that is uploaded is live before MWAA takes it up: it runs with the versions of plugins.zip and requirements.txt
that UpdateEnvironment named last, and constraints lie under a name of their own. Of a stage that was killed, or an
update that MWAA rolls back, workers that start in the meantime see nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from idiscover.aws.clients import aws_errors, client
from idiscover.aws.s3 import Bucket
from idiscover.cli.delivery.artifacts import PLUGINS, REQUIREMENTS, Artifact, key_of
from idiscover.errors import FatalError, NextRunError
from idiscover.metadata.models import Context

_POLL_SECONDS = 30.0
_PATIENCE_SECONDS = 60 * 60  # an update takes 20 to 40 minutes
_AVAILABLE = "AVAILABLE"
_UNDER_WAY = frozenset({"CREATING", "CREATING_SNAPSHOT", "MAINTENANCE", "PENDING", "ROLLING_BACK", "UPDATING"})


def update_environment(
    context: Context,
    artifacts: Sequence[Artifact],
    dry_run: bool = False,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[str]:
    """Uploads what changed, has MWAA take it up, and waits until it has; yields one line per step.

    What the bucket holds is compared by content, what MWAA runs with by VersionId: a stage that was killed anywhere is
    run again.

    Raises:
        FatalError: MWAA could not take the update; with its reason.
        NextRunError: it is still at it after an hour.
    """
    bucket = Bucket(context.buckets.dags, context.region)
    versions: dict[str, str] = {}
    for artifact in artifacts:
        line, versions[artifact.name] = _upload(bucket, key_of(artifact), artifact, dry_run)
        yield line
    name = context.airflow.environment_name
    with aws_errors(f"MWAA environment {name}"):
        mwaa = client("mwaa", context.region)
    yield from _wait(mwaa, name, sleep)
    changed = _changed(_described(mwaa, name), versions)
    if not changed:
        yield f"MWAA environment {name}: runs with these already"
        return
    if dry_run:
        yield f"MWAA environment {name}: would be updated ({', '.join(sorted(changed))}), workers replaced gracefully"
        return
    with aws_errors(f"MWAA environment {name}"):
        mwaa.update_environment(Name=name, WorkerReplacementStrategy="GRACEFUL", **changed)
    yield f"MWAA environment {name}: update asked for ({', '.join(sorted(changed))})"
    yield from _wait(mwaa, name, sleep)
    _require_taken(_described(mwaa, name), name, versions)
    yield f"MWAA environment {name}: updated"


def _upload(bucket: Bucket, key: str, artifact: Artifact, dry_run: bool) -> tuple[str, str]:
    """The line to show, and the VersionId that the bucket has now ('' where it would be a new one)."""
    if bucket.exists(key):
        content, version = bucket.read_bytes_version(key)
        if content == artifact.content:
            return f"{bucket.uri(key)}: unchanged", version
    if dry_run:
        return f"{bucket.uri(key)}: would be uploaded", ""
    bucket.write_bytes(key, artifact.content)
    return f"{bucket.uri(key)}: uploaded", bucket.read_bytes_version(key)[1]


def _changed(environment: Mapping[str, Any], versions: Mapping[str, str]) -> dict[str, str]:
    """Arguments of UpdateEnvironment for what MWAA does not run with yet."""
    wanted = {
        "PluginsS3Path": PLUGINS,
        "PluginsS3ObjectVersion": versions[PLUGINS],
        "RequirementsS3Path": REQUIREMENTS,
        "RequirementsS3ObjectVersion": versions[REQUIREMENTS],
    }
    different = {key for key, value in wanted.items() if environment.get(key) != value}
    # a path goes with its version
    return {
        key: value
        for key, value in wanted.items()
        if any(other.startswith(key.partition("S3")[0]) for other in different)
    }


def _wait(mwaa: Any, name: str, sleep: Callable[[float], None]) -> Iterator[str]:
    """Until nobody changes the environment any more."""
    waited = 0.0
    while (status := _described(mwaa, name).get("Status")) in _UNDER_WAY:
        if waited >= _PATIENCE_SECONDS:
            raise NextRunError(
                "MWAA is still changing the environment",
                where=name,
                got=f"{status} after {waited / 60:.0f} minutes",
                remedy="look at it in MWAA's console, then run this stage again",
            )
        yield f"MWAA environment {name}: {status} ({waited / 60:.0f} minutes)"
        sleep(_POLL_SECONDS)
        waited += _POLL_SECONDS


def _described(mwaa: Any, name: str) -> dict[str, Any]:
    with aws_errors(f"MWAA environment {name}"):
        return dict(mwaa.get_environment(Name=name)["Environment"])


def _require_taken(environment: Mapping[str, Any], name: str, versions: Mapping[str, str]) -> None:
    if environment.get("Status") == _AVAILABLE and not _changed(environment, versions):
        return
    last = environment.get("LastUpdate") or {}
    reason = (last.get("Error") or {}).get("ErrorMessage", "no reason given")
    raise FatalError(
        "MWAA did not take the update",
        where=name,
        got=f"status {environment.get('Status')}, last update {last.get('Status', 'unknown')}: {reason}",
        expected=f"status {_AVAILABLE} with the versions that were uploaded",
        remedy="read the log group's requirements_install streams, mend it, run this stage again",
    )
