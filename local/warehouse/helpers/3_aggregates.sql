-- Aggregates whose results differ from PostgreSQL's.

-- AVG of integers is a BIGINT (the fraction is cut off); of decimals, exact; of floats, a float.
create or replace function rs.int_avg_final(state bigint[]) returns bigint immutable strict language sql
as $$ select case when state[1] > 0 then div(state[2]::numeric, state[1]::numeric)::bigint end $$;
create or replace function rs.int8_avg_step(state numeric[], value bigint) returns numeric[] immutable language sql
as $$ select case when value is null then state else array[state[1] + 1, state[2] + value] end $$;
create or replace function rs.int8_avg_final(state numeric[]) returns bigint immutable strict language sql
as $$ select case when state[1] > 0 then div(state[2], state[1])::bigint end $$;
create or replace aggregate rs.avg(smallint) (
    sfunc = pg_catalog.int2_avg_accum, stype = bigint[], finalfunc = rs.int_avg_final, initcond = '{0,0}'
);
create or replace aggregate rs.avg(integer) (
    sfunc = pg_catalog.int4_avg_accum, stype = bigint[], finalfunc = rs.int_avg_final, initcond = '{0,0}'
);
create or replace aggregate rs.avg(bigint) (
    sfunc = rs.int8_avg_step, stype = numeric[], finalfunc = rs.int8_avg_final, initcond = '{0,0}'
);
create or replace aggregate rs.avg(numeric) (
    sfunc = pg_catalog.numeric_avg_accum, stype = internal, finalfunc = pg_catalog.numeric_avg
);
create or replace aggregate rs.avg(float8) (
    sfunc = pg_catalog.float8_accum, stype = float8[], finalfunc = pg_catalog.float8_avg, initcond = '{0,0,0}'
);
create or replace aggregate rs.avg(float4) (
    sfunc = pg_catalog.float4_accum, stype = float8[], finalfunc = pg_catalog.float8_avg, initcond = '{0,0,0}'
);

-- PERCENTILE_CONT and MEDIAN: exact for decimals (linear interpolation), NULLs left out.
create or replace function rs.percentile_cont(items numeric[], fraction numeric, descending boolean) returns numeric
immutable language plpgsql
as $$
declare
    sorted numeric[] := array(select item from unnest(items) as item where item is not null order by item);
    place numeric;
    below integer;
begin
    if cardinality(sorted) = 0 then
        return null;
    end if;
    place := (case when descending then 1 - fraction else fraction end) * (cardinality(sorted) - 1);
    below := floor(place)::integer + 1;
    if place = floor(place) then
        return sorted[below];
    end if;
    return sorted[below] + (place - floor(place)) * (sorted[below + 1] - sorted[below]);
end $$;
create or replace function rs.percentile_cont(items float8[], fraction numeric, descending boolean) returns float8
immutable language sql
as $$
    select pg_catalog.percentile_cont((case when descending then 1 - fraction else fraction end)::float8)
        within group (order by item)
    from unnest(items) as item
$$;
create or replace function rs.percentile_cont(items bigint[], fraction numeric, descending boolean) returns numeric
immutable language sql as $$ select rs.percentile_cont(items::numeric[], fraction, descending) $$;
create or replace function rs.percentile_cont(items integer[], fraction numeric, descending boolean) returns numeric
immutable language sql as $$ select rs.percentile_cont(items::numeric[], fraction, descending) $$;
create or replace function rs.percentile_cont(items smallint[], fraction numeric, descending boolean) returns numeric
immutable language sql as $$ select rs.percentile_cont(items::numeric[], fraction, descending) $$;
create or replace function rs.percentile_cont(items timestamp[], fraction numeric, descending boolean) returns timestamp
immutable language sql
as $$
    select to_timestamp(rs.percentile_cont(
        array(select extract(epoch from item)::numeric from unnest(items) as item), fraction, descending
    )) at time zone 'UTC'
$$;
create or replace function rs.percentile_cont(items date[], fraction numeric, descending boolean) returns timestamp
immutable language sql as $$ select rs.percentile_cont(items::timestamp[], fraction, descending) $$;

create or replace function rs.percentile_disc(items anyarray, fraction numeric, descending boolean) returns anyelement
immutable language plpgsql
as $$
declare
    result items%type;
    counted bigint;
begin
    select count(item) into counted from unnest(items) as item;
    if descending then
        select array_agg(item) into result
        from (select item from unnest(items) as item where item is not null order by item desc
            offset greatest(ceil(fraction * counted)::bigint - 1, 0) limit 1) as one;
    else
        select array_agg(item) into result
        from (select item from unnest(items) as item where item is not null order by item
            offset greatest(ceil(fraction * counted)::bigint - 1, 0) limit 1) as one;
    end if;
    return result[1];
end $$;

create or replace function rs.median_final(items numeric[]) returns numeric immutable language sql
as $$ select rs.percentile_cont(items, 0.5, false) $$;
create or replace function rs.median_final(items float8[]) returns float8 immutable language sql
as $$ select rs.percentile_cont(items, 0.5, false) $$;
create or replace function rs.median_final(items timestamp[]) returns timestamp immutable language sql
as $$ select rs.percentile_cont(items, 0.5, false) $$;
create or replace aggregate rs.median(numeric) (
    sfunc = pg_catalog.array_append, stype = numeric[], finalfunc = rs.median_final, initcond = '{}'
);
create or replace aggregate rs.median(float8) (
    sfunc = pg_catalog.array_append, stype = float8[], finalfunc = rs.median_final, initcond = '{}'
);
create or replace aggregate rs.median(timestamp) (
    sfunc = pg_catalog.array_append, stype = timestamp[], finalfunc = rs.median_final, initcond = '{}'
);

-- LISTAGG (DISTINCT …) over a window: each value where it comes first.
create or replace function rs.join_distinct(items text[], delimiter text) returns text immutable language sql
as $$
    select string_agg(value, delimiter order by place)
    from (select value, min(place) as place from unnest(items) with ordinality as item (value, place) group by value) as firsts
$$;
