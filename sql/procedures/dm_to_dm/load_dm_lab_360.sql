-- Purpose:    replace one country of dm.dm_lab_360; every column is defined in docs/marts.md.
-- Grain:      lab_id.
-- Parameters: p_country_code (the slice), p_as_of_date (order date: what is valid, overdue, recent), p_run_id.
-- Call:       call dm.load_dm_lab_360('DE', '2026-01-05', 'by hand');
create or replace procedure dm.load_dm_lab_360 (
    p_country_code varchar(2), p_as_of_date date, p_run_id varchar(256)
)
as $$
begin
    delete from dm.dm_lab_360
    where country_code = p_country_code;

    insert into dm.dm_lab_360 (
        country_code, lab_id, lab_name, lab_type, segment, accreditation, city, owner_id, is_active_lab,
        in_house_technologies, sent_out_technologies,
        offered_biomarkers, offered_biomarker_names, reimbursed_biomarkers,
        last_interaction_on, days_since_last_interaction, interactions_12_months, visits_12_months,
        open_objectives, overdue_objectives, met_objectives,
        linked_hcps, linked_hcps_per_therapeutic_area,
        eligible_patients_12_months, tested_patients_12_months, testing_rate_12_months,
        tested_patients_previous_12_months, tested_patients_trend,
        _as_of_date, _run_id, _loaded_at_utc
    )
    with technology as (
        -- once per lab; what is done in house is not sent out too
        select
            lab_id,
            technology,
            max(case when in_house then 1 else 0 end) as is_in_house
        from dm.fact_lab_capability
        where country_code = p_country_code
            and in_house is not null
            and (valid_from is null or valid_from <= p_as_of_date)
            and (valid_to is null or valid_to >= p_as_of_date)
        group by lab_id, technology
    ),

    technologies as (
        select
            lab_id,
            listagg(case when is_in_house = 1 then technology end, '; ') within group (order by technology)
                as in_house_technologies,
            listagg(case when is_in_house = 0 then technology end, '; ') within group (order by technology)
                as sent_out_technologies
        from technology
        group by lab_id
    ),

    offering as (
        select
            lab_id,
            biomarker_id,
            max(case when reimbursed then 1 else 0 end) as is_reimbursed
        from dm.fact_test_offering
        where country_code = p_country_code
            and biomarker_id <> 'UNKNOWN'
            and status = 'Active'
            and (launched_on is null or launched_on <= p_as_of_date)
        group by lab_id, biomarker_id
    ),

    offerings as (
        select
            offering.lab_id,
            count(*) as offered_biomarkers,
            sum(offering.is_reimbursed) as reimbursed_biomarkers,
            -- two biomarkers may have one name
            listagg(distinct biomarker.biomarker_name, '; ') within group (order by biomarker.biomarker_name)
                as offered_biomarker_names
        from offering
        left join dm.dim_biomarker as biomarker on offering.biomarker_id = biomarker.biomarker_id
        group by offering.lab_id
    ),

    contact as (
        select
            lab_id,
            interaction_date_key,
            case when channel = 'Visit' then 1 else 0 end as is_visit,
            -- by months: DATEADD makes 1 March of 29 February less a year
            case when interaction_date_key > dateadd(month, -12, p_as_of_date) then 1 else 0 end as is_recent
        from dm.fact_interaction
        where country_code = p_country_code
            and interaction_date_key <= p_as_of_date
            and interaction_date_key <> '1900-01-01'
    ),

    contacts as (
        select
            lab_id,
            max(interaction_date_key) as last_interaction_on,
            sum(is_recent) as interactions_12_months,
            sum(is_recent * is_visit) as visits_12_months
        from contact
        group by lab_id
    ),

    objectives as (
        select
            lab_id,
            sum(case when status = 'Open' then 1 else 0 end) as open_objectives,
            sum(case when status = 'Open' and due_date < p_as_of_date then 1 else 0 end) as overdue_objectives,
            sum(case when status = 'Met' then 1 else 0 end) as met_objectives
        from dm.fact_lab_objective
        where country_code = p_country_code
            and is_current
            and not is_deleted
        group by lab_id
    ),

    professionals as (
        select
            lab_id,
            count(distinct hcp_key) as linked_hcps
        from dm.bridge_lab_hcp
        where country_code = p_country_code
            and hcp_key <> 'UNKNOWN'
            and (start_date is null or start_date <= p_as_of_date)
            and (end_date is null or end_date >= p_as_of_date)
        group by lab_id
    ),

    area as (
        select
            lab_id,
            therapeutic_area_name || ': ' || cast(count(*) as varchar(20)) as linked
        from dm.dm_lab_hcp_network
        where country_code = p_country_code
            and is_affiliated
            and therapeutic_area_id <> 'UNKNOWN'
        group by lab_id, therapeutic_area_id, therapeutic_area_name
    ),

    areas as (
        select
            lab_id,
            listagg(linked, '; ') within group (order by linked) as linked_hcps_per_therapeutic_area
        from area
        group by lab_id
    ),

    volume as (
        -- whole months: that of the order date is not over
        select
            lab_id,
            case when month >= dateadd(month, -12, date_trunc('month', p_as_of_date)) then 1 else 0 end as is_recent,
            coalesce(eligible_patients, 0) as eligible_patients,
            coalesce(tested_patients, 0) as tested_patients
        from dm.fact_testing_volume
        where country_code = p_country_code
            and month >= dateadd(month, -24, date_trunc('month', p_as_of_date))
            and month < date_trunc('month', p_as_of_date)
    ),

    volumes as (
        select
            lab_id,
            sum(case when is_recent = 1 then eligible_patients else 0 end) as eligible_patients,
            sum(case when is_recent = 1 then tested_patients else 0 end) as tested_patients,
            sum(case when is_recent = 0 then tested_patients else 0 end) as tested_patients_before
        from volume
        group by lab_id
    )

    select
        p_country_code,
        lab.lab_id,
        lab.lab_name,
        lab.lab_type,
        lab.segment,
        lab.accreditation,
        lab.city,
        lab.owner_id,
        lab.is_active_lab,
        technologies.in_house_technologies,
        technologies.sent_out_technologies,
        coalesce(offerings.offered_biomarkers, 0),
        offerings.offered_biomarker_names,
        coalesce(offerings.reimbursed_biomarkers, 0),
        contacts.last_interaction_on,
        datediff(day, contacts.last_interaction_on, p_as_of_date),
        coalesce(contacts.interactions_12_months, 0),
        coalesce(contacts.visits_12_months, 0),
        coalesce(objectives.open_objectives, 0),
        coalesce(objectives.overdue_objectives, 0),
        coalesce(objectives.met_objectives, 0),
        coalesce(professionals.linked_hcps, 0),
        areas.linked_hcps_per_therapeutic_area,
        coalesce(volumes.eligible_patients, 0),
        coalesce(volumes.tested_patients, 0),
        cast(
            cast(volumes.tested_patients as numeric(38, 14)) / nullif(volumes.eligible_patients, 0) as numeric(30, 6)
        ),
        coalesce(volumes.tested_patients_before, 0),
        cast(
            cast(volumes.tested_patients - volumes.tested_patients_before as numeric(38, 14))
            / nullif(volumes.tested_patients_before, 0) as numeric(30, 6)
        ),
        p_as_of_date,
        p_run_id,
        getdate()
    from dm.dim_lab as lab
    left join technologies on lab.lab_id = technologies.lab_id
    left join offerings on lab.lab_id = offerings.lab_id
    left join contacts on lab.lab_id = contacts.lab_id
    left join objectives on lab.lab_id = objectives.lab_id
    left join professionals on lab.lab_id = professionals.lab_id
    left join areas on lab.lab_id = areas.lab_id
    left join volumes on lab.lab_id = volumes.lab_id
    where lab.country_code = p_country_code
        and lab.is_current
        and not lab.is_deleted
        and lab.lab_id <> 'UNKNOWN';
end;
$$ language plpgsql;
