//! Examples of what was not counted and of what could not be read: bounded, written with the counts.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use sqlx::Row as _;

use super::session::Session;
use super::{StoreError, bigint, count, event_time, failed};
use crate::record::{EventTime, Offset, Timestamp};
use crate::view::{FilterSeen, NotCounted, Reading, UnreadableColumn};
use crate::window::{ColumnReading, Example, LATE, MonitorDelta, is_unreadable};

/// Examples of one reason that are kept.
const EXAMPLES: i64 = 3;
/// Values of one filter's field that are kept.
const VALUES: i64 = 12;
/// Columns that are named at most.
const COLUMNS: i64 = 50;

/// Stores what is known beside the counts of a monitor.
pub(super) async fn add_notes(
    connection: &mut Session,
    monitor: &str,
    delta: &MonitorDelta,
    late: Option<Example>,
    readings: &[ColumnReading],
) -> Result<(), StoreError> {
    let examples = delta.notes.examples.iter();
    let examples = examples.flat_map(|(reason, examples)| examples.iter().map(|example| (*reason, example)));
    let examples: Vec<(&str, &Example)> = examples.chain(late.as_ref().map(|example| (LATE, example))).collect();
    if !examples.is_empty() {
        add_examples(connection, monitor, &examples).await.map_err(failed("keep examples"))?;
    }
    if !delta.notes.filtered.is_empty() {
        add_values(connection, monitor, delta).await.map_err(failed("keep values of filters"))?;
    }
    add_readings(connection, monitor, readings).await.map_err(failed("keep how columns were read"))
}

async fn add_examples(
    connection: &mut Session,
    monitor: &str,
    examples: &[(&str, &Example)],
) -> Result<(), sqlx::Error> {
    let reasons: Vec<&str> = examples.iter().map(|(reason, _)| *reason).collect();
    let topics: Vec<&str> = examples.iter().map(|(_, example)| example.partition.topic.as_ref()).collect();
    let partitions: Vec<i32> = examples.iter().map(|(_, example)| example.partition.partition).collect();
    let offsets: Vec<Offset> = examples.iter().map(|(_, example)| example.offset).collect();
    let whys: Vec<&str> = examples.iter().map(|(_, example)| example.why.as_str()).collect();
    sqlx::query(
        "insert into rejection_example (monitor, reason, topic, partition, position, why)
         select $1, * from unnest($2::text[], $3::text[], $4::int[], $5::bigint[], $6::text[])
         on conflict do nothing",
    )
    .bind(monitor)
    .bind(&reasons)
    .bind(topics)
    .bind(partitions)
    .bind(offsets)
    .bind(whys)
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "delete from rejection_example e using (
             select reason, topic, partition, position,
                    row_number() over (partition by reason order by seen_at desc, position desc) as place
             from rejection_example where monitor = $1 and reason = any($2)) old
         where e.monitor = $1 and old.place > $3 and e.reason = old.reason and e.topic = old.topic
           and e.partition = old.partition and e.position = old.position",
    )
    .bind(monitor)
    .bind(reasons)
    .bind(EXAMPLES)
    .execute(connection)
    .await?;
    Ok(())
}

async fn add_values(connection: &mut Session, monitor: &str, delta: &MonitorDelta) -> Result<(), sqlx::Error> {
    let (mut paths, mut values) = (Vec::new(), Vec::new());
    for (path, seen) in &delta.notes.filtered {
        for value in seen {
            paths.push(path.as_str());
            values.push(value.as_str());
        }
    }
    sqlx::query(
        "insert into filtered_value (monitor, path, value)
         select $1, * from unnest($2::text[], $3::text[]) order by 2, 3
         on conflict (monitor, path, value) do update set seen_at = now()",
    )
    .bind(monitor)
    .bind(&paths)
    .bind(values)
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "delete from filtered_value f using (
             select path, value, row_number() over (partition by path order by seen_at desc, value) as place
             from filtered_value where monitor = $1) old
         where f.monitor = $1 and old.place > $2 and f.path = old.path and f.value = old.value",
    )
    .bind(monitor)
    .bind(VALUES)
    .execute(connection)
    .await?;
    Ok(())
}

