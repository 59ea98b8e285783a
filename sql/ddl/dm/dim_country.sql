-- dm.dim_country: countries that have accounts. grain: iso_country_code. Slice ZZ.
-- Small and joined everywhere: a copy on each node.
create table if not exists dm.dim_country (
    country_code varchar(2) not null,
    iso_country_code varchar(2) not null,
    country_name varchar(320) not null,
    _as_of_date date not null,
    _run_id varchar(256) not null,
    _loaded_at_utc timestamp not null
)
diststyle all
sortkey (iso_country_code);
