//! What `/metrics` shows. Names follow Prometheus' rules; label values come from configuration and closed
//! enums, so their number is bounded.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

type Float = Gauge<f64, AtomicU64>;

#[derive(Clone, Debug, Hash, PartialEq, Eq, PartialOrd, Ord, EncodeLabelSet)]
struct RecordLabels {
    monitor: String,
    outcome: String,
    reason: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct MonitorLabels {
    monitor: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, PartialOrd, Ord, EncodeLabelSet)]
struct VerdictLabels {
    monitor: String,
    verdict: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct PartitionLabels {
    topic: String,
    partition: i32,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ReceiverLabels {
    receiver: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct DeliveryLabels {
    receiver: String,
    reason: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ColumnLabels {
    monitor: String,
    column: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct JudgedLabels {
    monitor: String,
    judged: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct StateLabels {
    state: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: String,
}

/// All metrics of the process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    records: Family<RecordLabels, Counter>,
    windows_closed: Family<VerdictLabels, Counter>,
    open_windows: Family<MonitorLabels, Gauge>,
    learning_windows: Family<MonitorLabels, Gauge>,
    learning_windows_wanted: Family<MonitorLabels, Gauge>,
    segments_without_baseline: Family<MonitorLabels, Gauge>,
    alerts_firing: Family<MonitorLabels, Gauge>,
    lag: Family<PartitionLabels, Gauge>,
    checkpoints: Family<OutcomeLabels, Counter>,
    checkpoint_seconds: Histogram,
    deliveries: Family<DeliveryLabels, Counter>,
    told: Family<DeliveryLabels, Counter>,
    outbox_pending: Family<ReceiverLabels, Gauge>,
    outbox_dead: Family<ReceiverLabels, Gauge>,
    outbox_oldest: Family<ReceiverLabels, Float>,
    database_up: Gauge,
    paused: Gauge,
    in_flight: Gauge,
    reload_success: Gauge,
    reload_time: Float,
    checkpoint_time: Float,
    checkpoint_age: Float,
    counted: Gauge,
    judging_seconds: Histogram,
    deltas: Gauge,
    event_lag: Family<PartitionLabels, Float>,
    watermark_lag: Family<MonitorLabels, Float>,
    window_end: Family<MonitorLabels, Float>,
    scores: Family<ColumnLabels, Float>,
    judged: Family<JudgedLabels, Gauge>,
    false_alarms: Family<MonitorLabels, Float>,
    connections: Family<StateLabels, Gauge>,
    seen: Mutex<Seen>,
}

/// Label sets of counters, so that they can be taken away with their monitor.
#[derive(Debug, Default)]
struct Seen {
    records: BTreeSet<RecordLabels>,
    windows: BTreeSet<VerdictLabels>,
}

/// How a monitor does, as gauges.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MonitorGauges {
    /// Windows not closed yet.
    pub open_windows: u64,
    /// While a baseline is being learnt: closed windows so far, and how many it is learnt from.
    pub learning: Option<(u32, u32)>,
    /// Segments that the active baseline does not have.
    pub unknown_segments: u64,
    /// Alerts that fire, acknowledged or not.
    pub firing: u64,
    /// How far its watermark is behind the clock, in seconds.
    pub watermark_lag: Option<f64>,
    /// End of the last window that was closed, in seconds since 1970.
    pub window_end: Option<f64>,
    /// The largest effect of each column in that window, as a multiple of its limit.
    pub scores: Vec<(String, f32)>,
    /// Alerts that people found to be real, and false alarms.
    pub judged: Option<(u64, u64)>,
}

/// Columns with a score of their own at most; of wider models those that moved most.
const MAX_SCORES: usize = 100;

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("driftd");
        let metrics = Self {
            records: Family::default(),
            windows_closed: Family::default(),
            open_windows: Family::default(),
            learning_windows: Family::default(),
            learning_windows_wanted: Family::default(),
            segments_without_baseline: Family::default(),
            alerts_firing: Family::default(),
            lag: Family::default(),
            checkpoints: Family::default(),
            checkpoint_seconds: Histogram::new(exponential_buckets(0.001, 2.0, 15)),
            deliveries: Family::default(),
            told: Family::default(),
            outbox_pending: Family::default(),
            outbox_dead: Family::default(),
            outbox_oldest: Family::default(),
            database_up: Gauge::default(),
            paused: Gauge::default(),
            in_flight: Gauge::default(),
            reload_success: Gauge::default(),
            reload_time: Float::default(),
            checkpoint_time: Float::default(),
            checkpoint_age: Float::default(),
            counted: Gauge::default(),
            judging_seconds: Histogram::new(exponential_buckets(0.001, 2.0, 15)),
            deltas: Gauge::default(),
            event_lag: Family::default(),
            watermark_lag: Family::default(),
            window_end: Family::default(),
            scores: Family::default(),
            judged: Family::default(),
            false_alarms: Family::default(),
            connections: Family::default(),
            seen: Mutex::default(),
            registry: Registry::default(),
        };
        registry.register(
            "build",
            "Version of this driftd",
            Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]),
        );
        registry.register("records", "Messages by what became of them", metrics.records.clone());
        registry.register(
            "windows_closed",
            "Windows closed by this daemon, by verdict",
            metrics.windows_closed.clone(),
        );
        registry.register("open_windows", "Windows not closed yet", metrics.open_windows.clone());
        registry.register(
            "learning_windows",
            "Windows closed so far of those that a baseline is learnt from",
            metrics.learning_windows.clone(),
        );
        registry.register(
            "learning_windows_wanted",
            "Windows that the baseline is learnt from",
            metrics.learning_windows_wanted.clone(),
        );
        registry.register(
            "segments_without_baseline",
            "Segments that the active baseline does not have",
            metrics.segments_without_baseline.clone(),
        );
        registry.register("alerts_firing", "Alerts that fire", metrics.alerts_firing.clone());
        registry.register(
            "partition_lag_messages",
            "Messages between the stored position and the end of the log",
            metrics.lag.clone(),
        );
        registry.register("checkpoints", "Checkpoints by outcome", metrics.checkpoints.clone());
        registry.register(
            "checkpoint_duration_seconds",
            "How long storing a checkpoint takes",
            metrics.checkpoint_seconds.clone(),
        );
        registry.register("deliveries", "Delivery attempts by how they ended", metrics.deliveries.clone());
        registry.register("messages_decided", "Messages about alerts by why they are sent", metrics.told.clone());
        registry.register("outbox_pending", "Notifications not delivered yet", metrics.outbox_pending.clone());
        registry.register("outbox_dead", "Notifications given up", metrics.outbox_dead.clone());
        registry.register(
            "outbox_oldest_seconds",
            "Age of the oldest notification not delivered yet",
            metrics.outbox_oldest.clone(),
        );
        registry.register("database_up", "1 while the database answers", metrics.database_up.clone());
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
        registry.register("window_deltas", "Additions to open windows, not merged yet", metrics.deltas.clone());
        registry.register(
            "partition_event_lag_seconds",
            "How far the newest event time counted in a partition is behind the clock",
            metrics.event_lag.clone(),
        );
        registry.register(
            "watermark_lag_seconds",
            "How far the watermark of a monitor is behind the clock",
            metrics.watermark_lag.clone(),
        );
        registry.register(
            "last_window_end_timestamp_seconds",
            "End of the last closed window of a monitor",
            metrics.window_end.clone(),
        );
        registry.register(
            "drift_score",
            "Largest effect of a column in the last closed window, as a multiple of its limit: 1 is drift",
            metrics.scores.clone(),
        );
        registry.register(
            "alerts_judged",
            "Alerts of the last 90 days that people found to be real or false alarms",
            metrics.judged.clone(),
        );
        registry.register(
            "false_alarm_ratio",
            "Share of false alarms among the alerts of the last 90 days that people judged",
            metrics.false_alarms.clone(),
        );
        registry.register("database_connections", "Connections to the database", metrics.connections.clone());
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
        self.seen().windows.insert(labels);
    }

