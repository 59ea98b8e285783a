-- The history of statements: what rs.statement has of them, as Redshift's views show it.
set local allow_system_table_mods = on;

-- A superuser sees all statements, anybody else his own.
create or replace view rs.visible_statement with (security_barrier = true) as
select
    u.usesysid::integer as userid, s.query, s.pid, s.kind, s.source, s.row_count, s.code, s.message,
    to_timestamp(s.started) at time zone 'UTC' as starttime, to_timestamp(s.ended) at time zone 'UTC' as endtime,
    round((s.ended - s.started) * 1000000)::bigint as elapsed
from rs.statement as s
left join pg_catalog.pg_user as u on s.user_name = u.usename
where s.user_name = current_user or (select r.rolsuper from pg_catalog.pg_roles as r where r.rolname = current_user);

-- The statements in rows of `size` characters each.
create or replace function rs.parts_of(source text, size integer, out sequence integer, out part text) returns setof record
immutable language sql
as $$
    select n, substr(source, n * size + 1, size) from generate_series(0, greatest(char_length(source) - 1, 0) / size) as n
$$;

create or replace view pg_catalog.stl_query as
select
    userid, query, null::char(320) as label, null::bigint as xid, pid, current_database()::char(32) as database,
    source::char(4000) as querytxt, starttime, endtime, (code <> '')::integer as aborted, null::integer as insert_pristine,
    0 as concurrency_scaling_status
from rs.visible_statement
where kind not in ('DDL', 'UTILITY');

create or replace view pg_catalog.stl_querytext as
select s.userid, null::bigint as xid, s.pid, s.query, p.sequence, p.part::char(200) as text
from rs.visible_statement as s cross join lateral rs.parts_of(s.source, 200) as p
where s.kind not in ('DDL', 'UTILITY');

create or replace view pg_catalog.svl_qlog as
select
    userid, query, null::bigint as xid, pid, starttime, endtime, elapsed, (code <> '')::integer as aborted,
    null::char(320) as label, source::char(60) as substring, null::bigint as source_query,
    null::text as concurrency_scaling_status_txt, null::integer as from_sp_call
from rs.visible_statement
where kind not in ('DDL', 'UTILITY');

-- Nothing waits here: the one queue is that of automatic workload management.
create or replace view pg_catalog.stl_wlm_query as
select
    userid, null::integer as xid, query as task, query, 100 as service_class, 1 as slot_count,
    starttime as service_class_start_time, starttime as queue_start_time, starttime as queue_end_time,
    0::bigint as total_queue_time, starttime as exec_start_time, endtime as exec_end_time, elapsed as total_exec_time,
    endtime as service_class_end_time, null::char(16) as final_state, null::bigint as est_peak_mem,
    null::char(20) as query_priority, 'Default queue'::char(64) as service_class_name
from rs.visible_statement
where kind not in ('DDL', 'UTILITY');

create or replace view pg_catalog.svl_statementtext as
select
    s.userid, null::bigint as xid, s.pid, null::char(320) as label, s.starttime, s.endtime, p.sequence,
    case when s.kind in ('DDL', 'UTILITY') then s.kind else 'QUERY' end::char(10) as type, p.part::char(200) as text
from rs.visible_statement as s cross join lateral rs.parts_of(s.source, 200) as p;

create or replace view pg_catalog.stl_ddltext as
select userid, xid, pid, label, starttime, endtime, sequence, text from pg_catalog.svl_statementtext where type = 'DDL';

create or replace view pg_catalog.stl_utilitytext as
select userid, xid, pid, label, starttime, endtime, sequence, text
from pg_catalog.svl_statementtext
where type = 'UTILITY';

create or replace view pg_catalog.sys_query_history as
select
    userid as user_id, query as query_id, null::char(320) as query_label, null::bigint as transaction_id,
    pid as session_id, current_database()::char(128) as database_name, kind::char(32) as query_type,
    case when code = '' then 'success' when code = '57014' then 'canceled' else 'failed' end::char(10) as status,
    false as result_cache_hit, starttime as start_time, endtime as end_time, elapsed as elapsed_time,
    0::bigint as queue_time, elapsed as execution_time, message::char(512) as error_message,
    row_count as returned_rows, null::bigint as returned_bytes, source::char(4000) as query_text,
    null::char(256) as redshift_version, null::char(150) as usage_limit, 'primary'::char(18) as compute_type,
    null::bigint as compile_time, null::bigint as planning_time, null::bigint as lock_wait_time,
    100 as service_class_id, 'Default queue'::char(64) as service_class_name, null::char(20) as query_priority,
    null::char(10) as short_query_accelerated, null::varchar(40) as user_query_hash,
    null::varchar(40) as generic_query_hash, null::integer as query_hash_version, null::bigint as result_cache_query_id
from rs.visible_statement;

create or replace view pg_catalog.sys_query_text as
select
    s.userid as user_id, s.query as query_id, null::bigint as transaction_id, s.pid as session_id,
    s.starttime as start_time, p.sequence, p.part::char(4000) as text
from rs.visible_statement as s cross join lateral rs.parts_of(s.source, 4000) as p;
