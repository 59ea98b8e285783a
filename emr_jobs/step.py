"""One step from its request to its status document; knows nothing of Spark."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import urlsplit

from idiscover.aws.s3 import Bucket
from idiscover.aws.secrets import read_secret
from idiscover.errors import ConfigError, IdiscoverError
from idiscover.lake.keys import manifest_key
from idiscover.lake.manifest import BatchManifest
from idiscover.lake.suppression import SUPPRESSION_KEY, SuppressionList, require_key
from idiscover.notify.failures import failure_of
from idiscover.notify.redaction import redact
from idiscover.plan.model import ExtractionRequest
from idiscover.salesforce.session import open_session

from emr_jobs.extraction import extract
from emr_jobs.pages import erasure_secret, source_bucket
from emr_jobs.progress import Progress
from emr_jobs.reading import PageRunner
from emr_jobs.status import StepStatus

_ERROR_CHARACTERS = 2000


def attempt(work: Callable[[], object]) -> BaseException | None:
    """Run `work`; what stopped it. The boundary of the process: whatever it is, it is told in one line."""
    try:
        work()
    except (Exception, SystemExit) as error:
        return error
    return None


def one_line(error: BaseException) -> str:
    """An error as a single line without credentials. Spark's errors are a page long: their first line says it."""
    lines = [line.strip() for line in redact(str(error)).splitlines() if line.strip()] or ["no message"]
    text = "; ".join(lines) if isinstance(error, IdiscoverError) else lines[0]
    return f"{type(error).__name__}: {text[:_ERROR_CHARACTERS]}"


def run(request_uri: str, run_pages: PageRunner) -> None:
    """Read the request, extract, keep the status document. Raises what `extract` raises."""
    bucket_name, key = _split(request_uri)
    # The request says which region is meant, but lies in S3 itself: any region finds a bucket.
    own = Bucket(bucket_name, os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1")
    request = ExtractionRequest.model_validate_json(own.read_text(key))
    status = StepStatus(own, request)
    try:
        source = source_bucket(request)
        manifest = manifest_key(request.target_prefix)
        if source.exists(manifest):
            log(f"manifest {manifest} stands: nothing to do")
            return
        status.write("running")
        done = _extract(request, source, run_pages, status.progress, erased_hashes(own, request))
    except BaseException as error:
        failure = failure_of(error)
        attempt(lambda: status.write("failed", failure=failure))  # what stopped the step matters more
        raise
    status.write("succeeded", done)


def erased_hashes(bucket: Bucket, request: ExtractionRequest) -> frozenset[str]:
    """Keyed hashes of the records that were erased; read before anything is asked of the org.

    Raises:
        ConfigError: they cannot be told: no key, or another than they were made with.
    """
    if not bucket.exists(SUPPRESSION_KEY):
        return frozenset()
    suppressed = SuppressionList.model_validate_json(bucket.read_text(SUPPRESSION_KEY))
    if suppressed.hashes:
        require_key(erasure_secret(request.secrets.erasure, request.region), suppressed)
    return frozenset(suppressed.hashes)


def _extract(
    request: ExtractionRequest, source: Bucket, run_pages: PageRunner, progress: Progress, erased: frozenset[str]
) -> BatchManifest:
    with progress.phase("login"):
        secret = read_secret(request.secrets.salesforce, request.region)
        session = open_session(secret, request.salesforce.api_version)
        session.most_calls_percent = request.salesforce.most_calls_percent
    try:
        return extract(request, session, source, run_pages, progress, log, erased)
    finally:
        progress.api_calls += session.api_calls


def log(text: str) -> None:
    """A progress line on stdout, which EMR keeps as the step's log."""
    print(f"{datetime.now(UTC):%H:%M:%S}Z {text}", flush=True)


def _split(uri: str) -> tuple[str, str]:
    parts = urlsplit(uri)
    if parts.scheme != "s3" or not parts.netloc or len(parts.path) < 2:
        raise ConfigError("--request is no S3 address", got=uri, expected="s3://bucket/key")
    return parts.netloc, parts.path[1:]
