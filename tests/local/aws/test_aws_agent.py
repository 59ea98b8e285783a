"""The agent as a real process. Most tests give it a spark-submit that is plain Python; one gives it Spark itself."""

from __future__ import annotations

import gzip
import io
import json
import os
import signal
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import psutil
import pytest
from aws_stand import (
    SPARK_PYTHON,
    Stand,
    add_step,
    cluster_status,
    make_cluster,
    wait_cluster,
    wait_for,
    wait_step,
)

GOOD = "import sys; print('out', sys.argv[1:]); print('err', file=sys.stderr)"
BAD = "import sys; print('working', file=sys.stderr)\nraise ValueError('no such object: Acount')"
# Marks its start in the file it is told, then waits, with a child that has left the process group as Spark's does.
LONG = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import os, time; os.setpgid(0, 0); time.sleep(600)"])
with open(sys.argv[1], "a") as file:
    file.write(f"{os.getpid()} {child.pid}\\n")
deadline = time.monotonic() + 600
while time.monotonic() < deadline and not os.path.exists(sys.argv[1] + ".go"):
    time.sleep(0.05)
child.kill()
print("done")
"""


@pytest.fixture
def fake_spark(tmp_path: Path) -> Path:
    """The python of an environment whose spark-submit runs the script, without its own options, with this Python."""
    package = tmp_path / "an env" / "lib" / "python3.12" / "site-packages" / "pyspark"
    (package / "bin").mkdir(parents=True)
    (package / "jars").mkdir()
    submit = package / "bin" / "spark-submit"
    submit.write_text(
        f"#!{sys.executable}\nimport os, sys\nargs = sys.argv[1:]\n"
        "while args and args[0].startswith('--'):\n    args = args[2:]\n"
        "os.execv(sys.executable, [sys.executable, *args])\n"
    )
    submit.chmod(0o755)
    python = tmp_path / "an env" / "bin" / "python"
    python.parent.mkdir()
    python.symlink_to(sys.executable)
    return python


@pytest.fixture
def lake(stand: Stand) -> Any:
    """A bucket with the scripts; returns the S3 client."""
    s3 = stand.client("s3")
    s3.create_bucket(Bucket="lake")
    for name, text in {"good": GOOD, "bad": BAD, "long": LONG}.items():
        s3.put_object(Bucket="lake", Key=f"script/abc/{name}.py", Body=text.encode())
    return s3


def logged(s3: Any, cluster: str, step: str, name: str) -> str:
    key = f"logs/{cluster}/steps/{step}/{name}.gz"
    return gzip.decompress(s3.get_object(Bucket="lake", Key=key)["Body"].read()).decode()


def starts(mark: Path) -> list[list[int]]:
    """[script's pid, its child's pid] of each time the long script was started."""
    if not mark.exists():
        return []
    return [[int(pid) for pid in line.split()] for line in mark.read_text().splitlines()]


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_steps_run_and_leave_logs(stand: Stand, lake: Any, fake_spark: Path) -> None:
    emr = stand.client("emr")
    cluster = make_cluster(emr, LogUri="s3://lake/logs/", StepConcurrencyLevel=4)
    stand.start_agent(fake_spark)
    good = add_step(
        emr,
        cluster,
        "--num-executors",
        "4",
        "s3://lake/script/abc/good.py",
        "--object",
        "Lab; rm -rf $x",
    )
    bad = add_step(emr, cluster, "s3://lake/script/abc/bad.py")
    absent = add_step(emr, cluster, "s3://lake/script/abc/absent.py")
    wait_step(emr, cluster, good, "COMPLETED")
    assert logged(lake, cluster, good, "stdout") == "out ['--object', 'Lab; rm -rf $x']\n"
    assert logged(lake, cluster, good, "stderr") == "err\n"
    assert "--num-executors 4 dropped" in logged(lake, cluster, good, "controller")
    details = wait_step(emr, cluster, bad, "FAILED")["FailureDetails"]
    assert details["Message"] == "ValueError: no such object: Acount"
    assert details["LogFile"] == f"s3://lake/logs/{cluster}/steps/{bad}/stderr.gz"
    assert "Traceback" in logged(lake, cluster, bad, "stderr")
    details = wait_step(emr, cluster, absent, "FAILED")["FailureDetails"]
    assert "s3://lake/script/abc/absent.py cannot be fetched" in details["Message"]
    wait_cluster(emr, cluster, "WAITING")
    assert stand.health()["agent_heartbeat_age_seconds"] < 3  # type: ignore[index]
    assert list((stand.folder / "agent" / "steps").iterdir()) == [], "what is reported leaves nothing behind"


def test_no_more_than_max_steps_over_all_clusters(stand: Stand, lake: Any, fake_spark: Path, tmp_path: Path) -> None:
    emr = stand.client("emr")
    clusters = [make_cluster(emr) for _ in range(3)]
    marks = [tmp_path / f"mark{number}" for number in range(3)]
    steps = [
        add_step(emr, cluster, "s3://lake/script/abc/long.py", str(mark))
        for cluster, mark in zip(clusters, marks, strict=True)
    ]
    stand.start_agent(fake_spark, max_steps=2)
    wait_for(lambda: all(starts(mark) for mark in marks[:2]), "two steps' start")
    time.sleep(1.5)
    assert not starts(marks[2])
    marks[0].with_name("mark0.go").touch()
    wait_step(emr, clusters[0], steps[0], "COMPLETED")
    wait_for(lambda: starts(marks[2]), "the third step's start")


def test_cancel_and_termination_kill_the_tree(stand: Stand, lake: Any, fake_spark: Path, tmp_path: Path) -> None:
    emr = stand.client("emr")
    cluster = make_cluster(emr, LogUri="s3://lake/logs/", StepConcurrencyLevel=2)
    stand.start_agent(fake_spark)
    marks = [tmp_path / "first", tmp_path / "second"]
    first, second = (add_step(emr, cluster, "s3://lake/script/abc/long.py", str(mark)) for mark in marks)
    wait_for(lambda: all(starts(mark) for mark in marks), "both starts")
    emr.cancel_steps(ClusterId=cluster, StepIds=[first])
    wait_step(emr, cluster, first, "CANCELLED")
    assert all(gone(pid) for pid in starts(marks[0])[0])
    assert not any(gone(pid) for pid in starts(marks[1])[0]), "the other step goes on"
    emr.terminate_job_flows(JobFlowIds=[cluster])
    wait_cluster(emr, cluster, "TERMINATED")
    wait_step(emr, cluster, second, "CANCELLED")
    assert all(gone(pid) for pid in starts(marks[1])[0])


def test_a_killed_agent_finds_its_steps_again(stand: Stand, lake: Any, fake_spark: Path, tmp_path: Path) -> None:
    """One step lives on, one dies unseen, one ends unseen; the server too is killed meanwhile. Nothing runs twice."""
    emr = stand.client("emr")
    cluster = make_cluster(emr, LogUri="s3://lake/logs/", StepConcurrencyLevel=3)
    agent = stand.start_agent(fake_spark, max_steps=3)
    marks = [tmp_path / name for name in ("lives", "dies", "ends")]
    lives, dies, ends = (add_step(emr, cluster, "s3://lake/script/abc/long.py", str(mark)) for mark in marks)
    wait_for(lambda: all(starts(mark) for mark in marks), "three starts")
    agent.kill()
    agent.wait()
    shell = psutil.Process(starts(marks[1])[0][0]).parent()
    assert shell is not None
    shell.kill()
    marks[2].with_name("ends.go").touch()
    wait_for(lambda: gone(starts(marks[2])[0][0]), "the unseen end")
    stand.crash_and_restart()
    stand.start_agent(fake_spark, max_steps=3)
    wait_step(emr, cluster, ends, "COMPLETED")
    assert logged(lake, cluster, ends, "stdout") == "done\n"
    details = wait_step(emr, cluster, dies, "FAILED")["FailureDetails"]
    assert details["Reason"] == "Process lost"
    assert all(gone(pid) for pid in starts(marks[1])[0]), "what the dead wrapper left is ended"
    marks[0].with_name("lives.go").touch()
    wait_step(emr, cluster, lives, "COMPLETED")
    assert [len(starts(mark)) for mark in marks] == [1, 1, 1]


@pytest.mark.parametrize("moment", ["before the claim", "before the launch", "in the launch"])
def test_killed_between_claim_and_launch(
    stand: Stand, lake: Any, fake_spark: Path, tmp_path: Path, moment: str
) -> None:
    """The record an agent leaves when it dies at that moment makes the next one run the step, once."""
    emr = stand.client("emr")
    cluster = make_cluster(emr)
    mark = tmp_path / "mark"
    mark.with_name("mark.go").touch()
    step = add_step(emr, cluster, "s3://lake/script/abc/long.py", str(mark))
    wait_cluster(emr, cluster, "RUNNING")
    order = stand.post("agent/heartbeat", {"agent": "first", "holding": []})["runnable"][0]
    folder = stand.folder / "agent" / "steps" / step
    folder.mkdir(parents=True)
    (folder / "order.json").write_text(json.dumps(order))
    (stand.folder / "agent" / "id").write_text("first")
    if moment != "before the claim":
        asked = {"agent": "first", "cluster_id": cluster, "step_id": step}
        assert stand.post("agent/claim", asked)["claimed"]
    if moment == "in the launch":
        (folder / "1" / "work").mkdir(parents=True)
    stand.start_agent(fake_spark)
    wait_step(emr, cluster, step, "COMPLETED")
    assert len(starts(mark)) == 1


def test_a_stopped_agent_leaves_no_process_and_says_so(
    stand: Stand, lake: Any, fake_spark: Path, tmp_path: Path
) -> None:
    emr = stand.client("emr")
    cluster = make_cluster(emr)
    agent = stand.start_agent(fake_spark)
    step = add_step(emr, cluster, "s3://lake/script/abc/long.py", str(tmp_path / "mark"))
    wait_for(lambda: starts(tmp_path / "mark"), "the start")
    assert os.getpgid(agent.pid) == agent.pid, "a process group of its own"
    agent.send_signal(signal.SIGTERM)
    assert agent.wait(timeout=20) == 0
    assert all(gone(pid) for pid in starts(tmp_path / "mark")[0])
    assert wait_step(emr, cluster, step, "FAILED")["FailureDetails"]["Reason"] == "Agent stopped"
    assert cluster_status(emr, cluster)["State"] == "WAITING"


SPARK_SCRIPT = """
import sys
import boto3
from helper import double
from pyspark.sql import SparkSession
session = SparkSession.builder.appName("test").getOrCreate()
total = session.sparkContext.parallelize(range(10), 2).map(double).sum()
boto3.client("s3").put_object(Bucket="lake", Key="source/total", Body=str(total).encode())
print("total", total)
if sys.argv[1] == "fail":
    raise RuntimeError("counts differ: 45 and 46")
