"""`python -m local.stack.dag_sync`: mirrors the DAG bucket's `dags/` to Airflow's folder, as MWAA does.

Plans first, the stubs that read them next, deletions last. A stub whose plan alone changed is touched: Airflow parses a
file at once that is newer than its last look, and others once in a while.
"""

from __future__ import annotations

import argparse
import http.client
import json
import logging
import sys
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from idiscover.metadata.loading import parse_context

from local.stack.layout import ROOT

log = logging.getLogger("local.stack.dag_sync")
_LOCAL = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # the stand-in is never behind a proxy

PREFIX = "dags/"
SECONDS = 2.0
WHOLE_PASS_EVERY = 15  # passes: then what somebody did to the files here is put right too


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
        unfinished = path.with_name(f".{path.name}.partial")
        unfinished.write_bytes(client.get_object(Bucket=bucket, Key=PREFIX + name)["Body"].read())
        unfinished.replace(path)
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


@dataclass
class Mirror:
    """Mirrors the bucket pass by pass, and spares the listing where nothing is new in it.

    Attributes:
        fingerprint: another one once an object of the bucket has come, gone or changed; None where nobody tells.
    """

    client: Any
    bucket: str
    target: Path
    fingerprint: Callable[[], str | None]
    known: dict[str, str] = field(default_factory=dict)
    passes: int = 0
    seen: str | None = None

    def go(self) -> int:
        """One pass; returns the number of changes."""
        now = self.fingerprint()
        self.passes += 1
        if now is not None and now == self.seen and self.passes % WHOLE_PASS_EVERY:
            return 0
        self.seen = None  # a pass that fails has seen nothing
        changes = synchronise(self.client, self.bucket, self.target, self.known)
        self.seen = now
        return changes


def _fingerprint(endpoint: str, bucket: str) -> str | None:
    """A bucket's, as the stand-in at `endpoint` tells it: a listing costs each of the two a hundred times as much."""
    try:
        with _LOCAL.open(f"{endpoint}/idiscover/fingerprint/{bucket}", timeout=10) as answer:
            found: str | None = json.load(answer)["fingerprint"]
            return found
    except (OSError, http.client.HTTPException, ValueError, KeyError):  # it ends in the middle of an answer, too
        return None


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
    client, bucket = boto3.client("s3"), context.buckets.dags
    mirror = Mirror(client, bucket, options.target, partial(_fingerprint, client.meta.endpoint_url, bucket))
    while True:
        try:
            changes = mirror.go()
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
