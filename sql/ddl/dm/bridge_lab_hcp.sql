-- dm.bridge_lab_hcp: affiliations of professionals with labs. grain: affiliation_id. Slice: the lab's country.
-- Spread by lab, as the facts are, so that a lab's links meet them on the node; sorted by the slice that is replaced.
create table if not exists dm.bridge_lab_hcp (
    country_code varchar(2) not null,
    affiliation_id varchar(18) not null,
    lab_id varchar(18) not null,
    hcp_key varchar(32) not null,
    role varchar(1020) not null,
    is_primary boolean not null,
    start_date date,
    end_date date,
    _as_of_date date not null,
    _run_id varchar(256) not null,
    _loaded_at_utc timestamp not null
)
diststyle key
distkey (lab_id)
sortkey (country_code, lab_id);
