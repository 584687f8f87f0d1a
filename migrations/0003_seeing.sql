-- What pages and the API show without reading counts: how every column of a closed window stands, and where it lies.

alter table model_window
    add column columns       text[],             -- the judged columns, in the order of the monitor ...
    add column scores        real[],             -- ... the largest effect of each as a multiple of its critical limit ...
    add column verdicts      text,               -- ... and a letter for the verdict on each (see the program)
    add column configuration text;               -- fingerprint of the monitor's configuration that judged it
update model_window w
   set columns = f.columns, scores = f.scores, verdicts = f.verdicts
  from (select window_id,
               array_agg(column_name order by column_name) as columns,
               array_agg(coalesce(score, 0) order by column_name) as scores,
               string_agg(letter, '' order by column_name) as verdicts
        from (select window_id, column_name, max(effect / nullif(critical, 0))::real as score,
                     case when bool_or(verdict = 'critical') then 'c' when bool_or(verdict = 'warn') then 'w'
                          when bool_or(verdict = 'ok') then 'o' when bool_or(verdict = 'not_enough_data') then 'n'
                          when bool_or(verdict = 'no_baseline') then 'b' else 'u' end as letter
              from finding group by window_id, column_name) by_column
        group by window_id) f
 where f.window_id = w.id and w.status = 'closed';
create index model_window_series on model_window (monitor, model_version, segment, starts_at);

-- Where a column lies in a closed window: enough for charts over time.
create table column_summary (
    window_id   bigint not null references model_window on delete cascade,
    column_name text   not null,
    present     bigint not null,
    nulls       bigint not null,   -- null and missing
    invalid     bigint not null,   -- NaN, infinite, of the wrong type
    below       bigint not null,   -- outside the baseline's range
    above       bigint not null,
    unseen      bigint not null,   -- categories the baseline does not know
    mean        double precision,
    quantiles   double precision[], -- 5, 25, 50, 75 and 95 %
    categories  text[],            -- the most frequent ones ...
    shares      real[],            -- ... and their shares of the values
    primary key (window_id, column_name)
);

-- What people found out about an alert: the measure of how often driftd cries wolf.
alter table alert
    add column judged text check (judged in ('real', 'false_alarm'));
create index alert_by_since on alert (monitor, since desc);

create index audit_by_subject on audit (subject, id desc);
