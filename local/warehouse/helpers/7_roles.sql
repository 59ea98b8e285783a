-- Roles: where Redshift's clients look whether one stands, as CREATE ROLE knows no IF NOT EXISTS.
set local allow_system_table_mods = on;

create or replace view pg_catalog.svv_roles as
select oid::bigint as role_id, rolname::text as role_name, null::text as role_owner, null::text as external_id
from pg_catalog.pg_roles
where not rolcanlogin and rolname not like 'pg!_%' escape '!';

grant select on pg_catalog.svv_roles to public;
