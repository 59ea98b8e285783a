-- Purpose:    replace one country of dm.bridge_lab_hcp with its affiliations in itg.
-- Grain:      affiliation_id.
-- Parameters: p_country_code (the slice), p_as_of_date (order date), p_run_id.
-- Call:       call dm.load_bridge_lab_hcp('DE', '2026-01-05', 'by hand');
create or replace procedure dm.load_bridge_lab_hcp (
    p_country_code varchar(2), p_as_of_date date, p_run_id varchar(256)
)
as $$
begin
    delete from dm.bridge_lab_hcp
    where country_code = p_country_code;

    insert into dm.bridge_lab_hcp (
        country_code, affiliation_id, lab_id, hcp_key, role, is_primary, start_date, end_date,
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
        affiliation._country_code,
        affiliation.id,
        coalesce(lab.id, 'UNKNOWN'),
        case when affiliation.hcp_id is null then 'UNKNOWN' else md5('hcp|' || affiliation.hcp_id) end,
        coalesce(affiliation.role, 'Unknown'),
        coalesce(affiliation.is_primary, false),
        affiliation.start_date,
        affiliation.end_date,
        p_as_of_date,
        p_run_id,
        getdate()
    from itg.lab_hcp_affiliation as affiliation
    left join lab on affiliation.lab_id = lab.id
    where affiliation._country_code = p_country_code
        and affiliation.is_deleted is not true;
end;
$$ language plpgsql;
