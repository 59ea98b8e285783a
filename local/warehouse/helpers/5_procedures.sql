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
