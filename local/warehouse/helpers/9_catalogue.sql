-- Redshift's views of the catalogue. They stand in pg_catalog, as Redshift's do, so that any search path and
-- has_table_privilege() find them. What PostgreSQL cannot know is NULL.
set local allow_system_table_mods = on;

-- A view of an older version may have other columns, which CREATE OR REPLACE would refuse. Views on views make it take
-- several rounds; one that somebody's own view stands on stays, and is replaced if its columns are the same.
do $$
declare
    place regclass;
begin
    for round in 1..4 loop
        for place in
            select c.oid from pg_catalog.pg_class as c
            where c.relkind = 'v' and (c.relnamespace = 'rs'::regnamespace or c.relnamespace = 'pg_catalog'::regnamespace
                and c.relname ~ '^(svv_|svl_|stl_|stv_|sys_|pg_table_def$|pg_(user|proc|class|database)_info$)')
        loop
            begin
                execute format('drop view %s', place);
            exception when dependent_objects_still_exist then
                null;
            end;
        end loop;
    end loop;
end $$;

-- Names of types as Redshift writes them.
create or replace function rs.type_name(kind oid, modifier integer) returns text stable language sql
as $$
    select case kind
        when 'jsonb'::regtype then 'super'
        when 'bytea'::regtype then 'binary varying'
        else pg_catalog.format_type(kind, modifier)
    end
$$;

create or replace function rs.diststyle(design jsonb) returns text immutable language sql
as $$
    select case
        when design ->> 'distkey' is not null then 'KEY(' || (design ->> 'distkey') || ')'
        when upper(design ->> 'diststyle') in ('ALL', 'EVEN') then upper(design ->> 'diststyle')
        else 'AUTO(ALL)'  -- what AWS documents that a table begins as
    end
$$;

create or replace function rs.sort_key_place(design jsonb, name text) returns integer immutable language sql
as $$ select coalesce(array_position(array(select jsonb_array_elements_text(design -> 'sortkey')), name), 0) $$;

-- Tables and views that somebody may see, without what belongs to the front.
create or replace view rs.relation as
select
    c.oid, n.nspname as schema_name, c.relname as table_name, c.relkind, c.relowner, c.relacl, c.reltuples,
    case
        when n.nspname like 'pg!_temp!_%' escape '!' then 'TEMPORARY TABLE'
        when c.relkind in ('v', 'm') then 'VIEW'
        else 'TABLE'
    end as table_type,
    obj_description(c.oid, 'pg_class') as remarks, t.attributes as design
from pg_catalog.pg_class as c
join pg_catalog.pg_namespace as n on c.relnamespace = n.oid
left join rs.table_attributes as t on c.oid = t.table_oid
where c.relkind in ('r', 'p', 'v', 'm') and n.nspname <> 'rs' and n.nspname not like 'pg!_toast%' escape '!'
    and (not pg_is_other_temp_schema(n.oid))
    and (pg_has_role(c.relowner, 'USAGE') or has_table_privilege(c.oid, 'SELECT, INSERT, UPDATE, DELETE, REFERENCES')
        or has_any_column_privilege(c.oid, 'SELECT'));

create or replace view rs.relation_column as
select
    r.oid, r.schema_name, r.table_name, r.table_type, a.attname as column_name, a.attnum::integer as ordinal_position,
    pg_get_expr(d.adbin, d.adrelid) as column_default, case when a.attnotnull then 'NO' else 'YES' end as is_nullable,
    rs.type_name(a.atttypid, null) as data_type, rs.type_name(a.atttypid, a.atttypmod) as full_type,
    case when a.atttypid in ('varchar'::regtype, 'bpchar'::regtype) and a.atttypmod > 4 then a.atttypmod - 4 end
        as character_maximum_length,
    case a.atttypid
        when 'int2'::regtype then 16 when 'int4'::regtype then 32 when 'int8'::regtype then 64
        when 'float4'::regtype then 24 when 'float8'::regtype then 53
        when 'numeric'::regtype then case when a.atttypmod > 4 then ((a.atttypmod - 4) >> 16) & 65535 end
    end as numeric_precision,
    case a.atttypid
        when 'int2'::regtype then 0 when 'int4'::regtype then 0 when 'int8'::regtype then 0
        when 'numeric'::regtype then case when a.atttypmod > 4 then (a.atttypmod - 4) & 2047 end
    end as numeric_scale,
    col_description(r.oid, a.attnum) as remarks,
    coalesce(r.design ->> 'distkey' = a.attname, false) as is_distkey, rs.sort_key_place(r.design, a.attname) as sortkey,
    a.attnotnull
