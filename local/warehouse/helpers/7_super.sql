-- SUPER is jsonb here. Navigation into what is not there gives NULL; so does a cast that does not fit.

create or replace function rs.json_parse(document text) returns jsonb immutable strict language plpgsql
as $$
begin
    if not pg_input_is_valid(document, 'jsonb') then
        raise exception 'JSON parsing error' using errcode = 'XX000', detail = left(document, 200);
    end if;
    return document::jsonb;
end $$;
create or replace function rs.can_json_parse(document text) returns boolean immutable strict language sql
as $$ select pg_input_is_valid(document, 'jsonb') $$;

-- Without the blanks that jsonb's own output has.
create or replace function rs.json_serialize(value jsonb) returns text immutable strict language plpgsql
as $$
begin
    case jsonb_typeof(value)
        when 'object' then
            return '{' || coalesce((
                select string_agg(to_json(key)::text || ':' || rs.json_serialize(member), ',')
                from jsonb_each(value) as each (key, member)
            ), '') || '}';
        when 'array' then
            return '[' || coalesce((
                select string_agg(rs.json_serialize(element), ',' order by place)
                from jsonb_array_elements(value) with ordinality as elements (element, place)
            ), '') || ']';
        else
            return jsonb_out(value)::text;
    end case;
end $$;
create or replace function rs.json_size(value jsonb) returns integer immutable strict language sql
as $$ select octet_length(rs.json_serialize(value)) $$;

