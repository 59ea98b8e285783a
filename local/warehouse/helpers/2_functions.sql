-- Scalar functions. Results follow AWS's documentation.

-- getdate: start of the statement; sysdate: start of the transaction; both without a time zone, in UTC.
create or replace function rs.getdate() returns timestamp stable language sql
as $$ select date_trunc('second', statement_timestamp() at time zone 'UTC') $$;
create or replace function rs.sysdate() returns timestamp stable language sql
as $$ select transaction_timestamp() at time zone 'UTC' $$;
create or replace function rs.version() returns text stable language sql
as $$ select 'PostgreSQL 8.0.2 on i686-pc-linux-gnu, compiled by GCC, Redshift 1.0 (local front, not Amazon Redshift)'::text $$;

-- Date parts arrive here with their canonical names.
create or replace function rs.part_interval(part text, amount bigint) returns interval immutable strict language plpgsql
as $$
begin
    case part
        when 'millennium' then return make_interval(years => (amount * 1000)::int);
        when 'century' then return make_interval(years => (amount * 100)::int);
        when 'decade' then return make_interval(years => (amount * 10)::int);
        when 'year' then return make_interval(years => amount::int);
        when 'quarter' then return make_interval(months => (amount * 3)::int);
        when 'month' then return make_interval(months => amount::int);
        when 'week' then return make_interval(weeks => amount::int);
        when 'day', 'dow', 'doy' then return make_interval(days => amount::int);
        when 'hour' then return amount * interval '1 hour';
        when 'minute' then return amount * interval '1 minute';
        when 'second', 'epoch' then return amount * interval '1 second';
        when 'millisecond' then return amount * interval '1 millisecond';
        when 'microsecond' then return amount * interval '1 microsecond';
        else raise exception 'date part % cannot be added', part using errcode = '22023';
    end case;
end $$;
create or replace function rs.dateadd(part text, amount bigint, moment timestamp) returns timestamp immutable strict language sql
as $$ select moment + rs.part_interval(part, amount) $$;
create or replace function rs.dateadd(part text, amount bigint, moment date) returns timestamp immutable strict language sql
as $$ select moment::timestamp + rs.part_interval(part, amount) $$;
create or replace function rs.dateadd(part text, amount bigint, moment timestamptz) returns timestamptz stable strict language sql
as $$ select moment + rs.part_interval(part, amount) $$;
create or replace function rs.dateadd(part text, amount bigint, moment time) returns time immutable strict language sql
as $$ select moment + rs.part_interval(part, amount) $$;

-- datediff counts the boundaries of the part that lie between the two, not elapsed time. Weeks begin on Monday.
create or replace function rs.datediff(part text, earlier timestamp, later timestamp) returns bigint immutable strict language plpgsql
as $$
declare
    months bigint := (extract(year from later) - extract(year from earlier)) * 12
        + extract(month from later) - extract(month from earlier);
    microseconds numeric;
begin
    case part
        when 'millennium' then return extract(millennium from later) - extract(millennium from earlier);
        when 'century' then return extract(century from later) - extract(century from earlier);
        when 'decade' then return extract(decade from later) - extract(decade from earlier);
        when 'year' then return extract(year from later) - extract(year from earlier);
        when 'quarter' then
            return (extract(year from later) - extract(year from earlier)) * 4
                + extract(quarter from later) - extract(quarter from earlier);
        when 'month' then return months;
        when 'week' then return (date_trunc('week', later)::date - date_trunc('week', earlier)::date) / 7;
        when 'day', 'dow', 'doy' then return later::date - earlier::date;
        else null;
    end case;
    if part in ('hour', 'minute', 'second', 'millisecond') then
        microseconds := 1000000 * extract(epoch from date_trunc(part, later) - date_trunc(part, earlier));
    else
        microseconds := 1000000 * extract(epoch from later - earlier);
    end if;
    case part
        when 'hour' then return div(microseconds, 3600000000);
        when 'minute' then return div(microseconds, 60000000);
        when 'second', 'epoch' then return div(microseconds, 1000000);
        when 'millisecond' then return div(microseconds, 1000);
        when 'microsecond' then return microseconds;
        else raise exception 'date part % cannot be counted', part using errcode = '22023';
    end case;
