"""Turns the spark-submit of an EMR step into one that runs here.

A laptop has no YARN, so `--master` and `--deploy-mode` are replaced, cluster sizes are dropped, files named s3://… are
fetched first, and environment variables meant for the YARN containers go to the one process there is. Each change is
noted for the step's controller log.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from idiscover.errors import FatalError

RUNNER_JAR = "command-runner.jar"
# spark-submit options without a value; all others take one.
_FLAGS = ("-v", "--verbose", "--supervise")
_REPLACED = ("--master", "--deploy-mode")
_CLUSTER_ONLY = (
    "--num-executors",
    "--executor-cores",
    "--executor-memory",
    "--total-executor-cores",
    "--driver-cores",
    "--driver-memory",
    "--queue",
    "--principal",
    "--keytab",
)
_FETCHED = ("--py-files", "--files", "--jars", "--archives")
_CLUSTER_CONF = (
    "spark.master",
    "spark.submit.deployMode",
    "spark.yarn.",
    "spark.executor.",
    "spark.dynamicAllocation.",
    "spark.driver.memory",
    "spark.driver.cores",
    "spark.driver.extraJavaOptions",
)
_CONTAINER_ENVIRONMENT = ("spark.yarn.appMasterEnv.", "spark.executorEnv.")
# What the step may not set, because it names places on EMR's machines.
_OWN_VARIABLES = ("PYSPARK_PYTHON", "PYSPARK_DRIVER_PYTHON", "JAVA_HOME", "SPARK_HOME", "PATH")
_PASSED_ON = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "TZ", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE")
_MARK = "IDISCOVER_STACK"  # by which a stack finds its processes when it goes down
_PASSED_ON_PREFIXES = ("AWS_", "LC_")
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")

Fetch = Callable[[str, Path], Path]
"""(s3 URI, folder) → the local file."""


@dataclass(frozen=True)
class Spark:
    """The Spark of this machine. `java_options` are for the driver's JVM, one option per entry."""

    python: Path
    home: Path
    java_home: Path
    cores: int
    driver_memory_mb: int
    conf_dir: Path
    java_options: tuple[str, ...] = ()


@dataclass
class Submission:
    """What to run: the command, variables the step asked for, and notes for the controller log."""

    command: list[str]
    variables: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def find_spark_home(python: Path) -> Path:
    """The pyspark package of that environment; FatalError if there is none."""
    for package in sorted(python.parent.parent.glob("lib/python3.*/site-packages/pyspark")):
        if (package / "bin" / "spark-submit").exists():
            return package
    raise FatalError(
        "The Spark environment has no pyspark",
        where=str(python),
        expected="a virtual environment made from requirements/spark.txt",
        remedy="set it up again",
    )


def prepare(jar: str, args: Sequence[str], spark: Spark, work: Path, fetch: Fetch) -> Submission:
    """The local command for a step; FatalError if the step is of a kind that cannot be run here."""
    if jar != RUNNER_JAR or not args or args[0] != "spark-submit":
        raise FatalError(
            "This stand-in runs spark-submit only",
            got=f"{jar} {' '.join(args[:1])}",
            expected=f"{RUNNER_JAR} spark-submit …",
            remedy="write the step as a PySpark script",
        )
    submission = Submission(_base_command(spark, work))
    rest = list(args[1:])
    while rest and rest[0].startswith("-"):
        name, _, value = rest.pop(0).partition("=")
        if name in _FLAGS:
            submission.command.append(name)
            continue
        if not value:
            if not rest:
                raise FatalError("A spark-submit option has no value", got=name, remedy="give it one")
            value = rest.pop(0)
        _take_option(submission, name, value, work, fetch)
    if not rest:
        raise FatalError("The step names no script", got=" ".join(args), expected="spark-submit … script.py argument …")
    script = _local_file(rest[0], work, fetch)
    submission.command += [script, *rest[1:]]
    return submission


def _base_command(spark: Spark, work: Path) -> list[str]:
    options = [*spark.java_options, f"-Djava.io.tmpdir={work.parent / 'tmp'}"]
    return [
        str(spark.home / "bin" / "spark-submit"),
        "--master",
        f"local[{spark.cores}]",
        "--deploy-mode",
        "client",
        "--driver-memory",
        f"{spark.driver_memory_mb}m",
        "--driver-java-options",
        " ".join(_quoted(option) for option in options),
        "--conf",
        "spark.ui.enabled=false",
        "--conf",
        "spark.driver.host=127.0.0.1",
    ]


def _quoted(option: str) -> str:
    """As Spark's launcher splits the option string: double quotes keep spaces."""
    return f'"{option}"' if " " in option else option


def _take_option(submission: Submission, name: str, value: str, work: Path, fetch: Fetch) -> None:
    if name in _REPLACED:
        submission.notes.append(f"{name} {value} replaced: this is one machine, not a cluster")
    elif name in _CLUSTER_ONLY:
        submission.notes.append(f"{name} {value} dropped: it sizes a cluster")
    elif name in _FETCHED:
        submission.command += [name, ",".join(_local_file(item, work, fetch) for item in value.split(",") if item)]
    elif name in ("--conf", "-c"):
        _take_conf(submission, value)
    else:
        submission.command += [name, value]


def _take_conf(submission: Submission, setting: str) -> None:
    key, _, value = setting.partition("=")
    for prefix in _CONTAINER_ENVIRONMENT:
        variable = key.removeprefix(prefix)
        if key.startswith(prefix) and variable not in _OWN_VARIABLES:
            submission.variables[variable] = value
            submission.notes.append(f"{key} set in the environment of the process")
            return
    if key.startswith((*_CLUSTER_CONF, *_CONTAINER_ENVIRONMENT)):
        submission.notes.append(f"--conf {key} dropped: it is about a cluster")
    else:
        submission.command += ["--conf", setting]


def _local_file(item: str, work: Path, fetch: Fetch) -> str:
    """A file of the step on this machine. `uri#name` asks for another name in the working directory, as on YARN."""
    uri, _, alias = item.partition("#")
    if not uri.startswith(("s3://", "s3a://", "s3n://")):
        return item
    fetched = fetch(uri, work)
    if alias:
        fetched = fetched.rename(work / Path(alias).name)
    return str(fetched)


def environment(spark: Spark, run: Path, endpoint: str, wanted: Mapping[str, str]) -> dict[str, str]:
    """The environment of a step: an allow-list of the agent's own, the endpoint, Spark's places, what the step set."""
    own = {
        name: value
        for name, value in os.environ.items()
        if name in _PASSED_ON or name == _MARK or name in _PROXIES or name.startswith(_PASSED_ON_PREFIXES)
    }
    temporary = str(run / "tmp")
    return {
        **own,
        **wanted,
        "AWS_ENDPOINT_URL": endpoint,
        "SPARK_HOME": str(spark.home),
        "SPARK_CONF_DIR": str(spark.conf_dir),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_LOCAL_DIRS": temporary,
        "TMPDIR": temporary,
        "PYSPARK_PYTHON": str(spark.python),
        "PYSPARK_DRIVER_PYTHON": str(spark.python),
        "PYTHONUNBUFFERED": "1",
        "JAVA_HOME": str(spark.java_home),
        # For the small JVM that only works out the command line.
        "SPARK_LAUNCHER_OPTS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
    }
