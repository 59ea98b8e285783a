create table if not exists dm.fact_test (
    country_code varchar(2) not null,
    test_id varchar(18) not null,
    "count" bigint,
    price numeric(18, 2),
    _run_id varchar(256) not null
)
diststyle all;
