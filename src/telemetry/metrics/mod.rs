//! What `/metrics` shows. Names follow Prometheus' rules; label values come from configuration and closed
//! enums, so their number is bounded.

mod labels;
mod refreshed;

use std::collections::BTreeSet;
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, PoisonError, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

pub use refreshed::{AccountGauges, Gauges, MonitorGauges, PartitionGauges};

use crate::challenge::ChallengeState;
use labels::{
    ChallengeLabels, DeliveryLabels, DetectorLabels, OutcomeLabels, PairLabels, RecordLabels, TableLabels,
    VerdictLabels,
};
use refreshed::Refreshed;

type Float = Gauge<f64, AtomicU64>;

/// All metrics of the process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    records: Family<RecordLabels, Counter>,
    windows_closed: Family<VerdictLabels, Counter>,
    windows_revised: Family<VerdictLabels, Counter>,
    checkpoints: Family<OutcomeLabels, Counter>,
    checkpoint_seconds: Histogram,
    deliveries: Family<DeliveryLabels, Counter>,
    told: Family<DeliveryLabels, Counter>,
    challenge_state: Family<ChallengeLabels, Gauge>,
    challenge_pairs: Family<PairLabels, Counter>,
    detections: Family<DetectorLabels, Counter>,
    database_up: Gauge,
    ready: Gauge,
    paused: Gauge,
    in_flight: Gauge,
    reload_success: Gauge,
    reload_time: Float,
    checkpoint_time: Float,
    checkpoint_age: Float,
    counted: Gauge,
    judging_seconds: Histogram,
    retention_deleted: Family<TableLabels, Counter>,
    table_bytes: Family<TableLabels, Gauge>,
    /// Read while a scrape is written, held alone while gauges are replaced: a scrape has all of one refresh.
    refreshed: RwLock<Refreshed>,
    seen: Mutex<LabelSets>,
}

