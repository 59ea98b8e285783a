-- dm.bridge_lab_territory: labs and the territories that cover them.
-- grain: lab_id, territory_id. Slice: the lab's country.
-- Spread by lab, as the visits are that coverage counts; sorted by the slice that is replaced.
create table if not exists dm.bridge_lab_territory (
    country_code varchar(2) not null,
    lab_id varchar(18) not null,
    territory_id varchar(18) not null,
    associations bigint not null,
    _as_of_date date not null,
    _run_id varchar(256) not null,
    _loaded_at_utc timestamp not null
)
diststyle key
distkey (lab_id)
sortkey (country_code, territory_id);