/// Columns that cannot be read, and those that could not be read before: how they do now. Counts begin anew with another
/// path, after a pause, and every so many records.
async fn add_readings(
    connection: &mut Session,
    monitor: &str,
    readings: &[ColumnReading],
) -> Result<(), sqlx::Error> {
    let known: Vec<String> = sqlx::query_scalar("select column_name from column_note where monitor = $1")
        .bind(monitor)
        .fetch_all(&mut *connection)
        .await?;
    let known: BTreeSet<&str> = known.iter().map(String::as_str).collect();
    let noted: Vec<&ColumnReading> = readings
        .iter()
        .filter(|reading| reading.rows > 0)
        .filter(|reading| reading.is_unreadable() || known.contains(reading.column.as_str()))
        .collect();
    if noted.is_empty() {
        return Ok(());
    }
    let number =
        |of: fn(&ColumnReading) -> u64| noted.iter().map(|reading| bigint(of(reading))).collect::<Vec<_>>();
    sqlx::query(
        "insert into column_note as n (monitor, column_name, path, rows, present, nulls, missing, wrong, nearest)
         select $1, * from unnest($2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[],
                                  $8::text[], $9::text[]) order by 2
         on conflict (monitor, column_name) do update set (path, rows, present, nulls, missing, wrong, nearest, updated_at) = (
             select excluded.path, excluded.rows + n.rows * kept.times,
                    least(excluded.present::numeric + n.present * kept.times, 9223372036854775807)::bigint,
                    least(excluded.nulls::numeric + n.nulls * kept.times, 9223372036854775807)::bigint,
                    least(excluded.missing::numeric + n.missing * kept.times, 9223372036854775807)::bigint,
                    coalesce(excluded.wrong, case when kept.times = 1 then n.wrong end),
                    coalesce(excluded.nearest, case when kept.times = 1 then n.nearest end), now()
             from (select case when n.path = excluded.path and n.rows < 10000
                                and n.updated_at > now() - interval '1 hour' then 1 else 0 end as times) kept)",
    )
    .bind(monitor)
    .bind(noted.iter().map(|reading| reading.column.as_str()).collect::<Vec<_>>())
    .bind(noted.iter().map(|reading| reading.path.as_str()).collect::<Vec<_>>())
    .bind(number(|reading| reading.rows))
    .bind(number(|reading| reading.present))
    .bind(number(|reading| reading.nulls))
    .bind(number(|reading| reading.missing))
    .bind(noted.iter().map(|reading| reading.hint.wrong.as_deref()).collect::<Vec<_>>())
    .bind(noted.iter().map(|reading| reading.hint.nearest.as_deref()).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

/// What is known of a monitor beside its counts.
pub(super) async fn reading(connection: &mut Session, monitor: &str) -> Result<Reading, sqlx::Error> {
    let rows = sqlx::query(
        "select reason, topic, partition, position, why, seen_at from rejection_example
         where monitor = $1 order by reason, seen_at desc, position desc",
    )
    .bind(monitor)
    .fetch_all(&mut *connection)
    .await?;
    let mut not_counted = Vec::new();
    for row in rows {
        not_counted.push(NotCounted {
            reason: row.try_get("reason")?,
            topic: row.try_get("topic")?,
            partition: row.try_get("partition")?,
            offset: row.try_get("position")?,
            why: row.try_get("why")?,
            at: event_time(row.try_get::<DateTime<Utc>, _>("seen_at")?).into(),
        });
    }
    let values: Vec<(String, String)> = sqlx::query_as(
        "select path, value from filtered_value where monitor = $1 order by path, seen_at desc, value",
    )
    .bind(monitor)
    .fetch_all(&mut *connection)
    .await?;
    let mut filters: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (path, value) in values {
        filters.entry(path).or_default().push(value);
    }
    let newest: Option<DateTime<Utc>> =
        sqlx::query_scalar("select max(newest) from monitor_partition where monitor = $1")
            .bind(monitor)
            .fetch_one(&mut *connection)
            .await?;
    let newest: Option<EventTime> = newest.map(event_time);
    Ok(Reading {
        not_counted,
        filters: filters.into_iter().map(|(path, values)| FilterSeen { path, values }).collect(),
        unreadable: unreadable(connection, monitor).await?,
        implausible_time: newest.filter(|newest| !newest.is_plausible()).map(Timestamp::from),
    })
}

/// Columns that have no valid value, or hardly one, in the records counted lately.
async fn unreadable(connection: &mut Session, monitor: &str) -> Result<Vec<UnreadableColumn>, sqlx::Error> {
    // What is no longer configured is no longer updated.
    let rows = sqlx::query(
        "select column_name, path, rows, present, nulls, missing, wrong, nearest from column_note
         where monitor = $1
           and updated_at >= (select max(counted_at) from monitor_partition where monitor = $1) - interval '10 minutes'
         order by column_name limit $2",
    )
    .bind(monitor)
    .bind(COLUMNS)
    .fetch_all(connection)
    .await?;
    let mut columns = Vec::new();
    for row in rows {
        let (rows, present, nulls) =
            (count(row.try_get("rows")?), count(row.try_get("present")?), count(row.try_get("nulls")?));
        if is_unreadable(rows, present, nulls) {
            columns.push(UnreadableColumn {
                column: row.try_get("column_name")?,
                path: row.try_get("path")?,
                records: rows,
                valid: present,
                missing: count(row.try_get("missing")?),
                nulls,
                wrong: row.try_get("wrong")?,
                nearest: row.try_get("nearest")?,
            });
        }
    }
    Ok(columns)
}
