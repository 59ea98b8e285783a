-- stg.test: batches of Test__c that itg does not hold yet.
-- grain: id and _batch_id.
-- Spread by the key, as the itg table is, so that finding winners moves no rows between nodes; sorted by
-- batch, because a batch comes and goes as a whole.
create table if not exists stg.test (
    "id" varchar(18) not null,
    "is_deleted" boolean,
    "lab_id" varchar(18),
    "notes" varchar(65535),
    "count" bigint,
    "day" date,
    "system_modstamp" timestamp not null,
    _read_at_utc timestamp not null,
    _batch_id varchar(128) not null
)
diststyle key
distkey ("id")
sortkey (_batch_id);

-- itg.test: Test__c, current state, deleted records too. grain: id.
-- Spread by the key, as stg is, so that finding winners moves no rows between nodes; sorted by
-- slice, because the marts read one country at a time.
create table if not exists itg.test (
    "id" varchar(18) not null,
    "is_deleted" boolean,
    "lab_id" varchar(18),
    "notes" varchar(65535),
    "count" bigint,
    "day" date,
    "system_modstamp" timestamp not null,
    _read_at_utc timestamp not null,
    _batch_id varchar(128) not null,
    _country_code varchar(2) not null,
    _run_id varchar(256) not null,
    _loaded_at_utc timestamp not null
)
diststyle key
distkey ("id")
sortkey (_country_code, "id");

-- itg.test__changes: slices of itg.test that a run changed, until job metadata has them.
-- grain: change_id. Few rows that live for minutes: spread evenly, in the order they came.
create table if not exists itg.test__changes (
    change_id bigint identity (1, 1) not null,
    country_code varchar(2) not null,
    moved_from_country_code varchar(2),
    run_id varchar(256) not null,
    changed_at_utc timestamp not null
)
diststyle even
sortkey (change_id);

-- itg.test__load_audit: what became of the Ids of each batch. grain: one row per call and batch.
-- removed: records that the batch, a read of every Id, does not have.
-- Appended to and read by time, joined with nothing: rows spread evenly, sorted by time.
create table if not exists itg.test__load_audit (
    country_code varchar(2) not null,
    batch_id varchar(128) not null,
    run_id varchar(256) not null,
    inserted bigint not null,
    updated bigint not null,
    unchanged bigint not null,
    superseded bigint not null,
    removed bigint not null,
    loaded_at_utc timestamp not null
)
diststyle even
sortkey (loaded_at_utc);

-- itg.test__absence: reads of every Id that itg.test holds nothing beyond. grain: batch_id, loaded_at_utc.
-- While the newest read stands here, nobody searches the whole table for absences. loaded_at_utc is the
-- ledger's: a batch that is loaded again is applied again.
-- On every node: it is small, and every call reads it.
create table if not exists itg.test__absence (
    batch_id varchar(128) not null,
    loaded_at_utc timestamp not null,
    applied_at_utc timestamp not null
)
diststyle all
sortkey (batch_id);

comment on column itg.test."id" is 'Record id. From Id.';

comment on column itg.test."is_deleted" is 'In the bin. From IsDeleted.';

comment on column itg.test."lab_id" is 'Lab. From Lab__c.';

comment on column itg.test."notes" is 'Notes. From Notes__c.';

comment on column itg.test."count" is 'How many. From Count__c.';

comment on column itg.test."day" is 'When. From Day__c.';

comment on column itg.test."system_modstamp" is 'Version. From SystemModstamp.';
