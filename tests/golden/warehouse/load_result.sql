-- Purpose:    bring one country of itg.result up to date with the batches of Result__c in stg.
-- Grain:      id: one row per record, at its newest version, deleted records too.
-- Country:    that of the row of itg.test in test_id.
-- Parameters: p_country_code (the slice), p_as_of_date (order date; no column depends on it), p_run_id.
-- Call:       call itg.load_result('DE', '2026-01-05', 'by hand');
--
-- Writes only the winners that p_country_code owns (see warehouse/winners.py), wherever itg held them before, and
-- never touches a row whose winner belongs to another country: countries may be called in any order, and again.
-- Does not commit.
create or replace procedure itg.load_result (
    p_country_code varchar(2), p_as_of_date date, p_run_id varchar(256)
)
as $$
declare
    v_looked_at bigint;
    v_inserted bigint;
    v_updated bigint;
    v_written bigint;
    v_unchanged bigint;
    v_superseded bigint;
begin
    if p_country_code is null or p_country_code !~ '^[A-Z][A-Z]$' then
        raise exception 'itg.load_result: % is not a country code of two capital letters', p_country_code;
    end if;

    -- 1. The winners that this country owns. Narrow: the other columns are fetched only for rows that are written.
    drop table if exists load_result__winner;
    create temp table load_result__winner as
    with candidate as (
        select "id" from stg.result
        union
        -- Rows whose test has moved to another country, or has come to be known, since they were written. Nothing in
        -- stg says so, and itg itself is searched: a join over two columns, the one cost here that grows with itg.
        select held."id"
        from itg.result as held
        left join itg.test as parent on held."test_id" = parent."id"
        where held._country_code <> coalesce(parent._country_code, 'ZZ')
    ),

    all_versions as (
        select
            staged."id",
            staged."system_modstamp",
            staged._read_at_utc,
            staged._batch_id,
            staged."test_id" as _country_source,
            cast(null as varchar(2)) as _held_country_code,
            0 as _is_held
        from stg.result as staged
        union all
        select
            held."id",
            held."system_modstamp",
            held._read_at_utc,
            held._batch_id,
            held."test_id" as _country_source,
            held._country_code as _held_country_code,
            1 as _is_held
        from itg.result as held
        inner join candidate on held."id" = candidate."id"
    ),

    ranked as (
        select
            all_versions.*,
            max(all_versions._held_country_code) over (partition by all_versions."id") as _any_held_country_code,
            row_number() over (
                partition by all_versions."id"
                order by
                    all_versions."system_modstamp" desc,
                    all_versions._read_at_utc desc,
                    all_versions._batch_id desc,
                    all_versions._is_held desc
            ) as _rank
        from all_versions
    ),

    winner as (
        select
            ranked."id",
            ranked."system_modstamp",
            ranked._read_at_utc,
            ranked._batch_id,
            ranked._is_held,
            ranked._any_held_country_code as _held_country_code,
            coalesce(parent._country_code, 'ZZ') as _owner_country_code
        from ranked
        left join itg.test as parent on ranked._country_source = parent."id"
        where ranked._rank = 1
    )

    select
        winner."id",
        winner._read_at_utc,
        winner._batch_id,
        winner._is_held,
        winner._held_country_code
    from winner
    where winner._owner_country_code = p_country_code;
    -- Between one row and all of the slice: the joins below need to know.
    analyze load_result__winner;

    -- 2. Their content: from stg, where an Id stands once per batch, or from itg where only the country is another.
    drop table if exists load_result__content;
    create temp table load_result__content as
    select
        staged."id",
        staged."test_id",
        staged."value",
        staged."system_modstamp"
    from stg.result as staged
    inner join load_result__winner as winner
        on staged."id" = winner."id"
            and staged._batch_id = winner._batch_id
    where winner._is_held = 0
    union all
    select
        held."id",
        held."test_id",
        held."value",
        held."system_modstamp"
    from itg.result as held
    inner join load_result__winner as winner on held."id" = winner."id"
    where winner._is_held = 1
        and winner._held_country_code <> p_country_code;
    analyze load_result__content;

    -- 3. What to do with each Id. EXCEPT compares all columns and takes two nulls for the same.
    drop table if exists load_result__plan;
    create temp table load_result__plan as
    with different as (
        select
            "id",
            "test_id",
            "value",
            "system_modstamp"
        from load_result__content
        except
        select
            held."id",
            held."test_id",
            held."value",
            held."system_modstamp"
        from itg.result as held
        inner join load_result__winner as winner on held."id" = winner."id"
    ),

    changed as (
        select distinct "id" from different
    )

    select
        winner."id",
        winner._read_at_utc,
        winner._batch_id,
        cast(case
            when winner._held_country_code is null then 'inserted'
            when winner._held_country_code <> p_country_code then 'updated'
            when winner._is_held = 1 then 'superseded'
            when changed."id" is not null then 'updated'
            else 'unchanged'
        end as varchar(10)) as _outcome,
        case
            when winner._held_country_code <> p_country_code then winner._held_country_code
        end as _moved_from_country_code
    from load_result__winner as winner
    left join changed on winner."id" = changed."id";
    analyze load_result__plan;

    -- 4. Write. The counts are the database's own.
    delete from itg.result
    where "id" in (select "id" from load_result__plan where _outcome = 'updated');
    get diagnostics v_updated := row_count;

    insert into itg.result (
        "id",
        "test_id",
        "value",
        "system_modstamp",
        _read_at_utc,
        _batch_id,
        _country_code,
        _run_id,
        _loaded_at_utc
    )
    select
        content."id",
        content."test_id",
        content."value",
        content."system_modstamp",
        plan._read_at_utc,
        plan._batch_id,
        p_country_code,
        p_run_id,
        getdate()
    from load_result__content as content
    inner join load_result__plan as plan on content."id" = plan."id"
    where plan._outcome in ('inserted', 'updated');
    get diagnostics v_written := row_count;

    -- Read again and still the same: the version moves, so that an older replay cannot win; no slice is marked.
    update itg.result
    set _read_at_utc = plan._read_at_utc, _batch_id = plan._batch_id
    from load_result__plan as plan
    where result."id" = plan."id"
        and plan._outcome = 'unchanged';
    get diagnostics v_unchanged := row_count;

    -- 5. Every Id that was looked at has one outcome, and as many rows were written as were meant to be.
    select count(distinct "id") into v_looked_at
    from load_result__winner;

    select
        coalesce(sum(case when _outcome = 'inserted' then 1 else 0 end), 0),
        coalesce(sum(case when _outcome = 'superseded' then 1 else 0 end), 0)
    into v_inserted, v_superseded
    from load_result__plan;

    if v_written <> v_inserted + v_updated
        or v_looked_at <> v_inserted + v_updated + v_unchanged + v_superseded then
        raise exception
            'itg.load_result %: % Ids are not % new + % updated + % unchanged + % superseded; % written',
            p_country_code, v_looked_at, v_inserted, v_updated, v_unchanged, v_superseded, v_written;
    end if;

    -- 6. What changed, for the marts; what became of each batch, for the books.
    insert into itg.result__changes (country_code, moved_from_country_code, run_id, changed_at_utc)
    select
        p_country_code,
        plan._moved_from_country_code,
        p_run_id,
        getdate()
    from load_result__plan as plan
    where plan._outcome in ('inserted', 'updated')
    group by plan._moved_from_country_code;

    insert into itg.result__load_audit (
        country_code, batch_id, run_id, inserted, updated, unchanged, superseded, removed, loaded_at_utc
    )
    with outcome as (
        select
            plan."id",
            plan._batch_id,
            plan._outcome
        from load_result__plan as plan
        where plan._outcome <> 'superseded'
        union
        -- versions in stg that are not the winner, or are what itg held already
        select
            staged."id",
            staged._batch_id,
            cast('superseded' as varchar(10))
        from stg.result as staged
        inner join load_result__plan as plan on staged."id" = plan."id"
        where plan._outcome = 'superseded'
            or staged._batch_id <> plan._batch_id
    )

    select
        p_country_code,
        outcome._batch_id,
        p_run_id,
        sum(case when outcome._outcome = 'inserted' then 1 else 0 end),
        sum(case when outcome._outcome = 'updated' then 1 else 0 end),
        sum(case when outcome._outcome = 'unchanged' then 1 else 0 end),
        sum(case when outcome._outcome = 'superseded' then 1 else 0 end),
        0,
        getdate()
    from outcome
    group by outcome._batch_id;
end;
$$ language plpgsql;
