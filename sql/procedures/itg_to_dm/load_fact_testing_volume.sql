-- Purpose:    replace one country of dm.fact_testing_volume with its testing volumes in itg.
-- Grain:      testing_volume_id.
-- Parameters: p_country_code (the slice), p_as_of_date (order date), p_run_id.
-- Call:       call dm.load_fact_testing_volume('DE', '2026-01-05', 'by hand');
create or replace procedure dm.load_fact_testing_volume (
    p_country_code varchar(2), p_as_of_date date, p_run_id varchar(256)
)
as $$
begin
    delete from dm.fact_testing_volume
    where country_code = p_country_code;

    insert into dm.fact_testing_volume (
        country_code, testing_volume_id, lab_id, biomarker_id, month, eligible_patients, tested_patients,
        positive_patients, median_tat_days, data_source, _as_of_date, _run_id, _loaded_at_utc
    )
    with lab as (
        -- as dm.dim_lab has them; itg is read so that this table waits for itg alone
        select account.id
        from itg.account as account
        inner join itg.record_type as record_type on account.record_type_id = record_type.id
        where account._country_code = p_country_code
            and record_type.developer_name = 'Lab'
    )

    select
        volume._country_code,
        volume.id,
        coalesce(lab.id, 'UNKNOWN'),
        coalesce(biomarker.id, 'UNKNOWN'),
        coalesce(cast(date_trunc('month', volume.month) as date), cast('1900-01-01' as date)),
        volume.eligible_patients,
        volume.tested_patients,
        volume.positive_patients,
        volume.median_tat_days,
        volume.data_source,
        p_as_of_date,
        p_run_id,
        getdate()
    from itg.testing_volume as volume
    left join lab on volume.lab_id = lab.id
    left join itg.biomarker as biomarker on volume.biomarker_id = biomarker.id
    where volume._country_code = p_country_code
        and volume.is_deleted is not true;
end;
$$ language plpgsql;
