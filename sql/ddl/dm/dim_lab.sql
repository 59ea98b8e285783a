-- dm.dim_lab: labs with their history. grain: lab_id, valid_from. Slice: the lab's country.
-- Small beside the facts: a copy on each node; sorted by the slice that is replaced.
create table if not exists dm.dim_lab (
    country_code varchar(2) not null,
    lab_version_key varchar(32) not null,
    lab_id varchar(18) not null,
    lab_country_code varchar(2) not null,
    lab_name varchar(1020) not null,
    lab_type varchar(1020),
    segment varchar(1020),
    accreditation varchar(16396),
    city varchar(160),
    owner_id varchar(18) not null,
    is_deleted boolean not null,
    is_active_lab boolean not null,
    valid_from timestamp not null,
    valid_to timestamp not null,
    is_current boolean not null,
    _as_of_date date not null,
    _run_id varchar(256) not null,
    _loaded_at_utc timestamp not null
)
diststyle all
sortkey (country_code, lab_id);
