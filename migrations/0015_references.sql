-- How the reference of a closed window was chosen: by which rule, from which windows; null for windows closed before that was
-- remembered, which were compared with their baseline.
alter table model_window add column reference jsonb;
