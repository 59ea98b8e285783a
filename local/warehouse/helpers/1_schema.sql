-- The schema rs: what Redshift has and PostgreSQL lacks. Bodies use no backslashes in literals, because sessions of the
-- front run with standard_conforming_strings off, as Redshift does. Every file can be run again.
create schema if not exists rs;
create extension if not exists dblink schema rs;

-- Redshift joins by hash or by merge, and loops only where there is nothing to equate. PostgreSQL would loop over joins
-- of tables it has no statistics of yet, whose rows it guesses to be one: a hundred times slower on a fresh table.
do $$
begin
    execute format('alter database %I set enable_nestloop = off', current_database());
end;
$$;

create table if not exists rs.setting (name text primary key, value text not null);

create sequence if not exists rs.query_id_block;

create table if not exists rs.table_attributes (
    table_oid oid primary key,
    attributes jsonb not null
);

create table if not exists rs.load_error (
    error_id bigint generated always as identity primary key,
    userid integer not null default 100,
    slice integer not null default 0,
    tbl oid,
    table_name text not null,
    starttime timestamp not null default (clock_timestamp() at time zone 'UTC'),
    session integer,
    query bigint not null,
    filename text not null,
    line_number bigint not null,
    colname text,
    type text,
    col_length text,
    position integer not null default 0,
    raw_line text,
    raw_field_value text,
    err_code integer,
    err_reason text not null
);
alter table rs.load_error add column if not exists field integer;
create index if not exists load_error_query on rs.load_error (query);

create table if not exists rs.load_commit (
    userid integer not null default 100,
    query bigint not null,
    slice integer not null default 0,
    name text,
    filename text not null,
    byte_offset bigint not null default 0,
    lines_scanned bigint not null,
    errors integer not null default 0,
    curtime timestamp not null default (clock_timestamp() at time zone 'UTC'),
    status integer not null default 1,
    file_format text not null,
    table_name text not null,
    bytes_scanned bigint not null default 0,
    error_count integer not null default 0
);

create table if not exists rs.load_replacement (
    userid integer not null default 100,
    query bigint not null,
    slice integer not null default 0,
    tbl oid,
    starttime timestamp not null default (clock_timestamp() at time zone 'UTC'),
    session integer,
    filename text not null,
    line_number bigint not null,
    raw_line text
);

create or replace view rs.stl_load_errors as
select
    userid, slice, tbl, starttime, session, query, filename::char(256) as filename, line_number,
    colname::char(127) as colname, type::char(10) as type, col_length::char(10) as col_length, position,
    raw_line::char(1024) as raw_line, raw_field_value::char(1024) as raw_field_value, err_code,
    err_reason::char(100) as err_reason
from rs.load_error;

create or replace view rs.stl_replacements as
select
    userid, query, slice, tbl, starttime, session, filename::char(256) as filename, line_number,
    null::char(127) as colname, raw_line::char(1024) as raw_line
from rs.load_replacement;

create or replace view rs.sys_load_error_detail as
select
    userid as user_id, query as query_id, null::bigint as transaction_id, session as session_id,
    current_database()::char(64) as database_name, tbl::integer as table_id, starttime as start_time,
    filename::char(256) as file_name, line_number, colname::char(127) as column_name, type::char(10) as column_type,
    col_length::char(10) as column_length, position, err_code as error_code, err_reason::char(512) as error_message
from rs.load_error;

create or replace view rs.stl_load_commits as
select
    userid, query, slice, name::char(256) as name, filename::char(256) as filename, byte_offset, lines_scanned, errors,
    curtime, status, file_format::char(16) as file_format
from rs.load_commit;

create or replace view rs.sys_load_history as
select
    userid as user_id, query as query_id, 'completed'::char(512) as status, current_database()::char(128) as database_name,
    table_name::char(128) as table_name, min(curtime) as start_time, max(curtime) as end_time,
    sum(bytes_scanned)::bigint as source_file_bytes, count(*) as source_file_count, sum(lines_scanned)::bigint as loaded_rows,
    sum(error_count)::bigint as error_count
from rs.load_commit
group by userid, query, table_name;

create or replace view rs.pg_table_def as
select
    n.nspname as schemaname, c.relname as tablename, a.attname as "column",
    pg_catalog.format_type(a.atttypid, a.atttypmod) as type, 'none'::text as encoding,
    coalesce(t.attributes ->> 'distkey' = a.attname, false) as distkey,
    coalesce(array_position(array(select jsonb_array_elements_text(t.attributes -> 'sortkey')), a.attname::text), 0) as sortkey,
    a.attnotnull as "notnull"
from pg_catalog.pg_attribute as a
join pg_catalog.pg_class as c on a.attrelid = c.oid
join pg_catalog.pg_namespace as n on c.relnamespace = n.oid
left join rs.table_attributes as t on c.oid = t.table_oid
where a.attnum > 0 and not a.attisdropped and c.relkind in ('r', 'v')
    and n.nspname = any (pg_catalog.current_schemas(false));

grant usage on schema rs to public;
grant select on rs.stl_load_errors, rs.stl_replacements, rs.sys_load_error_detail, rs.stl_load_commits, rs.sys_load_history, rs.pg_table_def to public;
