"""Which version of an Id stands in itg, and in which country: said once, used by procedures and queries.

The winner of an Id is its highest live version (version column, `_read_at_utc`, `_batch_id`) over stg and itg;
`_batch_id` only parts versions that are otherwise the same, so that any order of batches ends alike. The winner's own
values say which country owns it.

A version is dead if it was changed and read before the newest read of every Id began, and that read does not have its
Id. A record with only dead versions has no winner: it leaves itg, by the procedure of the country that holds it.

What a call costs: it grows with stg, and with the country's slice until the absences of the newest read of every Id
are applied. A few narrow columns of the whole itg table are read once and compared with stg's Ids and, for objects
whose country is another's, with that other's table. It does not grow with history, nor with the number of batches.
"""

from __future__ import annotations

from idiscover.metadata.models import READ_AT_COLUMN, CountryColumn, CountryNone, CountryVia
from idiscover.plan.model import ItgPlan
from idiscover.warehouse.types import quoted

NO_COUNTRY = "ZZ"


def names_of(itg: ItgPlan) -> dict[str, str]:
    """What the texts of this package call the object's tables and columns."""
    return {
        "object": itg.object,
        "key": quoted(itg.key),
        "version": quoted(itg.version_column),
        "stg": f"stg.{itg.object}",
        "ids": f"stg.{itg.object}__ids",
        "itg": f"itg.{itg.object}",
        "history": f"itg.{itg.object}__history",
        "absence": f"itg.{itg.object}__absence",
        "zz": NO_COUNTRY,
    }


def winner_ctes(itg: ItgPlan, country: str | None = None) -> str:
    """The common table expressions from `newest_read` to `winner`, without the leading `with`.

    Args:
        itg: the object.
        country: SQL of the one country whose winners are wanted; what only others own is then not searched for.

    `winner` has one row per candidate Id: key, version column, `_read_at_utc`, `_batch_id`, `_is_held` (1: itg holds
    this very version), `_held_country_code` (null: itg does not know the Id), `_missed_by_batch_id` (null: the version
    is live; else the read that does not have the Id, and the record has to go), `_is_new_to_history` (1: history lacks
    a version of the Id that stg has; objects with history only) and `_owner_country_code`.
    """
    parts = (
        NEWEST_READ,
        _UNAPPLIED_READ,
        _held(itg, country),
        _versions(itg),
        _JUDGED,
        _ranked(itg),
        _winner(itg),
    )
    return "\n\n".join(part.format(**names_of(itg)) for part in parts)


def _held(itg: ItgPlan, country: str | None) -> str:
    source = "" if isinstance(itg.country, CountryNone) else f"held.{quoted(itg.country.column)} as _country_source,"
    no_news = _line("0 as _is_new_to_history,") if itg.history else ""
    columns = _HELD_COLUMNS.replace("{held_version}", _version(itg, "held")).replace(
        "{held_source}", _line(source) + no_news
    )
    or_moved, staged_join, moved = _moved(itg, country)
    return (
        _HELD.replace("{held_columns}", columns)
        .replace("{or_moved}", or_moved)
        .replace("{staged_join}", staged_join)
        .replace("{moved}", moved)
        .replace("{held_by}", f"\n        and held._country_code = {country}" if country else "")
    )


def _moved(itg: ItgPlan, country: str | None) -> tuple[str, str, str]:
    """How rows are found whose parent has moved to another country, has come to be known, or has gone since they were
    written, of which nothing in stg tells: words of a comment, how stg is joined, what follows that join."""
    if not isinstance(itg.country, CountryVia):
        return "", "inner join", ""
    parent, now = itg.country.object, "coalesce(parent._country_code, '{zz}')"
    moved = f"held._country_code <> {now}"
    if country:
        moved = f"(\n            {moved}\n            and {now} = {country}\n        )"
    return (
        f", and those whose {parent}\n    -- has moved, has come to be known or has gone",
        "left join",
        f"\n    left join itg.{parent} as parent on held.{quoted(itg.country.column)} = parent.{{key}}"
        f"\n    where\n        staged.{{key}} is not null\n        or {moved}",
    )


def _versions(itg: ItgPlan) -> str:
    source, news, join = "", "", ""
    if not isinstance(itg.country, CountryNone):
        source = f"staged.{quoted(itg.country.column)} as _country_source,"
    if itg.history:
        news = "case when known.{key} is null then 1 else 0 end as _is_new_to_history,"
        join = "\n    left join {history} as known on staged._batch_id = known._batch_id and staged.{key} = known.{key}"
    return (
        _VERSIONS.replace("{staged_source}", _line(source) + _line(news))
        .replace("{staged_version}", _version(itg, "staged"))
        .replace("{history_join}", join)
    )


def _version(itg: ItgPlan, alias: str) -> str:
    """The version column as one more line; none where the time of the read, listed anyway, stands in for it."""
    return "" if itg.version_column == READ_AT_COLUMN else _line(f"{alias}.{{version}},")


