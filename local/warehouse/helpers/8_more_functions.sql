-- More of AWS's function reference: texts, regular expressions, hashes, dates, numbers, bytes.
create extension if not exists fuzzystrmatch schema rs;

-- Regular expressions. Parameters: i and c for case, e for the first subexpression; p asks for PCRE, which PostgreSQL's
-- own expressions come close to.
create or replace function rs.regexp_flags(parameters text) returns text immutable strict language sql
as $$ select case when strpos(parameters, 'i') > strpos(parameters, 'c') then 'i' else 'c' end $$;
create or replace function rs.regexp_count(source text, pattern text, start integer default 1, parameters text default '')
returns integer immutable strict language sql
as $$ select pg_catalog.regexp_count(source, pattern, start, rs.regexp_flags(parameters)) $$;
create or replace function rs.regexp_instr(
    source text, pattern text, start integer default 1, occurrence integer default 1, option integer default 0,
    parameters text default ''
) returns integer immutable strict language sql
as $$
    select pg_catalog.regexp_instr(
        source, pattern, start, occurrence, option, rs.regexp_flags(parameters),
        case when strpos(parameters, 'e') > 0 then 1 else 0 end
    )
$$;
create or replace function rs.regexp_substr(source text, pattern text, start integer, occurrence integer, parameters text)
returns text immutable strict language sql
as $$
    select coalesce(pg_catalog.regexp_substr(
        source, pattern, start, occurrence, rs.regexp_flags(parameters),
        case when strpos(parameters, 'e') > 0 then 1 else 0 end
    ), '')
$$;
create or replace function rs.regexp_replace(source text, pattern text, replacement text, start integer, parameters text)
returns text immutable strict language sql
as $$
    select pg_catalog.regexp_replace(
        source, pattern,
        case when strpos(parameters, 'p') > 0 then pg_catalog.regexp_replace(replacement, '[$]([0-9])', chr(92) || chr(92) || chr(92) || '1', 'g')
        else replacement end,
        start, 0, rs.regexp_flags(parameters)
    )
$$;

create or replace function rs.bpcharcmp(a text, b text) returns integer immutable strict language sql
as $$ select case when rtrim(a) < rtrim(b) collate "C" then -1 when rtrim(a) > rtrim(b) collate "C" then 1 else 0 end $$;
create or replace function rs.bttext_pattern_cmp(a text, b text) returns integer immutable strict language sql
as $$ select case when a < b collate "C" then -1 when a > b collate "C" then 1 else 0 end $$;
create or replace function rs.octetindex(part text, whole text) returns integer immutable strict language sql
as $$ select case when strpos(whole, part) > 0 then octet_length(left(whole, strpos(whole, part) - 1)) + 1 else 0 end $$;
create or replace function rs.listagg(value text) returns text immutable strict language plpgsql
as $$
begin
    if octet_length(value) > 65535 then
        raise exception 'Result size exceeds LISTAGG limit' using errcode = '22001', detail = 'LISTAGG limit: 65535 bytes';
    end if;
    return value;
end $$;

-- By the polynomial of CRC-32C.
create or replace function rs.crc32(value text) returns text immutable strict language sql
as $$ select lpad(to_hex(pg_catalog.crc32c(convert_to(value, 'UTF8'))), 8, '0') $$;

-- SHA-1, by its definition: PostgreSQL itself has only the later ones.
create or replace function rs.sha1(value text) returns text immutable strict language plpgsql
as $$
declare
    mask constant bigint := 4294967295;
    message bytea := convert_to(value, 'UTF8');
    bits bigint := 8 * octet_length(convert_to(value, 'UTF8'));
    h bigint[] := array[1732584193, 4023233417, 2562383102, 271733878, 3285377520];
    w bigint[];
    a bigint; b bigint; c bigint; d bigint; e bigint; f bigint; k bigint; next bigint;
