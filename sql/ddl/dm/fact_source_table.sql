-- dm.fact_source_table: rows and newest change of each itg table. grain: source_table. Slice ZZ.
-- Sixteen rows: a copy on each node.
create table if not exists dm.fact_source_table (
    country_code varchar(2) not null,
    source_table varchar(63) not null,
    itg_rows bigint not null,
    itg_live_rows bigint not null,
    high_water_mark_utc timestamp,
    itg_loaded_at_utc timestamp,
    _as_of_date date not null,
    _run_id varchar(256) not null,
    _loaded_at_utc timestamp not null
)
diststyle all
sortkey (source_table);