from rs.relation as r
join pg_catalog.pg_attribute as a on r.oid = a.attrelid
left join pg_catalog.pg_attrdef as d on a.attrelid = d.adrelid and a.attnum = d.adnum
where a.attnum > 0 and not a.attisdropped;

-- Redshift's columns of PostgreSQL's own tables, for statements that name one of them, and for drivers.
create or replace view rs.pg_class as
select
    c.*,
    case
        when t.attributes ->> 'distkey' is not null then 1
        when t.attributes ->> 'diststyle' = 'all' then 8
        when t.attributes ->> 'diststyle' = 'even' then 0
        else 10
    end::smallint as reldiststyle,
    null::smallint as releffectivediststyle, false as relhasoids
from pg_catalog.pg_class as c
left join rs.table_attributes as t on c.oid = t.table_oid
-- Indexes stand for sort keys here, and sequences for IDENTITY: Redshift has neither.
where c.relkind not in ('i', 'I', 'S') or c.relnamespace in ('pg_catalog'::regnamespace, 'pg_toast'::regnamespace);

create or replace view rs.pg_attribute as
select
    a.*, coalesce(t.attributes ->> 'distkey' = a.attname, false) as attisdistkey,
    rs.sort_key_place(t.attributes, a.attname) as attsortkeyord, 0::smallint as attencodingtype
from pg_catalog.pg_attribute as a
left join rs.table_attributes as t on a.attrelid = t.table_oid;

create or replace view rs.pg_proc as
select p.*, p.prokind = 'a' as proisagg, p.prokind = 'w' as proiswindow from pg_catalog.pg_proc as p;

create or replace view rs.pg_attrdef as
select d.*, pg_get_expr(d.adbin, d.adrelid) as adsrc from pg_catalog.pg_attrdef as d;

-- Encodings are not kept: 'none', as for a column without one.
create or replace function pg_catalog.format_encoding(encoding integer) returns text immutable strict language sql
as $$ select case encoding when 0 then 'none' end $$;

-- No view here binds late.
create or replace function pg_catalog.pg_get_late_binding_view_cols() returns setof record stable language sql
as $$ select null::name, null::name, null::name, null::varchar, null::integer where false $$;

create or replace view pg_catalog.pg_table_def as
select
    schema_name as schemaname, table_name as tablename, column_name as "column", full_type as type,
    'none'::text as encoding, is_distkey as distkey, sortkey, attnotnull as "notnull"
from rs.relation_column
where schema_name = any (current_schemas(false))
    or schema_name = (select nspname from pg_namespace where oid = pg_my_temp_schema())
order by schema_name, table_name, ordinal_position;

create or replace view pg_catalog.svv_tables as
select
    current_database()::name as table_catalog, schema_name as table_schema, table_name,
    case table_type when 'TABLE' then 'BASE TABLE' when 'TEMPORARY TABLE' then 'LOCAL TEMPORARY' else table_type end
        as table_type,
    remarks
from rs.relation;

create or replace view pg_catalog.svv_columns as
select
    current_database()::name as table_catalog, schema_name as table_schema, table_name, column_name, ordinal_position,
    column_default, is_nullable, data_type, character_maximum_length, numeric_precision,
    case when numeric_precision is not null then case data_type when 'numeric' then 10 else 2 end end
        as numeric_precision_radix,
    numeric_scale, null::integer as datetime_precision, null::text as interval_type,
    null::text as interval_precision, null::name as character_set_catalog, null::name as character_set_schema,
    null::name as character_set_name, null::name as collation_catalog, null::name as collation_schema,
    null::name as collation_name, null::name as domain_name, remarks
from rs.relation_column;

create or replace view pg_catalog.svv_redshift_databases as
select
    datname::varchar(128) as database_name, datdba::integer as database_owner, 'local'::varchar(32) as database_type,
    array_to_string(datacl, '~')::varchar(128) as database_acl, null::varchar(128) as database_options,
    'Snapshot Isolation'::varchar(128) as database_isolation_level
