-- stg.unit: batches of Unit__c that itg does not hold yet.
-- grain: id and _batch_id.
-- Spread by the key, as the itg table is, so that finding winners moves no rows between nodes; sorted by
-- batch, because a batch comes and goes as a whole.
create table if not exists stg.unit (
    "id" varchar(18) not null,
    "is_deleted" boolean,
    "system_modstamp" timestamp not null,
    _read_at_utc timestamp not null,
    _batch_id varchar(128) not null
)
diststyle key
distkey ("id")
sortkey (_batch_id);

-- itg.unit: Unit__c, current state, deleted records too. grain: id.
-- On every node: reference data is small, and joined from everywhere.
create table if not exists itg.unit (
    "id" varchar(18) not null,
    "is_deleted" boolean,
    "system_modstamp" timestamp not null,
    _read_at_utc timestamp not null,
    _batch_id varchar(128) not null,
    _country_code varchar(2) not null,
    _run_id varchar(256) not null,
    _loaded_at_utc timestamp not null
)
diststyle all
sortkey ("id");

-- itg.unit__changes: slices of itg.unit that a run changed, until job metadata has them.
-- grain: change_id. Few rows that live for minutes: spread evenly, in the order they came.
create table if not exists itg.unit__changes (
    change_id bigint identity (1, 1) not null,
    country_code varchar(2) not null,
    moved_from_country_code varchar(2),
    run_id varchar(256) not null,
    changed_at_utc timestamp not null
)
diststyle even
sortkey (change_id);

-- itg.unit__load_audit: what became of the Ids of each batch. grain: one row per call and batch.
-- removed: records that the batch, a read of every Id, does not have.
-- Appended to and read by time, joined with nothing: rows spread evenly, sorted by time.
create table if not exists itg.unit__load_audit (
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

-- itg.unit__absence: reads of every Id that itg.unit holds nothing beyond. grain: batch_id, loaded_at_utc.
-- While the newest read stands here, nobody searches the whole table for absences. loaded_at_utc is the
-- ledger's: a batch that is loaded again is applied again.
-- On every node: it is small, and every call reads it.
create table if not exists itg.unit__absence (
    batch_id varchar(128) not null,
    loaded_at_utc timestamp not null,
    applied_at_utc timestamp not null
)
diststyle all
sortkey (batch_id);

comment on column itg.unit."id" is 'Record id. From Id.';

comment on column itg.unit."is_deleted" is 'In the bin. From IsDeleted.';

comment on column itg.unit."system_modstamp" is 'Version. From SystemModstamp.';