def _ranked(itg: ItgPlan) -> str:
    news = "max(judged._is_new_to_history) over (partition by judged.{key}) as _has_news," if itg.history else ""
    return _RANKED.replace("{has_news}", _line(news))


def _line(text: str) -> str:
    """`text` as one more line of a select list, or nothing."""
    return f"\n        {text}" if text else ""


def _winner(itg: ItgPlan) -> str:
    owner, join = "cast('{zz}' as varchar(2))", ""
    if isinstance(itg.country, CountryColumn):
        # ISO 3166 alpha-2 is two capital letters; whatever else stands there is no country
        owner = """cast(case
            when ranked._missed_by_batch_id is not null and ranked._any_held_country_code is not null
                then ranked._any_held_country_code
            when ranked._country_source ~ '^[A-Z][A-Z]$' then ranked._country_source
            else '{zz}'
        end as varchar(2))"""
    if isinstance(itg.country, CountryVia):
        owner = """cast(case
            when ranked._missed_by_batch_id is not null and ranked._any_held_country_code is not null
                then ranked._any_held_country_code
            else coalesce(parent._country_code, '{zz}')
        end as varchar(2))"""
        join = f"\n    left join itg.{itg.country.object} as parent on ranked._country_source = parent.{{key}}"
    news = "ranked._has_news as _is_new_to_history," if itg.history else ""
    text = _WINNER.replace("{owner}", owner).replace("{join}", join).replace("{news}", _line(news))
    return text.replace("{ranked_version}", _version(itg, "ranked"))


NEWEST_READ = """newest_read as (
    -- The newest read of every Id: it alone says what is absent. One row, of nulls where there was no such read.
    -- The ledger has a row per object and run.
    select
        max(newest.batch_id) as batch_id,
        max(newest.absence_at_utc) as absence_at_utc,
        max(newest.loaded_at_utc) as loaded_at_utc
    from (
        select
            batch_id,
            absence_at_utc,
            loaded_at_utc
        from stg.batch_load
        where object = '{object}' and absence_at_utc is not null
        order by absence_at_utc desc, batch_id desc
        limit 1
    ) as newest
),"""

_UNAPPLIED_READ = """unapplied_read as (
    -- The newest read, until itg is known to hold nothing that it does not have. Loaded again, it counts anew.
    select
        newest_read.batch_id,
        newest_read.absence_at_utc
    from newest_read
    left join {absence} as applied
        on newest_read.batch_id = applied.batch_id and newest_read.loaded_at_utc = applied.loaded_at_utc
    where newest_read.batch_id is not null and applied.batch_id is null
),"""

_HELD = """held_version as (
    -- What itg holds of Ids that may change: those that stg has{or_moved}. itg is read once. A row that comes
    -- twice competes with itself alone.
    select{held_columns}
    from {itg} as held
    {staged_join} {stg} as staged on held.{key} = staged.{key}{moved}
    union all
    -- Rows that the newest read does not have: itg is searched once more for each such read.
    select{held_columns}
    from unapplied_read
    inner join {itg} as held
        on
            held.{version} < unapplied_read.absence_at_utc
            and held._read_at_utc < unapplied_read.absence_at_utc
    left join {ids} as present
        on unapplied_read.batch_id = present._batch_id and held.{key} = present.{key}
    where present.{key} is null{held_by}
),"""

_HELD_COLUMNS = """
        held.{key},{held_version}
        held._read_at_utc,
        held._batch_id,{held_source}
        held._country_code as _held_country_code"""

_VERSIONS = """all_versions as (
    select
        staged.{key},{staged_version}
        staged._read_at_utc,
        staged._batch_id,{staged_source}
        cast(null as varchar(2)) as _held_country_code,
        0 as _is_held
    from {stg} as staged{history_join}
    union all
    select
        held_version.*,
        1 as _is_held
    from held_version
),"""

_JUDGED = """judged as (
    select
        all_versions.*,
        case
            when
                all_versions.{version} < newest_read.absence_at_utc
                and all_versions._read_at_utc < newest_read.absence_at_utc
                and present.{key} is null
                then newest_read.batch_id
        end as _missed_by_batch_id
    from all_versions
    cross join newest_read
    left join {ids} as present
        on newest_read.batch_id = present._batch_id and all_versions.{key} = present.{key}
),"""

_RANKED = """ranked as (
    select
        judged.*,
        max(judged._held_country_code) over (partition by judged.{key}) as _any_held_country_code,{has_news}
        row_number() over (
            partition by judged.{key}
            order by
                case when judged._missed_by_batch_id is null then 1 else 0 end desc,
                judged.{version} desc,
                judged._read_at_utc desc,
                judged._batch_id desc,
                judged._is_held desc
        ) as _rank
    from judged
),"""

_WINNER = """winner as (
    select
        ranked.{key},{ranked_version}
        ranked._read_at_utc,
        ranked._batch_id,
        ranked._is_held,
        ranked._any_held_country_code as _held_country_code,
        ranked._missed_by_batch_id,{news}
        {owner} as _owner_country_code
    from ranked{join}
    where ranked._rank = 1
)"""
