-- dm.dim_biomarker: biomarkers with their therapeutic area and product. grain: biomarker_id. Slice ZZ.
-- Small and joined by every mart: a copy on each node.
create table if not exists dm.dim_biomarker (
    country_code varchar(2) not null,
    biomarker_id varchar(18) not null,
    biomarker_name varchar(320) not null,
    therapeutic_area_id varchar(18) not null,
    therapeutic_area_name varchar(320) not null,
    indication varchar(1020),
    is_companion_diagnostic boolean,
    product_id varchar(18) not null,
    product_name varchar(320) not null,
    product_generic_name varchar(1020),
    product_group varchar(1020),
    is_deleted boolean not null,
    _as_of_date date not null,
    _run_id varchar(256) not null,
    _loaded_at_utc timestamp not null
)
diststyle all
sortkey (biomarker_id);
