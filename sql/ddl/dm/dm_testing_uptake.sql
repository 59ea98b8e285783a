-- dm.dm_testing_uptake: testing practice per country, therapeutic area, biomarker and month.
-- grain: country_code, therapeutic_area_id, biomarker_id, month. Slice: country_code.
-- A few thousand rows per country, read whole by dashboards: even distribution.
create table if not exists dm.dm_testing_uptake (
    country_code varchar(2) not null,
    therapeutic_area_id varchar(18) not null,
    therapeutic_area_name varchar(320) not null,
    biomarker_id varchar(18) not null,
    biomarker_name varchar(320) not null,
    month date not null,
    eligible_patients numeric(38, 0) not null,
    tested_patients numeric(38, 0) not null,
    positive_patients numeric(38, 0) not null,
    testing_rate numeric(30, 6),
    positivity_rate numeric(30, 6),
    testing_rate_change_month numeric(30, 6),
    testing_rate_change_year numeric(30, 6),
    eligible_patients_3_months numeric(38, 0) not null,
    tested_patients_3_months numeric(38, 0) not null,
    testing_rate_3_months numeric(30, 6),
    eligible_patients_12_months numeric(38, 0) not null,
    tested_patients_12_months numeric(38, 0) not null,
    testing_rate_12_months numeric(30, 6),
    mean_tat_days numeric(18, 6),
    p50_tat_days numeric(18, 6),
    p90_tat_days numeric(18, 6),
    testing_labs bigint not null,
    active_testing_labs bigint not null,
    active_labs bigint not null,
    active_lab_testing_share numeric(18, 6),
    in_house_tested_patients numeric(38, 0) not null,
    sent_out_tested_patients numeric(38, 0) not null,
    in_house_share numeric(30, 6),
    _as_of_date date not null,
    _run_id varchar(256) not null,
    _loaded_at_utc timestamp not null
)
diststyle even
sortkey (country_code, month);
