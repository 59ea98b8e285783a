"""Which object or table a person means, and which DAGs that is. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from idiscover.errors import ConfigError
from idiscover.metadata.models import Catalog, Family
from idiscover.metadata.spelling import nearest
from idiscover.plan.build import dag_id


@dataclass(frozen=True)
class Subject:
    """What a plan is of.

    `dag_ids` are those that show what is done for it, `tables` those that a release makes for it, `begin` where its
    picture begins.
    """

    name: str
    kind: str  # object or table
    dag_ids: tuple[str, ...]
    tables: tuple[str, ...]
    begin: tuple[str, ...]


def find_subject(catalog: Catalog, name: str) -> Subject:
    """The object or table of that name. A table's schema, and an object's name in Salesforce, do as well.

    Raises:
        ConfigError: there is none, or several.
    """
    found = _meant(catalog, name)
    if len(found) == 1:
        return _object(catalog, found[0]) if found[0] in catalog.objects else _table(catalog, found[0])
    if found:
        raise ConfigError("several have this name", got=name, expected=", ".join(found), remedy="name one of them")
    known = [spec.salesforce_object for spec in catalog.objects.values()]
    near = nearest(name, [*known, *catalog.objects, *catalog.tables])
    raise ConfigError(
        "no such object or table",
        got=name,
        expected="an object such as account, or a table such as dm.dim_lab",
        remedy=f"did you mean {near}?" if near else "idiscover status lists them",
    )


def _meant(catalog: Catalog, name: str) -> list[str]:
    if name in catalog.objects or name in catalog.tables:
        return [name]
    staged = name.removeprefix("stg.")
    if staged in catalog.objects:
        return [staged]
    by_salesforce = [spec.object for spec in catalog.objects.values() if spec.salesforce_object == name]
    return by_salesforce or [table for table in sorted(catalog.tables) if table.partition(".")[2] == name]


def _object(catalog: Catalog, name: str) -> Subject:
    dag_ids = [dag_id(Family.SFDC_TO_S3, name), dag_id(Family.S3_TO_REDSHIFT, name)]
    tables = [f"stg.{name}"]
    if f"itg.{name}" in catalog.tables:
        dag_ids.append(dag_id(Family.STG_TO_ITG, name))
        tables.append(f"itg.{name}")
    return Subject(name, "object", tuple(dag_ids), tuple(tables), (dag_ids[0],))


def _table(catalog: Catalog, name: str) -> Subject:
    table = catalog.tables[name]
    own = dag_id(table.family, table.name)
    return Subject(name, "table", (own,), (name,), (own,))