/// Label sets of counters, so that they can be taken away with their monitor.
#[derive(Debug, Default)]
struct LabelSets {
    records: BTreeSet<RecordLabels>,
    windows: BTreeSet<VerdictLabels>,
    challenges: BTreeSet<ChallengeLabels>,
    pairs: BTreeSet<PairLabels>,
    detectors: BTreeSet<DetectorLabels>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("driftd");
        let metrics = Self {
            records: Family::default(),
            windows_closed: Family::default(),
            windows_revised: Family::default(),
            checkpoints: Family::default(),
            checkpoint_seconds: Histogram::new(exponential_buckets(0.001, 2.0, 15)),
            deliveries: Family::default(),
            told: Family::default(),
            challenge_state: Family::default(),
            challenge_pairs: Family::default(),
            detections: Family::default(),
            database_up: Gauge::default(),
            ready: Gauge::default(),
            paused: Gauge::default(),
            in_flight: Gauge::default(),
            reload_success: Gauge::default(),
            reload_time: Float::default(),
            checkpoint_time: Float::default(),
            checkpoint_age: Float::default(),
            counted: Gauge::default(),
            judging_seconds: Histogram::new(exponential_buckets(0.001, 2.0, 15)),
            retention_deleted: Family::default(),
            table_bytes: Family::default(),
            refreshed: RwLock::default(),
            seen: Mutex::default(),
            registry: Registry::default(),
        };
        registry.register(
            "build",
            "Version of this driftd",
            Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]),
        );
        registry.register("records", "Messages by outcome", metrics.records.clone());
        registry.register(
            "windows_closed",
            "Windows closed by this daemon, by verdict",
            metrics.windows_closed.clone(),
        );
        registry.register(
            "windows_revised",
            "Closed windows that this daemon judged again with late records, by verdict",
            metrics.windows_revised.clone(),
        );
        registry.register("checkpoints", "Checkpoints by outcome", metrics.checkpoints.clone());
        registry.register(
            "checkpoint_duration_seconds",
            "How long storing a checkpoint takes",
            metrics.checkpoint_seconds.clone(),
        );
        registry.register("deliveries", "Delivery attempts by how they ended", metrics.deliveries.clone());
        registry.register("messages_decided", "Messages about alerts by why they are sent", metrics.told.clone());
        registry.register(
            "challenger_state",
            "1 for the state of the challenger of a monitor, 0 for the others",
            metrics.challenge_state.clone(),
        );
        registry.register(
            "challenger_pairs",
            "Pairs of windows of champion and challenger that this daemon compared, or could not compare",
            metrics.challenge_pairs.clone(),
        );
        registry.register(
            "detections",
            "Drifts that sequential detectors found, stored by this daemon",
            metrics.detections.clone(),
        );
        registry.register("database_up", "1 while the database answers", metrics.database_up.clone());
        registry.register(
            "ready",
            "1 while the daemon can do its work, or stands by: Kafka and the database answer, as /readyz says",
            metrics.ready.clone(),
        );
        registry.register("paused", "1 while partitions are paused", metrics.paused.clone());
        registry.register("in_flight_bytes", "Bytes fetched and not counted yet", metrics.in_flight.clone());
        registry.register(
            "config_last_reload_successful",
            "1 when the last reload worked",
            metrics.reload_success.clone(),
        );
        registry.register(
            "config_last_reload_success_timestamp_seconds",
            "When the configuration in force was loaded",
            metrics.reload_time.clone(),
        );
        registry.register(
            "last_checkpoint_timestamp_seconds",
            "When the last checkpoint was stored; 0 before the first",
            metrics.checkpoint_time.clone(),
        );
        registry.register(
            "unstored_seconds",
            "For how long something has been counted and not stored; 0 when all is",
            metrics.checkpoint_age.clone(),
        );
        registry.register(
            "counted_bytes",
            "Memory of what was counted since the last checkpoint, roughly",
            metrics.counted.clone(),
        );
        registry.register(
            "judging_duration_seconds",
            "How long closing a window takes: merging, judging, storing",
            metrics.judging_seconds.clone(),
        );
        registry.register(
            "retention_deleted",
            "Rows that this daemon deleted or emptied because they were older than [retention] keeps them",
            metrics.retention_deleted.clone(),
        );
        registry.register(
            "table_bytes",
            "Size of a table of the database on disk, with its indexes",
            metrics.table_bytes.clone(),
        );
        metrics.refreshed.read().unwrap_or_else(PoisonError::into_inner).register(&mut registry);
        metrics.reload_success.set(1);
        metrics.reload_time.set(now());
        metrics.database_up.set(1);
        Self { registry, ..metrics }
    }
}

impl Metrics {
    /// Messages of a monitor that ended in this way.
    pub fn records(&self, monitor: &str, outcome: &str, reason: &str, count: u64) {
        let labels =
            RecordLabels { monitor: monitor.to_owned(), outcome: outcome.to_owned(), reason: reason.to_owned() };
        self.records.get_or_create(&labels).inc_by(count);
        self.seen().records.insert(labels);
    }

    /// A window was closed.
    pub fn window_closed(&self, monitor: &str, verdict: &str) {
        let labels = VerdictLabels { monitor: monitor.to_owned(), verdict: verdict.to_owned() };
        self.windows_closed.get_or_create(&labels).inc();
        // From 0 on, so that the first revision is an increase.
        self.windows_revised.get_or_create(&labels).inc_by(0);
        self.seen().windows.insert(labels);
    }

    /// A closed window was judged again.
    pub fn window_revised(&self, monitor: &str, verdict: &str) {
        let labels = VerdictLabels { monitor: monitor.to_owned(), verdict: verdict.to_owned() };
        self.windows_revised.get_or_create(&labels).inc();
        self.seen().windows.insert(labels);
    }

    /// The state of the challenger of a monitor.
    pub fn challenge(&self, monitor: &str, state: ChallengeState) {
        for known in ChallengeState::ALL {
            let labels = ChallengeLabels { monitor: monitor.to_owned(), state: known.as_str() };
            self.challenge_state.get_or_create(&labels).set(i64::from(known == state));
            self.seen().challenges.insert(labels);
        }
    }

    /// A pair of windows of champion and challenger was looked at.
    pub fn challenge_pair(&self, monitor: &str, compared: bool) {
        let outcome = if compared { "compared" } else { "not_comparable" };
        let labels = PairLabels { monitor: monitor.to_owned(), outcome };
        self.challenge_pairs.get_or_create(&labels).inc();
        self.seen().pairs.insert(labels);
    }

