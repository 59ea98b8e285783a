"""Putting the schema rs into the upstream database: once, and again when its source has changed."""

from __future__ import annotations

import hashlib
from pathlib import Path

import psycopg2

HELPERS = Path(__file__).with_name("helpers")
LOCK = 7316001
QUERY_IDS_PER_START = 10_000_000


def install(upstream: str) -> int:
    """Bring schema rs up to date in the upstream database (a URI, as a superuser: event triggers need one).

    Returns the first of the query ids that this start of the front may use.
    """
    sources = [path.read_text(encoding="utf-8") for path in sorted(HELPERS.glob("*.sql"))]
    digest = hashlib.sha256("".join(sources).encode()).hexdigest()
    connection = psycopg2.connect(upstream)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute("select pg_advisory_xact_lock(%s)", (LOCK,))
            if _installed(cursor) != digest:
                for source in sources:
                    cursor.execute(source)
                _remember(cursor, "helpers", digest)
            cursor.execute("select nextval('rs.query_id_block')")
            return int(cursor.fetchone()[0]) * QUERY_IDS_PER_START
    finally:
        connection.close()


def _installed(cursor: psycopg2.extensions.cursor) -> str | None:
    cursor.execute("select to_regclass('rs.setting'), to_regclass('pg_catalog.svv_tables')")
    if None in cursor.fetchone():  # a restored dump has the one without the other
        return None
    cursor.execute("select value from rs.setting where name = 'helpers'")
    row = cursor.fetchone()
    return row[0] if row else None


def _remember(cursor: psycopg2.extensions.cursor, name: str, value: str) -> None:
    cursor.execute(
        "insert into rs.setting values (%s, %s) on conflict (name) do update set value = excluded.value", (name, value)
    )
