"""`python -m local.stack.dag_sync`: mirrors the DAG bucket's `dags/` to Airflow's folder, as MWAA does.

Plans first, the stubs that read them next, deletions last. A stub whose plan alone changed is touched: Airflow parses a
file at once that is newer than its last look, and others once in a while.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from idiscover.metadata.loading import parse_context

from local.stack.layout import ROOT

log = logging.getLogger("local.stack.dag_sync")

PREFIX = "dags/"
SECONDS = 2.0


def synchronise(client: Any, bucket: str, target: Path, known: dict[str, str]) -> int:
    """One pass. `known` holds the ETag of each file as it was last written here; returns the number of changes."""
    listed: dict[str, str] = {}
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=PREFIX):
        for item in page.get("Contents", []):
            listed[item["Key"].removeprefix(PREFIX)] = item["ETag"]
    changes = 0
    for name in sorted(listed, key=lambda item: (item.endswith(".py"), item)):
        path = target / name
        if known.get(name) == listed[name] and path.exists():
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.partial")
        partial.write_bytes(client.get_object(Bucket=bucket, Key=PREFIX + name)["Body"].read())
        partial.replace(path)
        if path.suffix == ".json" and path.with_suffix(".py").exists():
            path.with_suffix(".py").touch()
        known[name] = listed[name]
        changes += 1
    for path in sorted(target.rglob("*.*"), key=lambda item: (item.suffix != ".py", item)):
        name = path.relative_to(target).as_posix()
        if path.suffix in (".py", ".json") and name not in listed:
            path.unlink()
            known.pop(name, None)
            changes += 1
    return changes


def main(argv: list[str] | None = None) -> int:
    """Runs until it is ended; touches `--beat` after every pass that went well, or found no bucket yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", type=Path, required=True)
    parser.add_argument("--beat", type=Path, required=True)
    options = parser.parse_args(argv)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    options.target.mkdir(parents=True, exist_ok=True)
    options.beat.parent.mkdir(parents=True, exist_ok=True)
    context = parse_context((ROOT / "context" / "local.yaml").read_text(encoding="utf-8"), "context/local.yaml")
    client = boto3.client("s3")
    known: dict[str, str] = {}
    while True:
        try:
            changes = synchronise(client, context.buckets.dags, options.target, known)
            if changes:
                log.info("%d files changed", changes)
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchBucket":
                log.warning("a pass failed: %s", error)
        except BotoCoreError as error:
            log.warning("a pass failed: %s", error)
        options.beat.touch()
        time.sleep(SECONDS)


if __name__ == "__main__":
    sys.exit(main())
