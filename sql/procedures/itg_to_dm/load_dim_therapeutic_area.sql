-- Purpose:    replace one slice of dm.dim_therapeutic_area with the therapeutic areas of itg.
-- Grain:      therapeutic_area_id.
-- Parameters: p_country_code (the slice, ZZ for reference data), p_as_of_date (order date), p_run_id.
-- Call:       call dm.load_dim_therapeutic_area('ZZ', '2026-01-05', 'by hand');
create or replace procedure dm.load_dim_therapeutic_area (
    p_country_code varchar(2), p_as_of_date date, p_run_id varchar(256)
)
as $$
begin
    delete from dm.dim_therapeutic_area
    where country_code = p_country_code;

    insert into dm.dim_therapeutic_area (
        country_code, therapeutic_area_id, therapeutic_area_name, is_deleted, _as_of_date, _run_id, _loaded_at_utc
    )
    select
        area._country_code,
        area.id,
        coalesce(area.name, 'Unknown'),
        coalesce(area.is_deleted, false),
        p_as_of_date,
        p_run_id,
        getdate()
    from itg.therapeutic_area as area
    where area._country_code = p_country_code;

    -- the unknown member, so that a key that points nowhere still joins
    if p_country_code = 'ZZ' then
        insert into dm.dim_therapeutic_area (
            country_code, therapeutic_area_id, therapeutic_area_name, is_deleted, _as_of_date, _run_id, _loaded_at_utc
        )
        values ('ZZ', 'UNKNOWN', 'Unknown', false, p_as_of_date, p_run_id, getdate());
    end if;
end;
$$ language plpgsql;
