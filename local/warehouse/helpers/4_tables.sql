-- What follows a CREATE TABLE or ALTER TABLE, whoever runs it: the front, a procedure or its dynamic SQL.

-- Carries a new table's design (JSON in hexadecimal) from the rewritten CREATE TABLE to the event trigger.
create or replace function rs.attributes(packed text) returns boolean immutable language sql as $$ select true $$;

-- Take the carrier off, remember the design, and make an index of the SORTKEY: it stands for Redshift's zone maps.
create or replace function rs.apply_attributes(target oid) returns void language plpgsql
as $$
declare
    definition text;
    design jsonb;
    key text;
begin
    select pg_get_constraintdef(oid) into definition
    from pg_catalog.pg_constraint
    where conrelid = target and conname = 'rs_attributes' and contype = 'c';
    if definition is null then
        return;
    end if;
    design := convert_from(decode(substring(definition from '''([0-9a-f]*)'''), 'hex'), 'UTF8')::jsonb;
    execute pg_catalog.format('alter table %s drop constraint rs_attributes', target::regclass);
    insert into rs.table_attributes values (target, design)
    on conflict (table_oid) do update set attributes = excluded.attributes;
    select string_agg(quote_ident(name), ', ' order by place) into key
    from jsonb_array_elements_text(design -> 'sortkey') with ordinality as part (name, place);
    if key is not null then
        execute pg_catalog.format('create index on %s (%s)', target::regclass, key);
    end if;
end $$;

-- VARCHAR(n) counts bytes, and CHAR(n) holds single-byte characters only: a check constraint per column, named by the
-- length, so that the front can report its violation in Redshift's words. Rows that are there already are not checked.
create or replace function rs.apply_byte_lengths(target oid) returns void language plpgsql
as $$
declare
    changes text;
begin
    with wanted as (
        select attname, atttypmod - 4 as length, pg_catalog.format('rs_bytes_%s_%s', atttypmod - 4, attnum) as name
        from pg_catalog.pg_attribute
        where attrelid = target and attnum > 0 and not attisdropped and atttypmod > 4
            and atttypid in ('varchar'::regtype, 'bpchar'::regtype)
    ),
    present as (
        select conname::text as name
        from pg_catalog.pg_constraint
        where conrelid = target and contype = 'c' and starts_with(conname::text, 'rs_bytes_')
    )
    select string_agg(change, ', ') into changes
    from (
        select pg_catalog.format('drop constraint %I', name) as change from present where name not in (select name from wanted)
        union all
        select pg_catalog.format('add constraint %I check (octet_length(%I) <= %s) not valid', name, attname, length)
        from wanted
        where name not in (select name from present)
    ) as needed;
    if changes is not null then
        execute pg_catalog.format('alter table %s %s', target::regclass, changes);
    end if;
end $$;

create or replace function rs.on_table_change() returns event_trigger language plpgsql security definer
set search_path = pg_catalog, rs, pg_temp
as $$
declare
    change record;
begin
    for change in
        select ddl.objid
        from pg_event_trigger_ddl_commands() as ddl
        join pg_catalog.pg_class as relation on ddl.objid = relation.oid
        where ddl.classid = 'pg_catalog.pg_class'::regclass and relation.relkind = 'r' and not ddl.in_extension
            and ddl.schema_name is distinct from 'rs'
    loop
        perform rs.apply_attributes(change.objid);
        perform rs.apply_byte_lengths(change.objid);
    end loop;
end $$;

create or replace function rs.on_table_drop() returns event_trigger language plpgsql security definer
set search_path = pg_catalog, rs, pg_temp
as $$
begin
    delete from rs.table_attributes
    where table_oid in (select objid from pg_event_trigger_dropped_objects() where object_type = 'table');
end $$;

drop event trigger if exists rs_table_change;
create event trigger rs_table_change on ddl_command_end
when tag in ('CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO', 'ALTER TABLE') execute function rs.on_table_change();
drop event trigger if exists rs_table_drop;
create event trigger rs_table_drop on sql_drop when tag in ('DROP TABLE', 'DROP SCHEMA') execute function rs.on_table_drop();

-- A value of a load that is not valid for its column: ends the fast path of COPY, the slow path then explains it.
create or replace function rs.invalid_value(value text) returns text volatile language plpgsql
as $$
begin
    raise exception 'rs: invalid value in a load' using errcode = '22000';
end $$;

-- Dynamic SQL in procedures does not pass the front, so it is sent there to be rewritten. The front tells each of its
-- sessions where that is.
create or replace function rs.rw(statement text) returns text volatile security definer language plpgsql
set search_path = pg_catalog, rs, pg_temp
as $$
declare
    result text;
begin
    if statement is null then
        return null;
    end if;
    if not coalesce('rs_front' = any (rs.dblink_get_connections()), false) then
        if nullif(current_setting('rs.front_connection', true), '') is null then
            raise exception 'dynamic SQL of a procedure must be run through the Redshift front' using errcode = '0A000';
        end if;
        perform rs.dblink_connect('rs_front', current_setting('rs.front_connection'));
    end if;
    select answer.sql into result
    from rs.dblink('rs_front', encode(convert_to(statement, 'UTF8'), 'hex')) as answer (sql text);
    return result;
end $$;
