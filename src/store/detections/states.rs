//! The stored states of detectors: one for each partition, or for each series.

use std::collections::{BTreeMap, HashMap};

use sqlx::Row as _;
use sqlx::postgres::PgRow;

use crate::store::session::Session;
use crate::store::{Store, StoreError, bigint, count, failed};
use crate::window::{DetectorState, Partition, PartitionState, WindowKey};

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
}

fn state(row: &PgRow) -> Result<DetectorState, sqlx::Error> {
    Ok(DetectorState {
        input: row.try_get("input")?,
        json: row.try_get("state")?,
        values: count(row.try_get("values_read")?),
        skipped: count(row.try_get("skipped")?),
    })
}

pub(super) async fn write_states(
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

pub(super) async fn series_state(
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

pub(super) async fn write_series_state(
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
