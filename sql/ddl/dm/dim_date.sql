-- dm.dim_date: days, with ISO weeks and the fiscal year. grain: date_key. Slice ZZ.
-- Small and joined everywhere: a copy on each node, sorted by the day that ranges are asked for.
create table if not exists dm.dim_date (
    country_code varchar(2) not null,
    date_key date not null,
    year integer,
    quarter integer,
    month integer,
    day integer,
    month_start date,
    quarter_start date,
    day_of_week integer,
    is_weekend boolean,
    iso_year integer,
    iso_week integer,
    fiscal_year integer,
    fiscal_quarter integer,
    fiscal_month integer,
    fiscal_quarter_name varchar(16),
    is_past boolean,
    months_from_as_of integer,
    _as_of_date date not null,
    _run_id varchar(256) not null,
    _loaded_at_utc timestamp not null
)
diststyle all
sortkey (date_key);