end $$;
create or replace function rs.datediff(part text, earlier date, later date) returns bigint immutable strict language sql
as $$ select case when part = 'day' then (later - earlier)::bigint else rs.datediff(part, earlier::timestamp, later::timestamp) end $$;
create or replace function rs.datediff(part text, earlier timestamptz, later timestamptz) returns bigint immutable strict language sql
as $$ select rs.datediff(part, earlier at time zone 'UTC', later at time zone 'UTC') $$;
create or replace function rs.datediff(part text, earlier time, later time) returns bigint immutable strict language sql
as $$ select rs.datediff(part, date '2000-01-01' + earlier, date '2000-01-01' + later) $$;

create or replace function rs.date_part(part text, moment timestamp) returns float8 immutable strict language sql
as $$ select pg_catalog.date_part(part, moment) $$;
create or replace function rs.date_part(part text, moment date) returns float8 immutable strict language sql
as $$ select pg_catalog.date_part(part, moment::timestamp) $$;
create or replace function rs.date_part(part text, moment timestamptz) returns float8 stable strict language sql
as $$ select pg_catalog.date_part(part, moment) $$;
create or replace function rs.date_part(part text, span interval) returns float8 immutable strict language sql
as $$ select pg_catalog.date_part(part, span) $$;
create or replace function rs.date_part(part text, moment time) returns float8 immutable strict language sql
as $$ select pg_catalog.date_part(part, moment) $$;
create or replace function rs.date_part_year(moment date) returns integer immutable strict language sql
as $$ select extract(year from moment)::int $$;
create or replace function rs.date_part_year(moment timestamp) returns integer immutable strict language sql
as $$ select extract(year from moment)::int $$;
create or replace function rs.date_cmp(a date, b date) returns integer immutable strict language sql
as $$ select case when a < b then -1 when a > b then 1 else 0 end $$;
create or replace function rs.timestamp_cmp(a timestamp, b timestamp) returns integer immutable strict language sql
as $$ select case when a < b then -1 when a > b then 1 else 0 end $$;
create or replace function rs.interval_cmp(a interval, b interval) returns integer immutable strict language sql
as $$ select case when a < b then -1 when a > b then 1 else 0 end $$;

create or replace function rs.date_trunc(part text, moment timestamp) returns timestamp immutable strict language sql
as $$ select pg_catalog.date_trunc(part, moment) $$;
create or replace function rs.date_trunc(part text, moment date) returns timestamp immutable strict language sql
as $$ select pg_catalog.date_trunc(part, moment::timestamp) $$;
create or replace function rs.date_trunc(part text, moment timestamptz) returns timestamptz stable strict language sql
as $$ select pg_catalog.date_trunc(part, moment) $$;
create or replace function rs.date_trunc(part text, span interval) returns interval immutable strict language sql
as $$ select pg_catalog.date_trunc(part, span) $$;

create or replace function rs.trunc(moment timestamp) returns date immutable strict language sql as $$ select moment::date $$;
create or replace function rs.trunc(moment date) returns date immutable strict language sql as $$ select moment $$;
create or replace function rs.trunc(moment timestamptz) returns date stable strict language sql as $$ select moment::date $$;
create or replace function rs.trunc(amount numeric) returns numeric immutable strict language sql as $$ select pg_catalog.trunc(amount) $$;
create or replace function rs.trunc(amount float8) returns float8 immutable strict language sql as $$ select pg_catalog.trunc(amount) $$;
create or replace function rs.trunc(amount numeric, digits integer) returns numeric immutable strict language sql
as $$ select pg_catalog.trunc(amount, digits) $$;