    /// So many windows were merged, judged and stored together in this time.
    pub fn judging(&self, seconds: f64, windows: usize) {
        #[expect(clippy::cast_precision_loss, reason = "a batch of windows")]
        let each = seconds / windows.max(1) as f64;
        for _ in 0..windows {
            self.judging_seconds.observe(each);
        }
    }

    /// Bytes of what was counted since the last checkpoint.
    pub fn counted_bytes(&self, bytes: usize) {
        self.counted.set(i64::try_from(bytes).unwrap_or(i64::MAX));
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

    /// Lag of a partition.
    pub fn lag(&self, topic: &str, partition: i32, messages: i64) {
        self.lag.get_or_create(&PartitionLabels { topic: topic.to_owned(), partition }).set(messages);
    }

    /// Forgets the lag of partitions that are not this daemon's any more.
    pub fn clear_lag(&self) {
        self.lag.clear();
        self.event_lag.clear();
    }

    /// How far the newest event of a partition is behind the clock.
    pub fn event_lag(&self, topic: &str, partition: i32, seconds: f64) {
        self.event_lag.get_or_create(&PartitionLabels { topic: topic.to_owned(), partition }).set(seconds);
    }

    /// Additions to open windows, not merged yet.
    pub fn deltas(&self, number: u64) {
        self.deltas.set(i64::try_from(number).unwrap_or(i64::MAX));
    }

    /// Connections to the database: all, and those that nobody uses.
    pub fn connections(&self, all: u32, idle: usize) {
        let idle = i64::try_from(idle).unwrap_or(i64::MAX);
        self.connections.get_or_create(&StateLabels { state: "idle" }).set(idle);
        self.connections.get_or_create(&StateLabels { state: "used" }).set((i64::from(all) - idle).max(0));
    }

    /// How all monitors do; whatever is known of others is taken away.
    pub fn monitors(&self, monitors: &[(String, MonitorGauges)]) {
        let known = |name: &str| monitors.iter().any(|(monitor, _)| monitor == name);
        {
            let mut seen = self.seen();
            seen.records.retain(|labels| known(&labels.monitor) || !self.records.remove(labels));
            seen.windows.retain(|labels| known(&labels.monitor) || !self.windows_closed.remove(labels));
        }
        self.open_windows.clear();
        self.learning_windows.clear();
        self.learning_windows_wanted.clear();
        self.segments_without_baseline.clear();
        self.alerts_firing.clear();
        self.watermark_lag.clear();
        self.window_end.clear();
        self.scores.clear();
        self.judged.clear();
        self.false_alarms.clear();
        for (monitor, gauges) in monitors {
            let labels = MonitorLabels { monitor: monitor.clone() };
            let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
            self.open_windows.get_or_create(&labels).set(whole(gauges.open_windows));
            // Both 0 while nothing is learnt: no series comes and goes.
            let (windows, of) = gauges.learning.unwrap_or_default();
            self.learning_windows.get_or_create(&labels).set(i64::from(windows));
            self.learning_windows_wanted.get_or_create(&labels).set(i64::from(of));
            self.segments_without_baseline.get_or_create(&labels).set(whole(gauges.unknown_segments));
            self.alerts_firing.get_or_create(&labels).set(whole(gauges.firing));
            if let Some(lag) = gauges.watermark_lag {
                self.watermark_lag.get_or_create(&labels).set(lag);
            }
            if let Some(end) = gauges.window_end {
                self.window_end.get_or_create(&labels).set(end);
            }
            for (column, score) in strongest(&gauges.scores) {
                let labels = ColumnLabels { monitor: monitor.clone(), column: column.clone() };
                self.scores.get_or_create(&labels).set(f64::from(*score));
            }
            if let Some((real, wrong)) = gauges.judged {
                for (judged, number) in [("real", real), ("false_alarm", wrong)] {
                    let labels = JudgedLabels { monitor: monitor.clone(), judged };
                    self.judged.get_or_create(&labels).set(whole(number));
                }
                #[expect(clippy::cast_precision_loss, reason = "some dozen alerts")]
                let share = wrong as f64 / (real + wrong).max(1) as f64;
                self.false_alarms.get_or_create(&labels).set(share);
            }
        }
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The outbox of a receiver.
    pub fn outbox(&self, receiver: &str, pending: u64, dead: u64, oldest_seconds: f64) {
        let labels = ReceiverLabels { receiver: receiver.to_owned() };
        self.outbox_pending.get_or_create(&labels).set(i64::try_from(pending).unwrap_or(i64::MAX));
        self.outbox_dead.get_or_create(&labels).set(i64::try_from(dead).unwrap_or(i64::MAX));
        self.outbox_oldest.get_or_create(&labels).set(oldest_seconds);
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
        // Writing to a String cannot fail.
        let _infallible = encode(&mut text, &self.registry);
        text
    }
}

/// All scores, or of very many those that are largest.
fn strongest(scores: &[(String, f32)]) -> Vec<&(String, f32)> {
    let mut all: Vec<&(String, f32)> = scores.iter().collect();
    if all.len() > MAX_SCORES {
        all.sort_by(|left, right| right.1.total_cmp(&left.1));
        all.truncate(MAX_SCORES);
    }
    all
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_go_with_their_monitor_and_scores_are_bounded() {
        let metrics = Metrics::default();
        metrics.records("a", "accepted", "", 3);
        metrics.records("b", "accepted", "", 4);
        metrics.window_closed("b", "ok");
        let scores: Vec<(String, f32)> =
            (0..250u16).map(|index| (format!("c{index}"), f32::from(index))).collect();
        let wide = MonitorGauges { scores, judged: Some((3, 1)), ..MonitorGauges::default() };
        metrics.monitors(&[("a".into(), wide), ("b".into(), MonitorGauges::default())]);
        let text = metrics.encode();
        assert!(text.contains("driftd_records_total{monitor=\"b\",outcome=\"accepted\",reason=\"\"} 4"), "{text}");
        assert!(text.contains("driftd_false_alarm_ratio{monitor=\"a\"} 0.25"), "{text}");
        assert_eq!(text.matches("driftd_drift_score{").count(), MAX_SCORES);
        assert!(text.contains("column=\"c249\"") && !text.contains("column=\"c149\""));
        metrics.monitors(&[("a".into(), MonitorGauges::default())]);
        let text = metrics.encode();
        assert!(!text.contains("monitor=\"b\"") && !text.contains("driftd_drift_score{"), "{text}");
    }
}
