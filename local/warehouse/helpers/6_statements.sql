-- What stands for statements that PostgreSQL has not.

-- MERGE … REMOVE DUPLICATES: no row of the target may match two of the source.
create or replace function rs.single_matches(multiple bigint) returns boolean immutable language plpgsql
as $$
begin
    if multiple > 0 then
        raise exception 'Found multiple matches to update the same tuple.' using errcode = 'XX000';
    end if;
    return true;
end $$;

-- ALTER TABLE … APPEND FROM: the rows move, by the names of the columns, in a transaction of their own.
create or replace procedure rs.append_table(target text, source text, ignore_extra boolean, fill_target boolean) language plpgsql
as $$
declare
    columns text;
    extra text;
    missing text;
begin
    if rs.in_block() then
        raise exception 'ALTER TABLE APPEND cannot run inside a transaction block' using errcode = '25001';
    end if;
    with sides as (
        select attname, attrelid = target::regclass as in_target
        from pg_catalog.pg_attribute
        where attrelid in (target::regclass, source::regclass) and attnum > 0 and not attisdropped
    ),
    named as (
        select attname, bool_or(in_target) as in_target, bool_or(not in_target) as in_source
        from sides group by attname
    )
    select
        string_agg(quote_ident(attname), ', ') filter (where in_target and in_source),
        string_agg(attname, ', ') filter (where not in_target),
        string_agg(attname, ', ') filter (where not in_source)
    into columns, extra, missing
    from named;
    if extra is not null and not ignore_extra then
        raise exception 'Target table % lacks columns of the source: %', target, extra
            using errcode = '42P16', hint = 'Use the IGNOREEXTRA option.';
    end if;
    if missing is not null and not fill_target then
        raise exception 'Source table % lacks columns of the target: %', source, missing
            using errcode = '42P16', hint = 'Use the FILLTARGET option.';
    end if;
    execute pg_catalog.format('insert into %s (%s) select %s from %s', target::regclass, columns, columns, source::regclass);
    execute pg_catalog.format('truncate %s', source::regclass);
end $$;

-- ALTER SCHEMA … QUOTA changes nothing, but of a schema that is there.
create or replace procedure rs.require_schema(name text) language plpgsql
as $$
begin
    if to_regnamespace(quote_ident(name)) is null then
        raise exception 'schema "%" does not exist', name using errcode = '3F000';
    end if;
end $$;

-- CANCEL: a process that runs nothing is told, and nothing else.
create or replace procedure rs.cancel(process integer) language plpgsql
as $$
begin
    if not pg_cancel_backend(process) then
        raise warning 'process % is not a running query', process;
    end if;
end $$;

-- CONNECT BY: a hierarchy that goes round in a circle would never end.
create or replace function rs.check_level(level integer) returns boolean stable language plpgsql
as $$
begin
    if level >= 10000 then
        raise exception 'CONNECT BY goes beyond 10000 levels: the hierarchy has a circle' using errcode = '54001';
    end if;
    return true;
end $$;
