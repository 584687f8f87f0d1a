-- Where reading stands at the end of a log: what an open transaction holds back, and since when; and since when a
-- partition has the reader it has, so that a pause of the daemon is not taken for a partition that stands still.
alter table source_partition
    add column held_back  bigint,      -- offsets after log_end that cannot be read yet
    add column held_since timestamptz, -- since when log_end has not moved while there are some
    add column claimed_at timestamptz; -- when its reader began

-- When something of a monitor last came in a partition: counted, late or rejected, not filtered. On a topic of many models
-- the records of the others do not keep its windows open.
alter table monitor_partition add column active_at timestamptz;
