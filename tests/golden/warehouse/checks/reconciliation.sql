with sides as (
    select
        country_code,
        count(*) as rows_here,
        0 as rows_there,
        coalesce(sum(n), 0) as sum_1_here,
        0 as sum_1_there,
        coalesce(sum(tests), 0) as sum_2_here,
        0 as sum_2_there
    from dm.fact_test
    where
        country_code in ('DE', 'ZZ')
        and (is_current)
    group by country_code
    union all
    select
        _country_code as country_code,
        0 as rows_here,
        count(*) as rows_there,
        0 as sum_1_here,
        coalesce(sum(count), 0) as sum_1_there,
        0 as sum_2_here,
        coalesce(sum(1), 0) as sum_2_there
    from itg.test
    where
        _country_code in ('DE', 'ZZ')
        and (not coalesce(is_deleted, false))
    group by _country_code
    union all
    select
        'ZZ' as country_code,
        0 as rows_here,
        1 as rows_there,
        0 as sum_1_here,
        0 as sum_1_there,
        0 as sum_2_here,
        0 as sum_2_there
),

totals as (
    select
        country_code,
        sum(rows_here) as rows_here,
        sum(rows_there) as rows_there,
        sum(sum_1_here) as sum_1_here,
        sum(sum_1_there) as sum_1_there,
        sum(sum_2_here) as sum_2_here,
        sum(sum_2_there) as sum_2_there
    from sides
    group by country_code
)

select
    country_code
    || ' rows: '
    || cast(rows_here as varchar)
    || ' here, '
    || cast(rows_there as varchar)
    || ' in itg.test' as sample_key
from totals
where rows_here <> rows_there
union all
select
    country_code
    || ' n: '
    || cast(sum_1_here as varchar)
    || ' here, '
    || cast(sum_1_there as varchar)
    || ' in itg.test' as sample_key
from totals
where sum_1_here <> sum_1_there
union all
select
    country_code
    || ' tests: '
    || cast(sum_2_here as varchar)
    || ' here, '
    || cast(sum_2_there as varchar)
    || ' in itg.test' as sample_key
from totals
where sum_2_here <> sum_2_there;

with sides as (
    select
        _country_code as country_code,
        count(*) as rows_here,
        0 as rows_there,
        coalesce(sum(n), 0) as sum_1_here,
        0 as sum_1_there,
        coalesce(sum(tests), 0) as sum_2_here,
        0 as sum_2_there
    from itg.test
    where
        _country_code in ('FR')
        and (is_current)
    group by _country_code
    union all
    select
        _country_code as country_code,
        0 as rows_here,
        count(*) as rows_there,
        0 as sum_1_here,
        coalesce(sum(count), 0) as sum_1_there,
        0 as sum_2_here,
        coalesce(sum(1), 0) as sum_2_there
    from itg.test
    where
        _country_code in ('FR')
        and (not coalesce(is_deleted, false))
    group by _country_code
),

totals as (
    select
        country_code,
        sum(rows_here) as rows_here,
        sum(rows_there) as rows_there,
        sum(sum_1_here) as sum_1_here,
        sum(sum_1_there) as sum_1_there,
        sum(sum_2_here) as sum_2_here,
        sum(sum_2_there) as sum_2_there
    from sides
    group by country_code
)

select
    country_code
    || ' rows: '
    || cast(rows_here as varchar)
    || ' here, '
    || cast(rows_there as varchar)
    || ' in itg.test' as sample_key
from totals
where rows_here <> rows_there
union all
select
    country_code
    || ' n: '
    || cast(sum_1_here as varchar)
    || ' here, '
    || cast(sum_1_there as varchar)
    || ' in itg.test' as sample_key
from totals
where sum_1_here <> sum_1_there
union all
select
    country_code
    || ' tests: '
    || cast(sum_2_here as varchar)
    || ' here, '
    || cast(sum_2_there as varchar)
    || ' in itg.test' as sample_key
from totals
where sum_2_here <> sum_2_there;
