-- Numbers, dates and times where a function or LIKE wants a text: Redshift converts them by itself, PostgreSQL does not.
-- Each of these functions gets a variant for each such type beside itself, where its name is looked for.
do $$
declare
    taken text;
    made record;
    rest text;
    passed text;
begin
    foreach taken in array array[
        'smallint', 'integer', 'bigint', 'numeric', 'real', 'double precision', 'date', 'timestamp', 'timestamptz'
    ] loop
        for made in
            select home, name, string_to_array(others, ' ') as others, gives
            from (values
                ('pg_catalog', 'lower', '', 'text'), ('pg_catalog', 'upper', '', 'text'),
                ('pg_catalog', 'initcap', '', 'text'), ('pg_catalog', 'reverse', '', 'text'),
                ('pg_catalog', 'md5', '', 'text'), ('pg_catalog', 'ascii', '', 'integer'),
                ('pg_catalog', 'length', '', 'integer'), ('pg_catalog', 'char_length', '', 'integer'),
                ('pg_catalog', 'character_length', '', 'integer'), ('pg_catalog', 'octet_length', '', 'integer'),
                ('pg_catalog', 'left', 'integer', 'text'), ('pg_catalog', 'right', 'integer', 'text'),
                ('pg_catalog', 'repeat', 'integer', 'text'), ('pg_catalog', 'lpad', 'integer', 'text'),
                ('pg_catalog', 'lpad', 'integer text', 'text'), ('pg_catalog', 'rpad', 'integer', 'text'),
                ('pg_catalog', 'rpad', 'integer text', 'text'), ('pg_catalog', 'substr', 'integer', 'text'),
                ('pg_catalog', 'substr', 'integer integer', 'text'), ('pg_catalog', 'substring', 'integer', 'text'),
                ('pg_catalog', 'substring', 'integer integer', 'text'), ('pg_catalog', 'btrim', '', 'text'),
                ('pg_catalog', 'ltrim', '', 'text'), ('pg_catalog', 'rtrim', '', 'text'),
                ('pg_catalog', 'btrim', 'text', 'text'), ('pg_catalog', 'ltrim', 'text', 'text'),
                ('pg_catalog', 'rtrim', 'text', 'text'), ('pg_catalog', 'replace', 'text text', 'text'),
                ('pg_catalog', 'translate', 'text text', 'text'),
                ('pg_catalog', 'split_part', 'text integer', 'text'), ('pg_catalog', 'strpos', 'text', 'integer'),
                ('rs', 'len', '', 'integer'), ('rs', 'concat', 'text', 'text'), ('rs', 'sha2', 'integer', 'text'),
                ('rs', 'regexp_substr', 'text', 'text'), ('rs', 'regexp_replace', 'text text', 'text'),
                ('rs', 'regexp_count', 'text', 'integer'), ('rs', 'strtol', 'integer', 'bigint')
            ) as listed (home, name, others, gives)
        loop
            select
                coalesce(string_agg(', ' || kind, '' order by place), ''),
                coalesce(string_agg(', $' || place + 1, '' order by place), '')
            into rest, passed
            from unnest(made.others) with ordinality as other (kind, place);
            execute pg_catalog.format(
                'create or replace function %I.%I(%s%s) returns %s stable strict parallel safe language sql'
                ' as %L', made.home, made.name, taken, rest, made.gives,
                pg_catalog.format('select %I.%I($1::text%s)', made.home, made.name, passed)
            );
        end loop;
    end loop;
end $$;

do $$
declare
    taken text;
    operator text;
begin
    foreach taken in array array[
        'smallint', 'integer', 'bigint', 'numeric', 'real', 'double precision', 'date', 'timestamp', 'timestamptz'
    ] loop
        foreach operator in array array['~~', '!~~', '~~*', '!~~*'] loop
            execute pg_catalog.format(
                'create or replace function rs.like_%s(%s, text) returns boolean stable strict parallel safe'
                ' language sql as %L', pg_catalog.translate(operator, '~!*', 'lni'), taken,
                pg_catalog.format('select $1::text operator(pg_catalog.%s) $2', operator)
            );
            continue when
                pg_catalog.to_regoperator(pg_catalog.format('pg_catalog.%s (%s, text)', operator, taken)) is not null;
            execute pg_catalog.format(
                'create operator pg_catalog.%s (leftarg = %s, rightarg = text, function = rs.like_%s)',
                operator, taken, pg_catalog.translate(operator, '~!*', 'lni')
            );
        end loop;
    end loop;
end $$;
