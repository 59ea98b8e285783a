-- dm.fact_interaction: visits and calls. grain: interaction_id. Slice: the lab's country.
-- Spread by lab, so that a lab's contacts are counted on the node; sorted by the slice that is replaced, then by day,
-- because the marts look back a year.
create table if not exists dm.fact_interaction (
    country_code varchar(2) not null,
    interaction_id varchar(18) not null,
    lab_id varchar(18) not null,
    therapeutic_area_id varchar(18) not null,
    hcp_key varchar(32) not null,
    owner_id varchar(18) not null,
    channel varchar(1020) not null,
    interaction_at_utc timestamp,
    interaction_date_key date not null,
    duration_minutes numeric(6, 0),
    has_next_step boolean not null,
    _as_of_date date not null,
    _run_id varchar(256) not null,
    _loaded_at_utc timestamp not null
)
diststyle key
distkey (lab_id)
sortkey (country_code, interaction_date_key);
