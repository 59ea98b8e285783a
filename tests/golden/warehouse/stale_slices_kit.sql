with candidate as (
    select "id" from stg.kit
),

all_versions as (
    select
        staged."id",
        staged."system_modstamp",
        staged._read_at_utc,
        staged._batch_id,
        cast(null as varchar(2)) as _held_country_code,
        0 as _is_held
    from stg.kit as staged
    union all
    select
        held."id",
        held."system_modstamp",
        held._read_at_utc,
        held._batch_id,
        held._country_code as _held_country_code,
        1 as _is_held
    from itg.kit as held
    inner join candidate on held."id" = candidate."id"
),

ranked as (
    select
        all_versions.*,
        max(all_versions._held_country_code) over (partition by all_versions."id") as _any_held_country_code,
        row_number() over (
            partition by all_versions."id"
            order by
                all_versions."system_modstamp" desc,
                all_versions._read_at_utc desc,
                all_versions._batch_id desc,
                all_versions._is_held desc
        ) as _rank
    from all_versions
),

winner as (
    select
        ranked."id",
        ranked."system_modstamp",
        ranked._read_at_utc,
        ranked._batch_id,
        ranked._is_held,
        ranked._any_held_country_code as _held_country_code,
        cast('ZZ' as varchar(2)) as _owner_country_code
    from ranked
    where ranked._rank = 1
)

select distinct winner._owner_country_code as country_code
from winner
where winner._is_held = 0 or winner._held_country_code <> winner._owner_country_code
order by country_code
