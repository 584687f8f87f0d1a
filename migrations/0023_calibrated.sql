-- Measures without limits are only shown.
alter table finding alter column warn drop not null;
alter table finding alter column critical drop not null;
-- What a change measure says beside its score: what changed, the interval, the smallest change that could have been found.
alter table finding add column change jsonb;
-- How the windows of a baseline differ from each other; null where it was made by an earlier version.
alter table baseline_segment add column variation jsonb;
