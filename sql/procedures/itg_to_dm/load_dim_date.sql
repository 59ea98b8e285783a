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
        select cast(dateadd(day, days, cast('2000-01-01' as date)) as date) as date_key
        from numbered
        where days <= datediff(day, cast('2000-01-01' as date), cast('2049-12-31' as date))
    ),

    placed as (
        select
            date_key,
            -- 1 January 1900 was a Monday
            cast(datediff(day, cast('1900-01-01' as date), date_key) % 7 + 1 as integer) as day_of_week,
            cast(dateadd(month, -3, date_trunc('month', date_key)) as date) as fiscal_date
        from calendar
    ),

    weekly as (
        select
            placed.*,
            cast(dateadd(day, 4 - day_of_week, date_key) as date) as thursday
        from placed
    )

    select
        p_country_code,
        date_key,
        extract(year from date_key),
        extract(quarter from date_key),
        extract(month from date_key),
        extract(day from date_key),
        cast(date_trunc('month', date_key) as date),
        cast(date_trunc('quarter', date_key) as date),
        day_of_week,
        day_of_week >= 6,
        extract(year from thursday),
        datediff(day, date_trunc('year', thursday), thursday) / 7 + 1,
        extract(year from fiscal_date),
        extract(quarter from fiscal_date),
        extract(month from fiscal_date),
        'FY' || to_char(fiscal_date, 'YYYY') || ' Q' || to_char(fiscal_date, 'Q'),
        date_key < p_as_of_date,
        datediff(month, p_as_of_date, date_key),
        p_as_of_date,
        p_run_id,
        getdate()
    from weekly
    where p_country_code = 'ZZ';

    -- the unknown day
    if p_country_code = 'ZZ' then
        insert into dm.dim_date (country_code, date_key, _as_of_date, _run_id, _loaded_at_utc)
        values ('ZZ', '1900-01-01', p_as_of_date, p_run_id, getdate());
    end if;
end;
$$ language plpgsql;
