//! States of detectors, and what they found. A state is moved in the transaction that moves what the detector reads: the position
//! of a partition, or the status of a window. The notifications are stored in it as well.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use sqlx::Row as _;
use sqlx::postgres::PgRow;

use super::outbox::put_notification;
use super::session::Session;
use super::{Store, StoreError, bigint, count, event_time, failed, named, timestamp};
use crate::detection::{ConfiguredDetector, Detection, DetectionPlace, DetectionRules, window_value};
use crate::detector::{Detector, Kind, Outcome, Reads};
use crate::distribution::WindowCounts;
use crate::record::{EventTime, Offset, TimeSpan};
use crate::view::{DetectionRow, DetectorProgress};
use crate::window::{DetectorDelta, DetectorState, Partition, PartitionState, WindowKey};

/// The stored states of the detectors of a partition: by monitor and detector.
pub type PartitionDetectors = HashMap<String, BTreeMap<String, DetectorState>>;

impl Store {
    /// The states of the detectors of partitions.
    ///
    /// # Errors
    /// When the database is unavailable.
    pub async fn detector_states(
        &self,
        partitions: &[Partition],
    ) -> Result<HashMap<Partition, PartitionDetectors>, StoreError> {
        let attempted = "read the states of detectors";
        let (topics, numbers): (Vec<&str>, Vec<i32>) =
            partitions.iter().map(|partition| (partition.topic.as_ref(), partition.partition)).unzip();
        let rows = sqlx::query(
            "select s.topic, s.partition, s.monitor, s.detector, s.input, s.state, s.values_read, s.skipped
             from unnest($1::text[], $2::int[]) as wanted (topic, partition)
             join detector_state s using (topic, partition)
             where s.topic <> ''",
        )
        .bind(topics)
        .bind(numbers)
        .fetch_all(&self.pool)
        .await
        .map_err(failed(attempted))?;
        let mut states: HashMap<Partition, PartitionDetectors> = HashMap::new();
        for row in rows {
            let read = || -> Result<_, sqlx::Error> {
                let topic: String = row.try_get("topic")?;
                let partition = Partition { topic: topic.into(), partition: row.try_get("partition")? };
                Ok((partition, row.try_get("monitor")?, row.try_get("detector")?, state(&row)?))
            };
            let (partition, monitor, detector, state): (_, String, String, _) =
                read().map_err(failed(attempted))?;
            states.entry(partition).or_default().entry(monitor).or_default().insert(detector, state);
        }
        Ok(states)
    }

