"""What a day of all objects costs with a cluster each, and with one that they share: two stacks, one after the other.

    .venv/airflow/bin/python -m benchmarks.clusters --scale 0.1

Real stacks: Airflow, the AWS stand-in, and spark-submit for each step. Loads and refreshes are paused, so that nothing
but extractions runs. The first day reads everything; the days after it, of which the last is told, read what changed.

Measured: clusters, steps, seconds, processor time, API calls. Reckoned from them, because a cluster of the stand-in is
up within seconds: what EMR would bill, if a cluster takes `--start-minutes` to start and each step as long as here.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from idiscover.aws.clients import client
from idiscover.cli.publishing import publish_from_shell
from idiscover.lake.keys import metadata_key
from idiscover.metadata.models import Family
from idiscover.metadata.paths import object_path
from idiscover.plan.build import dag_id

from local.demo.runs import all_dags, create_runs, explain, extraction_dags, run_id_of, wait_for_dags
from local.demo.stand import Stand
from local.provisioning import CONTEXT, provision
from local.salesforce.request_log import total_calls
from local.stack.cpu import processor_time, spent
from local.stack.layout import stack_layout
from local.stack.stack import forget, start

GROUP = "all_objects"
_NAMES = {"own": None, "shared": GROUP}  # name of the stack → cluster_group of every object
_SETTLE_SECONDS = 120
_LOOK_SECONDS = 2
_ACTIVE = ("queued", "running")


@dataclass(frozen=True)
class Day:
    """What the extractions of one day took."""

    objects: int
    clusters: int
    steps: int
    wall_seconds: float  # from the creation of the first cluster to the end of the last
    cluster_seconds: float  # of all clusters, from creation to end
    step_seconds: float  # of all steps, added up
    processor_seconds: float  # of all parts of the stack
    api_calls: int  # that the org counted


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the days on both stacks and prints them side by side; the exit status: 1 if a run failed."""
    arguments = _arguments(argv)
    found: dict[str, list[Day]] = {}
    with tempfile.TemporaryDirectory(prefix="idiscover-clusters-") as folder:
        os.environ["IDISCOVER_STACKS"] = folder
        for name, group in _NAMES.items():
            with _stack(name, {"scale": str(arguments.scale), "seed": str(arguments.seed)}) as stand:
                _share(stand, group)
                found[name] = list(_days(stand, arguments.days, arguments.objects))
    _report(found, arguments.start_minutes)
    if arguments.json:
        told = {name: [asdict(day) for day in days] for name, days in found.items()}
        arguments.json.write_text(json.dumps(told, indent=1), encoding="utf-8")
    return 0


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.clusters", description=str(__doc__).splitlines()[0])
    parser.add_argument("--scale", type=float, default=0.1, help="of the org (default 0.1)")
    parser.add_argument("--seed", type=int, default=20260105, help="of the org")
    parser.add_argument("--days", type=int, default=1, help="after the first, which reads everything (default 1)")
    parser.add_argument("--start-minutes", type=float, default=6.0, help="that EMR takes for a cluster (default 6)")
    parser.add_argument("--objects", nargs="*", default=(), help="only these (default: all)")
    parser.add_argument("--json", type=Path, help="write all days to this file too")
    return parser.parse_args(argv)


@contextmanager
def _stack(stack: str, options: dict[str, str]) -> Iterator[Stand]:
    """A stack of its own, provisioned, with all but the extractions paused; forgotten in the end."""
    layout = stack_layout(stack)
    try:
        stand = Stand(layout, start(layout, _say, options))
        for line in provision(layout, stand.settings, stand.api):
            _say(line)
        wait_for_dags(stand, set(all_dags(stand)))
        for name in sorted(stand.api.dag_ids() - set(extraction_dags(stand))):
            stand.api.call("PATCH", f"/dags/{name}", body={"is_paused": True}, update_mask=["is_paused"])
        yield stand
    finally:
        forget(layout, _say)


def _share(stand: Stand, group: str | None) -> None:
    """Puts every object into that group, or into none, by an edit in the bucket; returns once Airflow has it."""
    for name in stand.catalog.objects:
        key = metadata_key(object_path(name))
        text = re.sub(r"(?m)^cluster_group:.*\n", "", stand.bucket.read_text(key))
        if group is not None:
            text = re.sub(r"(?m)^(load_mode:.*\n)", rf"\1cluster_group: {group}\n", text, count=1)
        stand.bucket.write_text(key, text)
    publish_from_shell(str(CONTEXT), allow_deletions=False, dry_run=False)
    said, deadline = f"shared by the group {group}", time.monotonic() + _SETTLE_SECONDS
    for name in extraction_dags(stand):
        while (said in str((stand.api.dag_details(name) or {}).get("doc_md"))) is (group is None):
            if time.monotonic() > deadline:
                raise SystemExit(f"{name}: Airflow does not have the edit after {_SETTLE_SECONDS} s")
            time.sleep(1)


