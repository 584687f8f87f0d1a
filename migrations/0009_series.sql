-- Which series (a model version and a segment) are counted apart; the others of a monitor are counted together.
alter table series
    add column member      boolean     not null default true,
    add column admitted_at timestamptz not null default now();
update series set member = false where model_version = '(other)' or segment like '%=(other)';

-- Monitors that have more series than are counted apart, since when.
create table series_full (
    monitor text        primary key,
    since   timestamptz not null default now()
);