    /// The newest detections of a monitor, newest first; of one of its detectors where that is given.
    ///
    /// # Errors
    /// When the database is unavailable, or what is stored is damaged.
    pub async fn detections(
        &self,
        monitor: &str,
        detector: Option<&str>,
        limit: i64,
    ) -> Result<Vec<DetectionRow>, StoreError> {
        let attempted = "read detections";
        let rows = sqlx::query(
            "select id, detector, kind, column_name, input, event_at, topic, partition, record_offset, record, window_id,
                    model_version, segment, ends_at, values_read, level_before, level_after, statistic, limit_value,
                    detected_at
             from detection where monitor = $1 and ($2::text is null or detector = $2) order by id desc limit $3",
        )
        .bind(monitor)
        .bind(detector)
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

fn state(row: &PgRow) -> Result<DetectorState, sqlx::Error> {
    Ok(DetectorState {
        input: row.try_get("input")?,
        json: row.try_get("state")?,
        values: count(row.try_get("values_read")?),
        skipped: count(row.try_get("skipped")?),
    })
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

/// Stores what the detectors of a monitor found in records, and where they stand.
pub(super) async fn write_record_detections(
    connection: &mut Session,
    rules: &DetectionRules,
    delta: &DetectorDelta,
) -> Result<(), StoreError> {
    if !delta.states.is_empty() {
        write_states(connection, &rules.monitor, &delta.states).await?;
    }
    let mut found = Vec::with_capacity(delta.detections.len());
    for detection in &delta.detections {
        if let Some(detector) = rules.detector(&detection.detector) {
            found.push(Detection::of_record(detection, &detector.spec));
        }
    }
    write_detections(connection, rules, &found).await
}

async fn write_states(
    connection: &mut Session,
    monitor: &str,
    states: &[PartitionState],
) -> Result<(), StoreError> {
    let mut states: Vec<&PartitionState> = states.iter().collect();
    states.sort_by(|left, right| (&left.detector, &left.partition).cmp(&(&right.detector, &right.partition)));
    let detectors: Vec<&str> = states.iter().map(|state| state.detector.as_str()).collect();
    let topics: Vec<&str> = states.iter().map(|state| state.partition.topic.as_ref()).collect();
    let numbers: Vec<i32> = states.iter().map(|state| state.partition.partition).collect();
    let inputs: Vec<&str> = states.iter().map(|state| state.state.input.as_str()).collect();
    let texts: Vec<&str> = states.iter().map(|state| state.state.json.as_str()).collect();
    let values: Vec<i64> = states.iter().map(|state| bigint(state.state.values)).collect();
    let skipped: Vec<i64> = states.iter().map(|state| bigint(state.state.skipped)).collect();
    sqlx::query(
        "insert into detector_state (monitor, detector, topic, partition, input, state, values_read, skipped)
         select $1, d, t, p, i, s, v, k
         from unnest($2::text[], $3::text[], $4::int[], $5::text[], $6::text[], $7::bigint[], $8::bigint[])
              as n (d, t, p, i, s, v, k)
         on conflict (monitor, detector, topic, partition, model_version, segment)
         do update set input = excluded.input, state = excluded.state, values_read = excluded.values_read,
                       skipped = excluded.skipped, updated_at = now()",
    )
    .bind(monitor)
    .bind(detectors)
    .bind(topics)
    .bind(numbers)
    .bind(inputs)
    .bind(texts)
    .bind(values)
    .bind(skipped)
    .execute(connection)
    .await
    .map_err(failed("store the states of detectors"))?;
    Ok(())
}

/// A window that closes, as detectors read it.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReadWindow<'a> {
    pub(super) id: i64,
    pub(super) key: &'a WindowKey,
    pub(super) end: EventTime,
    pub(super) counts: &'a WindowCounts,
}

/// Has the detectors of a monitor read a window; its row and that of its series are locked. What they found. A state that cannot be
/// used is dropped, and the detector begins anew.
pub(super) async fn detect_in_window(
    connection: &mut Session,
    rules: &DetectionRules,
    window: ReadWindow<'_>,
) -> Result<Vec<Detection>, StoreError> {
    let mut found = Vec::new();
    for ConfiguredDetector { spec, .. } in rules.of_windows() {
        let Reads::Windows(value) = &spec.reads else { continue };
        let Some(value) = window_value(window.counts, &spec.column, value) else { continue };
        let stored = series_state(connection, (&rules.monitor, &spec.name), window.key).await?;
        let restored = stored.and_then(|stored| stored.read(spec).ok());
        let mut detector = restored.unwrap_or_else(|| Detector::new(spec.parameters));
        if let Outcome::Drift(evidence) = detector.update(value) {
            found.push(Detection {
                detector: spec.name.clone(),
                kind: spec.parameters.kind(),
                column: spec.column.clone(),
                input: spec.input(),
                place: DetectionPlace::Window { id: window.id, key: window.key.clone(), end: window.end },
                at: window.key.start,
                evidence,
            });
        }
        let state = DetectorState::of(spec, &detector);
        write_series_state(connection, (&rules.monitor, &spec.name), window.key, &state).await?;
    }
    write_detections(connection, rules, &found).await?;
    Ok(found)
}

async fn series_state(
    connection: &mut Session,
    (monitor, detector): (&str, &str),
    key: &WindowKey,
) -> Result<Option<DetectorState>, StoreError> {
    let attempted = "read the state of a detector";
    let row = sqlx::query(
        "select input, state, values_read, skipped from detector_state
         where monitor = $1 and detector = $2 and topic = '' and partition = 0 and model_version = $3 and segment = $4",
    )
    .bind(monitor)
    .bind(detector)
    .bind(&key.version)
    .bind(&key.segment)
    .fetch_optional(connection)
    .await
    .map_err(failed(attempted))?;
    row.map(|row| state(&row)).transpose().map_err(failed(attempted))
}

async fn write_series_state(
    connection: &mut Session,
    (monitor, detector): (&str, &str),
    key: &WindowKey,
    state: &DetectorState,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into detector_state (monitor, detector, model_version, segment, input, state, values_read, skipped)
         values ($1, $2, $3, $4, $5, $6, $7, $8)
         on conflict (monitor, detector, topic, partition, model_version, segment)
         do update set input = excluded.input, state = excluded.state, values_read = excluded.values_read,
                       skipped = excluded.skipped, updated_at = now()",
    )
    .bind(monitor)
    .bind(detector)
    .bind(&key.version)
    .bind(&key.segment)
    .bind(&state.input)
    .bind(&state.json)
    .bind(bigint(state.values))
    .bind(bigint(state.skipped))
    .execute(connection)
    .await
    .map_err(failed("store the state of a detector"))?;
    Ok(())
}

/// Stores detections, with a notification about the first one of each detector that is not cooling down.
async fn write_detections(
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
