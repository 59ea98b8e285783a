select
    count(case when (day is null or "order" is null) then 1 end) as not_null_day_order_failing,
    count(case when not (day > date '2000-01-01' or lower(x) = 'it''s' and -n < 2 * (a)) then 1 end) as fit_failing,
    count(case when status not in ('Open', 'It''s done') then 1 end) as accepted_values_status_failing
from itg.test
where
    _country_code in ('FR')
    and _run_id = 'asset_triggered__1';

select
    (
        select count(*) as failing_count
        from (
            with written as (
                select distinct id
                from itg.test
                where
                    _country_code in ('FR')
                    and _run_id = 'asset_triggered__1'
            )

            select cast(standing.id as varchar) as sample_key
            from itg.test as standing
            inner join written on standing.id = written.id
            group by standing.id
            having count(*) > 1
        ) as failing
    ) as unique_key_failing,
    (
        select count(*) as failing_count
        from (
            select cast(written.id as varchar) as sample_key
            from itg.test as written
            left join itg.unit as referenced on written.unit_id = referenced.id
            where
                written._country_code in ('FR')
                and written._run_id = 'asset_triggered__1'
                and written.unit_id is not null
                and referenced.id is null
        ) as failing
    ) as foreign_key_unit_id_failing;

select (
    select count(*) as failing_count
    from (
        with earlier as (
            select
                'FR' as country_code,
                cast(0 as bigint) as rows_before
        ),

        counted as (
            select
                _country_code as country_code,
                count(*) as rows_now
            from itg.test
            where _country_code in ('FR')
            group by _country_code
        )

        select
            earlier.country_code
            || ': '
            || cast(coalesce(counted.rows_now, 0) as varchar)
            || ' rows, '
            || cast(earlier.rows_before as varchar)
            || ' before' as sample_key
        from earlier
        left join counted on earlier.country_code = counted.country_code
        where
            earlier.rows_before > 0
            and (earlier.rows_before >= 100 or counted.rows_now >= 100)
            and (
                coalesce(counted.rows_now, 0) * 100 < earlier.rows_before * 50
                or coalesce(counted.rows_now, 0) * 100 > earlier.rows_before * 300
            )
    ) as failing
) as row_count_failing;

select sample_key
from (
    select cast(id as varchar) as sample_key
    from itg.test
    where
        _country_code in ('FR')
        and _run_id = 'asset_triggered__1'
        and (day is null or "order" is null)
) as failing
order by sample_key
limit 10;

select
    _country_code,
    count(*) as rows_before
from itg.test
where _country_code in ('DE')
group by _country_code;
