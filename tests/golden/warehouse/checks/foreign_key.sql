select cast(written.test_id as varchar) || '|' || cast(written.day as varchar) as sample_key
from dm.fact_test as written
left join itg.unit as referenced on written.unit_id = referenced.id
where
    written.country_code in ('DE', 'ZZ')
    and written.unit_id is not null
    and referenced.id is null;

select cast(written.id as varchar) as sample_key
from itg.test as written
left join itg.unit as referenced on written.unit_id = referenced.id
where
    written._country_code in ('FR')
    and written._run_id = 'asset_triggered__1'
    and written.unit_id is not null
    and referenced.id is null;
