-- What could not be counted and what could not be read, in words: a few examples, bounded.

-- Messages that were not counted, a few of each reason: field, value and what is allowed. No payloads.
create table rejection_example (
    monitor   text        not null,
    reason    text        not null, -- of the rejection, or `late`
    topic     text        not null,
    partition integer     not null,
    position  bigint      not null, -- its offset
    why       text        not null,
    seen_at   timestamptz not null default now(),
    primary key (monitor, reason, topic, partition, position)
);

-- What filtered records had in the fields of `where`.
create table filtered_value (
    monitor text        not null,
    path    text        not null,
    value   text        not null,
    seen_at timestamptz not null default now(),
    primary key (monitor, path, value)
);

-- Columns that had no valid value, or hardly one, and how they have been read since.
create table column_note (
    monitor     text        not null,
    column_name text        not null,
    path        text        not null,
    rows        bigint      not null,
    present     bigint      not null,
    nulls       bigint      not null,
    missing     bigint      not null,
    wrong       text,                 -- a value of the wrong type
    nearest     text,                 -- a path that does exist
    updated_at  timestamptz not null default now(),
    primary key (monitor, column_name)
);
