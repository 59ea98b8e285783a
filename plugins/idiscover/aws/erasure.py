"""Erase: records leave every layer, for good, and do not come back; what is done is written down without their Ids.

Each step finds its work by what is there, so that an erasure that was killed is said again and goes on where it was:
1. the keyed hashes go to job.erasure and to suppression/ids.json, which the steps of extractions read;
2. extractions that began before are waited for;
3. object by object, alone with its files and its table: files anew, tables without the records;
4. what old versions of objects still hold is deleted by VersionId;
5. the tables of dm are computed anew by their own refreshes, which are waited for as long as they can run;
6. all layers are searched. What the search finds is erased once more; what then is left is told.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from psycopg2.extensions import cursor as Cursor

from idiscover.aws.batch_manifests import read_manifest
from idiscover.aws.erasure_files import Eraser, clean_batch
from idiscover.aws.erasure_guard import erasure_secret, publish_suppression
from idiscover.aws.erasure_marts import Runs, Waiting, dependents
from idiscover.aws.erasure_search import Findings, find
from idiscover.aws.erasure_tables import Ids, erase_object
from idiscover.aws.erasure_versions import delete_versions
from idiscover.aws.job_metadata import JobMetadata, open_job_metadata
from idiscover.aws.job_metadata_batches import FILES, batches_of_object
from idiscover.aws.job_metadata_erasures import (
    begin_erasure,
    count_erased,
    end_erasure,
    redact_steps,
    running_extractions,
    touch_objects,
)
from idiscover.aws.redshift import run_transaction
from idiscover.aws.refresher import finish_refresh
from idiscover.aws.s3 import Bucket
from idiscover.aws.table_alone import Alone, Tell, alone_with_table
from idiscover.errors import NextRunError
from idiscover.lake.keys import manifest_key, source_prefix
from idiscover.lake.manifest import BatchManifest
from idiscover.lake.suppression import REDACTED, keyed_hash
from idiscover.metadata.models import Context, Family
from idiscover.plan.build import dag_id
from idiscover.plan.model import LoadPlan, Plan, RefreshPlan
from idiscover.warehouse.types import quoted

_PASSES = 3  # what was moved while it was searched for is found by the next
_PAUSE_SECONDS = 2.0


@dataclass(frozen=True)
class ErasureRequest:
    """What is to be erased, and where.

    Args:
        context: the environment.
        plans: of all its DAGs, by dag_id.
        ids: whose.
        tell: is given a line per step, and what is waited for.
        runs: starts the refreshes of dm, and looks at them.
        pause: sleeps.
    """

    context: Context
    plans: Mapping[str, Plan]
    ids: Ids
    tell: Tell
    runs: Runs
    pause: Callable[[float], None] = time.sleep

    @property
    def bucket(self) -> Bucket:
        """The data bucket."""
        return Bucket(self.context.buckets.data, self.context.region)

    def load(self, object_name: str) -> LoadPlan | None:
        """The plan of an object's load; None if the metadata do not know the object any more."""
        plan = self.plans.get(dag_id(Family.S3_TO_REDSHIFT, object_name))
        return plan if isinstance(plan, LoadPlan) else None

    def refresh(self, object_name: str) -> RefreshPlan | None:
        """The plan of the refresh of its table in itg."""
        plan = self.plans.get(dag_id(Family.STG_TO_ITG, object_name))
        return plan if isinstance(plan, RefreshPlan) else None


def search(request: ErasureRequest) -> Findings:
    """What an erasure would find now; nothing is changed."""
    with open_job_metadata(request.context) as metadata:
        return find(metadata, request.context, request.ids)


def objects_of(request: ErasureRequest) -> list[str]:
    """The objects whose records the Ids are, as far as itg holds them; for the person who is asked."""
    plans = [plan for plan in request.plans.values() if isinstance(plan, RefreshPlan) and plan.itg is not None]
    context = request.context
    return run_transaction(
        context.secrets.redshift,
        context.region,
        lambda cursor: [plan.table.split(".")[1] for plan in plans if _holds(cursor, plan, request.ids)],
    )


def _holds(cursor: Cursor, plan: RefreshPlan, ids: Ids) -> bool:
    assert plan.itg is not None  # chosen by it
    cursor.execute(f"select count(*) from {plan.table} where {quoted(plan.itg.key)} in %s", [ids.whole])
    return bool(cursor.fetchone()[0])


def erase(request: ErasureRequest, requested_by: str, reason: str | None) -> Findings:
    """Erases the records; what is left of them, which should be nothing.

    Raises:
        ConfigError: the secret is not there, or holds another key than before, or AWS refuses.
        RetriableError: a service did not answer, or a lock was not let go; say it again.
        NextRunError: tables of dm could not be refreshed; all else is done, and job.erasure stays open.
    """
    secret = erasure_secret(request.context)
    hashes = {keyed_hash(secret, record_id) for record_id in request.ids.whole}
    with open_job_metadata(request.context) as metadata, metadata.exclusive("erasure", "one at a time"):
        begin_erasure(metadata, hashes, requested_by, reason)
        publish_suppression(metadata, request.bucket, secret)
        request.tell("suppressed: extractions that begin now leave the records out")
        _wait_for_extractions(metadata, request)
        objects = touch_objects(metadata, hashes, [])  # of an earlier try that was killed
        not_refreshed: dict[str, str] = {}
        for _ in range(_PASSES):
            found = find(metadata, request.context, request.ids)
            if found.is_empty and not objects:
                break
            not_refreshed = _erase_found(metadata, request, hashes, found, objects)
            if not_refreshed:
                break
            objects = set()
        left = find(metadata, request.context, request.ids)
        if not_refreshed:
            raise _not_refreshed(not_refreshed, left)
        if left.is_empty:
            end_erasure(metadata, hashes)
    return left


