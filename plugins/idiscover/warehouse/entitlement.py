"""`dm.v_entitlement`: which countries a person may see; Tableau's data sources filter by it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from idiscover.metadata.entitlement import EVERY_COUNTRY, Entitlement

TABLE = "dm.entitlement"
VIEW = "dm.v_entitlement"
COUNTRIES = "dm.dim_country"
COLUMNS: Mapping[str, str] = {"user_name": "varchar(320)", "country_code": "varchar(2)"}
CREATE_TABLE = f"""\
-- {TABLE}: who may see which country, `*` for all. grain: user_name, country_code. Filled by each release.
-- On every node: a row per person and country, joined with each data source.
create table if not exists {TABLE} (
    user_name varchar(320) not null,
    country_code varchar(2) not null
)
diststyle all
sortkey (user_name);"""
CREATE_VIEW = f"""\
-- {VIEW}: a row for each country of dm that a person may see. grain: user_name, country_code.
-- user_name: as Tableau's USERNAME() gives it, in lower case. Who is not here sees nothing.
create or replace view {VIEW} as
select distinct
    entitled.user_name,
    country.iso_country_code as country_code
from {TABLE} as entitled
inner join {COUNTRIES} as country on entitled.country_code in ('{EVERY_COUNTRY}', country.iso_country_code);"""
DELETE = f"delete from {TABLE}"


def insert(rows: Sequence[Entitlement]) -> tuple[str, list[str]]:
    """An INSERT of all rows, and its parameters; at least one row."""
    places = ", ".join(["(%s, %s)"] * len(rows))
    values = [value for row in rows for value in (row.user_name, row.country_code)]
    return f"insert into {TABLE} (user_name, country_code) values {places}", values
