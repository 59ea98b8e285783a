-- dm.dim_user: the field force and everybody else in iConnect. grain: user_id. Slice ZZ.
-- Small and joined by every fact's owner: a copy on each node.
create table if not exists dm.dim_user (
    country_code varchar(2) not null,
    user_id varchar(18) not null,
    title varchar(320),
    department varchar(320),
    division varchar(320),
    manager_id varchar(18) not null,
    is_active boolean not null,
    territories bigint not null,
    _as_of_date date not null,
    _run_id varchar(256) not null,
    _loaded_at_utc timestamp not null
)
diststyle all
sortkey (user_id);