    /// A detector found so many drifts; with 0 the detector is there.
    pub fn detections(&self, monitor: &str, detector: &str, found: u64) {
        let labels = DetectorLabels { monitor: monitor.to_owned(), detector: detector.to_owned() };
        self.detections.get_or_create(&labels).inc_by(found);
        self.seen().detectors.insert(labels);
    }

    /// So many windows were merged, judged and stored together in this time.
    pub fn judging(&self, seconds: f64, windows: usize) {
        #[expect(clippy::cast_precision_loss, reason = "a batch of windows")]
        let each = seconds / windows.max(1) as f64;
        for _ in 0..windows {
            self.judging_seconds.observe(each);
        }
    }

    /// Rows of a table were deleted because of their age, or emptied in a column.
    pub fn retention_deleted(&self, table: &str, rows: u64) {
        self.retention_deleted.get_or_create(&TableLabels { table: table.to_owned() }).inc_by(rows);
    }

    /// The sizes of tables on disk, in bytes.
    pub fn table_bytes(&self, sizes: &[(String, u64)]) {
        for (table, bytes) in sizes {
            let labels = TableLabels { table: table.clone() };
            self.table_bytes.get_or_create(&labels).set(i64::try_from(*bytes).unwrap_or(i64::MAX));
        }
    }

