revoke all on all tables in schema dm from role readers;
grant usage on schema dm to role readers;
grant select on dm.v_fact_test, dm.v_entitlement to role readers;
revoke execute on all procedures in schema dm from public;
