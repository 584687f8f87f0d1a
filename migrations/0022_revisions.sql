-- Windows that late records amend: their deltas are kept, and the window is judged again with them.
alter table window_delta add column late boolean not null default false;
alter table model_window
    add column revision   integer not null default 0, -- how often it was judged again
    add column revised_at timestamptz,
    add column amend_due  timestamptz;                -- when it is to be judged again
create index window_delta_late on window_delta (created_at) where late;
create index model_window_amend on model_window (monitor, amend_due) where amend_due is not null;

-- What windows were before they were judged again.
create table window_revision (
    window_id bigint      not null references model_window on delete cascade,
    revision  integer     not null, -- 0 is the first judgement
    judged_at timestamptz not null,
    rows      bigint      not null,
    verdict   text        not null,
    primary key (window_id, revision)
);
