-- Purpose:    replace one country of dm.bridge_objective_hcp with its links in itg.
-- Grain:      objective_hcp_id.
-- Parameters: p_country_code (the slice), p_as_of_date (order date), p_run_id.
-- Call:       call dm.load_bridge_objective_hcp('DE', '2026-01-05', 'by hand');
create or replace procedure dm.load_bridge_objective_hcp (
    p_country_code varchar(2), p_as_of_date date, p_run_id varchar(256)
)
as $$
begin
    delete from dm.bridge_objective_hcp
    where country_code = p_country_code;

    insert into dm.bridge_objective_hcp (
        country_code, objective_hcp_id, objective_id, hcp_key, _as_of_date, _run_id, _loaded_at_utc
    )
    select
        link._country_code,
        link.id,
        coalesce(objective.id, 'UNKNOWN'),
        case when link.hcp_id is null then 'UNKNOWN' else md5('hcp|' || link.hcp_id) end,
        p_as_of_date,
        p_run_id,
        getdate()
    from itg.objective_hcp as link
    left join itg.lab_objective as objective
        on link.lab_objective_id = objective.id
            and link._country_code = objective._country_code
    where link._country_code = p_country_code
        and link.is_deleted is not true;
end;
$$ language plpgsql;