from pg_catalog.pg_database
where datname = current_database();

create or replace view pg_catalog.svv_redshift_schemas as
select
    current_database()::varchar(128) as database_name, nspname::varchar(128) as schema_name,
    nspowner::integer as schema_owner, 'local'::varchar(128) as schema_type,
    array_to_string(nspacl, '~')::varchar(128) as schema_acl, null::varchar(128) as schema_option
from pg_catalog.pg_namespace
where nspname <> 'rs' and nspname not like 'pg!_toast%' escape '!' and nspname not like 'pg!_temp%' escape '!';

create or replace view pg_catalog.svv_all_schemas as
select
    database_name, schema_name, schema_owner, schema_type, schema_acl, null::varchar(128) as source_database,
    schema_option
from pg_catalog.svv_redshift_schemas;

create or replace view pg_catalog.svv_redshift_tables as
select
    current_database()::varchar(128) as database_name, schema_name::varchar(128) as schema_name,
    table_name::varchar(128) as table_name, table_type::varchar(128) as table_type,
    array_to_string(relacl, '~')::varchar(128) as table_acl, remarks::varchar(128) as remarks,
    pg_get_userbyid(relowner)::varchar(128) as table_owner
from rs.relation;

create or replace view pg_catalog.svv_all_tables as
select database_name, schema_name, table_name, table_acl, table_type, remarks, table_owner as owner
from pg_catalog.svv_redshift_tables;

create or replace view pg_catalog.svv_redshift_columns as
select
    current_database()::varchar(128) as database_name, schema_name::varchar(128) as schema_name,
    table_name::varchar(128) as table_name, column_name::varchar(128) as column_name, ordinal_position,
    full_type::varchar(128) as data_type, column_default::varchar(4000) as column_default,
    is_nullable::varchar(3) as is_nullable, 'none'::varchar(128) as encoding, is_distkey as distkey, sortkey,
    null::varchar(128) as column_acl, remarks::varchar(256) as remarks
from rs.relation_column;

create or replace view pg_catalog.svv_all_columns as
select
    current_database()::varchar(128) as database_name, schema_name::varchar(128) as schema_name,
    table_name::varchar(128) as table_name, column_name::varchar(128) as column_name, ordinal_position,
    column_default::varchar(4000) as column_default, is_nullable::varchar(3) as is_nullable,
    data_type::varchar(128) as data_type, character_maximum_length, numeric_precision, numeric_scale,
    remarks::varchar(256) as remarks
from rs.relation_column;

-- Redshift leaves empty tables out. Sizes are PostgreSQL's, rows those of the last ANALYZE or of its statistics.
create or replace view pg_catalog.svv_table_info as
select
    current_database()::text as database, r.schema_name::text as schema, r.oid as table_id, r.table_name::text as "table",
    null::text as encoded, rs.diststyle(r.design) as diststyle, r.design -> 'sortkey' ->> 0 as sortkey1,
    coalesce(longest.length, 0) as max_varchar, null::char(32) as sortkey1_enc,
    coalesce(jsonb_array_length(r.design -> 'sortkey'), 0) as sortkey_num,
    ceil(pg_total_relation_size(r.oid) / 1048576.0)::bigint as size, null::numeric(10, 4) as pct_used,
    null::bigint as empty, null::numeric(5, 2) as unsorted,
    case when r.reltuples < 0 then 100 end::numeric(5, 2) as stats_off,
    (case when r.reltuples > 0 then r.reltuples else pg_stat_get_live_tuples(r.oid) end)::numeric(38, 0) as tbl_rows,
    null::numeric(19, 2) as skew_sortkey1, null::numeric(19, 2) as skew_rows,
    (case when r.reltuples > 0 then r.reltuples else pg_stat_get_live_tuples(r.oid) end)::numeric(38, 0)
        as estimated_visible_rows,
    null::text as risk_event, null::numeric(12, 2) as vacuum_sort_benefit, null::timestamp as create_time
