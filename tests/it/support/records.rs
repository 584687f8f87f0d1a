//! Real records, and the truth about windows computed from the records themselves.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use arrow::json::LineDelimitedWriter;
use driftd::binning::Binning;
use driftd::record::{Absence, EventTime};
use driftd::window::WindowLength;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;

use super::{WINDOW_DAYS, World, number};

/// The bike sharing records as JSON lines, in the order of time.
pub fn bike_records() -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli/demo/bike_hour.parquet");
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap().build().unwrap();
    let mut writer = LineDelimitedWriter::new(Vec::new());
    for batch in reader {
        writer.write(&batch.unwrap()).unwrap();
    }
    writer.finish().unwrap();
    String::from_utf8(writer.into_inner()).unwrap().lines().map(str::to_owned).collect()
}

/// A fixed sequence of numbers below a bound (a linear congruential generator).
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// The records of each window, computed directly: (segment, start in micros) to records.
pub fn truth(records: &[String]) -> BTreeMap<(String, i64), Vec<Value>> {
    let length = WindowLength::from_micros(WINDOW_DAYS * 86_400_000_000).unwrap();
    let mut windows: BTreeMap<(String, i64), Vec<Value>> = BTreeMap::new();
    for text in records {
        let record: Value = serde_json::from_str(text).unwrap();
        let time = format!("{}Z", record["ts"].as_str().unwrap());
        let time = EventTime::from_micros(time.parse::<jiff::Timestamp>().unwrap().as_microsecond()).unwrap();
        let start = length.start_of(time).micros();
        let segment = format!("workingday={}", record["workingday"].as_str().unwrap());
        windows.entry(("*".to_owned(), start)).or_default().push(record.clone());
        windows.entry((segment, start)).or_default().push(record);
    }
    windows
}

/// Every window's counts equal those computed from its records one by one.
pub fn assert_windows_are_true(world: &World, records: &[String]) {
    let truth = truth(records);
    let windows = world.windows();
    assert_eq!(
        windows.keys().collect::<Vec<_>>(),
        truth.keys().collect::<Vec<_>>(),
        "the windows are those of the records"
    );
    for (key, (counts, verdict)) in &windows {
        let records = &truth[key];
        assert_eq!(counts.rows(), records.len() as u64, "{key:?}");
        for column in counts.columns() {
            let values = || records.iter().map(|record| &record[column.name()]);
            match column.binning() {
                Binning::Numeric(binning) => {
                    for bin in 0..binning.bins() {
                        let (low, high) = binning.ends(bin);
                        let inside = |value: f64| {
                            low.is_none_or(|low| low <= value) && high.is_none_or(|high| value < high)
                        };
                        let expected = values().filter_map(Value::as_f64).filter(|value| inside(*value)).count();
                        assert_eq!(column.counts()[bin], expected as u64, "{key:?} {} bin {bin}", column.name());
                    }
                }
                Binning::Categorical(binning) => {
                    for (bin, category) in binning.categories().iter().enumerate() {
                        let expected = values().filter(|value| value.as_str() == Some(category)).count();
                        assert_eq!(column.counts()[bin], expected as u64, "{key:?} {} {category}", column.name());
                    }
                }
                // What a baseline is learned from.
                Binning::UniversalNumeric if verdict == "no_baseline" => {}
                Binning::Embedding(_) | Binning::UniversalNumeric => panic!("{} has a baseline", column.name()),
            }
            assert!(Absence::ALL.iter().all(|absence| column.absent(*absence) == 0), "{key:?} {}", column.name());
        }
    }
}

/// Every alert that fired is known to both receivers, unless something kept it back, and each of them knows how it stands;
/// every request has gone to both of its receivers. Nothing is pending, and nothing failed.
pub fn assert_everything_was_told(world: &World) {
    world.runtime.block_on(async {
        let pool = &world.pool;
        let undelivered = number(pool, "select count(*) from notification where status not in ('sent', 'superseded')");
        assert_eq!(undelivered.await.unwrap(), 0);
        let alerts: Vec<(String, String, bool)> = sqlx::query_as(
            "select id::text, state, exists (select from alert_change c where c.alert_id = a.id and c.kind = 'held')
             from alert a where fired_at is not null",
        )
        .fetch_all(pool)
        .await
        .unwrap();
        assert!(alerts.iter().filter(|(_, _, held)| !held).count() >= 2, "{alerts:?}");
        for receiver in ["owner", "webhook"] {
            let events: Vec<Value> = sqlx::query_scalar(
                "select body from notification where receiver = $1 and status = 'sent' order by sequence",
            )
            .bind(receiver)
            .fetch_all(pool)
            .await
            .unwrap();
            for (id, state, _) in alerts.iter().filter(|(_, _, held)| !held) {
                let told: Vec<&str> = events
                    .iter()
                    .flat_map(|event| event["data"]["alerts"].as_array().into_iter().flatten())
                    .filter(|alert| alert["id"] == **id)
                    .map(|alert| alert["status"].as_str().unwrap())
                    .collect();
                assert_eq!(told.last().copied(), Some(state.as_str()), "{receiver} of {id}: {told:?}");
            }
        }
        let requests = number(pool, "select count(*) from retraining_request").await.unwrap();
        let asked =
            number(pool, "select count(*) from notification where event_type = 'drift.retraining.requested'");
        assert!(requests >= 1);
        assert_eq!(asked.await.unwrap(), requests * 2, "webhook and training are asked");
        let accepted = number(pool, "select count(*) from retraining_request where state = 'accepted'");
        assert_eq!(accepted.await.unwrap(), requests, "delivered requests are accepted");
    });
}

/// Webhooks may be repeated after a crash, but only under one id with one content, and none is missing.
pub fn assert_told_under_one_id(world: &World) {
    let mut by_id: BTreeMap<String, String> = BTreeMap::new();
    for (id, event) in world.webhooks.received() {
        let text = event.to_string();
        assert_eq!(by_id.entry(id).or_insert_with(|| text.clone()), &text, "a repetition is identical");
    }
    let rows: Vec<(String, String)> = world
        .runtime
        .block_on(
            sqlx::query_as("select id::text, status from notification where receiver = 'webhook'")
                .fetch_all(&world.pool),
        )
        .unwrap();
    let known: BTreeMap<String, String> = rows.into_iter().collect();
    for (id, status) in &known {
        // What a later message stands for need not have been sent, and may have been.
        assert!(status == "superseded" || by_id.contains_key(id), "{id} is {status} and was never sent");
    }
    assert!(by_id.keys().all(|id| known.contains_key(id)), "nothing undecided is told");
}