    /// Bytes of what was counted since the last checkpoint.
    pub fn counted_bytes(&self, bytes: usize) {
        self.counted.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// Whether the daemon can do its work.
    pub fn ready(&self, ready: bool) {
        self.ready.set(i64::from(ready));
    }

    /// For how long something has been counted and not stored.
    pub fn checkpoint_age(&self, seconds: f64) {
        self.checkpoint_age.set(seconds);
    }

    /// A checkpoint ended.
    pub fn checkpoint(&self, outcome: &str, seconds: f64) {
        self.checkpoints.get_or_create(&OutcomeLabels { outcome: outcome.to_owned() }).inc();
        self.checkpoint_seconds.observe(seconds);
        if outcome == "stored" {
            self.checkpoint_time.set(now());
        }
    }

    /// An attempt to deliver ended.
    pub fn delivery(&self, receiver: &str, reason: &str) {
        let labels = DeliveryLabels { receiver: receiver.to_owned(), reason: reason.to_owned() };
        self.deliveries.get_or_create(&labels).inc();
    }

    /// A message about alerts was decided.
    pub fn told(&self, receiver: &str, reason: &str) {
        let labels = DeliveryLabels { receiver: receiver.to_owned(), reason: reason.to_owned() };
        self.told.get_or_create(&labels).inc();
    }

    /// Replaces all gauges that are refreshed, together; series of monitors, partitions and receivers that are
    /// gone go with them.
    pub fn refresh(&self, gauges: &Gauges) {
        let refreshed = self.refreshed.write().unwrap_or_else(PoisonError::into_inner);
        let known = |name: &str| gauges.monitors.iter().any(|(monitor, _)| monitor == name);
        let mut seen = self.seen();
        seen.records.retain(|labels| known(&labels.monitor) || !self.records.remove(labels));
        let forget =
            |labels: &VerdictLabels| self.windows_closed.remove(labels) | self.windows_revised.remove(labels);
        seen.windows.retain(|labels| known(&labels.monitor) || !forget(labels));
        seen.challenges.retain(|labels| known(&labels.monitor) || !self.challenge_state.remove(labels));
        seen.detectors.retain(|labels| known(&labels.monitor) || !self.detections.remove(labels));
        seen.pairs.retain(|labels| known(&labels.monitor) || !self.challenge_pairs.remove(labels));
        drop(seen);
        refreshed.replace(gauges);
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, LabelSets> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the database answers.
    pub fn database(&self, up: bool) {
        self.database_up.set(i64::from(up));
    }

    /// Back-pressure.
    pub fn pressure(&self, paused: bool, in_flight: usize) {
        self.paused.set(i64::from(paused));
        self.in_flight.set(i64::try_from(in_flight).unwrap_or(i64::MAX));
    }

    /// How the last reload went.
    pub fn reload(&self, worked: bool) {
        self.reload_success.set(i64::from(worked));
        if worked {
            self.reload_time.set(now());
        }
    }

    /// The text of `/metrics`, in the OpenMetrics format.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut text = String::new();
        let _steady = self.refreshed.read().unwrap_or_else(PoisonError::into_inner);
        // Writing to a String cannot fail.
        let _infallible = encode(&mut text, &self.registry);
        text
    }
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::OutboxDepth;

    fn monitors(monitors: &[(&str, MonitorGauges)]) -> Gauges {
        let monitors = monitors.iter().map(|(name, gauges)| ((*name).to_owned(), gauges.clone())).collect();
        Gauges { monitors, ..Gauges::default() }
    }

    #[test]
    fn series_go_with_their_monitor_and_scores_are_bounded() {
        let metrics = Metrics::default();
        metrics.records("a", "accepted", "", 3);
        metrics.records("b", "accepted", "", 4);
        metrics.window_closed("b", "ok");
        let scores: Vec<(String, f32)> =
            (0..250u16).map(|index| (format!("c{index}"), f32::from(index))).collect();
        let wide = MonitorGauges { scores, judged: Some((3, 1)), ..MonitorGauges::default() };
        metrics.refresh(&monitors(&[("a", wide), ("b", MonitorGauges::default())]));
        let text = metrics.encode();
        assert!(text.contains("driftd_records_total{monitor=\"b\",outcome=\"accepted\",reason=\"\"} 4"), "{text}");
        assert!(text.contains("driftd_false_alarm_ratio{monitor=\"a\"} 0.25"), "{text}");
        assert_eq!(text.matches("driftd_drift_score{").count(), 100);
        assert!(text.contains("column=\"c249\"") && !text.contains("column=\"c149\""));
        metrics.refresh(&monitors(&[("a", MonitorGauges::default())]));
        let text = metrics.encode();
        assert!(!text.contains("monitor=\"b\"") && !text.contains("driftd_drift_score{"), "{text}");
    }

    #[test]
    fn partitions_and_receivers_that_are_gone_take_their_series_along() {
        let metrics = Metrics::default();
        let partition =
            |number| PartitionGauges { topic: "t".into(), partition: number, lag: 7, event_lag: Some(1.5) };
        let depth = OutboxDepth { receiver: "owner".into(), pending: 2, dead: 1, oldest_seconds: 3.0 };
        let gauges =
            Gauges { partitions: vec![partition(0), partition(1)], outbox: vec![depth], ..Gauges::default() };
        metrics.refresh(&gauges);
        let text = metrics.encode();
        assert!(text.contains("driftd_partition_lag_messages{topic=\"t\",partition=\"1\"} 7"), "{text}");
        assert!(text.contains("driftd_outbox_dead{receiver=\"owner\"} 1"), "{text}");
        metrics.refresh(&Gauges { partitions: vec![partition(0)], ..Gauges::default() });
        let text = metrics.encode();
        assert!(text.contains("partition=\"0\"") && !text.contains("partition=\"1\""), "{text}");
        assert!(!text.contains("receiver=\"owner\""), "{text}");
    }

    /// An alert rule on a series that is away for the moment of a scrape would resolve and fire again.
    #[test]
    fn a_scrape_during_a_refresh_has_every_series() {
        let metrics = Metrics::default();
        let gauges = Gauges {
            monitors: (0..20).map(|index| (format!("m{index}"), MonitorGauges::default())).collect(),
            partitions: (0..20)
                .map(|partition| PartitionGauges { topic: "t".into(), partition, lag: 1, event_lag: None })
                .collect(),
            ..Gauges::default()
        };
        metrics.refresh(&gauges);
        std::thread::scope(|scope| {
            let refreshing = scope.spawn(|| {
                for _ in 0..2_000 {
                    metrics.refresh(&gauges);
                }
            });
            while !refreshing.is_finished() {
                let text = metrics.encode();
                assert_eq!(text.matches("driftd_partition_lag_messages{").count(), 20);
                assert_eq!(text.matches("driftd_alerts_firing{").count(), 20);
            }
        });
    }
}
