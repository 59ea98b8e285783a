-- dm.dim_hcp: professionals with their history. grain: hcp_key, valid_from. Slice: the professional's country.
-- Hundreds of thousands, with several versions each: spread by the key that links join on; sorted by the slice that is
-- replaced.
create table if not exists dm.dim_hcp (
    country_code varchar(2) not null,
    hcp_version_key varchar(32) not null,
    hcp_key varchar(32) not null,
    hcp_country_code varchar(2) not null,
    specialty varchar(480),
    segment varchar(1020),
    owner_id varchar(18) not null,
    is_deleted boolean not null,
    is_active_hcp boolean not null,
    valid_from timestamp not null,
    valid_to timestamp not null,
    is_current boolean not null,
    _as_of_date date not null,
    _run_id varchar(256) not null,
    _loaded_at_utc timestamp not null
)
diststyle key
distkey (hcp_key)
sortkey (country_code, hcp_key);
