"""The SQL that the last release has run, statement by statement, in the bucket.

`idiscover plan --diff` compares with it, and `publish_dags` refuses edits that need other SQL.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from idiscover.aws.s3 import Bucket
from idiscover.errors import ConfigError
from idiscover.lake.keys import RELEASE_KEY
from idiscover.metadata.sql_inventory import SqlInventory
from idiscover.metadata.statements import parse_call
from idiscover.warehouse.release import ReleaseStatement

STATEMENTS_KEY = "status/deploy/statements.json"  # name → SQL
TEMPLATE_KEY = "status/deploy/load.sql.j2"  # what the procedures of itg were rendered from


def last_release(bucket: Bucket) -> dict[str, Any]:
    """What the last deploy has recorded; empty before the first."""
    if not bucket.exists(RELEASE_KEY):
        return {}
    return dict(json.loads(bucket.read_text(RELEASE_KEY)))


def record_statements(bucket: Bucket, statements: Iterable[ReleaseStatement]) -> None:
    """Writes them down, unless they stand there already."""
    text = json.dumps({statement.name: statement.sql for statement in statements}, indent=1, ensure_ascii=False)
    if not (bucket.exists(STATEMENTS_KEY) and bucket.read_text(STATEMENTS_KEY) == text):
        bucket.write_text(STATEMENTS_KEY, text)


def record_template(bucket: Bucket, text: str) -> None:
    """Writes down what the release has rendered the procedures of itg from, unless it stands there already.

    Whoever takes new fields up has no repository at hand: MWAA is given plugins/ alone.
    """
    if recorded_template(bucket) != text:
        bucket.write_text(TEMPLATE_KEY, text, "text/plain; charset=utf-8")


def recorded_template(bucket: Bucket) -> str | None:
    """The template of the last release; None where it has recorded none."""
    return bucket.read_text(TEMPLATE_KEY) if bucket.exists(TEMPLATE_KEY) else None


def recorded_statements(bucket: Bucket) -> list[ReleaseStatement] | None:
    """Those of the last release; None where it has recorded none.

    Raises:
        ConfigError: what lies there is no such record.
    """
    if not bucket.exists(STATEMENTS_KEY):
        return None
    try:
        texts: dict[str, str] = json.loads(bucket.read_text(STATEMENTS_KEY))
    except ValueError as error:
        raise ConfigError(
            "the record of the last release's SQL cannot be read",
            where=bucket.uri(STATEMENTS_KEY),
            got=str(error),
            expected="JSON: name of a statement, and its SQL",
            remedy="write it anew, which changes nothing else: idiscover deploy",
        ) from error
    return [ReleaseStatement(name, sql) for name, sql in texts.items()]


def require_released(bucket: Bucket, statements: Sequence[str], where: str) -> None:
    """Statements call procedures that the last release has brought; where it has recorded none, nobody knows.

    Args:
        bucket: of the data.
        statements: of a table file, those that are not in force yet; where there are none, nothing is read.
        where: the file.

    Raises:
        ConfigError: one calls another procedure.
    """
    recorded = recorded_statements(bucket) if statements else None
    if recorded is None:
        return
    known = SqlInventory.of(item.sql for item in recorded).procedures
    for statement in statements:
        if (name := parse_call(statement).qualified_name) not in known:
            raise ConfigError(
                "a statement calls a procedure that no release has brought",
                where=where,
                key="statements",
                got=name,
                expected="a procedure of the last release",
                remedy="correct the name; or write the procedure, and release it: idiscover deploy",
            )
