"""Questions about an itg table and its stg tables that runs ask; each is one SELECT."""

from __future__ import annotations

from collections.abc import Sequence

from idiscover.plan.model import ItgPlan, LoadPlan
from idiscover.warehouse.types import quoted
from idiscover.warehouse.winners import NEWEST_READ, names_of, winner_ctes


def blanked_values_sql(load: LoadPlan, columns: Sequence[str], held: Sequence[str]) -> str:
    """How many records of a batch in stg were read with these columns before, and have values there.

    Args:
        load: of the object.
        columns: those that the batch lacks.
        held: itg's table, if the object has one.

    Returns:
        A SELECT of one number, with the parameter `batch_id`.
    """
    key = quoted(load.key)
    known = " or ".join(f"earlier.{quoted(column)} is not null" for column in columns)
    found = "\n    union\n".join(
        f"""    select staged.{key}
    from {load.table} as staged
    inner join {table} as earlier on staged.{key} = earlier.{key}
    where
        staged._batch_id = %(batch_id)s
        and earlier._read_at_utc < staged._read_at_utc
        and ({known})"""
        for table in (load.table, *held)
    )
    return f"select count(*)\nfrom (\n{found}\n) as blanked"


def stale_slices_sql(itg: ItgPlan) -> str:
    """Countries whose procedure has something to write.

    Returns:
        A SELECT of `country_code`, sorted: the owners of all winners that itg does not hold yet, or holds in another
        country; the holders of records that are gone; for objects with history, the owners of Ids of which it lacks a
        version. Calling the procedure for each of them, in any order, brings itg up to date.
    """
    news = "\n    or winner._is_new_to_history = 1" if itg.history else ""
    return f"""with {winner_ctes(itg)}

select distinct winner._owner_country_code as country_code
from winner
where
    (winner._missed_by_batch_id is not null and winner._held_country_code is not null)
    or (
        winner._missed_by_batch_id is null
        and (winner._is_held = 0 or winner._held_country_code <> winner._owner_country_code)
    ){news}
order by country_code"""


def batches_sql(itg: ItgPlan) -> str:
    """The batches in stg, and what of them itg does not hold yet.

    Returns:
        A SELECT of `batch_id`, `rows`, `distinct_ids` and `rows_not_in_place`, sorted by batch. A row is in place when
        itg holds its Id at the same or a newer version, or the row is dead, and, for objects with history, when
        history has it; a batch without rows that are not may leave stg.
    """
    unknown, join = "", ""
    if itg.history:
        unknown = "\n            when known.{key} is null then 1"
        join = "\n    left join {history} as known on staged._batch_id = known._batch_id and staged.{key} = known.{key}"
    text = _BATCHES.replace("{unknown}", unknown).replace("{history_join}", join).replace("{newest_read}", NEWEST_READ)
    return text.format(**names_of(itg))


def newest_read_sql(itg: ItgPlan) -> str:
    """The newest read of every Id, and whether itg is known to hold nothing that it does not have.

    Returns:
        A SELECT of one row: `batch_id`, `absence_at_utc`, `loaded_at_utc` (all null where there was no such read) and
        `is_applied`.
    """
    return _NEWEST_READ.replace("{newest_read}", NEWEST_READ.rstrip(",")).format(**names_of(itg))


def held_absences_sql(itg: ItgPlan) -> str:
    """How many rows itg holds that a read of every Id does not have; itg is searched.

    Returns:
        A SELECT of one number, with parameters `batch_id` and `absence_at_utc`.
    """
    return _HELD_ABSENCES.format(**names_of(itg))


_BATCHES = """with {newest_read}

staged_batch as (
    select
        staged._batch_id as batch_id,
        staged.{key},
        case{unknown}
            when
                staged.{version} < newest_read.absence_at_utc
                and staged._read_at_utc < newest_read.absence_at_utc
                and present.{key} is null
                then 0
            when held.{version} > staged.{version} then 0
            when held.{version} = staged.{version} and held._read_at_utc > staged._read_at_utc then 0
            when
                held.{version} = staged.{version}
                and held._read_at_utc = staged._read_at_utc
                and held._batch_id >= staged._batch_id
                then 0
            else 1
        end as is_missing
    from {stg} as staged
    cross join newest_read
    left join {ids} as present on newest_read.batch_id = present._batch_id and staged.{key} = present.{key}
    left join {itg} as held on staged.{key} = held.{key}{history_join}
)

select
    batch_id,
    count(*) as "rows",
    count(distinct {key}) as distinct_ids,
    sum(is_missing) as rows_not_in_place
from staged_batch
group by batch_id
order by batch_id"""

_NEWEST_READ = """with {newest_read}

select
    newest_read.batch_id,
    newest_read.absence_at_utc,
    newest_read.loaded_at_utc,
    applied.batch_id is not null as is_applied
from newest_read
left join {absence} as applied
    on newest_read.batch_id = applied.batch_id and newest_read.loaded_at_utc = applied.loaded_at_utc"""

_HELD_ABSENCES = """select count(*)
from {itg} as held
left join {ids} as present on present._batch_id = %(batch_id)s and held.{key} = present.{key}
where
    held.{version} < %(absence_at_utc)s
    and held._read_at_utc < %(absence_at_utc)s
    and present.{key} is null"""
