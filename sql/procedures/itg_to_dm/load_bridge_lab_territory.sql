-- Purpose:    replace one country of dm.bridge_lab_territory with the labs that territories cover in itg.
-- Grain:      lab_id, territory_id.
-- Parameters: p_country_code (the slice), p_as_of_date (order date), p_run_id.
-- Call:       call dm.load_bridge_lab_territory('DE', '2026-01-05', 'by hand');
create or replace procedure dm.load_bridge_lab_territory (
    p_country_code varchar(2), p_as_of_date date, p_run_id varchar(256)
)
as $$
begin
    delete from dm.bridge_lab_territory
    where country_code = p_country_code;

    insert into dm.bridge_lab_territory (
        country_code, lab_id, territory_id, associations, _as_of_date, _run_id, _loaded_at_utc
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
        p_country_code,
        lab.id,
        coalesce(territory.id, 'UNKNOWN'),
        count(*),
        p_as_of_date,
        p_run_id,
        getdate()
    from itg.object_territory_association as association
    inner join lab on association.object_id = lab.id
    left join itg.territory as territory on association.territory2_id = territory.id
    where association._country_code = p_country_code
        and association.is_deleted is not true
    group by lab.id, territory.id;
end;
$$ language plpgsql;
