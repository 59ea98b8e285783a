"""How a step's spark-submit becomes a local one, how its failure is told, and how Java is found."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from idiscover.errors import ConfigError, FatalError

from local.aws.agent import java, logs
from local.aws.agent.spark import Spark, environment, prepare


@pytest.fixture
def spark(tmp_path: Path) -> Spark:
    return Spark(
        tmp_path / "py",
        tmp_path / "home",
        tmp_path / "java",
        2,
        900,
        tmp_path / "conf",
        ("-Da=b c",),
    )


def fetch(uri: str, folder: Path) -> Path:
    target = folder / uri.rpartition("/")[2]
    target.touch()
    return target


def submit(spark: Spark, work: Path, *args: str) -> tuple[list[str], dict[str, str], list[str]]:
    work.mkdir(parents=True, exist_ok=True)
    made = prepare("command-runner.jar", ["spark-submit", *args], spark, work, fetch)
    return made.command, made.variables, made.notes


def test_cluster_options_are_replaced_and_the_rest_kept(spark: Spark, tmp_path: Path) -> None:
    work = tmp_path / "run" / "work"
    args = [
        "--deploy-mode",
        "cluster",
        "--master=yarn",
        "--verbose",
        "--executor-memory",
        "8g",
    ]
    args += [
        "--conf",
        "spark.sql.session.timeZone=UTC",
        "--conf",
        "spark.dynamicAllocation.enabled=true",
    ]
    args += [
        "--conf",
        "spark.yarn.appMasterEnv.IDISCOVER_ENV=local",
        "--conf",
        "spark.executorEnv.PYSPARK_PYTHON=/x",
    ]
    args += [
        "--py-files",
        "s3://b/s/i.zip,s3://b/s/j.zip",
        "--files",
        "s3://b/s/deep/ca.pem#chain.pem",
    ]
    command, variables, notes = submit(spark, work, *args, "s3://b/s/extract.py", "--conf", "--master", "x y")
    assert command[:5] == [
        str(tmp_path / "home/bin/spark-submit"),
        "--master",
        "local[2]",
        "--deploy-mode",
        "client",
    ]
    options = command[command.index("--driver-java-options") + 1]
    assert options == f'"-Da=b c" -Djava.io.tmpdir={tmp_path / "run" / "tmp"}'
    tail = command[command.index("spark.driver.host=127.0.0.1") + 1 :]
    files = [f"{work}/i.zip,{work}/j.zip", f"{work}/chain.pem"]
    assert tail == [
        "--verbose",
        "--conf",
        "spark.sql.session.timeZone=UTC",
        "--py-files",
        files[0],
        "--files",
        files[1],
        f"{work}/extract.py",
        "--conf",
        "--master",
        "x y",
    ]
    assert variables == {"IDISCOVER_ENV": "local"}
    assert (work / "chain.pem").exists()
    assert any("--master yarn replaced" in note for note in notes)
    assert any("spark.dynamicAllocation.enabled dropped" in note for note in notes)


@pytest.mark.parametrize(
    ("jar", "args"),
    [
        ("s3://b/own.jar", ["spark-submit", "x.py"]),
        ("command-runner.jar", ["hadoop-streaming"]),
        ("command-runner.jar", []),
        ("command-runner.jar", ["spark-submit", "--conf"]),
        ("command-runner.jar", ["spark-submit", "--deploy-mode", "cluster"]),
    ],
)
def test_what_cannot_run_here_is_said(spark: Spark, tmp_path: Path, jar: str, args: list[str]) -> None:
    with pytest.raises(FatalError):
        prepare(jar, args, spark, tmp_path, fetch)


def test_environment_is_an_allow_list(spark: Spark, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_PASSWORD", "secret")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/ca.pem")
    made = environment(
        spark,
        tmp_path,
        "http://127.0.0.1:1",
        {"IDISCOVER_ENV": "local", "SPARK_HOME": "/elsewhere"},
    )
    assert "DATABASE_PASSWORD" not in made
    assert made["AWS_ACCESS_KEY_ID"] == "local"
    assert made["AWS_ENDPOINT_URL"] == "http://127.0.0.1:1"
    assert made["REQUESTS_CA_BUNDLE"] == "/ca.pem"
    assert made["IDISCOVER_ENV"] == "local"
    assert made["SPARK_HOME"] == str(spark.home)


STACK = "\n\tat x.y(Z.java)\n"
MAIN = 'Exception in thread "main" java.io.IOException: disk'
FATAL = "idiscover.errors.FatalError: second"
CONFIG = "idiscover.errors.ConfigError: no"


@pytest.mark.parametrize(
    ("stderr", "message"),
    [
        ("Traceback (most recent call last):\n  File x\nValueError: a: b\n26/01/01 WARN bye\n", "ValueError: a: b"),
        (f"KeyError: 'first'\nDuring handling ...\n{FATAL}\n", FATAL),
        (MAIN + STACK, MAIN),
        ("Caused by: java.lang.Error: c" + STACK, "Caused by: java.lang.Error: c"),
        (f"{CONFIG}\n  got: 1\n  expected: 2\nWARN x\n", f"{CONFIG} got: 1 expected: 2"),
        ("no exception here\nlast words\n\n", "last words"),
        ("An Error occurred: look\nValueError\n", "ValueError"),
        ("", None),
    ],
)
def test_failure_message(tmp_path: Path, stderr: str, message: str | None) -> None:
    (tmp_path / "stderr").write_text(stderr)
    assert logs.failure_message(tmp_path) == (message, "stderr")


def test_a_traceback_in_stdout_comes_first(tmp_path: Path) -> None:
    """spark-submit in client mode writes the script's stderr to its stdout."""
    (tmp_path / "stderr").write_text("WARNING: Using incubator modules\n")
    (tmp_path / "stdout").write_text("Traceback (most recent call last):\n  File x\nValueError: a\n")
    assert logs.failure_message(tmp_path) == ("ValueError: a", "stdout")
    (tmp_path / "stdout").write_text("rows 7\n")
    (tmp_path / "stderr").write_text("")
    assert logs.failure_message(tmp_path) == ("rows 7", "stdout")


def test_the_wheels_java_loses_one_option_only(tmp_path: Path) -> None:
    home = tmp_path / "a wheel's home"
    (home / "bin").mkdir(parents=True)
    real = home / "bin" / "java"
    real.write_text(f"#!{sys.executable}\nimport sys\nprint(sys.argv[1:])\n")
    real.chmod(0o755)
    wrapped = java.wrapped_wheel(home, tmp_path / "a state")
    args = [
        "-cp",
        "a b",
        "--add-modules=jdk.incubator.vector",
        "",
        "--add-modules=other",
        "$x",
    ]
    answer = subprocess.run([wrapped / "bin" / "java", *args], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == str([args[0], args[1], *args[3:]])


def test_no_java_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(ConfigError, match="Java 17"):
        java.find_java_home(Path(sys.executable), tmp_path)
