//! Writes what detectors found, with the notifications about it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sqlx::Row as _;

use crate::detection::{Detection, DetectionPlace, DetectionRules};
use crate::record::{Offset, TimeSpan};
use crate::store::outbox::put_notification;
use crate::store::session::Session;
use crate::store::{StoreError, bigint, count, event_time, failed, timestamp};

/// Stores detections, with a notification about the first one of each detector that is not cooling down.
pub(super) async fn write_detections(
    connection: &mut Session,
    rules: &DetectionRules,
    found: &[Detection],
) -> Result<(), StoreError> {
    let mut of_detectors: BTreeMap<&str, Vec<&Detection>> = BTreeMap::new();
    for detection in found {
        of_detectors.entry(&detection.detector).or_default().push(detection);
    }
    for (name, found) in of_detectors {
        insert_detections(connection, &rules.monitor, &found).await?;
        let Some(detector) = rules.detector(name) else { continue };
        let Some((first, others)) = found.split_first() else { continue };
        let others = others.len() as u64;
        let Some(held_back) = take_turn(connection, (&rules.monitor, name), detector.cool_down, others).await?
        else {
            continue;
        };
        let now: DateTime<Utc> = sqlx::query_scalar("select now()")
            .fetch_one(&mut *connection)
            .await
            .map_err(failed("read the clock"))?;
        for notification in rules.notifications(first, held_back.saturating_add(others), event_time(now)) {
            put_notification(connection, &notification).await?;
        }
    }
    Ok(())
}

/// Whether people are notified of a detector now: the number of earlier detections that they were not notified of. `None` while it
/// cools down; what was found is held back then.
async fn take_turn(
    connection: &mut Session,
    (monitor, detector): (&str, &str),
    cool_down: TimeSpan,
    others: u64,
) -> Result<Option<u64>, StoreError> {
    let attempted = "note when people are notified of a detector";
    let new = sqlx::query(
        "insert into detector_notice (monitor, detector, notified_at) values ($1, $2, now()) on conflict do nothing",
    )
    .bind(monitor)
    .bind(detector)
    .execute(&mut *connection)
    .await
    .map_err(failed(attempted))?;
    if new.rows_affected() > 0 {
        return Ok(Some(0));
    }
    let row = sqlx::query(
        "select held_back, notified_at <= now() - make_interval(secs => $3) as due from detector_notice
         where monitor = $1 and detector = $2 for update",
    )
    .bind(monitor)
    .bind(detector)
    .bind(cool_down.as_seconds())
    .fetch_one(&mut *connection)
    .await
    .map_err(failed(attempted))?;
    let is_due: bool = row.try_get("due").map_err(failed(attempted))?;
    let held_back: i64 = row.try_get("held_back").map_err(failed(attempted))?;
    sqlx::query(
        "update detector_notice set notified_at = case when $3 then now() else notified_at end,
                held_back = case when $3 then 0 else held_back + $4 end
         where monitor = $1 and detector = $2",
    )
    .bind(monitor)
    .bind(detector)
    .bind(is_due)
    .bind(bigint(others.saturating_add(1)))
    .execute(connection)
    .await
    .map_err(failed(attempted))?;
    Ok(is_due.then(|| count(held_back)))
}

async fn insert_detections(
    connection: &mut Session,
    monitor: &str,
    found: &[&Detection],
) -> Result<(), StoreError> {
    let Some(first) = found.first() else { return Ok(()) };
    let (mut topics, mut partitions, mut offsets, mut records) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut windows, mut versions, mut segments, mut ends) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for detection in found {
        let record = match &detection.place {
            DetectionPlace::Record { partition, offset, record } => Some((partition, *offset, *record)),
            DetectionPlace::Window { .. } => None,
        };
        topics.push(record.map(|(partition, ..)| partition.topic.as_ref()));
        partitions.push(record.map(|(partition, ..)| partition.partition));
        offsets.push(record.map(|(_, offset, _)| offset));
        records.push(record.map(|(.., record)| i32::try_from(record).unwrap_or(i32::MAX)));
        let window = match &detection.place {
            DetectionPlace::Window { id, key, end } => Some((*id, key, *end)),
            DetectionPlace::Record { .. } => None,
        };
        windows.push(window.map(|(id, ..)| id));
        versions.push(window.map(|(_, key, _)| key.version.as_str()));
        segments.push(window.map(|(_, key, _)| key.segment.as_str()));
        ends.push(window.map(|(.., end)| timestamp(end)));
    }
    let number = |of: fn(&Detection) -> f64| found.iter().map(|detection| of(detection)).collect::<Vec<f64>>();
    sqlx::query(
        "insert into detection (monitor, detector, kind, column_name, input, event_at, topic, partition, record_offset,
                                record, window_id, model_version, segment, ends_at, values_read, level_before,
                                level_after, statistic, limit_value)
         select $1, $2, $3, $4, $5, n.* from unnest($6::timestamptz[], $7::text[], $8::int[], $9::bigint[], $10::int[],
                $11::bigint[], $12::text[], $13::text[], $14::timestamptz[], $15::bigint[], $16::float8[], $17::float8[],
                $18::float8[], $19::float8[]) as n",
    )
    .bind(monitor)
    .bind(&first.detector)
    .bind(first.kind.as_str())
    .bind(&first.column)
    .bind(&first.input)
    .bind(found.iter().map(|detection| timestamp(detection.at)).collect::<Vec<_>>())
    .bind(topics)
    .bind(partitions)
    .bind::<Vec<Option<Offset>>>(offsets)
    .bind(records)
    .bind(windows)
    .bind(versions)
    .bind(segments)
    .bind(ends)
    .bind(found.iter().map(|detection| bigint(detection.evidence.values)).collect::<Vec<_>>())
    .bind(number(|detection| detection.evidence.before))
    .bind(number(|detection| detection.evidence.after))
    .bind(number(|detection| detection.evidence.statistic))
    .bind(number(|detection| detection.evidence.limit))
    .execute(connection)
    .await
    .map_err(failed("store detections"))?;
    Ok(())
}
