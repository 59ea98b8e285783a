-- dm.fact_lab_capability: technologies of labs. grain: lab_capability_id. Slice: the lab's country.
-- Spread by lab, as all facts of labs are; sorted by the slice that is replaced.
create table if not exists dm.fact_lab_capability (
    country_code varchar(2) not null,
    lab_capability_id varchar(18) not null,
    lab_id varchar(18) not null,
    technology varchar(1020) not null,
    in_house boolean,
    sample_type varchar(16396),
    valid_from date,
    valid_to date,
    _as_of_date date not null,
    _run_id varchar(256) not null,
    _loaded_at_utc timestamp not null
)
diststyle key
distkey (lab_id)
sortkey (country_code, lab_id);