def _erase_found(
    metadata: JobMetadata, request: ErasureRequest, hashes: Collection[str], found: Findings, objects: Collection[str]
) -> dict[str, str]:
    """One pass over what was found, and over `objects`; the tables of dm that could not be refreshed, and why."""
    for line in found.lines:
        request.tell(f"found in {line}")
    known = {name for name in found.objects if request.load(name)}
    touched = {*objects, *touch_objects(metadata, hashes, known)}
    count_erased(metadata, hashes, found.counts)
    for name in sorted(touched):
        _erase_object(metadata, request, name, found)
    deleted = delete_versions(metadata, request.context, request.ids, found.versions, _known(request))
    redact_steps(metadata, [*request.ids.whole, *request.ids.short], REDACTED)
    request.tell(f"{deleted} versions of objects deleted")
    return _wait_for_marts(metadata, request, touched)


def _known(request: ErasureRequest) -> frozenset[str]:
    """Objects whose files an erasure can rewrite."""
    return frozenset(plan.object for plan in request.plans.values() if isinstance(plan, LoadPlan))


def _wait_for_extractions(metadata: JobMetadata, request: ErasureRequest) -> None:
    """Those that read now may have read the list as it was; those that begin later read it as it is."""
    waiting = {(name, run_id) for name, run_id, _ in running_extractions(metadata)}
    told: set[tuple[str, str]] = set()
    while waiting:
        for name, run_id, lapses in running_extractions(metadata):
            if (name, run_id) in waiting - told:
                request.tell(f"waits for the extraction {run_id} of {name}; a dead one lets go at {lapses} UTC")
                told.add((name, run_id))
        request.pause(_PAUSE_SECONDS)
        waiting &= {(name, run_id) for name, run_id, _ in running_extractions(metadata)}


def _erase_object(metadata: JobMetadata, request: ErasureRequest, name: str, found: Findings) -> None:
    load, refresh = request.load(name), request.refresh(name)
    assert load is not None  # objects are chosen by their loads
    if refresh is None:
        with metadata.exclusive(FILES, name):
            _erase_layers(metadata, request, load, None, found)
        return
    with alone_with_table(refresh, "erase", request.tell, request.pause) as alone:
        with metadata.exclusive(FILES, name):
            _erase_layers(metadata, request, load, alone, found)
        finish_refresh(refresh, alone.run)


def _erase_layers(
    metadata: JobMetadata, request: ErasureRequest, load: LoadPlan, alone: Alone | None, found: Findings
) -> None:
    """Files, then tables; `alone` is None for an object without a table in itg."""
    manifests = _erase_files(metadata, request, load, found)
    refresh = request.refresh(load.object)
    run_id = "erase" if alone is None else alone.run.run_id

    def erase_rows(cursor: Cursor) -> dict[str, int]:
        counts = erase_object(cursor, load, None if refresh is None else refresh.itg, request.ids, manifests, run_id)
        metadata.require_locks()  # that on the files is this connection's; the claim is alone's
        if alone is not None:
            alone.require()
        return counts

    rows = run_transaction(request.context.secrets.redshift, request.context.region, erase_rows)
    for table, count in rows.items():
        request.tell(f"{table}: {count} rows deleted or changed")


def _erase_files(
    metadata: JobMetadata, request: ErasureRequest, load: LoadPlan, found: Findings
) -> list[BatchManifest]:
    """The manifests of the object's batches from which rows were erased, now or before."""
    bucket, holding = request.bucket, found.batches(load.object)
    keys = {row.batch_id: row.manifest_key for row in batches_of_object(metadata, load.object)}
    for batch_id in holding - set(keys):  # not registered yet, perhaps never
        keys[batch_id] = manifest_key(source_prefix(load.object, batch_id))
    eraser = Eraser(request.ids.is_erased, request.ids.redact)
    rewritten = []
    for batch_id, key in sorted(keys.items()):
        if not bucket.exists(key):  # its window is being read again
            continue
        manifest = read_manifest(bucket, key)
        if batch_id in holding or manifest.was_erased_from:
            cleaned = clean_batch(metadata, bucket, manifest, key, load.key, eraser)
            if cleaned.replaced:
                of = f"{cleaned.dropped} rows and {cleaned.changed} values"
                request.tell(f"{batch_id}: {of} out of {len(cleaned.replaced)} files")
            if cleaned.manifest.was_erased_from:
                rewritten.append(cleaned.manifest)
    return rewritten


def _wait_for_marts(metadata: JobMetadata, request: ErasureRequest, objects: Collection[str]) -> dict[str, str]:
    """Everything that is computed from the objects' tables is refreshed; what could not be, and why."""
    refreshes = [plan for plan in request.plans.values() if isinstance(plan, RefreshPlan)]
    tables = dependents(refreshes, {f"itg.{name}" for name in objects})
    return Waiting(metadata, tables, request.runs, request.tell, request.pause).wait()


def _not_refreshed(tables: Mapping[str, str], left: Findings) -> NextRunError:
    reasons = [f"{table}: {why}" for table, why in tables.items()]
    return NextRunError(
        "tables that are computed from the erased records could not be refreshed",
        where=", ".join(tables),
        got="; ".join(reasons + [f"left in {line}" for line in left.lines]),
        expected="a refresh of each; all else is done and stays so, and job.erasure stays open",
        remedy="mend what keeps them from running, then say the same erasure again: it goes on where it was",
    )
