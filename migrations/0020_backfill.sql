-- Backfills: the past of a monitor, read into stored windows beside live reading.

-- The smallest offset of a partition from which live counts of a monitor were stored. Null where it began before this was
-- recorded.
create table monitor_begin (
    monitor      text    not null,
    topic        text    not null,
    partition    integer not null,
    first_offset bigint  check (first_offset >= 0),
    primary key (monitor, topic, partition)
);

-- One run over the past of a monitor. A finished one stays: its range of event time is not read again.
create table backfill (
    id          bigint      generated always as identity primary key,
    monitor     text        not null,
    counted_as  text        not null,
    binning_id  uuid        not null references binning, -- of all its windows
    from_files  boolean     not null,
    starts_at   timestamptz,                             -- event times from here on; null: all
    ends_at     timestamptz,                             -- event times before this; null: all
    state       text        not null default 'reading' check (state in ('reading', 'closing', 'done')),
    live_from   timestamptz,                             -- windows that end after this are left to live counting
    outcomes    jsonb       not null default '{}',       -- records by outcome
    closed      bigint      not null default 0,          -- windows
    runner      uuid        not null,                    -- the process that may write
    owner       text        not null,                    -- its name, for people
    started_at  timestamptz not null default now(),
    active_at   timestamptz not null default now(),
    finished_at timestamptz
);
create index backfill_by_monitor on backfill (monitor);

-- What a backfill reads: partitions, and files as `file:NAME`. next_offset moves only in the transaction that stores the counts
-- of the records before it, and only from the value that the writer started at.
create table backfill_source (
    backfill_id  bigint      not null references backfill on delete cascade,
    topic        text        not null,
    partition    integer     not null,
    first_offset bigint      not null,                          -- where it begins; of a file: 0
    next_offset  bigint      not null check (next_offset >= 0), -- of a file: the number of records read
    end_offset   bigint      not null,                          -- of a file: an estimate until it is read
    newest       timestamptz,                                   -- the newest event time seen
    complete     boolean     not null default false,
    file_size    bigint,
    file_hash    text,
    primary key (backfill_id, topic, partition)
);

-- Counts of windows that do not exist yet. No daemon reads them: the backfill makes windows of them when all is read.
create table backfill_delta (
    id            bigint      generated always as identity primary key,
    backfill_id   bigint      not null references backfill on delete cascade,
    model_version text        not null,
    segment       text        not null,
    starts_at     timestamptz not null,
    ends_at       timestamptz not null,
    binning_id    uuid        not null references binning,
    rows          bigint      not null,
    counts        bytea       not null,
    sample        bytea,
    ranges        jsonb       not null
);
create index backfill_delta_start on backfill_delta (backfill_id, starts_at);

-- The backfill that made a window; null for windows of live counting.
alter table model_window add column backfill_id bigint;
