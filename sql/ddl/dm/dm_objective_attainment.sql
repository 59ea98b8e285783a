-- dm.dm_objective_attainment: objectives due, met and overdue.
-- grain: country_code, therapeutic_area_id, owner_id, quarter. Slice: country_code.
-- Some thousand rows, read whole by dashboards: even distribution.
create table if not exists dm.dm_objective_attainment (
    country_code varchar(2) not null,
    therapeutic_area_id varchar(18) not null,
    therapeutic_area_name varchar(320) not null,
    owner_id varchar(18) not null,
    quarter date not null,
    objectives bigint not null,
    objectives_due bigint not null,
    objectives_met bigint not null,
    objectives_missed bigint not null,
    objectives_overdue bigint not null,
    attainment_rate numeric(18, 6) not null,
    mean_progress numeric(18, 6),
    _as_of_date date not null,
    _run_id varchar(256) not null,
    _loaded_at_utc timestamp not null
)
diststyle even
sortkey (country_code, quarter);
