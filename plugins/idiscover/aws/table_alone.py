"""Alone with a table, from a shell: nothing is refreshed meanwhile, and the changes are passed on as a refresh does it.

The claim in job metadata keeps the runs of Airflow away; they find nothing to claim and end. A lock beside it says that
its process lives, so that the claim of one that was killed need not be waited for. However long the work takes, the
claim is renewed meanwhile; where it was lost all the same (a laptop that slept), the work ends before it commits.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from idiscover.aws.job_metadata import JobMetadata, open_job_metadata
from idiscover.aws.job_metadata_claims import LEASE, Claim, claim_alone, open_claim, release_claim, renewed_claim
from idiscover.aws.refresher import current_statements
from idiscover.errors import IdiscoverError, NextRunError
from idiscover.plan.model import RefreshPlan, RunIdentity

log = logging.getLogger(__name__)

Tell = Callable[[str], None]

_SHELL = "shell__"  # begins the run_id of no run of Airflow
_LOCK = "table"
_PAUSE_SECONDS = 2.0
_RENEWAL_SECONDS = LEASE.total_seconds() / 5  # four may fail


@dataclass(frozen=True)
class Alone:
    """Whoever is alone with a table."""

    metadata: JobMetadata
    claim: Claim
    run: RunIdentity

    def require(self) -> None:
        """Still alone; to be asked before anything is committed, and between two parts of long work.

        Raises:
            NextRunError: the claim has lapsed, and another run has the table.
            RetriableError: the connection broke, and the locks with it.
        """
        if renewed_claim(self.metadata, self.claim.target, self.run.run_id) is None:
            raise NextRunError(
                "another run has taken the table while this one worked",
                where=self.claim.target,
                got=f"the claim of {self.run.run_id} has lapsed",
                expected="a claim that is renewed as long as the work goes on",
                remedy="did this machine sleep, or was job metadata away? What was not committed is as it was: say the"
                " same again",
            )


@contextmanager
def alone_with_table(
    plan: RefreshPlan, verb: str, tell: Tell, pause: Callable[[float], None] = time.sleep
) -> Iterator[Alone]:
    """Waits for the table's refresh that runs, and keeps others away; the block ends with `refresher.finish_refresh`.

    A block that ends otherwise, by an error or because there was nothing to change, gives the claim back.

    Args:
        plan: of the table's refresh.
        verb: names the run.
        tell: is told what is waited for.
        pause: sleeps.

    Raises:
        RetriableError: another shell is at the table for too long.
        ConfigError: the table's metadata file is wrong.
    """
    run_id = f"{_SHELL}{verb}__{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}"
    run = RunIdentity(dag_id=plan.header.dag_id, run_id=run_id, run_type="manual")
    statements = current_statements(plan)
    with open_job_metadata(plan.context) as metadata, metadata.exclusive(_LOCK, plan.table):
        told = ""
        while (claim := claim_alone(metadata, plan, run_id, statements)) is None:
            told = _wait(metadata, plan.table, told, tell, pause)
        try:
            with _kept(plan, run_id):
                yield Alone(metadata, claim, run)
        except (Exception, KeyboardInterrupt):
            release_claim(metadata, plan.table, run_id)
            raise
        release_claim(metadata, plan.table, run_id)  # a finished one stays finished


@contextmanager
def _kept(plan: RefreshPlan, run_id: str) -> Iterator[None]:
    """The run's claim is renewed from time to time, whatever the block waits for: one statement may take hours."""
    ended = threading.Event()
    thread = threading.Thread(target=_renew, args=(plan, run_id, ended), name=f"claim of {plan.table}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _renew(plan: RefreshPlan, run_id: str, ended: threading.Event) -> None:
    while not ended.wait(_RENEWAL_SECONDS):
        try:
            with open_job_metadata(plan.context) as metadata:  # the block's own is in use, perhaps in a transaction
                renewed_claim(metadata, plan.table, run_id)
        except IdiscoverError as error:  # the next may succeed; if the claim is lost, `Alone.require` finds out
            log.warning("the claim of %s could not be renewed: %s", plan.table, error)


def _wait(metadata: JobMetadata, table: str, told: str, tell: Tell, pause: Callable[[float], None]) -> str:
    """Gives back a dead shell's claim, or waits a little for whoever has it; what was told last."""
    holder = open_claim(metadata, table)
    if holder is None:
        return told
    run_id, expires_at_utc = holder
    if run_id.startswith(_SHELL):  # its lock is ours, so its process is gone
        release_claim(metadata, table, run_id)
        return told
    if run_id != told:
        tell(
            f"{table}: waits for the refresh {run_id}; if it is dead, its claim lapses at {expires_at_utc:%H:%M:%S} UTC"
        )
    pause(_PAUSE_SECONDS)
    return run_id
