-- The first schema: positions, counts, baselines, findings, alerts, the outbox.
-- Applied files never change; what comes later comes in files of its own.

-- Bins, by the hash of their content. Counts name the binning they were made on.
create table binning (
    id         uuid        primary key,
    columns    jsonb       not null,
    created_at timestamptz not null default now()
);

-- What windows are compared with. Versions count up per monitor; at most one is active.
create table baseline (
    id         uuid        primary key,
    monitor    text        not null,
    version    integer     not null check (version > 0),
    origin     text        not null,
    binning_id uuid        not null references binning,
    rows       bigint      not null check (rows > 0),
    active     boolean     not null default false,
    created_at timestamptz not null default now(),
    constraint baseline_version_key unique (monitor, version)
);
create unique index baseline_one_active on baseline (monitor) where active;

-- The counts of a baseline: the whole ('*') and each segment.
create table baseline_segment (
    baseline_id uuid   not null references baseline on delete cascade,
    segment     text   not null,
    rows        bigint not null,
    counts      bytea  not null,
    primary key (baseline_id, segment)
);

-- Where reading stands. next_offset moves only in the transaction that stores the counts of every record
-- before it, and only from the value the writer started at: that comparison is the fence.
create table source_partition (
    topic         text        not null,
    partition     integer     not null,
    next_offset   bigint      check (next_offset >= 0), -- the NEXT offset to read; null before the first assignment
    quiet_since   timestamptz,                          -- at the end and silent since; null when it lags
    checked_at    timestamptz,                          -- when its reader last said so
    progressed_at timestamptz not null default now(),   -- when next_offset last moved
    owner         text,                                 -- who wrote last, for people
    primary key (topic, partition)
);

-- The newest event time each monitor counted in each partition: what watermarks are made of.
create table monitor_partition (
    monitor   text        not null,
    topic     text        not null,
    partition integer     not null,
    newest    timestamptz not null,
    primary key (monitor, topic, partition)
);

-- Offsets that were gone before they could be read.
create table retention_gap (
    id          bigint      generated always as identity primary key,
    topic       text        not null,
    partition   integer     not null,
    from_offset bigint      not null,
    to_offset   bigint      not null,
    noticed_at  timestamptz not null default now()
);

-- One row per monitor, version and segment: the alert's state, and the lock that makes windows be judged in order.
create table series (
    monitor       text  not null,
    model_version text  not null,
    segment       text  not null,
    alert_state   jsonb not null default '{"state":"inactive"}',
    primary key (monitor, model_version, segment)
);

-- Windows. Pinned to the binning and baseline of the moment they opened.
create table model_window (
    id               bigint      generated always as identity primary key,
    monitor          text        not null,
    model_version    text        not null,
    segment          text        not null,
    starts_at        timestamptz not null,
    ends_at          timestamptz not null,
    binning_id       uuid        not null references binning,
    baseline_id      uuid        references baseline,
    status           text        not null default 'open' check (status in ('open', 'closed')),
    opened_at        timestamptz not null default now(),
    due_since        timestamptz, -- since when some partition has passed its end
    -- From here on: set when it closes, never changed after.
    closed_at        timestamptz,
    rows             bigint,
    counts           bytea,
    sample           bytea,
    ranges           jsonb,
    complete         boolean,
    missing          jsonb,       -- partitions not waited for
    verdict          text,
    retrain_decision text,
    constraint model_window_key unique (monitor, model_version, segment, starts_at),
    foreign key (monitor, model_version, segment) references series,
    check (starts_at < ends_at),
    check ((status = 'closed') = (closed_at is not null))
);
create index model_window_open on model_window (monitor, ends_at) where status = 'open';

-- What checkpoints added to open windows; merged into the window when it closes.
create table window_delta (
    id         bigint      generated always as identity primary key,
    window_id  bigint      not null references model_window on delete cascade,
    rows       bigint      not null,
    counts     bytea       not null,
    sample     bytea,
    ranges     jsonb       not null,
    created_at timestamptz not null default now()
);
create index window_delta_window on window_delta (window_id);

