-- dm.dm_data_freshness: how fresh and complete each table is. grain: table_name. Slice ZZ.
-- A row per table: a copy on each node.
create table if not exists dm.dm_data_freshness (
    country_code varchar(2) not null,
    table_name varchar(63) not null,
    source_table varchar(63),
    source_high_water_mark_utc timestamp,
    source_rows bigint,
    source_live_rows bigint,
    table_rows bigint not null,
    status varchar(16) not null,
    loaded_at_utc timestamp,
    _as_of_date date not null,
    _run_id varchar(256) not null,
    _loaded_at_utc timestamp not null
)
diststyle all
sortkey (table_name);
