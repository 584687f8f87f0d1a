-- Where the columns of a series stand after its last window: evidence of drift that no single window shows.
alter table series add column slow_drift jsonb;