-- Records for windows that were closed already. Only ever inserted, so that checkpoints do not wait for one another.
create table window_late (
    id         bigint      generated always as identity primary key,
    window_id  bigint      not null references model_window on delete cascade,
    rows       bigint      not null,
    created_at timestamptz not null default now()
);
create index window_late_window on window_late (window_id);

-- The outcome of every message of a monitor's topics. Sharded by daemon for the same reason.
create table record_tally (
    monitor text     not null,
    outcome text     not null check (outcome in ('accepted', 'late', 'filtered', 'rejected')),
    reason  text     not null,
    shard   smallint not null,
    count   bigint   not null,
    primary key (monitor, outcome, reason, shard)
);

-- One measure of one column in one window.
create table finding (
    window_id   bigint not null references model_window on delete cascade,
    column_name text   not null,
    measure     text   not null,
    statistic   double precision,
    p_value     double precision,
    effect      double precision,
    bound       double precision,
    noise_floor double precision,
    warn        double precision not null,
    critical    double precision not null,
    n_baseline  bigint,
    n_window    bigint,
    verdict     text   not null,
    primary key (window_id, column_name, measure)
);

-- Alerts, one an episode; the id is derived from the episode.
create table alert (
    id            uuid        primary key,
    monitor       text        not null,
    model_version text        not null,
    segment       text        not null,
    state         text        not null check (state in ('pending', 'firing', 'resolved', 'cleared')),
    severity      text        not null,
    since         timestamptz not null,
    created_at    timestamptz not null default now(),
    updated_at    timestamptz not null default now()
);
create index alert_by_monitor on alert (monitor, created_at desc);

-- The history of an alert, from beginning to end.
create table alert_change (
    id         bigint      generated always as identity primary key,
    alert_id   uuid        not null references alert on delete cascade,
    window_id  bigint      not null references model_window on delete cascade,
    kind       text        not null,
    severity   text        not null,
    created_at timestamptz not null default now(),
    constraint alert_change_once unique (alert_id, window_id, kind)
);

-- Requests to a training system; at most one an episode.
create table retraining_request (
    id            uuid        primary key,
    monitor       text        not null,
    model_version text        not null,
    segment       text        not null,
    alert_id      uuid        not null references alert,
    window_id     bigint      not null references model_window,
    window_end    timestamptz not null,
    state         text        not null default 'requested',
    body          jsonb       not null,
    created_at    timestamptz not null default now(),
    constraint retraining_once unique (monitor, alert_id)
);

-- The outbox: written with the decision, sent outside any transaction.
create table notification (
    id              uuid        primary key,
    sequence        bigint      generated always as identity, -- delivery order per subject and receiver
    subject_id      uuid        not null,                     -- the alert or retraining request
    receiver        text        not null,
    event_type      text        not null,
    body            jsonb       not null,
    status          text        not null default 'pending' check (status in ('pending', 'sent', 'dead')),
    attempts        integer     not null default 0,
    next_attempt_at timestamptz not null default now(),
    leased_until    timestamptz,
    created_at      timestamptz not null default now(),
    finished_at     timestamptz
);
create index notification_due on notification (next_attempt_at) where status = 'pending';
create index notification_order on notification (subject_id, receiver, sequence);

-- Every attempt, with a reason from a closed set and no secrets.
create table delivery_attempt (
    notification_id uuid        not null references notification on delete cascade,
    attempt         integer     not null,
    outcome         text        not null,
    detail          text        not null,
    finished_at     timestamptz not null default now(),
    primary key (notification_id, attempt)
);

-- Who changed what.
create table audit (
    id      bigint      generated always as identity primary key,
    at      timestamptz not null default now(),
    actor   text        not null,
    action  text        not null,
    subject text        not null,
    detail  jsonb       not null default '{}'
);
