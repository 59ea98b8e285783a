-- Purpose:    replace one country of dm.fact_lab_objective with the days on which its objectives changed.
-- Grain:      objective_id, changed_on.
-- Parameters: p_country_code (the slice), p_as_of_date (order date), p_run_id.
-- Call:       call dm.load_fact_lab_objective('DE', '2026-01-05', 'by hand');
create or replace procedure dm.load_fact_lab_objective (
    p_country_code varchar(2), p_as_of_date date, p_run_id varchar(256)
)
as $$
begin
    delete from dm.fact_lab_objective
    where country_code = p_country_code;

    insert into dm.fact_lab_objective (
        country_code, objective_id, changed_on, changed_again_on, is_current, lab_id, therapeutic_area_id,
        biomarker_id, owner_id, objective_type, status, baseline, target, current_value, unit, progress, start_date,
        due_date, due_date_key, is_deleted, _as_of_date, _run_id, _loaded_at_utc
    )
    with lab as (
        -- as dm.dim_lab has them; itg is read so that this table waits for itg alone
        select account.id
        from itg.account as account
        inner join itg.record_type as record_type on account.record_type_id = record_type.id
        where account._country_code = p_country_code
            and record_type.developer_name = 'Lab'
    ),

    objective as (
        -- Only records that itg holds: one that the org deleted for good leaves dm with all its history.
        select
            held.id,
            coalesce(lab.id, 'UNKNOWN') as lab_id
        from itg.lab_objective as held
        left join lab on held.lab_id = lab.id
        where held._country_code = p_country_code
    ),

    version as (
        select
            history.id,
            history.therapeutic_area_id,
            history.biomarker_id,
            history.owner_id,
            history.type,
            history.status,
            history.baseline,
            history.target,
            history.current,
            history.unit,
            history.start_date,
            history.due_date,
            history.is_deleted,
            history.system_modstamp,
            history._read_at_utc,
            history._batch_id,
            -- What changed without touching SystemModstamp is known from the read that saw it.
            case
                when row_number() over (
                    partition by history.id, history.system_modstamp order by history._read_at_utc, history._batch_id
                ) = 1 then history.system_modstamp
                else history._read_at_utc
            end as effective_at_utc
        from itg.lab_objective__history as history
        inner join objective on history.id = objective.id
    ),

    overtaken as (
        select
            version.*,
            min(effective_at_utc) over (
                partition by id order by system_modstamp, _read_at_utc, _batch_id
                rows between 1 following and unbounded following
            ) as overtaken_at_utc
        from version
    ),

    -- The last state of each day.
    day_end as (
        select
            overtaken.*,
            cast(effective_at_utc as date) as changed_on,
            row_number() over (
                partition by id, cast(effective_at_utc as date) order by effective_at_utc desc
            ) as newest_first
        from overtaken
        where overtaken_at_utc is null
            or overtaken_at_utc > effective_at_utc
    ),

    state as (
        select
            version.id,
            version.changed_on,
            coalesce(area.id, 'UNKNOWN') as therapeutic_area_id,
            coalesce(biomarker.id, 'UNKNOWN') as biomarker_id,
            coalesce(version.owner_id, 'UNKNOWN') as owner_id,
            coalesce(version.type, 'Unknown') as objective_type,
            coalesce(version.status, 'Unknown') as status,
            version.baseline,
            version.target,
            version.current as current_value,
            version.unit,
            version.start_date,
            version.due_date,
            coalesce(version.is_deleted, false) as is_deleted
        from day_end as version
        left join itg.therapeutic_area as area on version.therapeutic_area_id = area.id
        left join itg.biomarker as biomarker on version.biomarker_id = biomarker.id
        where version.newest_first = 1
    ),

    -- Neighbours that agree have the same difference of the two numbers; PARTITION BY takes two nulls for the same.
    island as (
        select
            state.*,
            row_number() over (partition by id order by changed_on)
            - row_number() over (
                partition by
                    id, therapeutic_area_id, biomarker_id, owner_id, objective_type, status, baseline, target,
                    current_value, unit, start_date, due_date, is_deleted
                order by changed_on
            ) as island
        from state
    ),

    stay as (
        select
            id,
            therapeutic_area_id,
            biomarker_id,
            owner_id,
            objective_type,
            status,
            baseline,
            target,
            current_value,
            unit,
            start_date,
            due_date,
            is_deleted,
            min(changed_on) as changed_on
        from island
        group by
            id, therapeutic_area_id, biomarker_id, owner_id, objective_type, status, baseline, target,
            current_value, unit, start_date, due_date, is_deleted, island
    ),

    period as (
        select
            stay.*,
            lead(changed_on) over (partition by id order by changed_on) as changed_again_on
        from stay
    )

    select
        p_country_code,
        period.id,
        period.changed_on,
        coalesce(period.changed_again_on, cast('9999-12-31' as date)),
        period.changed_again_on is null,
        objective.lab_id,
        period.therapeutic_area_id,
        period.biomarker_id,
        period.owner_id,
        period.objective_type,
        period.status,
        period.baseline,
        period.target,
        period.current_value,
        period.unit,
        -- Clipped before dividing: between 0 and 1 no quotient is too large for its type. Null where any is.
        case
            when period.target = period.baseline then null
            when (period.current_value - period.baseline) * sign(period.target - period.baseline) <= 0 then 0
            when (period.current_value - period.target) * sign(period.target - period.baseline) >= 0 then 1
            else cast(
                (period.current_value - period.baseline) / (period.target - period.baseline) as numeric(18, 6)
            )
        end,
        period.start_date,
        period.due_date,
        case
            when period.due_date between '2000-01-01' and '2049-12-31'
                then period.due_date
            else cast('1900-01-01' as date)
        end,
        period.is_deleted,
        p_as_of_date,
        p_run_id,
        getdate()
    from period
    inner join objective on period.id = objective.id;
end;
$$ language plpgsql;
