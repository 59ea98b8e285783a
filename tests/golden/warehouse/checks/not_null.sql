select cast(test_id as varchar) || '|' || cast(day as varchar) as sample_key
from dm.fact_test
where
    country_code in ('DE', 'ZZ')
    and (day is null or "order" is null);

select cast(id as varchar) as sample_key
from itg.test
where
    _country_code in ('FR')
    and _run_id = 'asset_triggered__1'
    and (day is null or "order" is null);
