-- Sequential detectors: their states, each moved in the transaction that moves what they read.
create table detector_state (
    monitor       text        not null,
    detector      text        not null,
    topic         text        not null default '',    -- of a detector of records: the partition that it reads
    partition     int         not null default 0,
    model_version text        not null default '',    -- of a detector of windows: the series that it reads
    segment       text        not null default '',
    input         text        not null,               -- what it reads: a state of another input is not used
    state         text        not null,               -- JSON as it was written: jsonb would write other digits
    values_read   bigint      not null,
    skipped       bigint      not null,
    updated_at    timestamptz not null default now(),
    primary key (monitor, detector, topic, partition, model_version, segment)
);
create index detector_state_partition on detector_state (topic, partition);
create index detector_state_updated on detector_state (updated_at);

-- Drifts that detectors found, at a record or in a window.
create table detection (
    id            bigint           generated always as identity primary key,
    monitor       text             not null,
    detector      text             not null,
    kind          text             not null,
    column_name   text             not null,
    input         text             not null,
    event_at      timestamptz      not null,          -- of the record; the start of the window
    topic         text,                               -- of a record
    partition     int,
    record_offset bigint,
    record        int,                                -- which record of its message
    window_id     bigint,                             -- of a window; it may be deleted before
    model_version text,
    segment       text,
    ends_at       timestamptz,
    values_read   bigint           not null,          -- since the detector began or was reset
    level_before  double precision not null,
    level_after   double precision not null,
    statistic     double precision not null,
    limit_value   double precision not null,
    detected_at   timestamptz      not null default now()
);
create index detection_monitor on detection (monitor, id);
create index detection_detected on detection (detected_at);

-- When people were last notified of a detector, and how many of its detections they were not notified of since.
create table detector_notice (
    monitor     text        not null,
    detector    text        not null,
    notified_at timestamptz not null,
    held_back   bigint      not null default 0,
    primary key (monitor, detector)
);
create index detector_notice_notified on detector_notice (notified_at);
