with candidate as (
    select "id" from stg.result
    union
    -- Rows whose test has moved to another country, or has come to be known, since they were written. Nothing in
    -- stg says so, and itg itself is searched: a join over two columns, the one cost here that grows with itg.
    select held."id"
    from itg.result as held
    left join itg.test as parent on held."test_id" = parent."id"
    where held._country_code <> coalesce(parent._country_code, 'ZZ')
),

all_versions as (
    select
        staged."id",
        staged."system_modstamp",
        staged._read_at_utc,
        staged._batch_id,
        staged."test_id" as _country_source,
        cast(null as varchar(2)) as _held_country_code,
        0 as _is_held
    from stg.result as staged
    union all
    select
        held."id",
        held."system_modstamp",
        held._read_at_utc,
        held._batch_id,
        held."test_id" as _country_source,
        held._country_code as _held_country_code,
        1 as _is_held
    from itg.result as held
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
        coalesce(parent._country_code, 'ZZ') as _owner_country_code
    from ranked
    left join itg.test as parent on ranked._country_source = parent."id"
    where ranked._rank = 1
)

select distinct winner._owner_country_code as country_code
from winner
where winner._is_held = 0 or winner._held_country_code <> winner._owner_country_code
order by country_code
