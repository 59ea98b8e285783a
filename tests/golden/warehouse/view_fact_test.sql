-- dm.v_fact_test: Facts.
-- grain: test_id.
create or replace view dm.v_fact_test as
select
    "country_code", -- varchar(2) not null: Country code
    "test_id", -- varchar(18) not null: Test ID
    "count", -- bigint: Times
    "price" -- numeric(18,2): Price
from dm.fact_test;
