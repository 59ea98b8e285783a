"""Which version of an Id stands in itg, and in which country: said once, used by procedures and queries.

The winner of an Id is its highest version (version column, `_read_at_utc`, `_batch_id`) over stg and itg; `_batch_id`
only parts versions that are otherwise the same, so that any order of batches ends alike. The winner's own values say
which country owns it.
"""

from __future__ import annotations

from idiscover.metadata.models import CountryColumn, CountryNone, CountryVia
from idiscover.plan.model import ItgPlan
from idiscover.warehouse.types import quoted

NO_COUNTRY = "ZZ"


def winner_ctes(itg: ItgPlan) -> str:
    """The common table expressions `candidate`, `all_versions`, `ranked` and `winner`, without the leading `with`.

    `winner` has one row per candidate Id: key, version column, `_read_at_utc`, `_batch_id`, `_is_held` (1: itg holds
    this very version), `_held_country_code` (null: itg does not know the Id) and `_owner_country_code`.
    """
    names = {
        "key": quoted(itg.key),
        "version": quoted(itg.version_column),
        "stg": f"stg.{itg.object}",
        "itg": f"itg.{itg.object}",
        "zz": NO_COUNTRY,
    }
    parts = (_candidate(itg), _version(itg), _RANKED, _winner(itg))
    return "\n\n".join(part.format(**names) for part in parts)


def _candidate(itg: ItgPlan) -> str:
    if not isinstance(itg.country, CountryVia):
        return "candidate as (\n    select {key} from {stg}\n),"
    parent, reference = itg.country.object, quoted(itg.country.column)
    return f"""candidate as (
    select {{key}} from {{stg}}
    union
    -- Rows whose {parent} has moved to another country, or has come to be known, since they were written. Nothing in
    -- stg says so, and itg itself is searched: a join over two columns, the one cost here that grows with itg.
    select held.{{key}}
    from {{itg}} as held
    left join itg.{parent} as parent on held.{reference} = parent.{{key}}
    where held._country_code <> coalesce(parent._country_code, '{{zz}}')
),"""


def _version(itg: ItgPlan) -> str:
    source = ""
    if not isinstance(itg.country, CountryNone):
        source = f"{{alias}}.{quoted(itg.country.column)} as _country_source,"
    return _VERSION.replace("{staged_source}", _line(source.format(alias="staged"))).replace(
        "{held_source}", _line(source.format(alias="held"))
    )


def _line(text: str) -> str:
    """`text` as one more line of a select list, or nothing."""
    return f"\n        {text}" if text else ""


def _winner(itg: ItgPlan) -> str:
    owner, join = "cast('{zz}' as varchar(2))", ""
    if isinstance(itg.country, CountryColumn):
        # ISO 3166 alpha-2 is two capital letters; whatever else stands there is no country
        owner = """cast(case
            when ranked._country_source ~ '^[A-Z][A-Z]$' then ranked._country_source
            else '{zz}'
        end as varchar(2))"""
    if isinstance(itg.country, CountryVia):
        owner = "coalesce(parent._country_code, '{zz}')"
        join = f"\n    left join itg.{itg.country.object} as parent on ranked._country_source = parent.{{key}}"
    return _WINNER.replace("{owner}", owner).replace("{join}", join)


_VERSION = """all_versions as (
    select
        staged.{key},
        staged.{version},
        staged._read_at_utc,
        staged._batch_id,{staged_source}
        cast(null as varchar(2)) as _held_country_code,
        0 as _is_held
    from {stg} as staged
    union all
    select
        held.{key},
        held.{version},
        held._read_at_utc,
        held._batch_id,{held_source}
        held._country_code as _held_country_code,
        1 as _is_held
    from {itg} as held
    inner join candidate on held.{key} = candidate.{key}
),"""

_RANKED = """ranked as (
    select
        all_versions.*,
        max(all_versions._held_country_code) over (partition by all_versions.{key}) as _any_held_country_code,
        row_number() over (
            partition by all_versions.{key}
            order by
                all_versions.{version} desc,
                all_versions._read_at_utc desc,
                all_versions._batch_id desc,
                all_versions._is_held desc
        ) as _rank
    from all_versions
),"""

_WINNER = """winner as (
    select
        ranked.{key},
        ranked.{version},
        ranked._read_at_utc,
        ranked._batch_id,
        ranked._is_held,
        ranked._any_held_country_code as _held_country_code,
        {owner} as _owner_country_code
    from ranked{join}
    where ranked._rank = 1
)"""
