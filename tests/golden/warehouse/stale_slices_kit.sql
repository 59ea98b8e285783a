with newest_read as (
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
        where object = 'kit' and absence_at_utc is not null
        order by absence_at_utc desc, batch_id desc
        limit 1
    ) as newest
),

unapplied_read as (
    -- The newest read, until itg is known to hold nothing that it does not have. Loaded again, it counts anew.
    select
        newest_read.batch_id,
        newest_read.absence_at_utc
    from newest_read
    left join itg.kit__absence as applied
        on newest_read.batch_id = applied.batch_id and newest_read.loaded_at_utc = applied.loaded_at_utc
    where newest_read.batch_id is not null and applied.batch_id is null
),

held_version as (
    -- What itg holds of Ids that may change: those that stg has. itg is read once. A row that comes
    -- twice competes with itself alone.
    select
        held."id",
        held."system_modstamp",
        held._read_at_utc,
        held._batch_id,
        held._country_code as _held_country_code
    from itg.kit as held
    inner join stg.kit as staged on held."id" = staged."id"
    union all
    -- Rows that the newest read does not have: itg is searched once more for each such read.
    select
        held."id",
        held."system_modstamp",
        held._read_at_utc,
        held._batch_id,
        held._country_code as _held_country_code
    from unapplied_read
    inner join itg.kit as held
        on
            held."system_modstamp" < unapplied_read.absence_at_utc
            and held._read_at_utc < unapplied_read.absence_at_utc
    left join stg.kit__ids as present
        on unapplied_read.batch_id = present._batch_id and held."id" = present."id"
    where present."id" is null
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
        held_version.*,
        1 as _is_held
    from held_version
),

judged as (
    select
        all_versions.*,
        case
            when
                all_versions."system_modstamp" < newest_read.absence_at_utc
                and all_versions._read_at_utc < newest_read.absence_at_utc
                and present."id" is null
                then newest_read.batch_id
        end as _missed_by_batch_id
    from all_versions
    cross join newest_read
    left join stg.kit__ids as present
        on newest_read.batch_id = present._batch_id and all_versions."id" = present."id"
),

ranked as (
    select
        judged.*,
        max(judged._held_country_code) over (partition by judged."id") as _any_held_country_code,
        row_number() over (
            partition by judged."id"
            order by
                case when judged._missed_by_batch_id is null then 1 else 0 end desc,
                judged."system_modstamp" desc,
                judged._read_at_utc desc,
                judged._batch_id desc,
                judged._is_held desc
        ) as _rank
    from judged
),

winner as (
    select
        ranked."id",
        ranked."system_modstamp",
        ranked._read_at_utc,
        ranked._batch_id,
        ranked._is_held,
        ranked._any_held_country_code as _held_country_code,
        ranked._missed_by_batch_id,
        cast('ZZ' as varchar(2)) as _owner_country_code
    from ranked
    where ranked._rank = 1
)

select distinct winner._owner_country_code as country_code
from winner
where
    (winner._missed_by_batch_id is not null and winner._held_country_code is not null)
    or (
        winner._missed_by_batch_id is null
        and (winner._is_held = 0 or winner._held_country_code <> winner._owner_country_code)
    )
order by country_code
