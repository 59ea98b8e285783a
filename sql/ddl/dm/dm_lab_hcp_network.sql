-- dm.dm_lab_hcp_network: who is tied to a lab in a therapeutic area.
-- grain: lab_id, hcp_key, therapeutic_area_id. Slice: the lab's country.
-- Spread by lab, as what it is made of; sorted by the slice that is replaced.
create table if not exists dm.dm_lab_hcp_network (
    country_code varchar(2) not null,
    lab_id varchar(18) not null,
    lab_name varchar(1020) not null,
    hcp_key varchar(32) not null,
    therapeutic_area_id varchar(18) not null,
    therapeutic_area_name varchar(320) not null,
    is_affiliated boolean not null,
    role varchar(1020),
    is_primary boolean not null,
    shared_objectives bigint not null,
    open_shared_objectives bigint not null,
    interactions_12_months bigint not null,
    visits_12_months bigint not null,
    last_interaction_on date,
    _as_of_date date not null,
    _run_id varchar(256) not null,
    _loaded_at_utc timestamp not null
)
diststyle key
distkey (lab_id)
sortkey (country_code, lab_id);
