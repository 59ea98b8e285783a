"""`idiscover migrate`: the plan, the ledger and a draft, of a warehouse that a test thinks up."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from idiscover.aws.table_migrations import ReleaseSql
from idiscover.cli import migrations
from idiscover.cli.migrating import check_sql
from idiscover.errors import ConfigError
from idiscover.warehouse.migration_files import read_migrations
from idiscover.warehouse.migration_ledger import Entry, EntryKind, EntryState
from idiscover.warehouse.migration_plan import MigrationPlan, plan_migrations
from idiscover.warehouse.release import ReleaseStatement
from idiscover.warehouse.table_shapes import shapes_of

from tests.unit.metadata_samples import REPOSITORY, sample_context

CONTEXT = str(REPOSITORY / "context" / "local.yaml")
OLD = "create table itg.lab (\n    id int,\n    fee bigint\n)"
NEW = "create table itg.lab (\n    id int,\n    price bigint,\n    city date\n)"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A repository whose release wants NEW, where OLD stands."""

    def to_come(place: Path, _context: object) -> ReleaseSql:
        return ReleaseSql(
            [ReleaseStatement("table", NEW)], read_migrations(place / "sql"), None, "ada@laptop", "c0ffee"
        )

    def plan(_context: object, sql: ReleaseSql) -> MigrationPlan:
        return plan_migrations(sql.files, [], shapes_of([OLD]), sql.wanted(), shapes_of([OLD]))

    monkeypatch.setattr(migrations, "_to_come", to_come)
    monkeypatch.setattr(migrations, "read_plan", plan)
    (tmp_path / "sql").mkdir()
    yield tmp_path
    shutil.rmtree(tmp_path)


def test_a_plan_says_all_and_then_that_a_deploy_would_stop(root: Path) -> None:
    lines: list[str] = []
    with pytest.raises(ConfigError, match="nobody has decided"):
        for line in migrations.plan_lines(root, CONTEXT):
            lines.append(line)
    text = "\n".join(lines)
    assert (
        'would be applied by itself: itg.lab: add column: city date\n    alter table itg.lab add column "city"' in text
    )
    assert "needs a migration: itg.lab: column renamed, or another: fee → price" in text


def test_a_draft_covers_what_stopped_it_once_its_header_is_written(root: Path) -> None:
    *_, last = migrations.draft_lines(root, CONTEXT, "price")
    path = root / "sql" / "migrations" / "0001_price.sql"
    assert last.startswith("sql/migrations/0001_price.sql: read it")
    assert path.read_text().endswith('alter table itg.lab rename column "fee" to "price";\n')
    path.write_text(path.read_text().replace("…", "the org calls it price."))
    text = "\n".join(migrations.plan_lines(root, CONTEXT))
    assert "migration 0001_price would be applied: the org calls it price." in text
    assert "left to a migration above" in text and "needs a migration" not in text
    with pytest.raises(ConfigError, match="nothing needs a migration"):
        list(migrations.draft_lines(root, CONTEXT, "again"))
    with pytest.raises(ConfigError, match="no proper name"):
        list(migrations.draft_lines(root, CONTEXT, "Price!"))


def test_the_ledger_is_told_line_by_line(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = Entry(
        7, 1, "0001_price", EntryKind.FILE, EntryState.APPLIED, "ab" * 32, "alter …", 2, datetime(2026, 11, 26, 9, 30),
        "ada@laptop", "c0ffee" * 6,
    )  # fmt: skip
    monkeypatch.setattr(migrations, "read_ledger", lambda _context: [entry])
    assert list(migrations.history_lines(CONTEXT)) == [
        "   7  2026-11-26 09:30 UTC  file       applied    0001_price, 2 statements"
        "  by ada@laptop, release c0ffeec0ffee, checksum abababababab"
    ]
    monkeypatch.setattr(migrations, "read_ledger", lambda _context: [])
    assert list(migrations.history_lines(CONTEXT)) == ["no ledger yet: the next deploy begins it (stg.table_migration)"]


def test_a_dry_run_stops_by_the_record_of_the_last_release() -> None:
    before, after = [ReleaseStatement("table", OLD)], [ReleaseStatement("table", NEW)]
    with pytest.raises(ConfigError, match="nobody has decided"):
        list(check_sql(sample_context(), ReleaseSql(after, [], before, "ada", "c0ffee"), dry_run=True))
    assert not list(check_sql(sample_context(), ReleaseSql(after, [], None, "ada", "c0ffee"), dry_run=True))
