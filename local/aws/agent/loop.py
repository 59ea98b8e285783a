"""The agent's loop: ask for work, start steps, watch them, report how they ended. One thread, no state but on disk.

Whatever moment the agent is killed at, the next one finds each step in one of these places:

    taken, not claimed or not launched   → claimed (again) and launched; nobody else can launch it any more
    launched and alive                   → watched on
    launched and dead                    → its exit code is in a file, or it is reported as FAILED with the reason
    outcome settled                      → logs uploaded and reported (again)
"""

from __future__ import annotations

import datetime as dt
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from idiscover.errors import IdiscoverError

from local.aws.agent import held as held_module
from local.aws.agent import logs, process
from local.aws.agent import spark as spark_module
from local.aws.agent.client import Client, Refused, Unreachable
from local.aws.agent.held import Held, Outcome
from local.aws.agent.spark import Spark

log = logging.getLogger(__name__)
TICK_SECONDS = 0.25
HEARTBEAT_SECONDS = 0.5
# A wrapper that has begun writes its pid within this time, or it is dead.
PID_SECONDS = 2.0
_LOST = Outcome(
    "FAILED", "Process lost", "The step's process ended without an exit status: it was killed, or the machine restarted"
)
_UNKNOWN = Outcome("FAILED", "Step lost", "The agent has no record of this step: its state directory was removed")
_STOPPED = Outcome("FAILED", "Agent stopped", "The step agent was stopped while the step ran")


