-- Job metadata: what ran, what it read, what is pending. A plain PostgreSQL; all times are UTC.
-- Written by plugins/idiscover/aws/job_metadata*.py and nothing else. Running this again changes nothing.
create schema if not exists job;

-- Up to where an object has been read. grain: object.
create table if not exists job.watermark (
    object text primary key,
    watermark_at_utc timestamptz not null,
    batch_id text not null,
    updated_at_utc timestamptz not null default now()
);

-- The window of a run and what it reads beside it, frozen by its first try. grain: object, run_id, run_type.
-- While lock_expires_at_utc lies ahead, no other run may read an overlapping window of the object.
create table if not exists job.run_window (
    object text not null,
    run_id text not null,
    run_type text not null,
    run_kind text not null check (run_kind in ('scheduled', 'manual', 'backfill')),
    order_date date not null,
    batch_id text not null unique,
    window_start_utc timestamptz not null,
    window_end_utc timestamptz not null,
    frozen_at_utc timestamptz not null default now(),
    lock_expires_at_utc timestamptz,
    read_mode text not null default 'window' check (read_mode in ('window', 'window_and_ids', 'whole')),
    primary key (object, run_id, run_type)
);
alter table job.run_window add column if not exists read_mode text not null default 'window'
check (read_mode in ('window', 'window_and_ids', 'whole'));
-- countries: only records of these are read, of all where there are none; reason: why a person started the run.
alter table job.run_window add column if not exists countries text[] not null default '{}';
alter table job.run_window add column if not exists reason text;

-- What an extraction wrote. grain: batch_id.
-- pending: in source/; loaded: in stg, or empty; archived: every row is in itg, files in archive/.
-- absence_at_utc: since when the records are gone that it does not have, null where it did not read every Id; ids: how
-- many Ids it read.
create table if not exists job.batch (
    batch_id text primary key,
    object text not null,
    run_id text not null,
    run_kind text not null,
    order_date date not null,
    window_start_utc timestamptz not null,
    window_end_utc timestamptz not null,
    read_at_utc timestamptz not null,
    rows bigint not null,
    bytes bigint not null,
    counts jsonb not null,
    manifest_key text not null,
    state text not null check (state in ('pending', 'loaded', 'archived')),
    registered_at_utc timestamptz not null default now(),
    loaded_at_utc timestamptz,
    archived_at_utc timestamptz,
    read_mode text not null default 'window' check (read_mode in ('window', 'window_and_ids', 'whole')),
    absence_at_utc timestamptz,
    ids bigint
);
alter table job.batch add column if not exists read_mode text not null default 'window'
check (read_mode in ('window', 'window_and_ids', 'whole'));
alter table job.batch add column if not exists absence_at_utc timestamptz;
alter table job.batch add column if not exists ids bigint;
alter table job.batch add column if not exists countries text[] not null default '{}';
alter table job.batch add column if not exists reason text;
alter table job.batch add column if not exists job_ids text[] not null default '{}';
-- once, a read was one query job
do $$
begin
    if exists (
        select from information_schema.columns
        where table_schema = 'job' and table_name = 'batch' and column_name = 'job_id'
    ) then
        update job.batch set job_ids = array[job_id] where job_id is not null;
        alter table job.batch drop column job_id;
    end if;
end
$$;
create index if not exists batch_by_object_and_state on job.batch (object, state);

-- Files of a batch, where they lie now. grain: key.
create table if not exists job.batch_file (
    batch_id text not null references job.batch,
    key text not null,
    rows bigint not null,
    bytes bigint not null,
    sha256 text not null,
    content text not null default 'rows' check (content in ('rows', 'ids')),
    primary key (batch_id, key)
);
alter table job.batch_file add column if not exists content text not null default 'rows'
check (content in ('rows', 'ids'));

-- An archived batch was made pending again. grain: batch_id, replay (1, 2, …).
create table if not exists job.replay (
    batch_id text not null references job.batch,
    replay integer not null,
    reason text,
    requested_by text not null,
    replayed_at_utc timestamptz not null default now(),
    primary key (batch_id, replay)
);

-- A record was erased, or is being erased. grain: key_hash, the HMAC of its Id; the Id itself stands nowhere.
-- objects: those that were changed; unfinished: those of them that a running erasure is at; counts: what was found, by
-- layer.
create table if not exists job.erasure (
    key_hash text primary key,
    requested_by text not null,
    reason text,
    requested_at_utc timestamptz not null default now(),
    state text not null check (state in ('running', 'done')),
    objects text[] not null default '{}',
    unfinished text[] not null default '{}',
    counts jsonb not null default '{}',
    ended_at_utc timestamptz
);

-- One refresh of a table: what it took from the pending things. grain: claim_id.
create table if not exists job.claim (
    claim_id bigint generated always as identity primary key,
    target text not null,
    run_id text not null,
    run_kind text not null,
    order_date date not null,
    as_of_date date not null,
    state text not null check (state in ('open', 'finished', 'released', 'lapsed')),
    statements jsonb not null,
    metadata_version text not null,
    units jsonb,
    result jsonb,
    claimed_at_utc timestamptz not null default now(),
    expires_at_utc timestamptz not null,
    ended_at_utc timestamptz
);
create unique index if not exists claim_open on job.claim (target) where state = 'open';
create index if not exists claim_by_run on job.claim (target, run_id);
create index if not exists claim_finished on job.claim (target, as_of_date) where state = 'finished';

