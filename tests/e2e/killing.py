"""Kills of a stack's processes, each in the middle of a family's work; and what has to hold when the day is through."""

from __future__ import annotations

import random
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

import psutil
from idiscover.errors import IdiscoverError
from idiscover.metadata.models import Family

from local.stack.parts import record_of
from local.stack.process import stack_processes
from tests.e2e.chain import Chain, patiently

MOST_DELAY_SECONDS = 1.5  # after a task of the family has begun
GIVE_UP_SECONDS = 600
SETTLED_SECONDS = 1800
MOST_RUNS_OF_A_DAY = 5


class Victim(StrEnum):
    """What is killed: parts of the stack by their name, and processes that come and go."""

    POSTGRES = "postgres"
    AWS = "aws"
    SALESFORCE = "salesforce"
    FRONT = "warehouse"
    AGENT = "agent"
    API = "airflow-api"
    SCHEDULER = "airflow-scheduler"
    DAG_PROCESSOR = "airflow-dag-processor"
    TRIGGERER = "airflow-triggerer"
    WORKER = "a task's process"
    SPARK_DRIVER = "the JVM and the driver of a step"
    SPARK_EXECUTOR = "Spark's Python workers"


ONLY_EXTRACTIONS = frozenset(
    {Victim.SALESFORCE, Victim.AGENT, Victim.TRIGGERER, Victim.SPARK_DRIVER, Victim.SPARK_EXECUTOR}
)


@dataclass(frozen=True)
class Kill:
    """`victim` is to be killed `delay_seconds` after a task of `family` is seen at work."""

    family: Family
    victim: Victim
    delay_seconds: float


def kills_of(seed: int) -> list[Kill]:
    """Every victim once, each in one of the families that it has to do with, in the order of the data."""
    rng = random.Random(seed)
    kills = [
        Kill(
            Family.SFDC_TO_S3 if victim in ONLY_EXTRACTIONS else rng.choice(list(Family)),
            victim,
            rng.uniform(0, MOST_DELAY_SECONDS),
        )
        for victim in Victim
    ]
    rng.shuffle(kills)
    return sorted(kills, key=lambda kill: list(Family).index(kill.family))


@dataclass
class KillingDay:
    """A day of the org, run while `kills` happen; `done` are those that met their victim."""

    chain: Chain
    kills: list[Kill]
    done: list[Kill] = field(default_factory=list)
    log: list[str] = field(default_factory=list)

    def run(self) -> None:
        """Moves the org on and runs the day, again if a kill has stopped it, until it is through.

        Raises:
            AssertionError: it is not through after the last try.
        """
        over = threading.Event()
        killer = threading.Thread(target=self._kill_all, args=(over,))
        killer.start()
        try:
            result = self._verb("day")
            for _ in range(MOST_RUNS_OF_A_DAY):
                if result.returncode == 0 and not killer.is_alive():
                    return
                self.log.append(f"once more: status {result.returncode}\n{result.stdout[-3000:]}")
                self._verb("up")
                # a day that is through can be run again, and a further one brings work for the kills that are left
                result = self._verb("day" if result.returncode == 0 else "demo")
            raise AssertionError("\n".join([*self.log, result.stdout]))
        finally:
            over.set()
            killer.join()

    def _verb(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.chain.verb(*words, timeout_seconds=7200)

    def _kill_all(self, over: threading.Event) -> None:
        for kill in self.kills:
            if not self._wait_for_work(kill.family, over):
                return
            time.sleep(kill.delay_seconds)
            killed = self._kill(kill.victim, over)
            self.log.append(f"{time.strftime('%X')} {kill.family.value}: {kill.victim.value}: killed {killed}")
            if not killed:
                return
            self.done.append(kill)
            self.chain.verb("up", timeout_seconds=300)

    def _wait_for_work(self, family: Family, over: threading.Event) -> bool:
        """Whether a task of the family has been seen at work before the day was over."""
        while not over.is_set():
            try:
                running = self.chain.stand().api.running_tasks()
            except IdiscoverError:
                running = []
            if any(task["dag_id"].startswith(f"{family.value}__") for task in running):
                return True
            over.wait(0.3)
        return False

    def _kill(self, victim: Victim, over: threading.Event) -> list[int]:
        """The pids that were sent SIGKILL, once there are any."""
        deadline = time.monotonic() + GIVE_UP_SECONDS
        while not over.is_set() and time.monotonic() < deadline:
            pids = []
            for process in self._processes(victim):
                try:
                    process.send_signal(signal.SIGKILL)
                    pids.append(process.pid)
                except psutil.NoSuchProcess:
                    continue
            if pids:
                return pids
            over.wait(0.05)
        return []

    def _processes(self, victim: Victim) -> Iterable[psutil.Process]:
        layout = self.chain.layout
        if victim is Victim.WORKER:
            return _named(record_of(layout, Victim.SCHEDULER.value).members(), _is_task)
        if victim is Victim.SPARK_DRIVER:
            return _named(stack_processes(str(layout.home)), _is_driver)
        if victim is Victim.SPARK_EXECUTOR:
            return _named(stack_processes(str(layout.home)), _is_executor)
        found = record_of(layout, victim.value).find()
        return [] if found is None else [found]


def _named(processes: Iterable[psutil.Process], wanted: Callable[[list[str]], bool]) -> Iterator[psutil.Process]:
    for process in processes:
        try:
            if wanted(process.cmdline()):
                yield process
        except psutil.Error:
            continue


def _is_task(words: list[str]) -> bool:
    """An executor's worker while it has a task, or the task's own process: both carry it in their title."""
    return "airflow worker -- LocalExecutor: " in " ".join(words) and "<idle>" not in " ".join(words)


def _is_driver(words: list[str]) -> bool:
    return "org.apache.spark.deploy.SparkSubmit" in words or "extract.py" in " ".join(words)


def _is_executor(words: list[str]) -> bool:
    return "pyspark.daemon" in words


def settle(chain: Chain) -> None:
    """Waits until no run is on its way and nothing is left for one: what a run has brought wakes the next in a while.

    Raises:
        AssertionError: something stays half done.
    """
    patiently(lambda: left_half_done(chain) == [], SETTLED_SECONDS, "what was begun")
    chain.wait_until_idle()
    assert left_half_done(chain) == []


def left_half_done(chain: Chain) -> list[str]:
    """What a finished day must not leave behind, in words; empty if there is nothing."""
    stand = chain.stand()
    questions = {
        "batches that are not archived": "select batch_id from job.batch where state <> 'archived'",
        "claims still open": "select target from job.claim where state = 'open'",
        "locks still held": "select object from job.run_window where lock_expires_at_utc > now()",
        "arrivals that nobody took": "select target, input from job.input_arrival where claim_id is null",
        "marks that nobody took": "select target, country_code from job.slice_mark where claim_id is null",
    }
    found = {what: stand.job_metadata(sql) for what, sql in questions.items()}
    found["files in source/"] = [(key,) for key in stand.bucket.list("source/")]
    found["rows in stg"] = [
        (name,) for name in stand.catalog.objects if stand.warehouse(f"select count(*) from stg.{name}") != [(0,)]
    ]
    return [f"{what}: {rows}" for what, rows in found.items() if rows]
