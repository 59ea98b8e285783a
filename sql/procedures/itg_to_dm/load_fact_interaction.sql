-- Purpose:    replace one country of dm.fact_interaction with its visits and calls in itg.
-- Grain:      interaction_id.
-- Parameters: p_country_code (the slice), p_as_of_date (order date), p_run_id.
-- Call:       call dm.load_fact_interaction('DE', '2026-01-05', 'by hand');
create or replace procedure dm.load_fact_interaction (
    p_country_code varchar(2), p_as_of_date date, p_run_id varchar(256)
)
as $$
begin
    delete from dm.fact_interaction
    where country_code = p_country_code;

    insert into dm.fact_interaction (
        country_code, interaction_id, lab_id, hcp_key, therapeutic_area_id, owner_id, channel, interaction_at_utc,
        interaction_date_key, duration_minutes, has_next_step, _as_of_date, _run_id, _loaded_at_utc
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
        visit._country_code,
        visit.id,
        coalesce(lab.id, 'UNKNOWN'),
        case when visit.hcp_id is null then 'UNKNOWN' else md5('hcp|' || visit.hcp_id) end,
        coalesce(area.id, 'UNKNOWN'),
        coalesce(visit.owner_id, 'UNKNOWN'),
        coalesce(visit.channel, 'Unknown'),
        visit.interaction_at,
        case
            when cast(visit.interaction_at as date) between '2000-01-01' and '2049-12-31'
                then cast(visit.interaction_at as date)
            else cast('1900-01-01' as date)
        end,
        visit.duration_minutes,
        visit.next_step is not null,
        p_as_of_date,
        p_run_id,
        getdate()
    from itg.lab_interaction as visit
    left join lab on visit.lab_id = lab.id
    left join itg.therapeutic_area as area on visit.therapeutic_area_id = area.id
    where visit._country_code = p_country_code
        and visit.is_deleted is not true;
end;
$$ language plpgsql;
