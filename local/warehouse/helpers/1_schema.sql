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

-- Statements that have ended. Times are seconds since 1970; it need not survive a crash of PostgreSQL.
create unlogged table if not exists rs.statement (
    query bigint not null,
    user_name text not null,
    pid integer not null,
    kind text not null,
    source text not null,
    started double precision not null,
    ended double precision not null,
    row_count bigint,
    code text not null,
    message text not null
);
create index if not exists statement_query on rs.statement (query);

-- Forgets statements older than Redshift's seven days, and all but the newest `kept`.
create or replace function rs.trim_history(kept integer) returns void language sql
as $$
    delete from rs.statement
    where query <= (select query from rs.statement order by query desc offset kept limit 1)
        or ended < extract(epoch from now()) - 7 * 86400
$$;
revoke execute on function rs.trim_history(integer) from public;

grant usage on schema rs to public;
