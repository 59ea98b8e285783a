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
        where object = 'result' and absence_at_utc is not null
        order by absence_at_utc desc, batch_id desc
        limit 1
    ) as newest
),

staged_batch as (
    select
        staged._batch_id as batch_id,
        staged."id",
        case
            when known."id" is null then 1
            when
                staged."system_modstamp" < newest_read.absence_at_utc
                and staged._read_at_utc < newest_read.absence_at_utc
                and present."id" is null
                then 0
            when held."system_modstamp" > staged."system_modstamp" then 0
            when held."system_modstamp" = staged."system_modstamp" and held._read_at_utc > staged._read_at_utc then 0
            when
                held."system_modstamp" = staged."system_modstamp"
                and held._read_at_utc = staged._read_at_utc
                and held._batch_id >= staged._batch_id
                then 0
            else 1
        end as is_missing
    from stg.result as staged
    cross join newest_read
    left join stg.result__ids as present on newest_read.batch_id = present._batch_id and staged."id" = present."id"
    left join itg.result as held on staged."id" = held."id"
    left join itg.result__history as known on staged._batch_id = known._batch_id and staged."id" = known."id"
)

select
    batch_id,
    count(*) as "rows",
    count(distinct "id") as distinct_ids,
    sum(is_missing) as rows_not_in_place
from staged_batch
group by batch_id
order by batch_id
