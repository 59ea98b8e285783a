create or replace procedure dm.load_fact_test (
    p_country_code varchar(2), p_as_of_date date, p_run_id varchar(256)
)
as $$
begin
    null;
end;
$$ language plpgsql;
