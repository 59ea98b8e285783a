-- dm.dim_lab: labs, current state. grain: lab_id. Slice: the lab's country.
-- Small beside the facts: a copy on each node; sorted by the slice that is replaced.
create table if not exists dm.dim_lab (
    country_code varchar(2) not null,
    lab_id varchar(18) not null,
    lab_name varchar(1020) not null,
    lab_type varchar(1020),
    segment varchar(1020),
    is_deleted boolean not null,
    is_active_lab boolean not null,
    _as_of_date date not null,
    _run_id varchar(256) not null,
    _loaded_at_utc timestamp not null
)
diststyle all
sortkey (country_code, lab_id);
