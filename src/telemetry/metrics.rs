//! What `/metrics` shows. Names follow Prometheus' rules; label values come from configuration and closed
//! enums, so their number is bounded.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

type Float = Gauge<f64, AtomicU64>;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RecordLabels {
    monitor: String,
    outcome: String,
    reason: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct MonitorLabels {
    monitor: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
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
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("driftd");
        let metrics = Self {
            records: Family::default(),
            windows_closed: Family::default(),
            open_windows: Family::default(),
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
        metrics.reload_success.set(1);
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
    }

    /// A window was closed.
    pub fn window_closed(&self, monitor: &str, verdict: &str) {
        let labels = VerdictLabels { monitor: monitor.to_owned(), verdict: verdict.to_owned() };
        self.windows_closed.get_or_create(&labels).inc();
    }

    /// A checkpoint ended.
    pub fn checkpoint(&self, outcome: &str, seconds: f64) {
        self.checkpoints.get_or_create(&OutcomeLabels { outcome: outcome.to_owned() }).inc();
        self.checkpoint_seconds.observe(seconds);
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
    }

    /// Open windows of a monitor.
    pub fn open_windows(&self, monitor: &str, windows: u64) {
        let labels = MonitorLabels { monitor: monitor.to_owned() };
        self.open_windows.get_or_create(&labels).set(i64::try_from(windows).unwrap_or(i64::MAX));
    }

    /// Firing alerts of a monitor.
    pub fn alerts_firing(&self, monitor: &str, alerts: usize) {
        let labels = MonitorLabels { monitor: monitor.to_owned() };
        self.alerts_firing.get_or_create(&labels).set(i64::try_from(alerts).unwrap_or(i64::MAX));
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
