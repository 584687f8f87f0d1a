-- How a window is counted: columns, paths, types, filters, segments. Daemons that count otherwise open windows of their own.
alter table model_window
    add column counted_as text not null default '',
    drop constraint model_window_key,
    add constraint model_window_key unique (monitor, model_version, segment, starts_at, counted_as);

-- From which event time on the windows of a monitor have which length.
create table window_length (
    monitor    text        not null,
    valid_from timestamptz not null,
    micros     bigint      not null check (micros > 0),
    primary key (monitor, valid_from)
);