begin
    message := message || decode('80', 'hex');
    while octet_length(message) % 64 <> 56 loop
        message := message || decode('00', 'hex');
    end loop;
    message := message || int8send(bits);
    for block in 0..octet_length(message) / 64 - 1 loop
        w := array[]::bigint[];
        for t in 0..79 loop
            if t < 16 then
                next := 0;
                for n in 0..3 loop
                    next := next * 256 + get_byte(message, block * 64 + t * 4 + n);
                end loop;
            else
                next := w[t - 2] # w[t - 7] # w[t - 13] # w[t - 15];
                next := ((next << 1) | (next >> 31)) & mask;
            end if;
            w := w || next;
        end loop;
        a := h[1]; b := h[2]; c := h[3]; d := h[4]; e := h[5];
        for t in 0..79 loop
            if t < 20 then
                f := (b & c) | ((~b & mask) & d); k := 1518500249;
            elsif t < 40 then
                f := b # c # d; k := 1859775393;
            elsif t < 60 then
                f := (b & c) | (b & d) | (c & d); k := 2400959708;
            else
                f := b # c # d; k := 3395469782;
            end if;
            next := ((((a << 5) | (a >> 27)) & mask) + f + e + k + w[t + 1]) & mask;
            e := d; d := c; c := ((b << 30) | (b >> 2)) & mask; b := a; a := next;
        end loop;
        h := array[(h[1] + a) & mask, (h[2] + b) & mask, (h[3] + c) & mask, (h[4] + d) & mask, (h[5] + e) & mask];
    end loop;
    return (select string_agg(lpad(to_hex(part), 8, '0'), '' order by place) from unnest(h) with ordinality as p (part, place));
end $$;

-- Bytes.
create or replace function rs.to_varbyte(value text, form text) returns bytea immutable strict language plpgsql
as $$
begin
    case lower(form)
        when 'hex' then return decode(value, 'hex');
        when 'utf8', 'utf-8' then return convert_to(value, 'UTF8');
        when 'base64' then return decode(value, 'base64');
        else raise exception 'Unknown format % in TO_VARBYTE', form using errcode = '22023';
    end case;
end $$;
create or replace function rs.from_varbyte(value bytea, form text) returns text immutable strict language plpgsql
as $$
begin
    case lower(form)
        when 'hex' then return encode(value, 'hex');
        when 'utf8', 'utf-8' then return convert_from(value, 'UTF8');
        when 'base64' then return translate(encode(value, 'base64'), chr(10), '');
        else raise exception 'Unknown format % in FROM_VARBYTE', form using errcode = '22023';
    end case;
end $$;
create or replace function rs.from_hex(value text) returns bytea immutable strict language sql as $$ select decode(value, 'hex') $$;
create or replace function rs.to_hex(value bytea) returns text immutable strict language sql as $$ select encode(value, 'hex') $$;
create or replace function rs.to_hex(value bigint) returns text immutable strict language sql as $$ select pg_catalog.to_hex(value) $$;
create or replace function rs.to_hex(value integer) returns text immutable strict language sql as $$ select pg_catalog.to_hex(value) $$;
create or replace function rs.to_hex(value text) returns text immutable strict language sql
as $$ select encode(convert_to(value, 'UTF8'), 'hex') $$;

-- Numbers: PostgreSQL rounds floats to whole numbers only.
create or replace function rs.round(amount float8, digits integer) returns float8 immutable strict language sql
as $$ select pg_catalog.round(amount::numeric, digits)::float8 $$;
create or replace function rs.round(amount float8) returns float8 immutable strict language sql
as $$ select pg_catalog.round(amount::numeric)::float8 $$;
create or replace function rs.round(amount numeric, digits integer default 0) returns numeric immutable strict language sql
as $$ select pg_catalog.round(amount, digits) $$;
create or replace function rs.round(amount bigint, digits integer default 0) returns bigint immutable strict language sql
as $$ select pg_catalog.round(amount::numeric, digits)::bigint $$;
create or replace function rs.trunc(amount float8, digits integer) returns float8 immutable strict language sql
as $$ select pg_catalog.trunc(amount::numeric, digits)::float8 $$;
create or replace function rs.text_to_int_alt(value text) returns integer immutable strict language sql
as $$ select pg_catalog.trunc(trim(value)::numeric)::integer $$;
create or replace function rs.text_to_numeric_alt(value text, precision_ integer default 38, scale_ integer default 0)
returns numeric immutable strict language sql as $$ select pg_catalog.trunc(trim(value)::numeric, scale_) $$;
create or replace function rs.try_cast(value text, kind anyelement) returns anyelement immutable language plpgsql
as $$
declare
    result kind%type;
begin
    if pg_input_is_valid(value, pg_typeof(kind)::text) then
        result := value;
    end if;
    return result;
end $$;