create or replace function rs.last_day(moment timestamp) returns date immutable strict language sql
as $$ select (pg_catalog.date_trunc('month', moment) + interval '1 month - 1 day')::date $$;
create or replace function rs.last_day(moment date) returns date immutable strict language sql
as $$ select (pg_catalog.date_trunc('month', moment::timestamp) + interval '1 month - 1 day')::date $$;

-- The last day of a month stays the last day of a month; DATEADD keeps the day's number instead.
create or replace function rs.add_months(moment timestamp, amount bigint) returns timestamp immutable strict language sql
as $$
    select case
        when moment::date = rs.last_day(moment)
            then rs.last_day(pg_catalog.date_trunc('month', moment) + make_interval(months => amount::int)) + moment::time
        else moment + make_interval(months => amount::int)
    end
$$;
create or replace function rs.add_months(moment date, amount bigint) returns timestamp immutable strict language sql
as $$ select rs.add_months(moment::timestamp, amount) $$;

-- Whole months if the days agree or both are the last of their month, else 31-day months make the fraction.
create or replace function rs.months_between(a timestamp, b timestamp) returns float8 immutable strict language sql
as $$
    select (extract(year from a) - extract(year from b)) * 12 + extract(month from a) - extract(month from b)
        + case
            when extract(day from a) = extract(day from b) then 0
            when a::date = rs.last_day(a) and b::date = rs.last_day(b) then 0
            else (extract(epoch from a - pg_catalog.date_trunc('month', a))
                - extract(epoch from b - pg_catalog.date_trunc('month', b))) / (31 * 86400)
        end
$$;
create or replace function rs.months_between(a date, b date) returns float8 immutable strict language sql
as $$ select rs.months_between(a::timestamp, b::timestamp) $$;

-- The first day behind `moment` whose name begins with the first two letters given.
create or replace function rs.next_day(moment timestamp, name text) returns date immutable strict language sql
as $$
    select min(moment::date + n)
    from generate_series(1, 7) as n
    where lower(substr(to_char(moment::date + n, 'FMDay'), 1, 2)) = lower(substr(name, 1, 2))
$$;
create or replace function rs.next_day(moment date, name text) returns date immutable strict language sql
as $$ select rs.next_day(moment::timestamp, name) $$;

create or replace function rs.convert_timezone(source text, target text, moment timestamp) returns timestamp immutable strict language sql
as $$ select (moment at time zone source) at time zone target $$;
create or replace function rs.convert_timezone(target text, moment timestamp) returns timestamp immutable strict language sql
as $$ select (moment at time zone 'UTC') at time zone target $$;

-- CHAR is padded in neither count.
create or replace function rs.len(value text) returns integer immutable strict language sql as $$ select char_length(value) $$;
create or replace function rs.len(value char) returns integer immutable strict language sql as $$ select char_length(value) $$;
create or replace function rs.charindex(part text, whole text) returns integer immutable strict language sql
as $$ select strpos(whole, part) $$;
-- PostgreSQL's concat reads NULL as empty; Redshift's is NULL then.
create or replace function rs.concat(a text, b text) returns text immutable strict language sql as $$ select a || b $$;
create or replace function rs.strtol(value text, base integer) returns bigint immutable strict language plpgsql
as $$
declare
    digits text := lower(ltrim(case when base = 16 then regexp_replace(trim(value), '^([+-]?)0x', '[1]', 'i') else trim(value) end, '+-'));
    result numeric := 0;
    digit integer;
begin
    digits := replace(digits, '[1]', '');
    for i in 1..length(digits) loop
        digit := strpos('0123456789abcdefghijklmnopqrstuvwxyz', substr(digits, i, 1)) - 1;
        if digit < 0 or digit >= base then
            raise exception 'The input % is not valid to be converted to base %', value, base using errcode = '22P02';
        end if;
        result := result * base + digit;
    end loop;
    return case when left(trim(value), 1) = '-' then -result else result end;
end $$;

