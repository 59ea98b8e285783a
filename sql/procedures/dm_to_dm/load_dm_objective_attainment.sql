-- Purpose:    replace one country of dm.dm_objective_attainment; every column is defined in docs/marts.md.
-- Grain:      country_code, therapeutic_area_id, owner_id, quarter.
-- Parameters: p_country_code (the slice), p_as_of_date (order date: what is due and overdue), p_run_id.
-- Call:       call dm.load_dm_objective_attainment('DE', '2026-01-05', 'by hand');
create or replace procedure dm.load_dm_objective_attainment (
    p_country_code varchar(2), p_as_of_date date, p_run_id varchar(256)
)
as $$
begin
    delete from dm.dm_objective_attainment
    where country_code = p_country_code;

    insert into dm.dm_objective_attainment (
        country_code, therapeutic_area_id, therapeutic_area_name, owner_id, quarter,
        objectives, objectives_due, objectives_met, objectives_missed, objectives_overdue,
        attainment_rate, mean_progress, _as_of_date, _run_id, _loaded_at_utc
    )
    with objective as (
        -- what was agreed: neither drafts nor what was cancelled
        select
            therapeutic_area_id,
            owner_id,
            -- the first day of 1900, which stands for no day, begins a quarter
            cast(date_trunc('quarter', due_date_key) as date) as quarter,
            due_date,
            status,
            progress
        from dm.fact_lab_objective
        where country_code = p_country_code
            and is_current
            and not is_deleted
            and status in ('Open', 'Met', 'Missed')
    ),

    attainment as (
        select
            therapeutic_area_id,
            owner_id,
            quarter,
            count(*) as objectives,
            sum(case when due_date <= p_as_of_date then 1 else 0 end) as objectives_due,
            sum(case when status = 'Met' then 1 else 0 end) as objectives_met,
            sum(case when status = 'Missed' then 1 else 0 end) as objectives_missed,
            sum(case when status = 'Open' and due_date < p_as_of_date then 1 else 0 end) as objectives_overdue,
            sum(progress) as total_progress,
            count(progress) as measured_objectives
        from objective
        group by therapeutic_area_id, owner_id, quarter
    )

    select
        p_country_code,
        attainment.therapeutic_area_id,
        coalesce(area.therapeutic_area_name, 'Unknown'),
        attainment.owner_id,
        attainment.quarter,
        attainment.objectives,
        attainment.objectives_due,
        attainment.objectives_met,
        attainment.objectives_missed,
        attainment.objectives_overdue,
        cast(cast(attainment.objectives_met as numeric(28, 10)) / attainment.objectives as numeric(18, 6)),
        cast(
            cast(attainment.total_progress as numeric(28, 10))
            / nullif(attainment.measured_objectives, 0) as numeric(18, 6)
        ),
        p_as_of_date,
        p_run_id,
        getdate()
    from attainment
    left join dm.dim_therapeutic_area as area on attainment.therapeutic_area_id = area.therapeutic_area_id;
end;
$$ language plpgsql;
