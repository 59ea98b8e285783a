with written as (
    select distinct
        test_id,
        day
    from dm.fact_test
    where
        country_code in ('DE', 'ZZ')
)

select cast(standing.test_id as varchar) || '|' || cast(standing.day as varchar) as sample_key
from dm.fact_test as standing
inner join written on standing.test_id = written.test_id and standing.day = written.day
group by standing.test_id, standing.day
having count(*) > 1;

with written as (
    select distinct id
    from itg.test
    where
        _country_code in ('FR')
        and _run_id = 'asset_triggered__1'
)

select cast(standing.id as varchar) as sample_key
from itg.test as standing
inner join written on standing.id = written.id
group by standing.id
having count(*) > 1;