-- Redshift replaces every occurrence; PostgreSQL only the first.
create or replace function rs.regexp_replace(source text, pattern text) returns text immutable strict language sql
as $$ select pg_catalog.regexp_replace(source, pattern, '', 'g') $$;
create or replace function rs.regexp_replace(source text, pattern text, replacement text) returns text immutable strict language sql
as $$ select pg_catalog.regexp_replace(source, pattern, replacement, 'g') $$;
create or replace function rs.regexp_replace(source text, pattern text, replacement text, start integer) returns text immutable strict language sql
as $$ select pg_catalog.regexp_replace(source, pattern, replacement, start, 0) $$;
-- Without a match the result is empty, not NULL.
create or replace function rs.regexp_substr(source text, pattern text, start integer default 1, occurrence integer default 1)
returns text immutable strict language sql
as $$ select coalesce(pg_catalog.regexp_substr(source, pattern, start, occurrence), '') $$;

create or replace function rs.sha2(value text, bits integer) returns text immutable strict language plpgsql
as $$
begin
    return case bits
        when 0 then encode(sha256(convert_to(value, 'UTF8')), 'hex')
        when 224 then encode(sha224(convert_to(value, 'UTF8')), 'hex')
        when 256 then encode(sha256(convert_to(value, 'UTF8')), 'hex')
        when 384 then encode(sha384(convert_to(value, 'UTF8')), 'hex')
        when 512 then encode(sha512(convert_to(value, 'UTF8')), 'hex')
    end;
end $$;

-- 64-bit FNV-1a over the value's bytes, numbers in little-endian order.
create or replace function rs.fnv_bytes(value bytea, seed bigint) returns bigint immutable language plpgsql
as $$
declare
    modulus constant numeric := 18446744073709551616;
    hash bigint := coalesce(seed, -3750763034362895579);
    product numeric;
begin
    if value is null then
        return seed;
    end if;
    for i in 0..length(value) - 1 loop
        hash := hash # get_byte(value, i)::bigint;
        product := mod((case when hash < 0 then hash + modulus else hash end) * 1099511628211, modulus);
        hash := case when product >= 9223372036854775808 then product - modulus else product end;
    end loop;
    return hash;
end $$;
create or replace function rs.reversed(value bytea) returns bytea immutable strict language sql
as $$ select pg_catalog.reverse(value) $$;
create or replace function rs.fnv_hash(value smallint, seed bigint default null) returns bigint immutable language sql
as $$ select rs.fnv_bytes(rs.reversed(int2send(value)), seed) $$;
create or replace function rs.fnv_hash(value integer, seed bigint default null) returns bigint immutable language sql
as $$ select rs.fnv_bytes(rs.reversed(int4send(value)), seed) $$;
create or replace function rs.fnv_hash(value bigint, seed bigint default null) returns bigint immutable language sql
as $$ select rs.fnv_bytes(rs.reversed(int8send(value)), seed) $$;
create or replace function rs.fnv_hash(value text, seed bigint default null) returns bigint immutable language sql
as $$ select rs.fnv_bytes(convert_to(value, 'UTF8'), seed) $$;

-- State of the session, set by the front behind each COPY.
create or replace function rs.pg_last_copy_count() returns bigint stable language sql
as $$ select coalesce(nullif(current_setting('rs.last_copy_count', true), ''), '0')::bigint $$;
create or replace function rs.pg_last_copy_id() returns bigint stable language sql
as $$ select coalesce(nullif(current_setting('rs.last_copy_id', true), ''), '-1')::bigint $$;
create or replace function rs.pg_last_query_id() returns bigint stable language sql
as $$ select coalesce(nullif(current_setting('rs.last_query_id', true), ''), '-1')::bigint $$;

-- TRUNCATECOLUMNS: as many whole characters as fit into `limit_bytes`.
create or replace function rs.cut_bytes(value text, limit_bytes integer) returns text immutable strict language plpgsql
as $$
declare
    cut text := left(value, limit_bytes);
begin
    while octet_length(cut) > limit_bytes loop
        cut := left(cut, char_length(cut) - greatest(1, (octet_length(cut) - limit_bytes) / 4));
    end loop;
    return cut;
end $$;
