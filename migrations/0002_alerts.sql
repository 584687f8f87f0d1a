-- Alerts with a life: rules, groups, silences, operational alerts; retraining requests with states; receivers that are
-- switched off; proposed baselines.

-- The states of all alerts of a series, by rule. What fired or was pending goes on as the rule `drift`.
alter table series add column alerts jsonb not null default '{}';
update series
   set alerts = jsonb_build_object('states', jsonb_build_object('drift', jsonb_build_object(
           'phase', alert_state->>'state',
           'episode', jsonb_build_object('id', alert_state->'id', 'since', alert_state->'since',
                                         'severity', alert_state->'severity'),
           'history', '[]'::jsonb)))
 where alert_state->>'state' in ('pending', 'firing');
alter table series drop column alert_state;

-- Whether a model could learn from a window: it is complete, and no broken values explain its drift.
alter table model_window add column teaches boolean not null default true;
create index model_window_by_start on model_window (monitor, starts_at);

alter table alert drop constraint alert_state_check;
alter table alert
    add constraint alert_state_check check (state in ('pending', 'firing', 'acknowledged', 'resolved', 'cleared')),
    add column rule            text        not null default 'drift',
    add column column_name     text,                        -- for a rule about columns
    add column kind            text        not null default 'drift' check (kind in ('drift', 'data_quality', 'operational')),
    add column labels          jsonb       not null default '{}',
    add column evidence        jsonb       not null default '{}',
    add column reason          text        not null default 'persisted', -- of the last change
    add column windows         integer     not null default 0,
    add column fired_at        timestamptz,
    add column resolved_at     timestamptz,
    add column acknowledged_at timestamptz,
    add column acknowledged_by text;
update alert set fired_at = created_at where state in ('firing', 'resolved');
update alert set resolved_at = updated_at where state in ('resolved', 'cleared');
create index alert_open on alert (updated_at) where state in ('pending', 'firing', 'acknowledged');

-- Changes that no window made: by a person, by the daemon; and what kept an alert from being told.
alter table alert_change alter column window_id drop not null;
alter table alert_change
    add column reason text not null default '',
    add column actor  text not null default 'driftd',
    add column detail text not null default '';
create index alert_change_alert on alert_change (alert_id, id);

-- Alerts told together to one receiver. A row lives while one of its alerts is not over; the thread is its life.
create table alert_group (
    id        uuid        primary key,             -- from route, receiver and labels
    thread    uuid        not null,                -- of this life: what its messages are about
    route     text        not null,
    receiver  text        not null,
    labels    jsonb       not null,
    timing    jsonb       not null,
    mute      jsonb       not null default '[]',
    opened_at timestamptz not null default now(),
    sent_at   timestamptz,                         -- when its last message was decided
    messages  integer     not null default 0,
    due_at    timestamptz default now(),           -- when to look at it; null when only a change brings news
    capped    boolean     not null default false   -- a rate cap holds its news back
);
create index alert_group_due on alert_group (due_at) where due_at is not null;
create index alert_group_receiver on alert_group (receiver) where capped;

create table alert_group_member (
    group_id    uuid  not null references alert_group on delete cascade,
    alert_id    uuid  not null references alert on delete cascade,
    told        jsonb,                             -- what was last told of it
    suppression jsonb,                             -- what kept it from being told at the last look
    primary key (group_id, alert_id)
);
create index alert_group_member_alert on alert_group_member (alert_id);

-- To whom an alert was ever routed.
create table alert_route (
    alert_id uuid not null references alert on delete cascade,
    receiver text not null,
    primary key (receiver, alert_id)
);

create table silence (
    id         uuid        primary key,
    matchers   text[]      not null check (cardinality(matchers) > 0),
    starts_at  timestamptz not null,
    ends_at    timestamptz not null,
    author     text        not null,
    comment    text        not null,
    created_at timestamptz not null default now(),
    check (starts_at < ends_at)
);
create index silence_end on silence (ends_at);

-- Alerts about the daemon's own work, a row for each monitor and one for the deliveries.
create table operational_state (
    scope     text        primary key,
    alerts    jsonb       not null default '{}',
    tally     jsonb       not null default '{}',   -- counts at the last look that judged shares
    looked_at timestamptz
);

-- When records of a monitor were last counted, and where the log ended when its reader last looked.
alter table monitor_partition add column counted_at timestamptz;
alter table source_partition add column log_end bigint;

alter table notification drop constraint notification_status_check;
alter table notification
    add constraint notification_status_check check (status in ('pending', 'sent', 'dead', 'superseded')),
    add column superseded_by uuid;                 -- the message that says it in its place
create index notification_receiver on notification (receiver, created_at);
create index notification_dead on notification (finished_at) where status = 'dead';

-- Receivers that said they are gone for good, until they are configured anew.
create table receiver_state (
    receiver    text        primary key,
    fingerprint text        not null,              -- of its address
    disabled_at timestamptz not null default now(),
    detail      text        not null
);

alter table retraining_request
    add constraint retraining_request_state_check
        check (state in ('proposed', 'requested', 'accepted', 'running', 'succeeded', 'failed', 'expired', 'cancelled')),
    add column dry_run       boolean     not null default false,
    add column receivers     text[]      not null default '{}',
    add column answer_within bigint      not null default 0, -- microseconds; 0 when no answer can come
    add column expires_at    timestamptz,          -- set when it is sent
    add column external_id   text,                 -- what the training system calls it
    add column polled_at     timestamptz,
    add column updated_at    timestamptz not null default now();
create index retraining_request_open on retraining_request (expires_at)
    where state in ('requested', 'accepted', 'running');

create table retraining_change (
    id         bigint      generated always as identity primary key,
    request_id uuid        not null references retraining_request on delete cascade,
    state      text        not null,
    actor      text        not null,
    detail     text        not null default '',
    created_at timestamptz not null default now()
);
create index retraining_change_request on retraining_change (request_id, id);

-- Baselines to be made from a new model version's first windows, once there are enough of them; gone when they are made.
create table baseline_proposal (
    id            uuid        primary key,
    monitor       text        not null,
    model_version text,                            -- any version when null
    since         timestamptz not null,            -- windows that start earlier do not count
    windows       integer     not null check (windows > 0),
    activate      boolean     not null,            -- or only propose it
    reason        text        not null,
    created_at    timestamptz not null default now()
);
create index baseline_proposal_monitor on baseline_proposal (monitor);
