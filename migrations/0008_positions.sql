-- Monitors that were started once: `kafka.start` is for their first start alone.
create table monitor_start (
    monitor    text        primary key,
    started_at timestamptz not null default now()
);
insert into monitor_start (monitor) select distinct monitor from monitor_partition;

-- By what a log that was deleted and created again is told from the one that was read, and what keeps a partition from
-- being read. A position that is reset by hand counts up, so that whoever reads the partition starts anew.
alter table source_partition
    add column anchor_offset bigint,      -- the last message that was counted
    add column anchor_hash   bigint,      -- of its timestamp and payload
    add column resets        integer not null default 0,
    add column fault         text check (fault in ('replaced', 'beyond_end', 'deleted')),
    add column fault_detail  text,
    add column fault_since   timestamptz;

-- Why offsets were never read: retention took them, or somebody moved the position past them.
alter table retention_gap add column reason text not null default 'retention' check (reason in ('retention', 'reset'));