"""


def test_pyspark_for_real(stand: Stand, lake: Any) -> None:
    """Two Spark steps at once: one writes to S3 from --py-files code, one fails after it did its work."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("helper.py", "def double(n):\n    return 2 * n\n")
    lake.put_object(Bucket="lake", Key="script/abc/idiscover.zip", Body=packed.getvalue())
    lake.put_object(Bucket="lake", Key="script/abc/extract.py", Body=SPARK_SCRIPT.encode())
    emr = stand.client("emr")
    cluster = make_cluster(emr, LogUri="s3://lake/logs/", StepConcurrencyLevel=2)
    stand.start_agent(SPARK_PYTHON)
    files = [
        "--py-files",
        "s3://lake/script/abc/idiscover.zip",
        "s3://lake/script/abc/extract.py",
    ]
    good, bad = (add_step(emr, cluster, *files, word) for word in ("succeed", "fail"))
    wait_step(emr, cluster, good, "COMPLETED", "FAILED", seconds=90)
    assert logged(lake, cluster, good, "stdout") == "total 90\n", logged(lake, cluster, good, "stderr")
    assert lake.get_object(Bucket="lake", Key="source/total")["Body"].read() == b"90"
    status = wait_step(emr, cluster, bad, "COMPLETED", "FAILED", seconds=90)
    assert status["FailureDetails"]["Message"] == "RuntimeError: counts differ: 45 and 46"
    assert status["FailureDetails"]["LogFile"].endswith("/stdout.gz")
