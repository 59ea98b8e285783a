-- dm.dm_field_coverage: how territories' labs are visited.
-- grain: country_code, territory_id, month. Slice: country_code.
-- Thirteen rows per territory, read whole by dashboards: even distribution.
create table if not exists dm.dm_field_coverage (
    country_code varchar(2) not null,
    territory_id varchar(18) not null,
    territory_name varchar(320) not null,
    month date not null,
    labs_covered bigint not null,
    labs_visited bigint not null,
    coverage_rate numeric(18, 6),
    visits bigint not null,
    visits_per_lab numeric(18, 6),
    hcps_reached bigint not null,
    days_since_last_visit bigint,
    _as_of_date date not null,
    _run_id varchar(256) not null,
    _loaded_at_utc timestamp not null
)
diststyle even
sortkey (country_code, month);
