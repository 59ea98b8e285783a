select cast(written.test_id as varchar) || '|' || cast(written.day as varchar) as sample_key
from dm.fact_test as written
left join itg.lab as referenced
    on
        written.lab_id = referenced.id
        and written.country_code = referenced._country_code
        and referenced._country_code in ('DE', 'ZZ')
where
    written.country_code in ('DE', 'ZZ')
    and written.lab_id is not null
    and referenced.id is null
    and written.lab_id not in ('UNKNOWN')
    and (written.lab_id <> 'L0' or written.day is null);

select cast(written.id as varchar) as sample_key
from itg.test as written
left join itg.lab as referenced
    on
        written.lab_id = referenced.id
        and written._country_code = referenced._country_code
        and referenced._country_code in ('FR')
where
    written._country_code in ('FR')
    and written._run_id = 'asset_triggered__1'
    and written.lab_id is not null
    and referenced.id is null
    and written.lab_id not in ('UNKNOWN')
    and (written.lab_id <> 'L0' or written.day is null);
