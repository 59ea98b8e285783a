select cast(test_id as varchar) || '|' || cast(day as varchar) as sample_key
from dm.fact_test
where
    country_code in ('DE', 'ZZ')
    and not (day > date '2000-01-01' or lower(x) = 'it''s' and -n < 2 * (a));

select cast(id as varchar) as sample_key
from itg.test
where
    _country_code in ('FR')
    and _run_id = 'asset_triggered__1'
    and not (day > date '2000-01-01' or lower(x) = 'it''s' and -n < 2 * (a));