class Agent:
    """Runs at most `max_steps` steps at a time. `spark` is asked for at each start, as it may get quicker over time."""

    def __init__(
        self, root: Path, client: Client, s3: Any, endpoint: str, max_steps: int, spark: Callable[[], Spark]
    ) -> None:
        self._root, self._client, self._s3 = root, client, s3
        self._endpoint, self._max_steps, self._spark = endpoint, max_steps, spark
        self._held = {found.step_id: found for found in held_module.find_all(root)}
        self._beat_at = 0.0
        self._stop = threading.Event()

    def stop(self) -> None:
        """Ask the loop to end."""
        self._stop.set()

    def run(self) -> None:
        """Work until asked to stop; then end the running steps and report them."""
        for found in self._held.values():
            log.info("found %s again: %s", found.step_id, self._describe(found))
        while not self._stop.is_set():
            self._try(self.tick)
            self._stop.wait(TICK_SECONDS)
        self._wind_up()

    def tick(self) -> None:
        """One round; Unreachable if the server does not answer (nothing is lost by that)."""
        for step in list(self._held.values()):
            self._watch(step)
        if time.monotonic() - self._beat_at >= HEARTBEAT_SECONDS:
            self._beat_at = time.monotonic()
            self._heartbeat()

    def _try(self, action: Callable[[], None]) -> bool:
        try:
            action()
        except (Unreachable, BotoCoreError) as error:
            log.info("server not reachable, trying again: %s", error)
        except (Refused, ClientError) as error:
            log.warning("refused: %s", error)
        else:
            return True
        self._stop.wait(1.0)
        return False

    def _describe(self, step: Held) -> str:
        if step.outcome():
            return "its outcome is still to be reported"
        return f"running as {step.leader}" if step.leader else "not running"

    def _heartbeat(self) -> None:
        answer = self._client.call("heartbeat", holding=sorted(self._held))
        for step_id in answer["stop"]:
            if self._held[step_id].claimed:
                self._begin_kill(self._held[step_id], Outcome("CANCELLED"))
        for lost in answer["missing"]:
            self._report(lost, _UNKNOWN)
        for order in answer["runnable"]:
            if len(self._held) < self._max_steps and order["step_id"] not in self._held:
                step = held_module.take(self._root, order)
                self._held[step.step_id] = step
                self._watch(step)

    def _watch(self, step: Held) -> None:
        """Bring one step forward as far as it goes now."""
        if (outcome := step.outcome()) is not None:
            self._deliver(step, outcome)
        elif step.killer is not None:
            self._finish_kill(step)
        elif step.launched():
            self._look_after(step)
        elif self._claim(step):
            self._launch(step)

    def _claim(self, step: Held) -> bool:
        order = step.order
        if not step.claimed:
            try:
                answer = self._client.call("claim", cluster_id=order["cluster_id"], step_id=step.step_id)
            except Refused as error:
                log.info("%s is gone: %s", step.step_id, error)
                answer = {"claimed": False}
            if not answer["claimed"]:
                self._forget(step)
                return False
            step.claimed = True
        return step.child is None

    def _launch(self, step: Held) -> None:
        # An earlier agent may have forked a wrapper that has not begun yet: whoever makes the folder first, wins.
        if step.run.exists() and not process.give_up_launch(step.run):
            return
        run = step.next_attempt()
        spark = self._spark()
        try:
            submission = spark_module.prepare(step.order["jar"], step.order["args"], spark, run / "work", self._fetch)
        except (IdiscoverError, ClientError, ValueError) as error:
            step.notes.append(f"not started: {error}")
            step.settle(Outcome("FAILED", "The step could not be started", str(error).replace("\n", " ")))
            return
        step.notes += [*submission.notes, f"java {spark.java_home}", "command " + " ".join(submission.command)]
        environment = spark_module.environment(spark, run, self._endpoint, submission.variables)
        self._note(run, step)
        step.child = process.start(run, submission.command, environment)
        step.leader = step.child.pid
        log.info("started %s of %s as %d", step.step_id, step.order["cluster_id"], step.leader)

    def _fetch(self, uri: str, folder: Path) -> Path:
        try:
            return logs.fetch(self._s3, uri, folder)
        except ClientError as error:
            raise ValueError(f"{uri} cannot be fetched: {error}") from error

    def _look_after(self, step: Held) -> None:
        """A launched step: still alive, ended, or lost."""
        step.claimed = True
        code = process.exit_code(step.run)
        if code is None and self._is_alive(step):
            return
        code = process.exit_code(step.run) if code is None else code
        self._sweep(step)
        if code is None:
            step.settle(_LOST)
        elif code == 0:
            step.settle(Outcome("COMPLETED"))
        else:
            message, name = logs.failure_message(step.run)
            step.settle(Outcome("FAILED", f"Exit code {code}", message or "The step wrote nothing", name))
        log.info("%s ended: %s", step.step_id, step.outcome())

    def _is_alive(self, step: Held) -> bool:
        if step.child is not None:
            return step.child.poll() is None
        deadline = time.monotonic() + PID_SECONDS
        while not (step.run / "pid").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        step.leader = process.wrapper_pid(step.run) or step.leader
        return process.wrapper_pid(step.run) is not None

    def _sweep(self, step: Held) -> None:
        """End what the command left behind in its session."""
        if step.child is not None:
            step.child.wait()
        session = process.session(step.run)
        if session is not None:
            process.kill_tree(session, grace_seconds=0.5)

    def _begin_kill(self, step: Held, outcome: Outcome) -> None:
        if step.killer is not None or step.outcome() is not None:
            return
        leader = step.leader
        if leader is None:
            step.settle(outcome)
            return
        log.info("ending %s (%d)", step.step_id, leader)
        step.killer = threading.Thread(target=process.kill_tree, args=(leader,), daemon=True)
        step.killer.start()
        step.notes.append("ended by the agent: SIGTERM, then SIGKILL")

    def _finish_kill(self, step: Held) -> None:
        if step.killer is not None and step.killer.is_alive():
            return
        if step.child is not None:
            step.child.wait()
        step.settle(_STOPPED if self._stop.is_set() else Outcome("CANCELLED"))

    def _deliver(self, step: Held, outcome: Outcome) -> None:
        """Logs first, then the report: whoever reads the report finds the logs."""
        if step.run.exists():
            if not (step.run / "controller.gz").exists():
                step.notes.append(f"outcome {outcome.state} {outcome.reason}")
            self._note(step.run, step)
            logs.upload(self._s3, step.order, step.run)
        self._report(step.order, outcome)
        self._forget(step)

    def _report(self, order: dict[str, Any], outcome: Outcome) -> None:
        details = {"Reason": outcome.reason, "Message": outcome.message}
        folder = logs.log_folder(order)
        if folder:
            details["LogFile"] = f"{folder}/{outcome.log}.gz"
        ids = {"cluster_id": order["cluster_id"], "step_id": order["step_id"]}
        try:
            self._client.call("report", **ids, outcome=outcome.state, details=details)
        except Refused as error:
            log.warning("the server does not know %s: %s", order["step_id"], error)

    def _note(self, run: Path, step: Held) -> None:
        """Append the notes to the step's controller log."""
        now = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")
        with (run / "controller").open("a") as file:
            file.writelines(f"{now} {line}\n" for line in step.notes)
        step.notes.clear()

    def _forget(self, step: Held) -> None:
        step.drop()
        del self._held[step.step_id]

    def _wind_up(self) -> None:
        """End every step; report what can be reported within a moment, the next agent reports the rest."""
        for step in list(self._held.values()):
            if step.launched():
                self._begin_kill(step, _STOPPED)
        for step in list(self._held.values()):
            if step.killer is not None:
                step.killer.join()
                self._finish_kill(step)
        for step in list(self._held.values()):
            outcome = step.outcome()
            if outcome is not None and not self._try(lambda step=step, outcome=outcome: self._deliver(step, outcome)):
                return
