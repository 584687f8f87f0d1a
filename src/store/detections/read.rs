//! Detections and the progress of detectors, as they are shown.

use chrono::{DateTime, Utc};
use sqlx::Row as _;
use sqlx::postgres::PgRow;

use crate::detector::Kind;
use crate::store::{Store, StoreError, count, event_time, failed, named};
use crate::view::{DetectionRow, DetectorProgress};

impl Store {
    /// The newest detections of a monitor, newest first.
    ///
    /// # Errors
    /// When the database is unavailable, or what is stored is damaged.
    pub async fn detections(&self, monitor: &str, limit: i64) -> Result<Vec<DetectionRow>, StoreError> {
        let attempted = "read detections";
        let rows = sqlx::query(
            "select id, detector, kind, column_name, input, event_at, topic, partition, record_offset, record, window_id,
                    model_version, segment, ends_at, values_read, level_before, level_after, statistic, limit_value,
                    detected_at
             from detection where monitor = $1 order by id desc limit $2",
        )
        .bind(monitor)
        .bind(limit)
        .fetch_all(&self.pool)
        .await
        .map_err(failed(attempted))?;
        rows.iter().map(detection_row).collect::<Result<_, sqlx::Error>>().map_err(failed(attempted))
    }

    /// How far the detectors of a monitor have come, over all partitions and series: by detector and input.
    ///
    /// # Errors
    /// When the database is unavailable.
    pub async fn detector_progress(&self, monitor: &str) -> Result<Vec<DetectorProgress>, StoreError> {
        let attempted = "read how far detectors have come";
        let rows = sqlx::query(
            "select detector, input, count(*) as states, sum(values_read)::bigint as values_read,
                    sum(skipped)::bigint as skipped
             from detector_state where monitor = $1 group by detector, input order by detector, input",
        )
        .bind(monitor)
        .fetch_all(&self.pool)
        .await
        .map_err(failed(attempted))?;
        let progress = |row: &PgRow| {
            Ok(DetectorProgress {
                detector: row.try_get("detector")?,
                input: row.try_get("input")?,
                states: count(row.try_get("states")?),
                values: count(row.try_get("values_read")?),
                skipped: count(row.try_get("skipped")?),
            })
        };
        rows.iter().map(progress).collect::<Result<_, sqlx::Error>>().map_err(failed(attempted))
    }
}

fn detection_row(row: &PgRow) -> Result<DetectionRow, sqlx::Error> {
    let time = |column: &str| row.try_get::<DateTime<Utc>, _>(column).map(|at| event_time(at).into());
    let end: Option<DateTime<Utc>> = row.try_get("ends_at")?;
    Ok(DetectionRow {
        id: row.try_get("id")?,
        detector: row.try_get("detector")?,
        kind: named(row, "kind", Kind::from_name)?,
        column: row.try_get("column_name")?,
        input: row.try_get("input")?,
        at: time("event_at")?,
        topic: row.try_get("topic")?,
        partition: row.try_get("partition")?,
        offset: row.try_get("record_offset")?,
        record: row.try_get("record")?,
        window: row.try_get("window_id")?,
        version: row.try_get("model_version")?,
        segment: row.try_get("segment")?,
        end: end.map(|end| event_time(end).into()),
        values: count(row.try_get("values_read")?),
        before: row.try_get("level_before")?,
        after: row.try_get("level_after")?,
        statistic: row.try_get("statistic")?,
        limit: row.try_get("limit_value")?,
        detected_at: time("detected_at")?,
    })
}
