create table if not exists dm.fact_source_table (
    country_code varchar(2) not null,
    source_table varchar(128) not null,
    itg_rows bigint
)
diststyle all;