-- EXTRACT gives whole numbers, but for TIMESTAMPTZ and intervals.
create or replace function rs.extract(part text, moment timestamp) returns integer immutable strict language sql
as $$ select pg_catalog.trunc(pg_catalog.date_part(part, moment))::integer $$;
create or replace function rs.extract(part text, moment date) returns integer immutable strict language sql
as $$ select pg_catalog.trunc(pg_catalog.date_part(part, moment::timestamp))::integer $$;
create or replace function rs.extract(part text, moment time) returns integer immutable strict language sql
as $$ select pg_catalog.trunc(pg_catalog.date_part(part, moment))::integer $$;
create or replace function rs.extract(part text, moment timestamptz) returns float8 stable strict language sql
as $$ select pg_catalog.date_part(part, moment) $$;
create or replace function rs.extract(part text, span interval) returns float8 immutable strict language sql
as $$ select pg_catalog.date_part(part, span) $$;

-- Without is_strict, days beyond the end of a month go on into the next one.
create or replace function rs.to_date(value text, form text, is_strict boolean default false) returns date
stable strict language plpgsql
as $$
declare
    place integer[] := array[strpos(upper(form), 'YYYY'), strpos(upper(form), 'MM'), strpos(upper(form), 'DD')];
begin
    return pg_catalog.to_date(value, form);
exception when datetime_field_overflow then
    if is_strict or 0 = any (place) or not pg_input_is_valid(substr(value, place[2], 2), 'integer')
        or substr(value, place[2], 2)::integer not between 1 and 12
    then
        raise;
    end if;
    return make_date(substr(value, place[1], 4)::integer, substr(value, place[2], 2)::integer, 1)
        + substr(value, place[3], 2)::integer - 1;
end $$;
create or replace function rs.to_timestamp(value text, form text, is_strict boolean default false) returns timestamptz
stable strict language sql as $$ select pg_catalog.to_timestamp(value, form) $$;
create or replace function rs.to_timestamp(seconds float8) returns timestamptz immutable strict language sql
as $$ select pg_catalog.to_timestamp(seconds) $$;

create or replace function rs.date_cmp_timestamp(a date, b timestamp) returns integer immutable strict language sql
as $$ select rs.timestamp_cmp(a::timestamp, b) $$;
create or replace function rs.date_cmp_timestamptz(a date, b timestamptz) returns integer stable strict language sql
as $$ select rs.timestamp_cmp(a::timestamp, b::timestamp) $$;
create or replace function rs.timestamp_cmp_date(a timestamp, b date) returns integer immutable strict language sql
as $$ select rs.timestamp_cmp(a, b::timestamp) $$;
create or replace function rs.timestamp_cmp_timestamptz(a timestamp, b timestamptz) returns integer stable strict language sql
as $$ select rs.timestamp_cmp(a, b::timestamp) $$;
create or replace function rs.timestamptz_cmp(a timestamptz, b timestamptz) returns integer immutable strict language sql
as $$ select case when a < b then -1 when a > b then 1 else 0 end $$;
create or replace function rs.timestamptz_cmp_date(a timestamptz, b date) returns integer stable strict language sql
as $$ select rs.timestamp_cmp(a::timestamp, b::timestamp) $$;
create or replace function rs.timestamptz_cmp_timestamp(a timestamptz, b timestamp) returns integer stable strict language sql
as $$ select rs.timestamp_cmp(a::timestamp, b) $$;

-- The n-th of the values that a window has seen, from its start or, with n below zero, from its end.
create or replace function rs.nth_item(items anyarray, place integer) returns anyelement immutable language sql
as $$ select items[case when place > 0 then place else cardinality(items) + 1 + place end] $$;

-- Users and sessions.
create or replace function rs.current_user_id() returns integer stable language sql
as $$ select usesysid::integer from pg_catalog.pg_user where usename = current_user $$;
create or replace function rs.user_is_member_of(role_name text) returns boolean stable strict language sql
as $$ select pg_has_role(current_user, role_name, 'MEMBER') $$;
create or replace function rs.user_is_member_of(member text, role_name text) returns boolean stable strict language sql
as $$ select pg_has_role(member, role_name, 'MEMBER') $$;
create or replace function rs.role_is_member_of(member text, role_name text) returns boolean stable strict language sql
as $$ select pg_has_role(member, role_name, 'MEMBER') $$;
create or replace function rs.pg_last_unload_count() returns bigint stable language sql
as $$ select coalesce(nullif(current_setting('rs.last_unload_count', true), ''), '0')::bigint $$;
create or replace function rs.pg_last_unload_id() returns bigint stable language sql
as $$ select coalesce(nullif(current_setting('rs.last_unload_id', true), ''), '-1')::bigint $$;

-- Texts are joined by + too.
set local allow_system_table_mods = on;
do $$
begin
    if to_regoperator('pg_catalog.+(text,text)') is null then
        create operator pg_catalog.+ (leftarg = text, rightarg = text, function = pg_catalog.textcat);
    end if;
end $$;
