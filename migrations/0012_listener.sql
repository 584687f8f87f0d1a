-- What the listener must not take twice: sessions that were ended, and reports that were taken.

-- Sessions of browsers that logged out before their time. They are void on every daemon, after a restart, too.
create table ended_session (
    id      text        primary key, -- random; the session's signature is not stored
    ends_at timestamptz not null     -- from then on it is void by itself
);

-- Ids of signed reports that were taken. A report older than the tolerance of its timestamp is refused for that.
create table taken_report (
    id       text        primary key,
    taken_at timestamptz not null default now()
);
