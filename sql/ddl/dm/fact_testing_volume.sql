-- dm.fact_testing_volume: what labs tested. grain: testing_volume_id. Slice: the lab's country.
-- Spread by lab, so that counting labs per cell stays on the node; sorted by the slice that is replaced.
create table if not exists dm.fact_testing_volume (
    country_code varchar(2) not null,
    testing_volume_id varchar(18) not null,
    lab_id varchar(18) not null,
    biomarker_id varchar(18) not null,
    month date not null,
    eligible_patients numeric(18, 0),
    tested_patients numeric(18, 0),
    positive_patients numeric(18, 0),
    median_tat_days numeric(6, 2),
    data_source varchar(1020),
    _as_of_date date not null,
    _run_id varchar(256) not null,
    _loaded_at_utc timestamp not null
)
diststyle key
distkey (lab_id)
sortkey (country_code, month);
