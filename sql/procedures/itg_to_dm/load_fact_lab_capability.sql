-- Purpose:    replace one country of dm.fact_lab_capability with its capabilities in itg.
-- Grain:      lab_capability_id.
-- Parameters: p_country_code (the slice), p_as_of_date (order date), p_run_id.
-- Call:       call dm.load_fact_lab_capability('DE', '2026-01-05', 'by hand');
create or replace procedure dm.load_fact_lab_capability (
    p_country_code varchar(2), p_as_of_date date, p_run_id varchar(256)
)
as $$
begin
    delete from dm.fact_lab_capability
    where country_code = p_country_code;

    insert into dm.fact_lab_capability (
        country_code, lab_capability_id, lab_id, technology, in_house, sample_type, valid_from, valid_to,
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
        capability._country_code,
        capability.id,
        coalesce(lab.id, 'UNKNOWN'),
        coalesce(capability.technology, 'Unknown'),
        capability.in_house,
        capability.sample_type,
        capability.valid_from,
        capability.valid_to,
        p_as_of_date,
        p_run_id,
        getdate()
    from itg.lab_capability as capability
    left join lab on capability.lab_id = lab.id
    where capability._country_code = p_country_code
        and capability.is_deleted is not true;
end;
$$ language plpgsql;
