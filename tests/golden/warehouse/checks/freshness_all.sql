select country_code || ': newest ' || coalesce(cast(max(day) as varchar), 'none') as sample_key
from dm.fact_test
where
    country_code in ('DE', 'ZZ')
group by country_code
having max(day) is null or max(day) < date '2026-01-05';

select _country_code || ': newest ' || coalesce(cast(max(day) as varchar), 'none') as sample_key
from itg.test
where
    _country_code in ('FR')
group by _country_code
having max(day) is null or max(day) < date '2026-01-05';
