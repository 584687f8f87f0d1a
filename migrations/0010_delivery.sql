-- Deliveries that stand their days however often the daemon is killed, and readers that must not disagree.

-- What ends a delivery is failures that were recorded and the time since the first attempt. `attempts` counts every attempt
-- that began, those too that a kill cut off; it names them, and tells the present one from an earlier one.
alter table notification
    add column failures         integer     not null default 0,
    add column first_attempt_at timestamptz,
    add column waiting_since    timestamptz not null default now(); -- when it was decided, or asked to be sent again
update notification n
   set failures = f.failures, first_attempt_at = f.first_at
  from (select notification_id, count(*) as failures, min(finished_at) as first_at from delivery_attempt
        where outcome <> 'delivered' group by notification_id) f
 where f.notification_id = n.id and n.status = 'pending';
update notification set waiting_since = created_at;

-- The name of this database, told to Kafka with the committed offsets: two databases that share a consumer group read
-- half of the records each. A copy restored from a backup keeps the name.
create table installation (
    id      boolean primary key default true check (id), -- one row
    name    uuid    not null default gen_random_uuid()
);
insert into installation default values;

-- Which consumer groups read which topics into this database, and when their daemons last said so.
create table topic_reader (
    topic            text        not null,
    group_id         text        not null,
    seen_at          timestamptz not null,
    foreign_database text,        -- another database that commits for the same group ...
    foreign_at       timestamptz, -- ... and when that was last noticed
    primary key (topic, group_id)
);
