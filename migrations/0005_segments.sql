-- Windows of segments that the baseline does not have: where to find the first of each without going through all others.
create index model_window_unjudged on model_window (baseline_id, model_version, segment, starts_at)
    where verdict = 'no_baseline' and segment <> '*' and baseline_id is not null;
