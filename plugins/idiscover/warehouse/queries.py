"""Questions about an itg table and its stg table that runs ask; each is one SELECT."""

from __future__ import annotations

from idiscover.plan.model import ItgPlan
from idiscover.warehouse.types import quoted
from idiscover.warehouse.winners import winner_ctes


def stale_slices_sql(itg: ItgPlan) -> str:
    """Countries whose procedure has something to write.

    Returns:
        A SELECT of `country_code`, sorted: the owners of all winners that itg does not hold yet, or holds in another
        country. Calling the procedure for each of them, in any order, brings itg up to date.
    """
    return f"""with {winner_ctes(itg)}

select distinct winner._owner_country_code as country_code
from winner
where winner._is_held = 0 or winner._held_country_code <> winner._owner_country_code
order by country_code"""


def batches_sql(itg: ItgPlan) -> str:
    """The batches in stg, and what of them itg does not hold yet.

    Returns:
        A SELECT of `batch_id`, `rows`, `distinct_ids` and `rows_not_in_place`, sorted by batch. A row is in place when
        itg holds its Id at the same or a newer version; a batch without rows that are not may leave stg.
    """
    key, version = quoted(itg.key), quoted(itg.version_column)
    return f"""select
    staged._batch_id as batch_id,
    count(*) as "rows",
    count(distinct staged.{key}) as distinct_ids,
    sum(
        case
            when held.{version} > staged.{version} then 0
            when held.{version} = staged.{version} and held._read_at_utc > staged._read_at_utc then 0
            when
                held.{version} = staged.{version}
                and held._read_at_utc = staged._read_at_utc
                and held._batch_id >= staged._batch_id
                then 0
            else 1
        end
    ) as rows_not_in_place
from stg.{itg.object} as staged
left join itg.{itg.object} as held on staged.{key} = held.{key}
group by staged._batch_id
order by batch_id"""