-- A statement that a refresh ran for a country. grain: call_id.
create table if not exists job.claim_call (
    call_id bigint generated always as identity primary key,
    claim_id bigint not null references job.claim,
    country_code text not null,
    statement text not null,
    seconds double precision not null,
    called_at_utc timestamptz not null default now()
);
create index if not exists claim_call_by_claim on job.claim_call (claim_id);

-- What a check said of the slices that a refresh wrote in one transaction. grain: claim_id, country_codes, check_name.
-- passed: they were committed. failed: with severity warn they were, with fail they were rolled back, and the rows from
-- before stand. failing_count: rows, keys or figures that break it; sample_keys: up to ten of them, keys and figures of
-- sums only; query: what finds them, null where it passed. A retry writes its own result over that of the try before.
-- Older ones go at the end of a refresh (checks.keep_results_days of the context), but for the newest of each country.
create table if not exists job.check_result (
    claim_id bigint not null references job.claim,
    table_name text not null,
    check_name text not null,
    kind text not null,
    severity text not null check (severity in ('fail', 'warn')),
    state text not null check (state in ('passed', 'failed')),
    run_id text not null,
    order_date date not null,
    country_codes text[] not null,
    failing_count bigint not null,
    sample_keys text[] not null,
    query text,
    checked_at_utc timestamptz not null default now(),
    primary key (claim_id, country_codes, check_name)
);
create index if not exists check_result_by_table on job.check_result (table_name, check_name, checked_at_utc);
create index if not exists check_result_failed on job.check_result (table_name, check_name) where state = 'failed';

-- An input of a table has arrived. grain: target, input, run_kind, order_date, source_id.
create table if not exists job.input_arrival (
    arrival_id bigint generated always as identity primary key,
    target text not null,
    input text not null,
    run_kind text not null,
    order_date date not null,
    source_id text not null,
    arrived_at_utc timestamptz not null default now(),
    claim_id bigint references job.claim,
    unique (target, input, run_kind, order_date, source_id)
);
create index if not exists input_arrival_unclaimed on job.input_arrival (target) where claim_id is null;
create index if not exists input_arrival_claimed on job.input_arrival (claim_id) where claim_id is not null;

-- A slice of a table is stale; country_code * means every slice. grain: target, source_table, change_key.
create table if not exists job.slice_mark (
    mark_id bigint generated always as identity primary key,
    target text not null,
    source_table text not null,
    change_key text not null,
    country_code text not null,
    moved_from_country_code text,
    run_kind text not null,
    order_date date not null,
    marked_at_utc timestamptz not null default now(),
    claim_id bigint references job.claim,
    unique (target, source_table, change_key)
);
create index if not exists slice_mark_unclaimed on job.slice_mark (target) where claim_id is null;
create index if not exists slice_mark_claimed on job.slice_mark (claim_id) where claim_id is not null;

-- What a step of a run said at its end, as in status/ of the bucket, and every try of it. grain: log_id.
create table if not exists job.step_log (
    log_id bigint generated always as identity primary key,
    dag_id text not null,
    run_id text not null,
    run_type text not null,
    step text not null,
    state text not null,
    document jsonb not null,
    written_at_utc timestamptz not null default now()
);
create index if not exists step_log_by_dag on job.step_log (dag_id, log_id);

-- A cluster that the runs of a cluster_group share. grain: cluster_number.
-- fingerprint: of all that RunJobFlow is given; runs with another one need another cluster. emr_id: null until EMR has
-- answered. open: may be joined; closing: nobody needs it, EMR is to end it; gone: EMR was told to, or has lost it.
create table if not exists job.shared_cluster (
    cluster_number bigint generated always as identity primary key,
    cluster_group text not null,
    fingerprint text not null,
    emr_id text,
    state text not null check (state in ('open', 'closing', 'gone')),
    recorded_at_utc timestamptz not null default now(),
    changed_at_utc timestamptz not null default now()
);
create unique index if not exists shared_cluster_open on job.shared_cluster (cluster_group, fingerprint)
where state = 'open';
create index if not exists shared_cluster_closing on job.shared_cluster (cluster_group) where state = 'closing';

-- A run that needs a cluster of its group, from its announcement to its end. grain: member_number.
-- cluster_number is null until the run has joined a cluster. Past lease_expires_at_utc nothing is kept for it.
create table if not exists job.cluster_member (
    member_number bigint generated always as identity primary key,
    cluster_group text not null,
    fingerprint text not null,
    dag_id text not null,
    run_id text not null,
    cluster_number bigint references job.shared_cluster,
    announced_at_utc timestamptz not null default now(),
    lease_expires_at_utc timestamptz not null,
    left_at_utc timestamptz
);
create unique index if not exists cluster_member_present on job.cluster_member (dag_id, run_id)
where left_at_utc is null;
create index if not exists cluster_member_of_group on job.cluster_member (cluster_group) where left_at_utc is null;
