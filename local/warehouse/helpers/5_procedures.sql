-- What the bodies of procedures ask while they run.

-- The front marks each transaction block that a client begins.
create or replace function rs.in_block() returns boolean stable language sql
as $$ select coalesce(current_setting('rs.in_block', true), '') = 'on' $$;

-- rs.called: how the procedure was called by another; `guarded`: within a block that has a handler, which is one of
-- PostgreSQL's subtransactions; `atomic`: by an atomic procedure, whose transaction it shares.
create or replace function rs.may_commit() returns boolean stable language sql
as $$ select not rs.in_block() and coalesce(current_setting('rs.called', true), '') <> 'guarded' $$;
create or replace function rs.commits_each() returns boolean stable language sql
as $$ select not rs.in_block() and coalesce(current_setting('rs.called', true), '') = '' $$;

create or replace function rs.refuse_in_block(command text) returns boolean volatile language plpgsql
as $$
begin
    if rs.in_block() then
        raise exception '% cannot be invoked from a procedure that is executing in an atomic context.', command
            using errcode = '2D000', hint = 'Try calling the procedure as a top-level call i.e. not from within an '
                'explicit transaction block. Or, if this procedure (or one of its ancestors in the call chain) was '
                'created with SET config options, recreate the procedure without them.';
    end if;
    if not rs.may_commit() then
        raise exception '% in a procedure that is called within a block with an exception handler is not emulated '
            'by the local Redshift front', command using errcode = '0A000';
    end if;
    return false;
end $$;

create or replace function rs.rethrow(code text, message text, detail text, hint text) returns void volatile language plpgsql
as $$
begin
    if coalesce(detail, '') <> '' and coalesce(hint, '') <> '' then
        raise exception using errcode = code, message = message, detail = detail, hint = hint;
    elsif coalesce(detail, '') <> '' then
        raise exception using errcode = code, message = message, detail = detail;
    elsif coalesce(hint, '') <> '' then
        raise exception using errcode = code, message = message, hint = hint;
    end if;
    raise exception using errcode = code, message = message;
end $$;

-- Sixteen levels of nested calls, by the lines that they have in the context.
create or replace function rs.check_nesting() returns void volatile language plpgsql
as $$
declare
    stack text;
begin
    get diagnostics stack = pg_context;
    if regexp_count(stack, '(^|[[:cntrl:]])PL/pgSQL function') > 17 then
        raise exception 'The maximum number of levels for nested calls (16) is exceeded' using errcode = '54001';
    end if;
end $$;

-- COPY and UNLOAD: the front carries them out and says what SQL is to be run for it, step by step.
create or replace function rs.errand(request text, payload text, out answer text, out follows text)
volatile security definer language plpgsql set search_path = pg_catalog, rs, pg_temp
as $$
begin
    if request not in ('errand', 'rows', 'result') then
        raise exception 'an errand knows no %', request;
    end if;
    select said.answer, said.follows into answer, follows from rs.ask_front(request, payload) as said;
end $$;

-- `command` gives its number of rows, `query` its rows as texts; `stream` sends them in parts, after its columns.
create or replace function rs.take_step(step text, kind text) returns jsonb volatile language plpgsql
as $$
declare
    part integer := 500;
    line record;
    lines text[] := '{}';
    affected bigint := 0;
    code text;
    message text;
    detail text;
    hint text;
begin
    if kind = 'command' then
        execute step;
        get diagnostics affected = row_count;
        return jsonb_build_object('count', affected, 'rows', '[]'::jsonb);
    end if;
    if kind = 'stream' then
        perform rs.errand('rows', rs.described(step)::text);
    end if;
    for line in execute step loop
        lines := lines || line::text;
        if kind = 'stream' and cardinality(lines) = part then
            perform rs.errand('rows', to_jsonb(lines)::text);
            lines := '{}';
        end if;
    end loop;
    return jsonb_build_object('count', 0, 'rows', to_jsonb(lines));
exception when others then
    get stacked diagnostics code = returned_sqlstate, message = message_text, detail = pg_exception_detail,
        hint = pg_exception_hint;
    return jsonb_build_object('error', jsonb_build_object('C', code, 'M', message, 'D', detail, 'H', hint));
end $$;

-- The columns of a query as one row: names and oids of types, in turn.
create or replace function rs.described(query text) returns jsonb volatile language plpgsql
as $$
declare
    columns jsonb;
begin
    execute pg_catalog.format('create temp table rs_described as select * from (%s) as described limit 0', query);
    select coalesce(jsonb_agg(jsonb_build_array(attname, atttypid::bigint) order by attnum), '[]') into columns
    from pg_catalog.pg_attribute where attrelid = 'pg_temp.rs_described'::regclass and attnum > 0;
    drop table pg_temp.rs_described;
    return columns;
end $$;

create or replace function rs.carry_out(statement text) returns void volatile language plpgsql
as $$
declare
    step record;
    message text;
begin
    step := rs.errand('errand', jsonb_build_object(
        'statement', statement, 'process', pg_backend_pid(), 'user', session_user::text)::text);
    while step.follows <> 'done' loop
        step := rs.errand('result', rs.take_step(step.answer, step.follows)::text);
    end loop;
    for message in select * from jsonb_array_elements_text(step.answer::jsonb) loop
        raise info '%', message;
    end loop;
end $$;
