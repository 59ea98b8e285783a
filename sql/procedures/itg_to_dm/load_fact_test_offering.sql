-- Purpose:    replace one country of dm.fact_test_offering with its offerings in itg.
-- Grain:      test_offering_id.
-- Parameters: p_country_code (the slice), p_as_of_date (order date), p_run_id.
-- Call:       call dm.load_fact_test_offering('DE', '2026-01-05', 'by hand');
create or replace procedure dm.load_fact_test_offering (
    p_country_code varchar(2), p_as_of_date date, p_run_id varchar(256)
)
as $$
begin
    delete from dm.fact_test_offering
    where country_code = p_country_code;

    insert into dm.fact_test_offering (
        country_code, test_offering_id, lab_id, biomarker_id, lab_capability_id, technology, in_house,
        capability_valid_from, capability_valid_to, turnaround_days, reimbursed, launched_on, status,
        _as_of_date, _run_id, _loaded_at_utc
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
        offering._country_code,
        offering.id,
        coalesce(lab.id, 'UNKNOWN'),
        coalesce(biomarker.id, 'UNKNOWN'),
        coalesce(capability.id, 'UNKNOWN'),
        coalesce(capability.technology, 'Unknown'),
        capability.in_house,
        capability.valid_from,
        capability.valid_to,
        offering.turnaround_days,
        coalesce(offering.reimbursed, false),
        offering.launched_on,
        coalesce(offering.status, 'Unknown'),
        p_as_of_date,
        p_run_id,
        getdate()
    from itg.test_offering as offering
    left join lab on offering.lab_id = lab.id
    left join itg.biomarker as biomarker on offering.biomarker_id = biomarker.id
    -- a technology of another lab is none of this lab's
    left join itg.lab_capability as capability
        on offering.lab_capability_id = capability.id
            and offering.lab_id = capability.lab_id
            and offering._country_code = capability._country_code
            and capability.is_deleted is not true
    where offering._country_code = p_country_code
        and offering.is_deleted is not true;
end;
$$ language plpgsql;
