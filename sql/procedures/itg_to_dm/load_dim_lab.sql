-- Purpose:    replace one country of dm.dim_lab with its labs in itg.
-- Grain:      lab_id.
-- Parameters: p_country_code (the slice), p_as_of_date (order date), p_run_id.
-- Call:       call dm.load_dim_lab('DE', '2026-01-05', 'by hand');
create or replace procedure dm.load_dim_lab (
    p_country_code varchar(2), p_as_of_date date, p_run_id varchar(256)
)
as $$
begin
    delete from dm.dim_lab
    where country_code = p_country_code;

    insert into dm.dim_lab (
        country_code, lab_id, lab_name, lab_type, segment, is_deleted, is_active_lab,
        _as_of_date, _run_id, _loaded_at_utc
    )
    select
        account._country_code,
        account.id,
        coalesce(account.name, 'Unknown'),
        account.lab_type,
        account.segment,
        account.is_deleted,
        coalesce(account.is_active, false) and not account.is_deleted,
        p_as_of_date,
        p_run_id,
        getdate()
    from itg.account as account
    inner join itg.record_type as record_type on account.record_type_id = record_type.id
    where account._country_code = p_country_code
        and record_type.developer_name = 'Lab';

    -- the unknown member, so that a key that points nowhere still joins
    if p_country_code = 'ZZ' then
        insert into dm.dim_lab (
            country_code, lab_id, lab_name, is_deleted, is_active_lab, _as_of_date, _run_id, _loaded_at_utc
        )
        values ('ZZ', 'UNKNOWN', 'Unknown', false, false, p_as_of_date, p_run_id, getdate());
    end if;
end;
$$ language plpgsql;
