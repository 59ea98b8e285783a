-- dm.bridge_objective_hcp: professionals tied to objectives. grain: objective_hcp_id. Slice: the objective's country.
-- Spread by objective, which is what it is joined by; sorted by the slice that is replaced.
create table if not exists dm.bridge_objective_hcp (
    country_code varchar(2) not null,
    objective_hcp_id varchar(18) not null,
    objective_id varchar(18) not null,
    hcp_key varchar(32) not null,
    _as_of_date date not null,
    _run_id varchar(256) not null,
    _loaded_at_utc timestamp not null
)
diststyle key
distkey (objective_id)
sortkey (country_code, objective_id);