from rs.relation as r
left join (
    select oid, max(character_maximum_length) as length
    from rs.relation_column where data_type = 'character varying' group by oid
) as longest on r.oid = longest.oid
where r.relkind in ('r', 'p') and r.schema_name not in ('pg_catalog', 'information_schema') and pg_relation_size(r.oid) > 0;

-- There is nothing outside the database.
create or replace view pg_catalog.svv_external_schemas as
select
    null::oid as esoid, null::smallint as eskind, null::name as schemaname, null::integer as esowner,
    null::text as databasename, null::text as esoptions
where false;

create or replace view pg_catalog.svv_external_tables as
select
    null::text as redshift_database_name, null::name as schemaname, null::name as tablename, null::text as tabletype,
    null::text as location, null::text as input_format, null::text as output_format,
    null::text as serialization_lib, null::text as serde_parameters, null::integer as compressed,
    null::text as parameters
where false;

create or replace view pg_catalog.svv_external_columns as
select
    null::text as redshift_database_name, null::name as schemaname, null::name as tablename, null::text as columnname,
    null::text as external_type, null::integer as columnnum, null::integer as part_key, null::text as is_nullable
where false;

create or replace view pg_catalog.svv_relation_privileges as
select
    r.schema_name::text as namespace_name, r.table_name::text as relation_name, granted.privilege_type,
    granted.grantee::bigint as identity_id,
    coalesce(role.rolname::text, 'public') as identity_name,
    case when granted.grantee = 0 then 'public' when role.rolcanlogin then 'user' else 'role' end as identity_type,
    granted.is_grantable as admin_option
from rs.relation as r
cross join lateral aclexplode(coalesce(r.relacl, acldefault('r', r.relowner))) as granted
left join pg_catalog.pg_roles as role on granted.grantee = role.oid;

create or replace view pg_catalog.svv_schema_privileges as
select
    n.nspname::text as namespace_name, granted.privilege_type, granted.grantee::bigint as identity_id,
    coalesce(role.rolname::text, 'public') as identity_name,
    case when granted.grantee = 0 then 'public' when role.rolcanlogin then 'user' else 'role' end as identity_type,
    granted.is_grantable as admin_option
from pg_catalog.pg_namespace as n
cross join lateral aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) as granted
left join pg_catalog.pg_roles as role on granted.grantee = role.oid
where n.nspname <> 'rs' and n.nspname not like 'pg!_toast%' escape '!' and n.nspname not like 'pg!_temp%' escape '!';

create or replace view pg_catalog.svv_user_info as
select
    usename::text as user_name, usesysid::integer as user_id, usecreatedb as createdb, usesuper as superuser,
    usesuper as catalog_update, null::text as connection_limit, null::text as syslog_access,
    null::timestamp as last_ddl_timestamp, null::integer as session_timeout, null::text as external_user_id
from pg_catalog.pg_user;

create or replace view pg_catalog.svv_roles as
select oid::bigint as role_id, rolname::text as role_name, null::text as role_owner, null::text as external_id
from pg_catalog.pg_roles
where not rolcanlogin and rolname not like 'pg!_%' escape '!';

create or replace view pg_catalog.pg_user_info as
select
    usesysid, usename, usecreatedb, usesuper, usesuper as usecatupd, passwd, valuntil, useconfig,
    null::text as useconnlimit, null::text as syslogaccess, null::timestamp as last_ddl_ts
from pg_catalog.pg_user;

create or replace view pg_catalog.pg_proc_info as
select p.oid as prooid, p.* from pg_catalog.pg_proc as p;

create or replace view pg_catalog.pg_class_info as
select c.oid as reloid, c.*, null::timestamp as relcreationtime from pg_catalog.pg_class as c;

create or replace view pg_catalog.pg_database_info as
select datname, oid as datid, datdba, datallowconn, datconnlimit, datacl from pg_catalog.pg_database;

