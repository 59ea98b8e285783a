"""The SQL that the last release has run, statement by statement, in the bucket, for `idiscover plan --diff`."""

from __future__ import annotations

import json
from collections.abc import Iterable

from idiscover.aws.s3 import Bucket
from idiscover.warehouse.release import ReleaseStatement

STATEMENTS_KEY = "status/deploy/statements.json"  # name → SQL


def record_statements(bucket: Bucket, statements: Iterable[ReleaseStatement]) -> None:
    """Writes them down, unless they stand there already."""
    text = json.dumps({statement.name: statement.sql for statement in statements}, indent=1, ensure_ascii=False)
    if not (bucket.exists(STATEMENTS_KEY) and bucket.read_text(STATEMENTS_KEY) == text):
        bucket.write_text(STATEMENTS_KEY, text)


def recorded_statements(bucket: Bucket) -> list[ReleaseStatement] | None:
    """Those of the last release; None where it has recorded none."""
    if not bucket.exists(STATEMENTS_KEY):
        return None
    texts: dict[str, str] = json.loads(bucket.read_text(STATEMENTS_KEY))
    return [ReleaseStatement(name, sql) for name, sql in texts.items()]
