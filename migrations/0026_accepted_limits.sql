-- What people decided about proposals of wider limits: accepted ones hold beside the configuration, the wider of both; dismissed ones
-- are not proposed again unless wider ones would be needed. A row at most for each measure of a column and decision: no history grows.
create table limit_decision (
    monitor     text             not null,
    column_name text             not null,   -- empty for the number of records
    measure     text             not null,
    decision    text             not null check (decision in ('accepted', 'dismissed')),
    id          uuid             not null,   -- of the proposal
    warn        double precision not null check (warn >= 0 and warn <= critical),
    critical    double precision not null check (critical > 0 and critical < 'Infinity'),
    alerts      uuid[]           not null,   -- the false alarms that it rests on
    actor       text             not null,
    comment     text             not null,
    decided_at  timestamptz      not null default now(),
    primary key (monitor, column_name, measure, decision)
);

-- How many windows were judged, and when: what a budget of false alarms is held against.
create index model_window_judged on model_window (monitor, starts_at) include (ends_at, model_version, segment)
    where status = 'closed' and backfill_id is null and verdict in ('ok', 'warn', 'critical');
