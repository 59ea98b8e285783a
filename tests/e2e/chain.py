"""A small stack of its own for the whole chain: the command line as people use it, and what the tests ask of it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from idiscover.aws import redshift
from idiscover.lake.manifest import BatchManifest

from local.demo.stand import Stand
from local.salesforce.request_log import iter_reads
from local.stack.layout import Layout, load_settings
from tests import oracle
from tests.oracle.replay import bulk_reads

ROOT = Path(__file__).resolve().parent.parent.parent
STACK = "chain"
SCALE = "0.02"
_ROUND_SECONDS = 5  # longer than a round of the scheduler, on a busy machine too


@dataclass(frozen=True)
class Chain:
    """One stack in `home`, driven over the command line."""

    home: Path

    @property
    def layout(self) -> Layout:
        """Where its state lies."""
        return Layout(name=STACK, home=self.home / STACK)

    def verb(self, *words: str, timeout_seconds: float = 1200) -> subprocess.CompletedProcess[str]:
        """Runs `idiscover <words>`; output of both streams in `stdout`."""
        environment = {**os.environ, "IDISCOVER_STACKS": str(self.home)}
        return subprocess.run(
            [sys.executable, "-m", "idiscover.cli.main", *words, "--stack", STACK],
            cwd=ROOT,
            env={**environment, "PYTHONPATH": os.pathsep.join([str(ROOT / "plugins"), str(ROOT)])},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout_seconds,
        )

    def shell(self, *words: str, timeout_seconds: float = 1200) -> subprocess.CompletedProcess[str]:
        """Runs a verb of every environment, `idiscover <words>`, on this stack; output of both streams in `stdout`."""
        chosen = ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID")  # who has set these gets no stack
        environment = {name: value for name, value in os.environ.items() if name not in chosen}
        return subprocess.run(
            [sys.executable, "-m", "idiscover.cli.main", *words],
            cwd=ROOT,
            env={
                **environment,
                "IDISCOVER_STACKS": str(self.home),
                "IDISCOVER_STACK": STACK,
                "PYTHONPATH": os.pathsep.join([str(ROOT / "plugins"), str(ROOT)]),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout_seconds,
        )

    @contextmanager
    def in_background(self, *words: str) -> Iterator[Future[subprocess.CompletedProcess[str]]]:
        """Runs a verb beside the block, and waits for it at the block's end."""
        with ThreadPoolExecutor(max_workers=1) as pool:
            yield pool.submit(self.verb, *words, timeout_seconds=7200)

    def wait_until_idle(self) -> None:
        """Returns once no run of any DAG is on its way, nor comes of the last one's event a moment later."""
        patiently(
            lambda: self._is_idle() and not time.sleep(_ROUND_SECONDS) and self._is_idle(), 300, "runs on their way"
        )

    def _is_idle(self) -> bool:
        api = self.stand().api
        return not [*api.runs(state="queued"), *api.runs(state="running")]

    def stand(self) -> Stand:
        """The running stack, to ask it."""
        settings = load_settings(self.layout)
        assert settings is not None
        return Stand(self.layout, settings)

    def order_date(self) -> date:
        """The org's last complete day."""
        return self.stand().org_clock()[0].date() - timedelta(days=1)

    def differences(self) -> list[oracle.Difference]:
        """Between the oracle and every row of every itg and dm table.

        A table of dm is compared as of the newest order date that a refresh of it was for: that of a manual run is the
        org's today.
        """
        stand = self.stand()
        state_dir = self.layout.state("salesforce")
        sights = list(oracle.look_at_state(state_dir, bulk_reads(state_dir, self.order_date(), self._lost_jobs(stand))))
        dates = "select target, max(as_of_date) from job.claim where state = 'finished' group by 1"
        as_of = dict(stand.job_metadata(dates))
        found: list[oracle.Difference] = []
        for day in sorted(set(as_of.values())):
            tables = oracle.compute_tables(sights, day)
            expected = {name: rows for name, rows in tables.items() if as_of.get(name.removesuffix("__history")) == day}
            found += oracle.compare(expected, {name: _rows(stand, name) for name in expected}, oracle.EXEMPT_COLUMNS)
        never = sorted(stand.catalog.tables.keys() - as_of.keys())
        assert not never, f"tables that no refresh finished: {never}"
        return found

    def _lost_jobs(self, stand: Stand) -> tuple[str, ...]:
        """Jobs that were read and never became part of a batch, because their run failed."""
        keys = stand.job_metadata("select manifest_key from job.batch")
        manifests = [BatchManifest.model_validate_json(stand.bucket.read_text(key)) for (key,) in keys]
        reads = [read for item in manifests for read in (item, item.ids) if read is not None]
        kept = {job_id for read in reads for job_id in read.job_ids}
        logged = iter_reads(self.layout.state("salesforce"))
        return tuple(sorted({read.job_id for read in logged if read.job_id and read.job_id not in kept}))

    def counts(self) -> dict[str, int]:
        """How much of everything has been done so far, to see what an action added."""
        stand = self.stand()
        return {
            "batches": stand.job_metadata("select count(*) from job.batch")[0][0],
            "calls": stand.job_metadata("select count(*) from job.claim_call")[0][0],
            "events": stand.api.call("GET", "/assets/events", limit=1)["total_entries"],
            "mails": len(stand.inbox()),
        }


def _rows(stand: Stand, table: str) -> list[dict[str, Any]]:
    with redshift.transaction(stand.context.secrets.redshift, stand.context.region) as cursor:
        cursor.execute(f"select * from {table}")
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def patiently(question: Callable[[], bool], seconds: float, what: str) -> None:
    """Returns once `question` says yes.

    Raises:
        AssertionError: it did not in time.
    """
    deadline = time.monotonic() + seconds
    while not question():
        assert time.monotonic() < deadline, f"{what}: not within {seconds:.0f} s"
        time.sleep(0.5)
