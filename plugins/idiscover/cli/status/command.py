"""The verb `status`: asks bucket and job metadata, and prints what they say."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta

from rich.console import Console
from rich.live import Live

from idiscover.aws.batch_manifests import is_refused
from idiscover.aws.job_metadata import JobMetadata, open_job_metadata
from idiscover.aws.job_metadata_batches import PENDING
from idiscover.aws.job_metadata_status import JobStatus, read_status
from idiscover.aws.s3 import Bucket
from idiscover.cli.places import read_context
from idiscover.cli.running import RunningDags, running_dags
from idiscover.cli.status.report import StatusReport, make_report
from idiscover.cli.status.show import rendered
from idiscover.errors import ConfigError
from idiscover.lake.keys import source_prefix
from idiscover.metadata.models import Context, Family
from idiscover.metadata.spelling import nearest
from idiscover.plan.build import dag_id
from idiscover.plan.model import ExtractionPlan, Plan
from idiscover.plan.picture import picture_of

_WIDTH_WITHOUT_TERMINAL = 180  # of a file or a log: wide enough that nothing is cut


@dataclass(frozen=True)
class StatusRequest:
    """The verb's options."""

    context: str
    object: str | None
    as_json: bool
    watch: bool
    every_seconds: float


def run_status(request: StatusRequest) -> bool:
    """Prints the status, once or again and again; whether it needs somebody.

    Raises:
        ConfigError: the context is wrong, or there is no such object.
        RetriableError: S3 or the job metadata do not answer.
    """
    context = read_context(request.context)
    with Console(stderr=True).status("reading which DAGs run …"):
        dags = running_dags(context)
    plans = dags.plans if request.object is None else _of_object(dags.plans, request.object)
    with open_job_metadata(context) as metadata:
        if request.watch:
            _watch(context, dags, plans, metadata, request.every_seconds)
            return False
        report = ask(context, dags, plans, metadata)
    if request.as_json:
        print(json.dumps(asdict(report), indent=2, default=_plain, ensure_ascii=False))
    else:
        is_terminal = Console().is_terminal
        Console(highlight=False, width=None if is_terminal else _WIDTH_WITHOUT_TERMINAL).print(rendered(report))
    return report.needs_somebody


def ask(context: Context, dags: RunningDags, plans: Mapping[str, Plan], metadata: JobMetadata) -> StatusReport:
    """One status.

    Args:
        context: the environment.
        dags: what runs there.
        plans: those of them that are told of.
        metadata: the job metadata.
    """
    status = read_status(metadata, plans.keys())
    refused = _refused(Bucket(context.buckets.data, context.region), status)
    return make_report(context.environment, plans, status, refused, dags.unreadable)


def _of_object(plans: Mapping[str, Plan], name: str) -> dict[str, Plan]:
    """The plans of an object, and of all that follows from it in dm."""
    objects = [plan.object for plan in plans.values() if isinstance(plan, ExtractionPlan)]
    if name not in objects:
        near = nearest(name, objects)
        raise ConfigError(
            "no such object",
            key="--object",
            got=name,
            expected=", ".join(sorted(objects)) or "none has been deployed yet",
            remedy=f"did you mean {near}?" if near else None,
        )
    follows = {node.dag_id for node in picture_of(plans.values(), [dag_id(Family.SFDC_TO_S3, name)]).nodes}
    others = {dag_id(Family.STG_TO_ITG, other) for other in objects if other != name}
    return {key: plan for key, plan in plans.items() if key in follows - others}


def _refused(bucket: Bucket, status: JobStatus) -> list[str]:
    """Batches that wait and were refused: of those that are pending, and of runs that never registered theirs.

    A window that ends at or before the watermark has been read by another run since.
    """
    waiting = [(batch.object, batch.batch_id) for batch in status.batches_on_their_way if batch.state == PENDING]
    waiting += [
        (window.object, window.batch_id)
        for window in status.unregistered
        if (mark := status.watermarks.get(window.object)) is None or window.end_utc > mark
    ]
    return [batch_id for name, batch_id in waiting if is_refused(bucket, source_prefix(name, batch_id))]


def _watch(
    context: Context, dags: RunningDags, plans: Mapping[str, Plan], metadata: JobMetadata, every_seconds: float
) -> None:
    """Shows it until the user has seen enough (Ctrl-C)."""
    try:
        with Live(console=Console(highlight=False), auto_refresh=False, vertical_overflow="visible") as live:
            while True:
                live.update(rendered(ask(context, dags, plans, metadata)), refresh=True)
                time.sleep(every_seconds)
    except KeyboardInterrupt:
        return


def _plain(value: object) -> object:
    """What JSON has no type for: times as ISO 8601, spans in seconds."""
    return value.total_seconds() if isinstance(value, timedelta) else str(value)