create or replace function rs.json_typeof(value jsonb) returns text immutable strict language sql
as $$ select jsonb_typeof(value) $$;
create or replace function rs.is_array(value jsonb) returns boolean immutable language sql
as $$ select coalesce(jsonb_typeof(value) = 'array', false) $$;
create or replace function rs.is_object(value jsonb) returns boolean immutable language sql
as $$ select coalesce(jsonb_typeof(value) = 'object', false) $$;
create or replace function rs.is_scalar(value jsonb) returns boolean immutable language sql
as $$ select coalesce(jsonb_typeof(value) in ('string', 'number', 'boolean'), false) $$;
create or replace function rs.is_varchar(value jsonb) returns boolean immutable language sql
as $$ select coalesce(jsonb_typeof(value) = 'string', false) $$;
create or replace function rs.is_boolean(value jsonb) returns boolean immutable language sql
as $$ select coalesce(jsonb_typeof(value) = 'boolean', false) $$;
create or replace function rs.is_whole(value jsonb, bits integer) returns boolean immutable language sql
as $$
    select coalesce(
        jsonb_typeof(value) = 'number' and (value #>> '{}') !~ '[.eE]'
            and (value #>> '{}')::numeric between -power(2::numeric, bits - 1) and power(2::numeric, bits - 1) - 1, false
    )
$$;
create or replace function rs.is_smallint(value jsonb) returns boolean immutable language sql as $$ select rs.is_whole(value, 16) $$;
create or replace function rs.is_integer(value jsonb) returns boolean immutable language sql as $$ select rs.is_whole(value, 32) $$;
create or replace function rs.is_bigint(value jsonb) returns boolean immutable language sql as $$ select rs.is_whole(value, 64) $$;
create or replace function rs.is_decimal(value jsonb) returns boolean immutable language sql
as $$ select coalesce(jsonb_typeof(value) = 'number' and (value #>> '{}') !~ '[eE]', false) $$;
create or replace function rs.is_float(value jsonb) returns boolean immutable language sql
as $$ select coalesce(jsonb_typeof(value) = 'number' and (value #>> '{}') ~ '[.eE]', false) $$;

create or replace function rs.get_array_length(value jsonb) returns integer immutable strict language sql
as $$ select case when jsonb_typeof(value) = 'array' then jsonb_array_length(value) end $$;
create or replace function rs.array_concat(a jsonb, b jsonb) returns jsonb immutable strict language sql
as $$ select case when rs.is_array(a) and rs.is_array(b) then a || b end $$;
create or replace function rs.array_flatten(value jsonb) returns jsonb immutable strict language sql
as $$
    select coalesce(jsonb_agg(inner_element order by place, inner_place), '[]')
    from jsonb_array_elements(case when rs.is_array(value) then value else '[]' end) with ordinality as o (element, place)
    cross join lateral jsonb_array_elements(
        case when rs.is_array(element) then element else jsonb_build_array(element) end
    ) with ordinality as i (inner_element, inner_place)
$$;
create or replace function rs.subarray(value jsonb, start integer, length integer default null) returns jsonb immutable language sql
as $$
    select coalesce(jsonb_agg(element order by place), '[]')
    from jsonb_array_elements(case when rs.is_array(value) then value else '[]' end) with ordinality as o (element, place)
    where place > start and (length is null or place <= start + length)
$$;
create or replace function rs.split_to_array(value text, delimiter text default ',') returns jsonb immutable strict language sql
as $$ select to_jsonb(string_to_array(value, delimiter)) $$;
create or replace function rs.array_contains(value jsonb, item anyelement) returns boolean immutable language sql
as $$ select coalesce(value @> jsonb_build_array(item), false) $$;

-- FROM t, t.values as v at i: nothing but arrays has elements, nothing but objects members.
create or replace function rs.elements(value jsonb) returns table (element jsonb, place bigint) immutable language sql
as $$
    select element, place - 1
    from jsonb_array_elements(case when jsonb_typeof(value) = 'array' then value end) with ordinality as o (element, place)
$$;
create or replace function rs.members(value jsonb) returns table (member jsonb, name text) immutable language sql
as $$ select member, name from jsonb_each(case when jsonb_typeof(value) = 'object' then value end) as o (name, member) $$;

create or replace function rs.super_cast(value jsonb, kind anyelement) returns anyelement immutable language plpgsql
as $$
declare
    result kind%type;
    plain text := case when jsonb_typeof(value) in ('object', 'array') then rs.json_serialize(value) else value #>> '{}' end;
    target text := pg_typeof(kind)::text;
begin
    if plain is null or target = 'jsonb' then
        return value;
    end if;
    if target in ('smallint', 'integer', 'bigint') and jsonb_typeof(value) = 'number' then
        plain := pg_catalog.trunc(plain::numeric)::text;
    end if;
    if pg_input_is_valid(plain, target) then
        result := plain;
    end if;
    return result;
end $$;

-- A SUPER text is cast without its quotes.
create or replace function rs.super_text(value jsonb) returns text immutable strict language sql
as $$ select rs.super_cast(value, null::text) $$;
create or replace function rs.super_varchar(value jsonb) returns varchar immutable strict language sql
as $$ select rs.super_cast(value, null::text)::varchar $$;
drop cast if exists (jsonb as text);
create cast (jsonb as text) with function rs.super_text(jsonb) as assignment;
drop cast if exists (jsonb as varchar);
create cast (jsonb as varchar) with function rs.super_varchar(jsonb) as assignment;

-- JSON in texts. With null_if_invalid, what is no JSON gives NULL instead of an error.
create or replace function rs.is_valid_json(document text) returns boolean immutable strict language sql
as $$ select pg_input_is_valid(document, 'json') and ltrim(document) ~ '^[{]' $$;
create or replace function rs.is_valid_json_array(document text) returns boolean immutable strict language sql
as $$ select pg_input_is_valid(document, 'json') and ltrim(document) ~ '^[[]' $$;
create or replace function rs.valid_json(document text, null_if_invalid boolean) returns jsonb immutable strict language plpgsql
as $$
begin
    if pg_input_is_valid(document, 'jsonb') then
        return document::jsonb;
    end if;
    if not null_if_invalid then
        raise exception 'JSON parsing error' using errcode = 'XX000', detail = left(document, 200);
    end if;
    return null;
end $$;
create or replace function rs.json_array_length(document text, null_if_invalid boolean default false)
returns integer immutable strict language sql
as $$ select rs.get_array_length(rs.valid_json(document, null_if_invalid)) $$;
create or replace function rs.json_extract_array_element_text(document text, place integer, null_if_invalid boolean default false)
returns text immutable strict language sql
as $$ select rs.valid_json(document, null_if_invalid) ->> case when place >= 0 then place end $$;
create or replace function rs.json_extract_path_text_or_null(document text, variadic path text[]) returns text immutable strict language sql
as $$ select rs.valid_json(document, true) #>> path $$;
create or replace function rs.json_extract_path_text(document text, variadic path text[]) returns text immutable strict language sql
as $$ select rs.valid_json(document, false) #>> path $$;
