-- Windows can be deleted: the histories of alerts and retraining requests stay, and say which window it was.
alter table alert_change add column window_start timestamptz;
update alert_change c set window_start = w.starts_at from model_window w where w.id = c.window_id;
alter table alert_change drop constraint alert_change_window_id_fkey,
    add constraint alert_change_window_id_fkey foreign key (window_id) references model_window on delete set null;
alter table retraining_request alter column window_id drop not null;
alter table retraining_request drop constraint retraining_request_window_id_fkey,
    add constraint retraining_request_window_id_fkey foreign key (window_id) references model_window on delete set null;
