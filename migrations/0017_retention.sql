-- What is kept for a limited time: windows lose their sample, their counts and their findings one after the other, and each is
-- found by an index of those that still have it. Daemons that delete go on where others stopped.

-- Whether the findings and the summaries of columns of a closed window were deleted.
alter table model_window add column findings_deleted boolean not null default false;
create index model_window_with_sample on model_window (monitor, closed_at) where sample is not null;
create index model_window_with_counts on model_window (monitor, closed_at) where counts is not null;
create index model_window_with_findings on model_window (monitor, closed_at) where counts is null and not findings_deleted;
create index model_window_stripped on model_window (closed_at) where counts is null and findings_deleted;

-- What refers to a window or an alert is found without reading everything when that is deleted.
create index alert_change_window on alert_change (window_id);
create index retraining_request_window on retraining_request (window_id);
create index retraining_request_alert on retraining_request (alert_id);
create index alert_route_alert on alert_route (alert_id);

create index alert_over on alert (updated_at) where state in ('resolved', 'cleared');
create index notification_finished on notification (finished_at) where status <> 'pending';
create index audit_by_time on audit (at);
