-- Purpose:    replace one slice of dm.dim_biomarker with the biomarkers of itg, their therapeutic area and product.
-- Grain:      biomarker_id.
-- Parameters: p_country_code (the slice, ZZ for reference data), p_as_of_date (order date), p_run_id.
-- Call:       call dm.load_dim_biomarker('ZZ', '2026-01-05', 'by hand');
create or replace procedure dm.load_dim_biomarker (
    p_country_code varchar(2), p_as_of_date date, p_run_id varchar(256)
)
as $$
begin
    delete from dm.dim_biomarker
    where country_code = p_country_code;

    insert into dm.dim_biomarker (
        country_code, biomarker_id, biomarker_name, therapeutic_area_id, therapeutic_area_name, indication,
        is_companion_diagnostic, product_id, product_name, product_generic_name, product_group, is_deleted,
        _as_of_date, _run_id, _loaded_at_utc
    )
    select
        biomarker._country_code,
        biomarker.id,
        coalesce(biomarker.name, 'Unknown'),
        coalesce(area.id, 'UNKNOWN'),
        coalesce(area.name, 'Unknown'),
        biomarker.indication,
        biomarker.is_companion_diagnostic,
        coalesce(product.id, 'UNKNOWN'),
        coalesce(product.name, 'Unknown'),
        product.generic_name,
        product."group",
        coalesce(biomarker.is_deleted, false),
        p_as_of_date,
        p_run_id,
        getdate()
    from itg.biomarker as biomarker
    left join itg.therapeutic_area as area on biomarker.therapeutic_area_id = area.id
    left join itg.product as product on biomarker.product_id = product.id
    where biomarker._country_code = p_country_code;

    -- the unknown member, so that a key that points nowhere still joins
    if p_country_code = 'ZZ' then
        insert into dm.dim_biomarker (
            country_code, biomarker_id, biomarker_name, therapeutic_area_id, therapeutic_area_name, product_id,
            product_name, is_deleted, _as_of_date, _run_id, _loaded_at_utc
        )
        values (
            'ZZ', 'UNKNOWN', 'Unknown', 'UNKNOWN', 'Unknown', 'UNKNOWN', 'Unknown', false,
            p_as_of_date, p_run_id, getdate()
        );
    end if;
end;
$$ language plpgsql;
