"""Checks that span several fields or several files. All problems are found, not just the first."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from idiscover.errors import ConfigError
from idiscover.metadata.check_rules import CHECK_RULES, CHECK_RULES_WITH_SQL
from idiscover.metadata.column_type_checks import COLUMN_TYPE_CHECKS
from idiscover.metadata.filter_checks import FILTER_CHECKS
from idiscover.metadata.models import Catalog
from idiscover.metadata.object_checks import OBJECT_CHECKS, filters_without_object, same_salesforce_object_twice
from idiscover.metadata.read_checks import READ_CHECKS
from idiscover.metadata.sql_checks import SQL_CHECKS
from idiscover.metadata.sql_inventory import SqlInventory
from idiscover.metadata.subject_checks import SUBJECT_CHECKS
from idiscover.metadata.table_checks import TABLE_CHECKS, cycles

_OBJECT_CHECKS = (*OBJECT_CHECKS, *READ_CHECKS, *FILTER_CHECKS)
_TABLE_CHECKS = (*TABLE_CHECKS, *CHECK_RULES)
WITH_SQL = (*SQL_CHECKS, *COLUMN_TYPE_CHECKS, *CHECK_RULES_WITH_SQL)


def problems(catalog: Catalog, unread: Collection[str] = (), sql: SqlInventory | None = None) -> list[ConfigError]:
    """All problems between fields and files; empty when the catalog is sound.

    Args:
        catalog: what could be read.
        unread: files that exist but could not be read; nothing is called missing because of them.
        sql: what the repository's `sql/` holds, where it is at hand.

    Returns:
        Problems whose `where` is a file relative to `metadata/` and whose `key` is a dotted path in it.
    """
    found: list[ConfigError] = []
    for spec in catalog.objects.values():
        for check in _OBJECT_CHECKS:
            found.extend(check(spec, catalog, unread))
    found.extend(filters_without_object(catalog, unread))
    found.extend(same_salesforce_object_twice(catalog))
    for table in catalog.tables.values():
        for table_check in _TABLE_CHECKS:
            found.extend(table_check(table, catalog, unread))
        for sql_check in WITH_SQL if sql is not None else ():
            found.extend(sql_check(table, catalog, sql))
    found.extend(cycles(catalog))
    for subject in catalog.subjects.values():
        for subject_check in SUBJECT_CHECKS:
            found.extend(subject_check(subject, catalog, unread))
    return found


def rules(with_sql: bool) -> list[str]:
    """What `problems` checks, a sentence each."""
    checks: Iterable[Callable[..., object]] = (
        *_OBJECT_CHECKS,
        filters_without_object,
        same_salesforce_object_twice,
        *_TABLE_CHECKS,
        cycles,
        *SUBJECT_CHECKS,
        *(WITH_SQL if with_sql else ()),
    )
    return [(check.__doc__ or "").strip().splitlines()[0] for check in checks]
