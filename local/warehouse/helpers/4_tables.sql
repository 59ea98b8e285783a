-- What follows a CREATE TABLE or ALTER TABLE, whoever runs it: the front, a procedure or its dynamic SQL.

-- Carries a new table's design (JSON in hexadecimal) from the rewritten CREATE TABLE to the event trigger.
create or replace function rs.attributes(packed text) returns boolean immutable language sql as $$ select true $$;

-- Take the carrier off, remember the design, and make an index of the SORTKEY: it stands for Redshift's zone maps. An
-- ALTER TABLE brings what is other than before.
create or replace function rs.apply_attributes(target oid) returns void language plpgsql
as $$
declare
    definition text;
    design jsonb;
    key text;
    known regclass;
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
    on conflict (table_oid) do update set attributes = rs.table_attributes.attributes || excluded.attributes;
    if not design ? 'sortkey' then
        return;
    end if;
    for known in select indexrelid::regclass from pg_catalog.pg_index where indrelid = target and not indisunique loop
        execute pg_catalog.format('drop index %s', known);
    end loop;
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
        perform rs.apply_write_lock(change.objid);
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

-- Asks the front, over a connection that it tells each of its sessions of: a row of its answer and of what is to follow.
create or replace function rs.ask_front(request text, payload text, out answer text, out follows text)
volatile security definer language plpgsql set search_path = pg_catalog, rs, pg_temp
as $$
begin
    if not coalesce('rs_front' = any (rs.dblink_get_connections()), false) then
        if nullif(current_setting('rs.front_connection', true), '') is null then
            raise exception '% must be run through the Redshift front', request using errcode = '0A000';
        end if;
        perform rs.dblink_connect('rs_front', current_setting('rs.front_connection'));
    end if;
    select said.answer, said.follows into answer, follows
    from rs.dblink('rs_front', request || ' ' || encode(convert_to(payload, 'UTF8'), 'hex')) as said (answer text, follows text);
end $$;
revoke execute on function rs.ask_front(text, text) from public;

-- Dynamic SQL in procedures does not pass the front, so it is sent there to be rewritten. The front may have to know the
-- columns of queries first: `known` has those that it has asked for.
create or replace function rs.rewritten(statement text, known jsonb, out answer text, out follows text)
volatile security definer language sql set search_path = pg_catalog, rs, pg_temp
as $$ select * from rs.ask_front('rewrite', jsonb_build_object('sql', statement, 'known', known)::text) $$;

-- The names of the columns of a query that gives no rows, as a JSON array, or the text of the error that it gives.
create or replace function rs.columns_of(query text) returns jsonb volatile language plpgsql
as $$
declare
    nothing record;
    names jsonb;
begin
    execute query into nothing;
    select coalesce(jsonb_agg(name), '[]') into names from json_object_keys(row_to_json(nothing)) as name;
    return names;
exception when others then
    return to_jsonb(sqlerrm);
end $$;

-- A TRUNCATE is noted, for rs.commit_is_due() behind the EXECUTE.
create or replace function rs.rw(statement text) returns text volatile language plpgsql
as $$
declare
    result record;
    known jsonb := '{}';
begin
    if statement is null then
        return null;
    end if;
    loop
        result := rs.rewritten(statement, known);
        exit when result.follows <> 'columns';
        known := known || jsonb_build_object(result.answer, rs.columns_of(result.answer));
    end loop;
    if result.follows = 'commit' then
        perform rs.refuse_in_block('TRUNCATE');
        perform set_config('rs.commit_is_due', 'on', false);
    end if;
    return result.answer;
end $$;
create or replace function rs.commit_is_due() returns boolean volatile language plpgsql
as $$
begin
    if coalesce(current_setting('rs.commit_is_due', true), '') <> 'on' then
        return false;
    end if;
    perform set_config('rs.commit_is_due', '', false);
    return true;
end $$;

-- Faults on demand: `times` of the next statements that match `pattern` get error 1023 or lose their connection.
create or replace function rs.inject(fault text, pattern text, times integer default 1) returns text
volatile strict security definer language sql set search_path = pg_catalog, rs, pg_temp
as $$
    select answer from rs.ask_front(
        'inject', jsonb_build_object('fault', fault, 'pattern', pattern, 'times', times)::text
    )
$$;
create or replace function rs.inject_clear() returns integer
volatile security definer language sql set search_path = pg_catalog, rs, pg_temp
as $$ select answer::integer from rs.ask_front('inject', '{"clear": true}') $$;

-- Writers of one table wait for one another, until the end of the transaction; readers do not wait.
create or replace function rs.lock_for_writing() returns trigger language plpgsql
as $$
begin
    perform pg_advisory_xact_lock(7316002, (tg_relid::bigint % 2147483647)::integer);
    return null;
end $$;
create or replace function rs.apply_write_lock(target oid) returns void language plpgsql
as $$
begin
    if not exists (select from pg_catalog.pg_trigger where tgrelid = target and tgname = 'rs_write_lock')
        and exists (select from pg_catalog.pg_class where oid = target and relpersistence = 'p' and relkind = 'r')
    then
        execute pg_catalog.format(
            'create trigger rs_write_lock before insert or update or delete on %s'
            ' for each statement execute function rs.lock_for_writing()', target::regclass
        );
    end if;
end $$;
do $$
begin
    perform rs.apply_write_lock(c.oid)
    from pg_catalog.pg_class as c
    join pg_catalog.pg_namespace as n on c.relnamespace = n.oid
    where c.relkind = 'r' and n.nspname not in ('pg_catalog', 'information_schema', 'rs') and n.nspname !~ '^pg_';
end $$;