-- SHOW TABLE: a CREATE TABLE that makes the table anew.
create or replace function rs.show_table(target regclass) returns text stable language sql
as $$
    select 'CREATE TABLE ' || r.schema_name || '.' || r.table_name || ' (' || chr(10)
        || string_agg(
            '    ' || quote_ident(c.column_name) || ' ' || c.full_type
            || coalesce(' DEFAULT ' || c.column_default, '') || case when c.attnotnull then ' NOT NULL' else '' end,
            ',' || chr(10) order by c.ordinal_position
        )
        || chr(10) || ')' || chr(10)
        || case
            when r.design ->> 'distkey' is not null then 'DISTSTYLE KEY DISTKEY (' || (r.design ->> 'distkey') || ')'
            else 'DISTSTYLE ' || upper(coalesce(r.design ->> 'diststyle', 'auto'))
        end
        || coalesce(
            ' SORTKEY (' || (select string_agg(value, ', ') from jsonb_array_elements_text(r.design -> 'sortkey')) || ')', ''
        ) || ';'
    from rs.relation as r
    join rs.relation_column as c on r.oid = c.oid
    where r.oid = target and r.relkind in ('r', 'p')
    group by r.schema_name, r.table_name, r.design
$$;

-- Keys that are not enforced, from the design of tables, each with an oid of its own above those that PostgreSQL gives.
create or replace view rs.unenforced_key as
with declared as (
    select table_oid, 'p' as kind, array(select jsonb_array_elements_text(attributes -> 'primary_key')) as names, null as target
    from rs.table_attributes where attributes ? 'primary_key'
    union all
    select table_oid, 'u', array(select jsonb_array_elements_text(one)), null
    from rs.table_attributes, jsonb_array_elements(attributes -> 'unique') as one where attributes ? 'unique'
    union all
    select
        table_oid, 'f', string_to_array(translate(substring(one from '^[(]([^)]*)[)]'), ' "', ''), ','),
        btrim(substring(lower(one) from 'references(.*)$'))
    from rs.table_attributes, jsonb_array_elements_text(attributes -> 'foreign_key') as one where attributes ? 'foreign_key'
)
select
    d.table_oid, d.kind, d.target,
    (4000000000 + (d.table_oid::bigint * 32
        + row_number() over (partition by d.table_oid order by d.kind, d.names, d.target)) % 290000000)::oid as oid,
    array(
        select a.attnum from unnest(d.names) with ordinality as part (name, place)
        join pg_catalog.pg_attribute as a on a.attrelid = d.table_oid and a.attname = part.name order by part.place
    ) as attnums,
    c.relname || case d.kind
        when 'p' then '_pkey' when 'u' then '_' || array_to_string(d.names, '_') || '_key'
        else '_' || array_to_string(d.names, '_') || '_fkey'
    end as name,
    case d.kind when 'p' then 'PRIMARY KEY' when 'u' then 'UNIQUE' else 'FOREIGN KEY' end
        || ' (' || array_to_string(d.names, ', ') || ')' || coalesce(' REFERENCES ' || d.target, '') as definition,
    to_regclass(substring(d.target from '^[^ (]+'))::oid as target_oid,
    string_to_array(translate(substring(d.target from '[(]([^)]*)[)]'), ' "', ''), ',') as target_names,
    c.relnamespace
from declared as d
join pg_catalog.pg_class as c on d.table_oid = c.oid;

-- For statements that ask pg_constraint: these keys, without the checks that the front puts on tables.
create or replace view rs.pg_constraint as
select
    oid, conname, connamespace, contype, condeferrable, condeferred, convalidated, conrelid, contypid, conindid,
    conparentid, confrelid, confupdtype, confdeltype, confmatchtype, conislocal, coninhcount, connoinherit, conkey, confkey
from pg_catalog.pg_constraint
where contype not in ('c', 'n')
union all
select
    oid, name::name, relnamespace, kind::"char",
    false, false, false, table_oid, 0::oid, 0::oid, 0::oid, coalesce(target_oid, 0::oid), 'a'::"char", 'a'::"char", 's'::"char",
    true, 0::smallint, true, attnums,
    case when kind = 'f' then array(
        select a.attnum from unnest(target_names) with ordinality as part (name, place)
        join pg_catalog.pg_attribute as a on a.attrelid = target_oid and a.attname = part.name order by part.place
    ) end
from rs.unenforced_key;

create or replace function rs.pg_get_constraintdef(wanted oid, pretty boolean default false) returns text stable language sql
as $$
    select coalesce(
        pg_catalog.pg_get_constraintdef(wanted, pretty), (select definition from rs.unenforced_key where oid = wanted)
    )
$$;
