"""The front is a package of its own: built, installed elsewhere and run there, without the repository."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from local.warehouse.embedding import running

from .conftest import AWS, PASSWORD, Stack, free_port

REPOSITORY = Path(__file__).resolve().parents[3]
PACKAGE = REPOSITORY / "local" / "warehouse"
PROJECT = tomllib.loads((PACKAGE / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the package as pip installs it, and nothing else."""
    source = tmp_path_factory.mktemp("source") / "front"
    shutil.copytree(PACKAGE, source, ignore=shutil.ignore_patterns("__pycache__"))
    target = tmp_path_factory.mktemp("installed")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*command, "--no-compile", "--target", str(target), str(source)], check=True, capture_output=True)
    return target


@pytest.fixture
def front(installed: Path, stack: Stack, tmp_path: Path) -> Iterator[int]:
    """The port of a front that runs from the installed package alone."""
    port = free_port()
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    environment |= {**AWS, "PYTHONPATH": str(installed), "REDSHIFT_FRONT_UPSTREAM": stack.upstream}
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, str(installed / "bin" / "redshift-front"), "--port", str(port)],
            cwd=tmp_path,
            env=environment,
            stderr=log,
        )
    try:
        deadline = time.monotonic() + 30
        while "listens" not in (tmp_path / "log").read_text():
            assert process.poll() is None and time.monotonic() < deadline, (tmp_path / "log").read_text()
            time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait(timeout=10)


def test_installed_elsewhere_it_serves(front: int) -> None:
    connection = psycopg2.connect(host="127.0.0.1", port=front, user="postgres", password=PASSWORD, dbname="warehouse")
    try:
        with connection.cursor() as cursor:
            cursor.execute("select nvl(null, 1)")
            assert cursor.fetchone() == (1,)
            cursor.execute(
                "create procedure alone(result inout int) as $$ begin execute 'select top 1 2' into result; end $$"
                " language plpgsql"
            )
            cursor.execute("call alone(0)")
            assert cursor.fetchone() == (2,)
    finally:
        connection.close()


def test_it_runs_in_a_thread_of_another_process_and_ends(stack: Stack) -> None:
    for _ in range(2):
        with running(stack.upstream) as port:
            address = {"host": "127.0.0.1", "port": port, "user": "postgres", "password": PASSWORD}
            connection = psycopg2.connect(dbname="warehouse", **address)
            with connection.cursor() as cursor:
                body = "begin execute 'select top 1 3' into r; end"
                cursor.execute(f"create procedure thread(r inout int) as $$ {body} $$ language plpgsql")
                cursor.execute("call thread(0)")
                assert cursor.fetchone() == (3,)
        with pytest.raises(psycopg2.OperationalError):
            psycopg2.connect(dbname="warehouse", **address)
    with pytest.raises(psycopg2.OperationalError), running("postgresql://nobody@127.0.0.1:1/nothing"):
        pass


def test_every_package_and_file_is_named_in_its_project() -> None:
    packages = {"redshift_front", *(f"redshift_front.{path.parent.name}" for path in PACKAGE.glob("*/__init__.py"))}
    assert set(PROJECT["tool"]["setuptools"]["packages"]) == packages


def test_it_imports_itself_by_relative_names_and_others_that_it_declares() -> None:
    # botocore comes with boto3; compression.zstd is Python's own from 3.14 on, backports.zstd the same before
    declared = {"boto3", "botocore", "psycopg2", "compression", "backports"}
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) and node.level == 0 else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            foreign = {name.split(".")[0] for name in names} - set(sys.stdlib_module_names) - declared
            assert not foreign, f"{path}: {foreign}"
