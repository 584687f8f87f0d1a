-- Alerts about the number of records.
alter table alert drop constraint alert_kind_check,
    add constraint alert_kind_check check (kind in ('drift', 'data_quality', 'volume', 'operational'));
