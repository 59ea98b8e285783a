-- What runs and what was loaded.
set local allow_system_table_mods = on;

create or replace view pg_catalog.stl_load_errors as
select
    userid, slice, tbl, starttime, session, query, filename::char(256) as filename, line_number,
    colname::char(127) as colname, type::char(10) as type, col_length::char(10) as col_length, position,
    raw_line::char(1024) as raw_line, raw_field_value::char(1024) as raw_field_value, err_code,
    err_reason::char(100) as err_reason
from rs.load_error;

-- Redshift has a row for each field up to the one in error; here it is that one only.
create or replace view pg_catalog.stl_loaderror_detail as
select
    userid, slice, session, query, filename::char(256) as filename, line_number, field,
    colname::char(1024) as colname, raw_field_value::char(1024) as value, 0 as is_null, type::char(10) as type,
    col_length::char(10) as col_length
from rs.load_error
where field is not null;

create or replace view pg_catalog.stl_replacements as
select
    userid, query, slice, tbl, starttime, session, filename::char(256) as filename, line_number,
    null::char(127) as colname, raw_line::char(1024) as raw_line
from rs.load_replacement;

create or replace view pg_catalog.sys_load_error_detail as
select
    userid as user_id, query as query_id, null::bigint as transaction_id, session as session_id,
    current_database()::char(64) as database_name, tbl::integer as table_id, starttime as start_time,
    filename::char(256) as file_name, line_number, colname::char(127) as column_name, type::char(10) as column_type,
    col_length::char(10) as column_length, position, err_code as error_code, err_reason::char(512) as error_message
from rs.load_error;

create or replace view pg_catalog.stl_load_commits as
select
    userid, query, slice, name::char(256) as name, filename::char(256) as filename, byte_offset, lines_scanned, errors,
    curtime, status, file_format::char(16) as file_format
from rs.load_commit;

create or replace view pg_catalog.sys_load_history as
select
    userid as user_id, query as query_id, 'completed'::char(512) as status, current_database()::char(128) as database_name,
    table_name::char(128) as table_name, min(curtime) as start_time, max(curtime) as end_time,
    sum(bytes_scanned)::bigint as source_file_bytes, count(*) as source_file_count, sum(lines_scanned)::bigint as loaded_rows,
    sum(error_count)::bigint as error_count
from rs.load_commit
group by userid, query, table_name;

create or replace view pg_catalog.sys_load_detail as
select
    userid as user_id, query as query_id, null::bigint as transaction_id, current_database()::char(128) as database_name,
    filename::char(256) as file_name, bytes_scanned as bytes_scanned, lines_scanned, curtime as record_time
from rs.load_commit;

-- Statements that run now; who is no superuser sees the texts of his own, as PostgreSQL has it.
create or replace view pg_catalog.stv_recents with (security_invoker = true) as
select
    usesysid::integer as userid, case state when 'active' then 'Running' else 'Done' end::char(20) as status,
    (query_start at time zone 'UTC') as starttime,
    least(
        extract(epoch from case state when 'active' then clock_timestamp() else state_change end - query_start) * 1000000,
        2147483647
    )::integer as duration,
    usename::char(50) as user_name, datname::char(50) as db_name, query::char(600) as query, pid
from pg_catalog.pg_stat_activity
where backend_type = 'client backend' and query <> '' and pid <> pg_backend_pid();

create or replace view pg_catalog.stv_inflight with (security_invoker = true) as
select
    usesysid::integer as userid, 0 as slice, null::bigint as query, null::char(320) as label, null::bigint as xid, pid,
    (query_start at time zone 'UTC') as starttime, query::char(100) as text, 0 as suspended, null::integer as insert_pristine,
    null::integer as concurrency_scaling_status
from pg_catalog.pg_stat_activity
where backend_type = 'client backend' and state = 'active' and pid <> pg_backend_pid();

create or replace view pg_catalog.stv_sessions with (security_invoker = true) as
select
    (backend_start at time zone 'UTC') as starttime, pid as process, usename::char(50) as user_name,
    datname::char(50) as db_name, null::integer as timeout_sec
from pg_catalog.pg_stat_activity
where backend_type = 'client backend';

create or replace view pg_catalog.stv_locks as
select
    l.relation::integer as table_id, (a.state_change at time zone 'UTC') as last_update, null::bigint as last_commit,
    l.pid as lock_owner_pid, l.pid as lock_owner, (a.xact_start at time zone 'UTC') as lock_owner_start_ts,
    null::timestamp as lock_owner_end_ts, l.mode::char(22) as lock_status
from pg_catalog.pg_locks as l
join pg_catalog.pg_stat_activity as a on l.pid = a.pid
where l.locktype = 'relation' and l.granted and l.mode in ('RowExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
    and l.pid <> pg_backend_pid()
    and l.relation in (select oid from pg_catalog.pg_class where relkind in ('r', 'p'));

create or replace view pg_catalog.svv_transactions as
select
    a.usename::text as txn_owner, current_database()::text as txn_db, a.backend_xid::text::bigint as xid, a.pid,
    (a.xact_start at time zone 'UTC') as txn_start, l.mode::text as lock_mode, l.locktype::text as lockable_object_type,
    l.relation::integer as relation, l.granted
from pg_catalog.pg_locks as l
join pg_catalog.pg_stat_activity as a on l.pid = a.pid
where a.backend_type = 'client backend' and a.datname = current_database() and l.locktype in ('relation', 'transactionid')
    and not exists (select from pg_catalog.pg_class as c join pg_catalog.pg_namespace as n on c.relnamespace = n.oid
        where c.oid = l.relation and n.nspname in ('pg_catalog', 'rs'));

-- Nothing is undone beside its transaction.
create or replace view pg_catalog.stl_undone as
select null::integer as userid, null::bigint as xact_id, null::bigint as xact_id_undone, null::timestamp as undo_start_ts,
    null::timestamp as undo_end_ts, null::integer as table_id
where false;

do $$
declare
    name text;
begin
    for name in
        select c.relname from pg_catalog.pg_class as c
        where c.relnamespace = 'pg_catalog'::regnamespace and c.relkind = 'v'
            and c.relname ~ '^(svv_|svl_|stl_|stv_|sys_|pg_table_def$|pg_(user|proc|class|database)_info$)'
    loop
        execute format('grant select on pg_catalog.%I to public', name);
    end loop;
    grant select on rs.pg_class, rs.pg_attribute, rs.pg_attrdef, rs.pg_proc, rs.pg_constraint, rs.unenforced_key to public;
end $$;
