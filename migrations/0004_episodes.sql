-- Alerts that say what was: an episode has counters of its own, and windows know the alerts for which they drift.

alter table alert
    add column judged_windows integer not null default 0; -- since it began; `windows` of them drift by its rule
alter table model_window
    add column drifts_for uuid[];                          -- the running alerts for which it drifts
alter table finding
    add column significant boolean;                        -- chance alone does not explain it; null when not known

-- What runs when this is applied: its windows are those that the series' verdict names, which is what its counters were.
with member as (
    select w.id, a.id as alert
    from alert a
    join model_window w
      on w.monitor = a.monitor and w.model_version = a.model_version and w.segment = a.segment
     and w.status = 'closed' and w.starts_at >= a.since
     and (w.verdict = 'critical' or w.verdict = 'warn' and a.severity = 'warn')
    where a.state in ('pending', 'firing', 'acknowledged') and a.kind <> 'operational')
update model_window w
   set drifts_for = m.alerts
  from (select id, array_agg(alert order by alert) as alerts from member group by id) m
 where m.id = w.id;

update alert a
   set windows = greatest(a.windows, (select count(*) from model_window w
                                      where w.monitor = a.monitor and w.model_version = a.model_version
                                        and w.segment = a.segment and a.id = any(w.drifts_for))),
       judged_windows = greatest(a.windows, (select count(*) from model_window w
                                             where w.monitor = a.monitor and w.model_version = a.model_version
                                               and w.segment = a.segment and w.status = 'closed'
                                               and w.starts_at >= a.since
                                               and w.verdict in ('ok', 'warn', 'critical')))
 where a.state in ('pending', 'firing', 'acknowledged') and a.kind <> 'operational';

update series s
   set alerts = jsonb_set(s.alerts, '{states}', (
           select jsonb_object_agg(state.key, case when a.id is null then state.value else
                      jsonb_set(state.value, '{episode}', state.value->'episode' || jsonb_build_object(
                          'drifting', a.windows, 'judged', a.judged_windows,
                          'lessons', (select jsonb_build_object('windows', count(*), 'records', coalesce(sum(w.rows), 0))
                                      from model_window w
                                      where w.monitor = a.monitor and w.model_version = a.model_version
                                        and w.segment = a.segment and a.id = any(w.drifts_for)
                                        and w.complete and w.teaches))) end)
           from jsonb_each(s.alerts->'states') state
           left join alert a on a.id = (state.value->'episode'->>'id')::uuid))
 where s.alerts @? '$.states.* ? (@.phase != "inactive")';

-- Columns that warned are named apart from those that drifted, and each says how far beyond its limit it is.
update alert
   set evidence = evidence
       || jsonb_build_object('drifted', jsonb_path_query_array(evidence, '$.drifted[*] ? (@.verdict == "critical")'),
                             'warned', jsonb_path_query_array(evidence, '$.drifted[*] ? (@.verdict != "critical")'))
 where evidence ? 'drifted';
update alert
   set evidence = jsonb_set(evidence, '{drifted}', (
           select jsonb_agg(c || jsonb_build_object('strength',
                      coalesce((c->>'effect')::float8 / nullif((c->>'threshold')::float8, 0), 1)) order by place)
           from jsonb_array_elements(evidence->'drifted') with ordinality as e (c, place)))
 where evidence->'drifted' <> '[]';
