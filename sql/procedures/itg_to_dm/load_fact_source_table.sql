-- Purpose:    replace dm.fact_source_table: rows and newest change of each itg table, for dm.dm_data_freshness.
-- Grain:      source_table.
-- Parameters: p_country_code (the slice, ZZ for reference data), p_as_of_date (order date), p_run_id.
-- Call:       call dm.load_fact_source_table('ZZ', '2026-01-05', 'by hand');
create or replace procedure dm.load_fact_source_table (
    p_country_code varchar(2), p_as_of_date date, p_run_id varchar(256)
)
as $$
begin
    delete from dm.fact_source_table
    where country_code = p_country_code;

    insert into dm.fact_source_table (
        country_code, source_table, itg_rows, itg_live_rows, high_water_mark_utc, itg_loaded_at_utc,
        _as_of_date, _run_id, _loaded_at_utc
    )
    with source as (
        select
            'itg.account' as source_table,
            count(*) as itg_rows,
            sum(case when is_deleted is not true then 1 else 0 end) as itg_live_rows,
            max(system_modstamp) as high_water_mark_utc,
            max(_loaded_at_utc) as itg_loaded_at_utc
        from itg.account
        union all
        select
            'itg.biomarker',
            count(*),
            sum(case when is_deleted is not true then 1 else 0 end),
            max(system_modstamp),
            max(_loaded_at_utc)
        from itg.biomarker
        union all
        select
            'itg.lab_capability',
            count(*),
            sum(case when is_deleted is not true then 1 else 0 end),
            max(system_modstamp),
            max(_loaded_at_utc)
        from itg.lab_capability
        union all
        select
            'itg.lab_hcp_affiliation',
            count(*),
            sum(case when is_deleted is not true then 1 else 0 end),
            max(system_modstamp),
            max(_loaded_at_utc)
        from itg.lab_hcp_affiliation
        union all
        select
            'itg.lab_interaction',
            count(*),
            sum(case when is_deleted is not true then 1 else 0 end),
            max(system_modstamp),
            max(_loaded_at_utc)
        from itg.lab_interaction
        union all
        select
            'itg.lab_objective',
            count(*),
            sum(case when is_deleted is not true then 1 else 0 end),
            max(system_modstamp),
            max(_loaded_at_utc)
        from itg.lab_objective
        union all
        select
            'itg.object_territory_association',
            count(*),
            sum(case when is_deleted is not true then 1 else 0 end),
            max(system_modstamp),
            max(_loaded_at_utc)
        from itg.object_territory_association
        union all
        select
            'itg.objective_hcp',
            count(*),
            sum(case when is_deleted is not true then 1 else 0 end),
            max(system_modstamp),
            max(_loaded_at_utc)
        from itg.objective_hcp
        union all
        select
            'itg.product',
            count(*),
            sum(case when is_deleted is not true then 1 else 0 end),
            max(system_modstamp),
            max(_loaded_at_utc)
        from itg.product
        union all
        select
            'itg.record_type',
            count(*),
            count(*),
            max(system_modstamp),
            max(_loaded_at_utc)
        from itg.record_type
        union all
        select
            'itg.sf_user',
            count(*),
            count(*),
            max(system_modstamp),
            max(_loaded_at_utc)
        from itg.sf_user
        union all
        select
            'itg.territory',
            count(*),
            sum(case when is_deleted is not true then 1 else 0 end),
            max(system_modstamp),
            max(_loaded_at_utc)
        from itg.territory
        union all
        select
            'itg.test_offering',
            count(*),
            sum(case when is_deleted is not true then 1 else 0 end),
            max(system_modstamp),
            max(_loaded_at_utc)
        from itg.test_offering
        union all
        select
            'itg.testing_volume',
            count(*),
            sum(case when is_deleted is not true then 1 else 0 end),
            max(system_modstamp),
            max(_loaded_at_utc)
        from itg.testing_volume
        union all
        select
            'itg.therapeutic_area',
            count(*),
            sum(case when is_deleted is not true then 1 else 0 end),
            max(system_modstamp),
            max(_loaded_at_utc)
        from itg.therapeutic_area
        union all
        select
            'itg.user_territory_association',
            count(*),
            count(*),
            max(system_modstamp),
            max(_loaded_at_utc)
        from itg.user_territory_association
    )

    select
        p_country_code,
        source_table,
        itg_rows,
        coalesce(itg_live_rows, 0),
        high_water_mark_utc,
        itg_loaded_at_utc,
        p_as_of_date,
        p_run_id,
        getdate()
    from source
    where p_country_code = 'ZZ';
end;
$$ language plpgsql;
