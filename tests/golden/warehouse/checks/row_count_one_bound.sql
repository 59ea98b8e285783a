with earlier as (
    select
        'DE' as country_code,
        cast(120 as bigint) as rows_before
    union all
    select
        'ZZ' as country_code,
        cast(7 as bigint) as rows_before
),

counted as (
    select
        country_code,
        count(*) as rows_now
    from dm.fact_test
    where country_code in ('DE', 'ZZ')
    group by country_code
)

select
    earlier.country_code
    || ': '
    || cast(coalesce(counted.rows_now, 0) as varchar)
    || ' rows, '
    || cast(earlier.rows_before as varchar)
    || ' before' as sample_key
from earlier
left join counted on earlier.country_code = counted.country_code
where
    earlier.rows_before > 0
    and (earlier.rows_before >= 1 or counted.rows_now >= 1)
    and coalesce(counted.rows_now, 0) * 100 < earlier.rows_before * 80;

with earlier as (
    select
        'FR' as country_code,
        cast(0 as bigint) as rows_before
),

counted as (
    select
        _country_code as country_code,
        count(*) as rows_now
    from itg.test
    where _country_code in ('FR')
    group by _country_code
)

select
    earlier.country_code
    || ': '
    || cast(coalesce(counted.rows_now, 0) as varchar)
    || ' rows, '
    || cast(earlier.rows_before as varchar)
    || ' before' as sample_key
from earlier
left join counted on earlier.country_code = counted.country_code
where
    earlier.rows_before > 0
    and (earlier.rows_before >= 1 or counted.rows_now >= 1)
    and coalesce(counted.rows_now, 0) * 100 < earlier.rows_before * 80;
