-- dm.dim_territory: territories and their place in the hierarchy. grain: territory_id. Slice ZZ.
-- Small and joined by coverage: a copy on each node.
create table if not exists dm.dim_territory (
    country_code varchar(2) not null,
    territory_id varchar(18) not null,
    territory_name varchar(320) not null,
    parent_territory_id varchar(18) not null,
    level integer,
    path varchar(65535),
    users bigint not null,
    is_deleted boolean not null,
    _as_of_date date not null,
    _run_id varchar(256) not null,
    _loaded_at_utc timestamp not null
)
diststyle all
sortkey (territory_id);
