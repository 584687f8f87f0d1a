-- Champion and challenger: one row per comparison of two versions or arms of a monitor, with its state.
create table challenge (
    id          uuid        primary key,              -- of monitor, column, champion and challenger
    monitor     text        not null,
    by_column   text        not null default '',      -- the segment column of the arms; empty for model versions
    champion    text        not null,
    challenger  text        not null,
    state       text        not null default 'collecting',
    since       timestamptz,                          -- start of the pair with which the state began
    last_start  timestamptz,                          -- start of the last pair; later ones follow
    pairs       bigint      not null default 0,       -- pairs so far: the next one is stored against this number
    progress    jsonb       not null default '{}',
    created_at  timestamptz not null default now(),
    updated_at  timestamptz not null default now()
);
create index challenge_updated on challenge (updated_at);

-- The windows of both sides with the same start, compared once. Windows are deleted before: their ids stay.
create table challenge_pair (
    challenge_id      uuid        not null references challenge on delete cascade,
    starts_at         timestamptz not null,
    ends_at           timestamptz not null,
    champion_window   bigint      not null,
    challenger_window bigint      not null,
    champion          jsonb       not null,           -- version, segment and records of the window
    challenger        jsonb       not null,
    state             text        not null,           -- of the challenge after it
    columns           jsonb       not null,
    compared_at       timestamptz not null default now(),
    primary key (challenge_id, starts_at)
);
create index challenge_pair_compared on challenge_pair (compared_at);
