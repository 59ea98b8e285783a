"""A class data sharing archive of Spark's classes: halves the time to start a step's JVM.

One training run loads what a PySpark step loads and leaves the archive (about 150 MB); each step then maps it instead
of parsing and verifying 15 000 classes. Built once per Java and Spark, kept in `cache`. A missing or unusable archive
only makes steps slower: the JVM then goes on without it.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path

from local.aws.agent import spark as spark_module
from local.aws.agent.spark import Spark

log = logging.getLogger(__name__)
BUILD_LIMIT_SECONDS = 300
# C1 only: a step's JVM lives for seconds and mostly waits for Python, so C2's compilations never pay.
FAST_START = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-XX:-UsePerfData")
_QUIET_CDS = ("-Xlog:cds=off", "-Xlog:cds+dynamic=off", "-Xlog:class+path=off")
_LOG4J = """rootLogger.level = warn
rootLogger.appenderRef.stderr.ref = console
appender.console.type = Console
appender.console.name = console
appender.console.target = SYSTEM_ERR
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{yyyy-MM-dd HH:mm:ss} %p %c{1}: %m%n%ex
logger.native.name = org.apache.hadoop.util.NativeCodeLoader
logger.native.level = error
"""
_TRAINING = """
from pyspark.sql import SparkSession
session = SparkSession.builder.getOrCreate()
context = session.sparkContext
assert context.parallelize(range(4), 2).map(lambda n: n + 1).sum() == 10
frame = session.createDataFrame([(1, "a"), (2, "b")], "number int, letter string")
assert frame.repartition(2).groupBy("letter").count().where("count = 1").count() == 2
assert len(frame.selectExpr("number + 1 as n", "upper(letter) as l").collect()) == 2
session.stop()
"""


def folder_of(spark: Spark, cache: Path) -> Path:
    """Where the archive for this Java and this Spark lies."""
    release = spark.java_home / "release"
    jars = spark.home / "jars"
    facts = [str(spark.java_home), str(jars), str(jars.stat().st_mtime_ns), str(len(list(jars.iterdir())))]
    if release.exists():
        facts.append(release.read_text())
    return cache / ("cds-" + hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16])


def with_options(spark: Spark, cache: Path) -> Spark:
    """The same Spark with the quickest JVM options that are to be had now, and quiet logging."""
    (cache / "conf").mkdir(parents=True, exist_ok=True)
    log4j = cache / "log4j2.properties"
    if not log4j.exists() or log4j.read_text() != _LOG4J:
        # Another stack may share the cache and start a JVM just now: the file is whole at every moment.
        partial = cache / f"log4j2.{os.getpid()}.partial"
        partial.write_text(_LOG4J)
        partial.replace(log4j)
    # An empty configuration folder, because an archive cannot be made with a non-empty folder on the class path.
    quiet = replace(spark, conf_dir=cache / "conf")
    options = [*FAST_START, f"-Dlog4j2.configurationFile={log4j.as_uri()}"]
    folder = folder_of(spark, cache)
    if (folder / "steps.jsa").exists():
        options += [*_QUIET_CDS, f"-XX:SharedArchiveFile={folder / 'base.jsa'}:{folder / 'steps.jsa'}"]
    return replace(quiet, java_options=tuple(options))


def build(spark: Spark, cache: Path) -> bool:
    """Make the archive unless it is there; False if that did not work (steps then start more slowly)."""
    folder = folder_of(spark, cache)
    if (folder / "steps.jsa").exists():
        return True
    cache.mkdir(parents=True, exist_ok=True)
    lock_path = cache / "building.lock"
    with lock_path.open("w") as lock, tempfile.TemporaryDirectory(dir=cache, prefix="building-") as name:
        # The two files belong together: of two agents with one cache, the second waits, and finds the archive made.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (folder / "steps.jsa").exists():
            return True
        building = Path(name)
        try:
            # The JVM records the base archive's path in the other one, so it is made where it will stay.
            folder.mkdir(exist_ok=True)
            _dump_base(spark, building / "base.jsa", folder / "base.jsa")
            _train(spark, cache, building, folder / "base.jsa")
        except (OSError, subprocess.SubprocessError) as error:
            log.warning("no class data sharing archive, steps start more slowly: %s", error)
            return False
        (building / "steps.jsa").replace(folder / "steps.jsa")
    return True


def _dump_base(spark: Spark, partial: Path, target: Path) -> None:
    command = [spark.java_home / "bin" / "java", "-Xshare:dump", "-XX:+UseSerialGC", f"-XX:SharedArchiveFile={partial}"]
    subprocess.run(command, check=True, capture_output=True, timeout=BUILD_LIMIT_SECONDS)
    partial.replace(target)


def _train(spark: Spark, cache: Path, building: Path, base: Path) -> None:
    plain = with_options(spark, cache)
    options = (*plain.java_options, *_QUIET_CDS)
    archive = (f"-XX:SharedArchiveFile={base}", f"-XX:ArchiveClassesAtExit={building / 'steps.jsa'}")
    script = building / "training.py"
    script.write_text(_TRAINING)
    for name in ("work", "tmp"):
        (building / name).mkdir()
    trained = replace(plain, java_options=(*options, *archive))
    args = ["spark-submit", str(script)]
    submission = spark_module.prepare(spark_module.RUNNER_JAR, args, trained, building / "work", _no_fetch)
    subprocess.run(
        submission.command,
        env=spark_module.environment(trained, building, "http://127.0.0.1:1", {}),
        cwd=building,
        check=True,
        capture_output=True,
        timeout=BUILD_LIMIT_SECONDS,
    )


def _no_fetch(uri: str, _folder: Path) -> Path:
    raise OSError(f"the training run needs nothing from S3, but asked for {uri}")
