-- Windows of a unit of the calendar, such as `day Europe/Berlin`; null for those of a fixed length. `micros` is then its usual length.
alter table window_length add column calendar text;
