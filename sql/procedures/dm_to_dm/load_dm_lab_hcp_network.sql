-- Purpose:    replace one country of dm.dm_lab_hcp_network; every column is defined in docs/marts.md.
-- Grain:      lab_id, hcp_key, therapeutic_area_id.
-- Parameters: p_country_code (the slice), p_as_of_date (order date: which ties hold), p_run_id.
-- Call:       call dm.load_dm_lab_hcp_network('DE', '2026-01-05', 'by hand');
create or replace procedure dm.load_dm_lab_hcp_network (
    p_country_code varchar(2), p_as_of_date date, p_run_id varchar(256)
)
as $$
begin
    delete from dm.dm_lab_hcp_network
    where country_code = p_country_code;

    insert into dm.dm_lab_hcp_network (
        country_code, lab_id, lab_name, hcp_key, therapeutic_area_id, therapeutic_area_name,
        is_affiliated, role, is_primary, shared_objectives, open_shared_objectives,
        interactions_12_months, visits_12_months, last_interaction_on, _as_of_date, _run_id, _loaded_at_utc
    )
    with lab as (
        select
            lab_id,
            lab_name
        from dm.dim_lab
        where country_code = p_country_code
            and is_current
            and not is_deleted
            and lab_id <> 'UNKNOWN'
    ),

    ranked_affiliation as (
        select
            lab_id,
            hcp_key,
            role,
            is_primary,
            row_number() over (
                partition by lab_id, hcp_key
                order by
                    case when is_primary then 0 else 1 end,
                    start_date nulls first,
                    affiliation_id
            ) as choice
        from dm.bridge_lab_hcp
        where country_code = p_country_code
            and hcp_key <> 'UNKNOWN'
            and (start_date is null or start_date <= p_as_of_date)
            and (end_date is null or end_date >= p_as_of_date)
    ),

    affiliation as (
        -- a primary one comes first, so the pair has a primary one exactly if this is one
        select
            lab_id,
            hcp_key,
            role,
            is_primary
        from ranked_affiliation
        where choice = 1
    ),

    shared as (
        select
            objective.lab_id,
            tie.hcp_key,
            objective.therapeutic_area_id,
            count(distinct objective.objective_id) as objectives,
            count(distinct case when objective.status = 'Open' then objective.objective_id end) as open_objectives
        from dm.bridge_objective_hcp as tie
        inner join dm.fact_lab_objective as objective
            on tie.objective_id = objective.objective_id
                and tie.country_code = objective.country_code
        where tie.country_code = p_country_code
            and tie.hcp_key <> 'UNKNOWN'
            and objective.is_current
            and not objective.is_deleted
            and objective.status in ('Open', 'Met', 'Missed')
        group by objective.lab_id, tie.hcp_key, objective.therapeutic_area_id
    ),

    contact as (
        select
            lab_id,
            hcp_key,
            therapeutic_area_id,
            count(*) as interactions,
            sum(case when channel = 'Visit' then 1 else 0 end) as visits,
            max(interaction_date_key) as last_on
        from dm.fact_interaction
        where country_code = p_country_code
            and hcp_key <> 'UNKNOWN'
            -- by months: DATEADD makes 1 March of 29 February less a year
            and interaction_date_key > dateadd(month, -12, p_as_of_date)
            and interaction_date_key <= p_as_of_date
        group by lab_id, hcp_key, therapeutic_area_id
    ),

    area_tie as (
        select
            lab_id,
            hcp_key,
            therapeutic_area_id
        from shared
        union
        select
            lab_id,
            hcp_key,
            therapeutic_area_id
        from contact
    ),

    tie as (
        select
            lab_id,
            hcp_key,
            therapeutic_area_id
        from area_tie
        union all
        -- who is affiliated, and nothing else is known of
        select
            affiliation.lab_id,
            affiliation.hcp_key,
            'UNKNOWN'
        from affiliation
        left join area_tie
            on affiliation.lab_id = area_tie.lab_id
                and affiliation.hcp_key = area_tie.hcp_key
        where area_tie.lab_id is null
    )

    select
        p_country_code,
        tie.lab_id,
        lab.lab_name,
        tie.hcp_key,
        tie.therapeutic_area_id,
        coalesce(area.therapeutic_area_name, 'Unknown'),
        affiliation.lab_id is not null,
        affiliation.role,
        coalesce(affiliation.is_primary, false),
        coalesce(shared.objectives, 0),
        coalesce(shared.open_objectives, 0),
        coalesce(contact.interactions, 0),
        coalesce(contact.visits, 0),
        contact.last_on,
        p_as_of_date,
        p_run_id,
        getdate()
    from tie
    inner join lab on tie.lab_id = lab.lab_id
    left join affiliation
        on tie.lab_id = affiliation.lab_id
            and tie.hcp_key = affiliation.hcp_key
    left join shared
        on tie.lab_id = shared.lab_id
            and tie.hcp_key = shared.hcp_key
            and tie.therapeutic_area_id = shared.therapeutic_area_id
    left join contact
        on tie.lab_id = contact.lab_id
            and tie.hcp_key = contact.hcp_key
            and tie.therapeutic_area_id = contact.therapeutic_area_id
    left join dm.dim_therapeutic_area as area on tie.therapeutic_area_id = area.therapeutic_area_id;
end;
$$ language plpgsql;
