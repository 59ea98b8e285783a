-- dm.dm_lab_360: all about a lab. grain: lab_id. Slice: the lab's country.
-- Looked up by lab, and spread by it, as what it is made of; sorted by the slice that is replaced.
create table if not exists dm.dm_lab_360 (
    country_code varchar(2) not null,
    lab_id varchar(18) not null,
    lab_name varchar(1020) not null,
    lab_type varchar(1020),
    segment varchar(1020),
    accreditation varchar(16396),
    city varchar(160),
    owner_id varchar(18) not null,
    is_active_lab boolean not null,
    in_house_technologies varchar(65535),
    sent_out_technologies varchar(65535),
    offered_biomarkers bigint not null,
    offered_biomarker_names varchar(65535),
    reimbursed_biomarkers bigint not null,
    last_interaction_on date,
    days_since_last_interaction bigint,
    interactions_12_months bigint not null,
    visits_12_months bigint not null,
    open_objectives bigint not null,
    overdue_objectives bigint not null,
    met_objectives bigint not null,
    linked_hcps bigint not null,
    linked_hcps_per_therapeutic_area varchar(65535),
    eligible_patients_12_months numeric(38, 0) not null,
    tested_patients_12_months numeric(38, 0) not null,
    testing_rate_12_months numeric(30, 6),
    tested_patients_previous_12_months numeric(38, 0) not null,
    tested_patients_trend numeric(30, 6),
    _as_of_date date not null,
    _run_id varchar(256) not null,
    _loaded_at_utc timestamp not null
)
diststyle key
distkey (lab_id)
sortkey (country_code, lab_id);
