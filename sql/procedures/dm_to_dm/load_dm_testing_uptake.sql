-- Purpose:    replace one country of dm.dm_testing_uptake; every column is defined in docs/marts.md.
-- Grain:      country_code, therapeutic_area_id, biomarker_id, month (a cell).
-- Parameters: p_country_code (the slice), p_as_of_date (order date), p_run_id.
-- Call:       call dm.load_dm_testing_uptake('DE', '2026-01-05', 'by hand');
create or replace procedure dm.load_dm_testing_uptake (
    p_country_code varchar(2), p_as_of_date date, p_run_id varchar(256)
)
as $$
begin
    delete from dm.dm_testing_uptake
    where country_code = p_country_code;

    insert into dm.dm_testing_uptake (
        country_code, therapeutic_area_id, therapeutic_area_name, biomarker_id, biomarker_name, month,
        eligible_patients, tested_patients, positive_patients, testing_rate, positivity_rate,
        testing_rate_change_month, testing_rate_change_year,
        eligible_patients_3_months, tested_patients_3_months, testing_rate_3_months,
        eligible_patients_12_months, tested_patients_12_months, testing_rate_12_months,
        mean_tat_days, p50_tat_days, p90_tat_days,
        testing_labs, active_testing_labs, active_labs, active_lab_testing_share,
        in_house_tested_patients, sent_out_tested_patients, in_house_share,
        _as_of_date, _run_id, _loaded_at_utc
    )
    with volume as (
        select
            coalesce(biomarker.therapeutic_area_id, 'UNKNOWN') as therapeutic_area_id,
            coalesce(biomarker.therapeutic_area_name, 'Unknown') as therapeutic_area_name,
            coalesce(biomarker.biomarker_id, 'UNKNOWN') as biomarker_id,
            coalesce(biomarker.biomarker_name, 'Unknown') as biomarker_name,
            fact.month,
            fact.lab_id,
            coalesce(lab.is_active_lab, false) as is_active_lab,
            coalesce(fact.eligible_patients, 0) as eligible_patients,
            coalesce(fact.tested_patients, 0) as tested_patients,
            coalesce(fact.positive_patients, 0) as positive_patients,
            -- a turnaround time counts by the tests behind it: without a test it says nothing
            case
                when fact.median_tat_days is not null and fact.tested_patients > 0 then fact.tested_patients
            end as timed_patients,
            fact.median_tat_days
        from dm.fact_testing_volume as fact
        left join dm.dim_biomarker as biomarker on fact.biomarker_id = biomarker.biomarker_id
        left join dm.dim_lab as lab
            on fact.lab_id = lab.lab_id and fact.country_code = lab.country_code and lab.is_current
        where fact.country_code = p_country_code
    ),

    tested as (
        select distinct
            lab_id,
            biomarker_id,
            month
        from volume
        where lab_id <> 'UNKNOWN'
    ),

    practice as (
        -- how a lab does a biomarker in a month, by the offerings that count then; in_house is null without capability
        select
            tested.lab_id,
            tested.biomarker_id,
            tested.month,
            max(case when offering.in_house then 1 else 0 end) as is_in_house
        from tested
        inner join dm.fact_test_offering as offering
            on tested.lab_id = offering.lab_id and tested.biomarker_id = offering.biomarker_id
        where offering.country_code = p_country_code
            and offering.status = 'Active'
            and offering.in_house is not null
            and (offering.launched_on is null or offering.launched_on <= last_day(tested.month))
            and (offering.capability_valid_from is null or offering.capability_valid_from <= last_day(tested.month))
            and (offering.capability_valid_to is null or offering.capability_valid_to >= tested.month)
        group by tested.lab_id, tested.biomarker_id, tested.month
    ),

    practised as (
        select
            volume.*,
            practice.is_in_house
        from volume
        left join practice
            on volume.lab_id = practice.lab_id
            and volume.biomarker_id = practice.biomarker_id
            and volume.month = practice.month
    ),

    cell as (
        select
            therapeutic_area_id,
            therapeutic_area_name,
            biomarker_id,
            biomarker_name,
            month,
            -- months are compared as numbers: a difference of 12 is a year
            cast(extract(year from month) * 12 + extract(month from month) as integer) as month_number,
            sum(eligible_patients) as eligible_patients,
            sum(tested_patients) as tested_patients,
            sum(positive_patients) as positive_patients,
            cast(
                sum(median_tat_days * timed_patients) / nullif(sum(timed_patients), 0) as numeric(18, 6)
            ) as mean_tat_days,
            count(distinct case when lab_id <> 'UNKNOWN' and tested_patients > 0 then lab_id end) as testing_labs,
            count(distinct case when is_active_lab and tested_patients > 0 then lab_id end) as active_testing_labs,
            sum(case when is_in_house = 1 then tested_patients else 0 end) as in_house_tested_patients,
            sum(case when is_in_house = 0 then tested_patients else 0 end) as sent_out_tested_patients
        from practised
        group by therapeutic_area_id, therapeutic_area_name, biomarker_id, biomarker_name, month
    ),

    rated as (
        select
            cell.*,
            cast(
                cast(tested_patients as numeric(38, 14)) / nullif(eligible_patients, 0) as numeric(30, 6)
            ) as testing_rate,
            cast(
                cast(positive_patients as numeric(38, 14)) / nullif(tested_patients, 0) as numeric(30, 6)
            ) as positivity_rate
        from cell
    ),

    lab_tat as (
        select
            biomarker_id,
            month,
            lab_id,
            cast(
                sum(median_tat_days * timed_patients) / nullif(sum(timed_patients), 0) as numeric(18, 2)
            ) as tat_days
        from volume
        where lab_id <> 'UNKNOWN' and timed_patients is not null
        group by biomarker_id, month, lab_id
    ),

    tat as (
        select
            biomarker_id,
            month,
            cast(percentile_cont(0.5) within group (order by tat_days) as numeric(18, 6)) as p50_tat_days,
            cast(percentile_cont(0.9) within group (order by tat_days) as numeric(18, 6)) as p90_tat_days
        from lab_tat
        group by biomarker_id, month
    ),

    rolling as (
        -- by calendar month, so a month without a cell counts as nothing instead of moving the window
        select
            this.biomarker_id,
            this.month,
            sum(case when earlier.month_number >= this.month_number - 2 then earlier.eligible_patients end)
                as eligible_patients_3_months,
            sum(case when earlier.month_number >= this.month_number - 2 then earlier.tested_patients end)
                as tested_patients_3_months,
            sum(earlier.eligible_patients) as eligible_patients_12_months,
            sum(earlier.tested_patients) as tested_patients_12_months
        from cell as this
        inner join cell as earlier
            on this.biomarker_id = earlier.biomarker_id
            and earlier.month_number >= this.month_number - 11
            and earlier.month_number <= this.month_number
        group by this.biomarker_id, this.month
    ),

    country as (
        select count(*) as active_labs
        from dm.dim_lab
        where country_code = p_country_code and is_current and is_active_lab
    )

    select
        p_country_code,
        rated.therapeutic_area_id,
        rated.therapeutic_area_name,
        rated.biomarker_id,
        rated.biomarker_name,
        rated.month,
        rated.eligible_patients,
        rated.tested_patients,
        rated.positive_patients,
        rated.testing_rate,
        rated.positivity_rate,
        rated.testing_rate - month_before.testing_rate,
        rated.testing_rate - year_before.testing_rate,
        rolling.eligible_patients_3_months,
        rolling.tested_patients_3_months,
        cast(
            cast(rolling.tested_patients_3_months as numeric(38, 14))
            / nullif(rolling.eligible_patients_3_months, 0) as numeric(30, 6)
        ),
        rolling.eligible_patients_12_months,
        rolling.tested_patients_12_months,
        cast(
            cast(rolling.tested_patients_12_months as numeric(38, 14))
            / nullif(rolling.eligible_patients_12_months, 0) as numeric(30, 6)
        ),
        rated.mean_tat_days,
        tat.p50_tat_days,
        tat.p90_tat_days,
        rated.testing_labs,
        rated.active_testing_labs,
        country.active_labs,
        cast(
            cast(rated.active_testing_labs as numeric(28, 10)) / nullif(country.active_labs, 0) as numeric(18, 6)
        ),
        rated.in_house_tested_patients,
        rated.sent_out_tested_patients,
        cast(
            cast(rated.in_house_tested_patients as numeric(38, 14))
            / nullif(rated.in_house_tested_patients + rated.sent_out_tested_patients, 0) as numeric(30, 6)
        ),
        p_as_of_date,
        p_run_id,
        getdate()
    from rated
    inner join rolling on rated.biomarker_id = rolling.biomarker_id and rated.month = rolling.month
    cross join country
    left join tat on rated.biomarker_id = tat.biomarker_id and rated.month = tat.month
    left join rated as month_before
        on rated.biomarker_id = month_before.biomarker_id
        and month_before.month_number = rated.month_number - 1
    left join rated as year_before
        on rated.biomarker_id = year_before.biomarker_id
        and year_before.month_number = rated.month_number - 12;
end;
$$ language plpgsql;
