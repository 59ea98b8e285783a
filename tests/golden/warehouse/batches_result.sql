select
    staged._batch_id as batch_id,
    count(*) as "rows",
    count(distinct staged."id") as distinct_ids,
    sum(
        case
            when held."system_modstamp" > staged."system_modstamp" then 0
            when held."system_modstamp" = staged."system_modstamp" and held._read_at_utc > staged._read_at_utc then 0
            when
                held."system_modstamp" = staged."system_modstamp"
                and held._read_at_utc = staged._read_at_utc
                and held._batch_id >= staged._batch_id
                then 0
            else 1
        end
    ) as rows_not_in_place
from stg.result as staged
left join itg.result as held on staged."id" = held."id"
group by staged._batch_id
order by batch_id
