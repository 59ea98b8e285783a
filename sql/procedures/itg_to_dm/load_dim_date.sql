-- Purpose:    replace dm.dim_date: the days that date keys can be, as they stand to the order date.
-- Grain:      date_key.
-- Parameters: p_country_code (the slice, ZZ for reference data), p_as_of_date (order date), p_run_id.
-- Call:       call dm.load_dim_date('ZZ', '2026-01-05', 'by hand');
create or replace procedure dm.load_dim_date (
    p_country_code varchar(2), p_as_of_date date, p_run_id varchar(256)
)
as $$
begin
    delete from dm.dim_date
    where country_code = p_country_code;

    insert into dm.dim_date (
        country_code, date_key, year, quarter, month, day, month_start, quarter_start, day_of_week, is_weekend,
        iso_year, iso_week, fiscal_year, fiscal_quarter, fiscal_month, fiscal_quarter_name, is_past, months_from_as_of,
        _as_of_date, _run_id, _loaded_at_utc
    )
    -- Redshift makes no series where data lie: five digits count the days.
    with digit as (
        select 0 as n
        union all
        select 1
        union all
        select 2
        union all
        select 3
        union all
        select 4
        union all
        select 5
        union all
        select 6
        union all
        select 7
        union all
        select 8
        union all
        select 9
    ),

    numbered as (
        select ones.n + 10 * tens.n + 100 * hundreds.n + 1000 * thousands.n + 10000 * myriads.n as days
        from digit as ones
        cross join digit as tens
        cross join digit as hundreds
        cross join digit as thousands
        cross join digit as myriads
    ),

    calendar as (
        select
            day,
            cast(extract(year from day) as integer) as year,
            cast(extract(month from day) as integer) as month,
            -- 1 January 1900 was a Monday
            (day - cast('1900-01-01' as date)) % 7 + 1 as day_of_week
        from (
            select cast('2000-01-01' as date) + days as day
            from numbered
            where days <= cast('2049-12-31' as date) - cast('2000-01-01' as date)
        ) as counted
    ),

    placed as (
        select
            calendar.*,
            day + 4 - day_of_week as thursday,
            case when month >= 4 then year else year - 1 end as fiscal_year,
            (month + 8) % 12 + 1 as fiscal_month
        from calendar
    )

    select
        p_country_code,
        day,
        year,
        (month + 2) / 3,
        month,
        cast(extract(day from day) as integer),
        cast(date_trunc('month', day) as date),
        cast(date_trunc('quarter', day) as date),
        day_of_week,
        day_of_week >= 6,
        cast(extract(year from thursday) as integer),
        (thursday - cast(date_trunc('year', thursday) as date)) / 7 + 1,
        fiscal_year,
        (fiscal_month + 2) / 3,
        fiscal_month,
        'FY' || cast(fiscal_year as varchar(4)) || ' Q' || cast((fiscal_month + 2) / 3 as varchar(1)),
        day < p_as_of_date,
        (year - cast(extract(year from p_as_of_date) as integer)) * 12
        + month - cast(extract(month from p_as_of_date) as integer),
        p_as_of_date,
        p_run_id,
        getdate()
    from placed
    where p_country_code = 'ZZ';

    -- the unknown day
    if p_country_code = 'ZZ' then
        insert into dm.dim_date (country_code, date_key, _as_of_date, _run_id, _loaded_at_utc)
        values ('ZZ', '1900-01-01', p_as_of_date, p_run_id, getdate());
    end if;
end;
$$ language plpgsql;
