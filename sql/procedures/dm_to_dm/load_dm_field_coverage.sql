-- Purpose:    replace one country of dm.dm_field_coverage; every column is defined in docs/marts.md.
-- Grain:      country_code, territory_id, month: the 13 calendar months that end with that of the order date.
-- Parameters: p_country_code (the slice), p_as_of_date (order date: which months, and what has happened), p_run_id.
-- Call:       call dm.load_dm_field_coverage('DE', '2026-01-05', 'by hand');
create or replace procedure dm.load_dm_field_coverage (
    p_country_code varchar(2), p_as_of_date date, p_run_id varchar(256)
)
as $$
begin
    delete from dm.dm_field_coverage
    where country_code = p_country_code;

    insert into dm.dm_field_coverage (
        country_code, territory_id, territory_name, month, labs_covered, labs_visited, coverage_rate, visits,
        visits_per_lab, hcps_reached, days_since_last_visit, _as_of_date, _run_id, _loaded_at_utc
    )
    -- Redshift makes no series where data lie: two digits to the base of 4 count the months.
    with digit as (
        select 0 as n
        union all
        select 1
        union all
        select 2
        union all
        select 3
    ),

    period as (
        select cast(dateadd(month, -(ones.n + 4 * fours.n), date_trunc('month', p_as_of_date)) as date) as month
        from digit as ones
        cross join digit as fours
        where ones.n + 4 * fours.n <= 12
    ),

    covered as (
        select
            bridge.territory_id,
            bridge.lab_id
        from dm.bridge_lab_territory as bridge
        inner join dm.dim_lab as lab
            on bridge.lab_id = lab.lab_id
                and bridge.country_code = lab.country_code
        where bridge.country_code = p_country_code
            and lab.is_current
            and not lab.is_deleted
    ),

    territory as (
        select
            territory_id,
            count(*) as labs_covered
        from covered
        group by territory_id
    ),

    contact as (
        -- months before the 13, too: a last visit may lie there
        select
            covered.territory_id,
            cast(date_trunc('month', fact.interaction_date_key) as date) as month,
            count(distinct case when fact.channel = 'Visit' then fact.lab_id end) as labs_visited,
            sum(case when fact.channel = 'Visit' then 1 else 0 end) as visits,
            count(distinct case when fact.hcp_key <> 'UNKNOWN' then fact.hcp_key end) as hcps_reached,
            max(case when fact.channel = 'Visit' then fact.interaction_date_key end) as last_visit_on
        from covered
        inner join dm.fact_interaction as fact on covered.lab_id = fact.lab_id
        where fact.country_code = p_country_code
            and fact.interaction_date_key <= p_as_of_date
            and fact.interaction_date_key <> '1900-01-01'
        group by covered.territory_id, date_trunc('month', fact.interaction_date_key)
    ),

    last_visit as (
        select
            territory.territory_id,
            period.month,
            max(contact.last_visit_on) as last_visit_on
        from territory
        cross join period
        inner join contact
            on territory.territory_id = contact.territory_id
                and contact.month <= period.month
        group by territory.territory_id, period.month
    )

    select
        p_country_code,
        territory.territory_id,
        coalesce(dimension.territory_name, 'Unknown'),
        period.month,
        territory.labs_covered,
        coalesce(contact.labs_visited, 0),
        cast(
            cast(coalesce(contact.labs_visited, 0) as numeric(28, 10)) / territory.labs_covered as numeric(18, 6)
        ),
        coalesce(contact.visits, 0),
        cast(cast(coalesce(contact.visits, 0) as numeric(28, 10)) / territory.labs_covered as numeric(18, 6)),
        coalesce(contact.hcps_reached, 0),
        -- the month's last day, but in the running month the order date
        datediff(day, last_visit.last_visit_on, least(last_day(period.month), p_as_of_date)),
        p_as_of_date,
        p_run_id,
        getdate()
    from territory
    cross join period
    left join contact
        on territory.territory_id = contact.territory_id
            and period.month = contact.month
    left join last_visit
        on territory.territory_id = last_visit.territory_id
            and period.month = last_visit.month
    left join dm.dim_territory as dimension on territory.territory_id = dimension.territory_id;
end;
$$ language plpgsql;
