"""Procedures that are rendered: those of itg, from one template, and those of dm that speak of every table."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import jinja2
from jinja2.sandbox import SandboxedEnvironment

from idiscover.metadata.models import Catalog, CountryColumn, CountryVia, Family, ObjectSpec
from idiscover.plan.build import itg_plan
from idiscover.warehouse.types import quoted
from idiscover.warehouse.winners import winner_ctes

TEMPLATE = Path("procedures") / "stg_to_itg" / "load.sql.j2"
_OPTIONS: dict[str, Any] = {
    "undefined": jinja2.StrictUndefined,
    "autoescape": False,  # SQL, not HTML
    "trim_blocks": True,
    "lstrip_blocks": True,
    "keep_trailing_newline": True,
}


def render_itg_procedure(spec: ObjectSpec, sql_root: Path) -> str:
    """`itg.load_<object>` as text.

    Args:
        spec: the object; its names passed the models' patterns, and are quoted.
        sql_root: the folder `sql/`.
    """
    return itg_procedure(spec, (sql_root / TEMPLATE).read_text(encoding="utf-8"))


def itg_procedure(spec: ObjectSpec, template: str) -> str:
    """`itg.load_<object>` as text, where the folder `sql/` is not at hand.

    Args:
        spec: the object; its names passed the models' patterns, and are quoted.
        template: text of `TEMPLATE`. One that comes from a bucket can fill in and repeat, and do nothing else.
    """
    return _sandboxed(template).render(
        object=spec.object,
        salesforce_object=spec.salesforce_object,
        country=_country(spec),
        key=quoted(spec.key),
        columns=[quoted(field.column) for field in spec.fields],
        history=spec.history,
        winner_ctes=winner_ctes(itg_plan(spec), country="p_country_code"),
    )


def render_dm_procedure(template: str, catalog: Catalog, sql_root: Path) -> str:
    """A procedure of dm that has a part for each table there is.

    Args:
        template: its path below `sql_root`; it sees `objects`, those that have a table in itg, and `tables`, those of
            dm, both by name.
        catalog: checked metadata.
        sql_root: the folder `sql/`.
    """
    tables = sorted(catalog.tables.values(), key=lambda table: table.table)
    return (
        _environment(sql_root)
        .get_template(template)
        .render(
            objects=[catalog.objects[table.name] for table in tables if table.family is Family.STG_TO_ITG],
            tables=[table for table in tables if table.family is not Family.STG_TO_ITG],
        )
    )


@lru_cache(maxsize=8)  # one template makes the procedures of all objects, and compiling it is most of the work
def _sandboxed(template: str) -> jinja2.Template:
    return SandboxedEnvironment(loader=jinja2.BaseLoader(), **_OPTIONS).from_string(template)


def _country(spec: ObjectSpec) -> str:
    if isinstance(spec.country, CountryColumn):
        return f"its own {spec.country.column}"
    if isinstance(spec.country, CountryVia):
        return f"that of the row of itg.{spec.country.object} in {spec.country.column}"
    return "none: all rows lie in slice ZZ"


def _environment(sql_root: Path) -> jinja2.Environment:
    return jinja2.Environment(loader=jinja2.FileSystemLoader(sql_root), **_OPTIONS)
