-- Purpose:    bring one country of itg.lab up to date with the batches of Account in stg.
-- Grain:      id: one row per record that there is, at its newest version; those in the bin too.
-- Country:    its own country_code.
-- Parameters: p_country_code (the slice), p_as_of_date (order date; no column depends on it), p_run_id.
-- Call:       call itg.load_lab('DE', '2026-01-05', 'by hand');
--
-- Writes only the winners that p_country_code owns (see warehouse/winners.py), wherever itg held them before, removes
-- the records that it holds and that are gone, and never touches a row whose winner belongs to another country:
-- countries may be called in any order, and again. Does not commit.
create or replace procedure itg.load_lab (
    p_country_code varchar(2), p_as_of_date date, p_run_id varchar(256)
)
as $$
declare
    v_looked_at bigint;
    v_inserted bigint;
    v_updated bigint;
    v_moved bigint;
    v_written bigint;
    v_unchanged bigint;
    v_superseded bigint;
    v_removed bigint;
begin
    if p_country_code is null or p_country_code !~ '^[A-Z][A-Z]$' then
        raise exception 'itg.load_lab: % is not a country code of two capital letters', p_country_code;
    end if;

    -- 1. The winners that this country owns. Narrow: the other columns are fetched only for rows that are written.
    drop table if exists load_lab__winner;
    create temp table load_lab__winner as
    with newest_read as (
        -- The newest read of every Id: it alone says what is absent. One row, of nulls where there was no such read.
        -- The ledger has a row per object and run.
        select
            max(newest.batch_id) as batch_id,
            max(newest.absence_at_utc) as absence_at_utc,
            max(newest.loaded_at_utc) as loaded_at_utc
        from (
            select
                batch_id,
                absence_at_utc,
                loaded_at_utc
            from stg.batch_load
            where object = 'lab' and absence_at_utc is not null
            order by absence_at_utc desc, batch_id desc
            limit 1
        ) as newest
    ),

    unapplied_read as (
        -- The newest read, until itg is known to hold nothing that it does not have. Loaded again, it counts anew.
        select
            newest_read.batch_id,
            newest_read.absence_at_utc
        from newest_read
        left join itg.lab__absence as applied
            on newest_read.batch_id = applied.batch_id and newest_read.loaded_at_utc = applied.loaded_at_utc
        where newest_read.batch_id is not null and applied.batch_id is null
    ),

    held_version as (
        -- What itg holds of Ids that may change: those that stg has. itg is read once. A row that comes
        -- twice competes with itself alone.
        select
            held."id",
            held."system_modstamp",
            held._read_at_utc,
            held._batch_id,
            held."country_code" as _country_source,
            held._country_code as _held_country_code
        from itg.lab as held
        inner join stg.lab as staged on held."id" = staged."id"
        union all
        -- Rows that the newest read does not have: itg is searched once more for each such read.
        select
            held."id",
            held."system_modstamp",
            held._read_at_utc,
            held._batch_id,
            held."country_code" as _country_source,
            held._country_code as _held_country_code
        from unapplied_read
        inner join itg.lab as held
            on
                held."system_modstamp" < unapplied_read.absence_at_utc
                and held._read_at_utc < unapplied_read.absence_at_utc
        left join stg.lab__ids as present
            on unapplied_read.batch_id = present._batch_id and held."id" = present."id"
        where present."id" is null
            and held._country_code = p_country_code
    ),

    all_versions as (
        select
            staged."id",
            staged."system_modstamp",
            staged._read_at_utc,
            staged._batch_id,
            staged."country_code" as _country_source,
            cast(null as varchar(2)) as _held_country_code,
            0 as _is_held
        from stg.lab as staged
        union all
        select
            held_version.*,
            1 as _is_held
        from held_version
    ),

    judged as (
        select
            all_versions.*,
            case
                when
                    all_versions."system_modstamp" < newest_read.absence_at_utc
                    and all_versions._read_at_utc < newest_read.absence_at_utc
                    and present."id" is null
                    then newest_read.batch_id
            end as _missed_by_batch_id
        from all_versions
        cross join newest_read
        left join stg.lab__ids as present
            on newest_read.batch_id = present._batch_id and all_versions."id" = present."id"
    ),

    ranked as (
        select
            judged.*,
            max(judged._held_country_code) over (partition by judged."id") as _any_held_country_code,
            row_number() over (
                partition by judged."id"
                order by
                    case when judged._missed_by_batch_id is null then 1 else 0 end desc,
                    judged."system_modstamp" desc,
                    judged._read_at_utc desc,
                    judged._batch_id desc,
                    judged._is_held desc
            ) as _rank
        from judged
    ),

    winner as (
        select
            ranked."id",
            ranked."system_modstamp",
            ranked._read_at_utc,
            ranked._batch_id,
            ranked._is_held,
            ranked._any_held_country_code as _held_country_code,
            ranked._missed_by_batch_id,
            cast(case
                when ranked._missed_by_batch_id is not null and ranked._any_held_country_code is not null
                    then ranked._any_held_country_code
                when ranked._country_source ~ '^[A-Z][A-Z]$' then ranked._country_source
                else 'ZZ'
            end as varchar(2)) as _owner_country_code
        from ranked
        where ranked._rank = 1
    )

    select
        winner."id",
        winner._read_at_utc,
        winner._batch_id,
        winner._is_held,
        winner._held_country_code,
        winner._missed_by_batch_id
    from winner
    where winner._owner_country_code = p_country_code;
    -- Between one row and all of the slice: the joins below need to know.
    analyze load_lab__winner;

    -- 2. Content of the live ones: from stg, where an Id stands once per batch, or from itg where only the country is
    --    another. The country that holds a row leads to it: itg is sorted by it.
    drop table if exists load_lab__content;
    create temp table load_lab__content as
    select
        staged."id",
        staged."is_deleted",
        staged."name",
        staged."country_code",
        staged."order",
        staged."system_modstamp"
    from stg.lab as staged
    inner join load_lab__winner as winner
        on staged."id" = winner."id"
            and staged._batch_id = winner._batch_id
    where winner._is_held = 0
        and winner._missed_by_batch_id is null
    union all
    select
        held."id",
        held."is_deleted",
        held."name",
        held."country_code",
        held."order",
        held."system_modstamp"
    from itg.lab as held
    inner join load_lab__winner as winner
        on held."id" = winner."id"
            and held._country_code = winner._held_country_code
    where winner._is_held = 1
        and winner._missed_by_batch_id is null
        and winner._held_country_code <> p_country_code;
    analyze load_lab__content;

    -- 3. What to do with each Id. EXCEPT compares all columns and takes two nulls for the same.
    drop table if exists load_lab__plan;
    create temp table load_lab__plan as
    with different as (
        select
            "id",
            "is_deleted",
            "name",
            "country_code",
            "order",
            "system_modstamp"
        from load_lab__content
        except
        select
            held."id",
            held."is_deleted",
            held."name",
            held."country_code",
            held."order",
            held."system_modstamp"
        from itg.lab as held
        inner join load_lab__winner as winner on held."id" = winner."id"
        where held._country_code = p_country_code
    ),

    changed as (
        select distinct "id" from different
    )

    select
        winner."id",
        winner._read_at_utc,
        winner._batch_id,
        winner._held_country_code,
        winner._missed_by_batch_id,
        cast(case
            when winner._missed_by_batch_id is not null and winner._held_country_code is null then 'superseded'
            when winner._missed_by_batch_id is not null then 'removed'
            when winner._held_country_code is null then 'inserted'
            when winner._held_country_code <> p_country_code then 'updated'
            when winner._is_held = 1 then 'superseded'
            when changed."id" is not null then 'updated'
            else 'unchanged'
        end as varchar(10)) as _outcome,
        case
            when winner._held_country_code <> p_country_code then winner._held_country_code
        end as _moved_from_country_code
    from load_lab__winner as winner
    left join changed on winner."id" = changed."id";
    analyze load_lab__plan;

    -- 4. Write. The counts are the database's own.
    delete from itg.lab
    using load_lab__plan as plan
    where lab._country_code = p_country_code
        and lab."id" = plan."id"
        and plan._outcome = 'updated';
    get diagnostics v_updated := row_count;

    -- Those that come from other countries, if any do: the search is not of one slice.
    select count(*) into v_moved
    from load_lab__plan
    where _moved_from_country_code is not null;
    if v_moved > 0 then
        delete from itg.lab
        using load_lab__plan as plan
        where lab._country_code = plan._moved_from_country_code
            and lab."id" = plan."id"
            and plan._outcome = 'updated';
        get diagnostics v_moved := row_count;
        v_updated := v_updated + v_moved;
    end if;

    delete from itg.lab
    using load_lab__plan as plan
    where lab._country_code = p_country_code
        and lab."id" = plan."id"
        and plan._outcome = 'removed';
    get diagnostics v_removed := row_count;

    insert into itg.lab (
        "id",
        "is_deleted",
        "name",
        "country_code",
        "order",
        "system_modstamp",
        _read_at_utc,
        _batch_id,
        _country_code,
        _run_id,
        _loaded_at_utc
    )
    select
        content."id",
        content."is_deleted",
        content."name",
        content."country_code",
        content."order",
        content."system_modstamp",
        plan._read_at_utc,
        plan._batch_id,
        p_country_code,
        p_run_id,
        getdate()
    from load_lab__content as content
    inner join load_lab__plan as plan on content."id" = plan."id"
    where plan._outcome in ('inserted', 'updated');
    get diagnostics v_written := row_count;

    -- Read again and still the same: the version moves, so that an older replay cannot win; no slice is marked.
    update itg.lab
    set _read_at_utc = plan._read_at_utc, _batch_id = plan._batch_id
    from load_lab__plan as plan
    where lab._country_code = p_country_code
        and lab."id" = plan."id"
        and plan._outcome = 'unchanged';
    get diagnostics v_unchanged := row_count;

    -- 5. Every Id that was looked at has one outcome, and as many rows were written as were meant to be.
    select count(distinct "id") into v_looked_at
    from load_lab__winner;

    select
        coalesce(sum(case when _outcome = 'inserted' then 1 else 0 end), 0),
        coalesce(sum(case when _outcome = 'superseded' then 1 else 0 end), 0)
    into v_inserted, v_superseded
    from load_lab__plan;

    if v_written <> v_inserted + v_updated
        or v_looked_at <> v_inserted + v_updated + v_unchanged + v_superseded + v_removed then
        raise exception
            'itg.load_lab %: % Ids, but % new, % updated, % unchanged, % superseded, % removed; % written',
            p_country_code, v_looked_at, v_inserted, v_updated, v_unchanged, v_superseded, v_removed, v_written;
    end if;

    -- 6. What changed, for the marts; what became of each batch, for the books.
    insert into itg.lab__changes (country_code, moved_from_country_code, run_id, changed_at_utc)
    select
        p_country_code,
        plan._moved_from_country_code,
        p_run_id,
        getdate()
    from load_lab__plan as plan
    where plan._outcome in ('inserted', 'updated', 'removed')
    group by plan._moved_from_country_code;

    insert into itg.lab__load_audit (
        country_code, batch_id, run_id, inserted, updated, unchanged, superseded, removed, loaded_at_utc
    )
    with outcome as (
        select
            plan."id",
            plan._batch_id,
            plan._outcome
        from load_lab__plan as plan
        where plan._outcome in ('inserted', 'updated', 'unchanged')
        union
        -- the read that does not have an Id has removed it
        select
            plan."id",
            plan._missed_by_batch_id,
            plan._outcome
        from load_lab__plan as plan
        where plan._outcome = 'removed'
        union
        -- versions in stg that are not the winner, or are dead, or are what itg held already
        select
            staged."id",
            staged._batch_id,
            cast('superseded' as varchar(10))
        from stg.lab as staged
        inner join load_lab__plan as plan on staged."id" = plan."id"
        where plan._outcome in ('superseded', 'removed')
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
        sum(case when outcome._outcome = 'removed' then 1 else 0 end),
        getdate()
    from outcome
    group by outcome._batch_id;
end;
$$ language plpgsql;
