-- dm.dim_therapeutic_area: therapeutic areas. grain: therapeutic_area_id. Slice ZZ.
-- Small and joined by every mart: a copy on each node.
create table if not exists dm.dim_therapeutic_area (
    country_code varchar(2) not null,
    therapeutic_area_id varchar(18) not null,
    therapeutic_area_name varchar(320) not null,
    is_deleted boolean not null,
    _as_of_date date not null,
    _run_id varchar(256) not null,
    _loaded_at_utc timestamp not null
)
diststyle all
sortkey (therapeutic_area_id);
