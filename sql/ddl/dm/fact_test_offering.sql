-- dm.fact_test_offering: tests that labs offer. grain: test_offering_id. Slice: the lab's country.
-- Spread by lab, as the volumes are that it is joined with; sorted by the slice that is replaced.
create table if not exists dm.fact_test_offering (
    country_code varchar(2) not null,
    test_offering_id varchar(18) not null,
    lab_id varchar(18) not null,
    biomarker_id varchar(18) not null,
    lab_capability_id varchar(18) not null,
    technology varchar(1020) not null,
    in_house boolean,
    capability_valid_from date,
    capability_valid_to date,
    turnaround_days numeric(6, 2),
    reimbursed boolean not null,
    launched_on date,
    status varchar(1020) not null,
    _as_of_date date not null,
    _run_id varchar(256) not null,
    _loaded_at_utc timestamp not null
)
diststyle key
distkey (lab_id)
sortkey (country_code, lab_id);
