-- dm.fact_lab_objective: objectives by day of change. grain: objective_id, changed_on. Slice: the lab's country.
-- Spread by objective, so that its days and its professionals meet on the node; sorted by the slice that is replaced.
create table if not exists dm.fact_lab_objective (
    country_code varchar(2) not null,
    objective_id varchar(18) not null,
    changed_on date not null,
    changed_again_on date not null,
    is_current boolean not null,
    lab_id varchar(18) not null,
    therapeutic_area_id varchar(18) not null,
    biomarker_id varchar(18) not null,
    owner_id varchar(18) not null,
    objective_type varchar(1020) not null,
    status varchar(1020) not null,
    baseline numeric(18, 4),
    target numeric(18, 4),
    current_value numeric(18, 4),
    unit varchar(1020),
    progress numeric(18, 6),
    start_date date,
    due_date date,
    due_date_key date not null,
    is_deleted boolean not null,
    _as_of_date date not null,
    _run_id varchar(256) not null,
    _loaded_at_utc timestamp not null
)
diststyle key
distkey (objective_id)
sortkey (country_code, objective_id);