def _days(stand: Stand, more: int, objects: Sequence[str]) -> Iterator[Day]:
    """The first day, and `more` after it, of these objects, or of all."""
    dag_ids = [dag_id(Family.SFDC_TO_S3, name) for name in objects] or extraction_dags(stand)
    for number in range(more + 1):
        if number:
            stand.advance_org()
        day = _day(stand, dag_ids)
        _say(f"{stand.layout.name}, day {number}: {day.clusters} clusters, {day.wall_seconds:.0f} s")
        yield day


def _day(stand: Stand, dag_ids: Sequence[str]) -> Day:
    order_date = stand.org_clock()[0].date() - timedelta(days=1)
    org = stand.layout.state("salesforce")
    begun, used, calls = datetime.now(UTC), processor_time(stand.layout), total_calls(org)
    create_runs(stand, order_date, dag_ids)
    run_id = run_id_of(order_date)
    while any((state := stand.api.run_state(key, run_id)) is None or state in _ACTIVE for key in dag_ids):
        time.sleep(_LOOK_SECONDS)
    failed = [(key, run_id) for key in dag_ids if stand.api.run_state(key, run_id) != "success"]
    if failed:
        raise SystemExit(explain(stand, failed))
    processor_seconds = sum(spent(used, processor_time(stand.layout)).values())
    return _figures(stand, begun, len(dag_ids), processor_seconds, total_calls(org) - calls)


def _figures(stand: Stand, begun: datetime, objects: int, processor_seconds: float, calls: int) -> Day:
    emr = client("emr", stand.context.region)
    ids = [
        item["Id"]
        for page in emr.get_paginator("list_clusters").paginate(CreatedAfter=begun)
        for item in page["Clusters"]
    ]
    lives = [_life(emr.describe_cluster(ClusterId=key)["Cluster"]["Status"]["Timeline"]) for key in ids]
    steps = [step for key in ids for step in emr.list_steps(ClusterId=key)["Steps"]]
    times = [step["Status"]["Timeline"] for step in steps]
    return Day(
        objects=objects,
        clusters=len(ids),
        steps=len(steps),
        wall_seconds=(max(end for _, end in lives) - min(start for start, _ in lives)).total_seconds(),
        cluster_seconds=sum((end - start).total_seconds() for start, end in lives),
        step_seconds=sum((item["EndDateTime"] - item["StartDateTime"]).total_seconds() for item in times),
        processor_seconds=processor_seconds,
        api_calls=calls,
    )


def _life(timeline: dict[str, Any]) -> tuple[datetime, datetime]:
    return timeline["CreationDateTime"], timeline["EndDateTime"]


def _report(found: dict[str, list[Day]], start_minutes: float) -> None:
    names = list(found)
    for title, number in (("first day", 0), ("last day", -1)):
        days = [found[name][number] for name in names]
        print(f"\n{title}, {days[0].objects} objects".ljust(34) + "".join(f"{name:>12}" for name in names))
        _line("clusters", [f"{day.clusters}" for day in days])
        _line("steps", [f"{day.steps}" for day in days])
        _line("first cluster to last end, s", [f"{day.wall_seconds:.0f}" for day in days])
        _line("cluster-seconds", [f"{day.cluster_seconds:.0f}" for day in days])
        _line("step-seconds", [f"{day.step_seconds:.0f}" for day in days])
        _line("processor seconds", [f"{day.processor_seconds:.0f}" for day in days])
        _line("API calls", [f"{day.api_calls}" for day in days])
        minutes = [day.clusters * start_minutes + day.cluster_seconds / 60 for day in days]
        _line("reckoned: cluster-minutes of EMR", [f"{value:.0f}" for value in minutes])
    print(f"\nreckoned: {start_minutes:g} minutes for each cluster to start, and the cluster-seconds above")


def _line(name: str, values: Sequence[str]) -> None:
    print(f"{name:<33}" + "".join(f"{value:>12}" for value in values))


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
