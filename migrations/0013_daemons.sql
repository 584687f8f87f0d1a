-- What each running daemon reads: parts of its configuration of a monitor, as hashes. Monitor '' is what all monitors share.
create table daemon_configuration (
    daemon  text        not null,
    monitor text        not null,
    program text        not null,
    parts   jsonb       not null,
    seen_at timestamptz not null,
    primary key (daemon, monitor)
);
