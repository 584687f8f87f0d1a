-- How the reference of a closed window was chosen: by which rule, from which windows; null for windows closed before that was
-- remembered, which were compared with their baseline.
alter table model_window add column reference jsonb;

-- Windows during an alert about their data are in no reference.
create index alert_data_quality on alert (monitor, model_version, since) where kind = 'data_quality' and fired_at is not null;
