//! The gauges that are read from the database and the client every few seconds, and replaced together.

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::Float;
use super::labels::{
    BoundLabels, ColumnLabels, JudgedLabels, MonitorLabels, PartitionLabels, ReceiverLabels, StateLabels,
};
use crate::view::OutboxDepth;

/// What is read at one refresh.
#[derive(Clone, Debug, Default)]
pub struct Gauges {
    /// All monitors, by name.
    pub monitors: Vec<(String, MonitorGauges)>,
    /// The partitions that this daemon reads.
    pub partitions: Vec<PartitionGauges>,
    /// Receivers with notifications.
    pub outbox: Vec<OutboxDepth>,
    /// Additions to open windows, not merged yet.
    pub pending_deltas: u64,
    /// Connections to the database: all, and those that nobody uses.
    pub connections: (u32, usize),
}

/// How a monitor does, as gauges.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MonitorGauges {
    /// Windows not closed yet.
    pub open_windows: u64,
    /// While a baseline is being learned: closed windows so far, and how many it is learned from.
    pub learning: Option<(u32, u32)>,
    /// Segments that the active baseline does not have.
    pub unknown_segments: u64,
    /// Alerts that fire, acknowledged or not.
    pub firing: u64,
    /// How far its watermark is behind the clock, in seconds.
    pub watermark_lag: Option<f64>,
    /// End of the last window that was closed, in seconds since 1970.
    pub window_end: Option<f64>,
    /// The score of each column in that window, as a multiple of its limit.
    pub scores: Vec<(String, f32)>,
    /// Alerts that people found to be real, and false alarms.
    pub judged: Option<(u64, u64)>,
    /// The account of false alarms.
    pub account: Option<AccountGauges>,
}

/// The account of false alarms of a monitor over the last 30 days of event time, or the period of its budget if that is longer.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct AccountGauges {
    /// Windows with a verdict.
    pub windows: u64,
    /// Alerts about drift that fired: judged real, judged a false alarm, not judged.
    pub alerts: [u64; 3],
    /// False alarms that the budget allows in this time.
    pub allowed: f64,
    /// The 95 % interval of the rate of false alarms per period of the budget; none without a judged window.
    pub rate: Option<(f64, f64)>,
    /// Proposals of wider limits that a person is to decide about.
    pub proposed: u64,
    /// Accepted limits.
    pub accepted: u64,
}

/// How far a partition has been counted.
#[derive(Clone, Debug, PartialEq)]
pub struct PartitionGauges {
    pub topic: String,
    /// Its number.
    pub partition: i32,
    /// Messages between the stored position and where the log can be read to.
    pub lag: u64,
    /// How far the newest event time is behind the clock, in seconds; none before the first.
    pub event_lag: Option<f64>,
}

/// Columns with a score of their own at most; of wider models those that moved most.
const MAX_SCORES: usize = 100;

#[derive(Debug, Default)]
pub(super) struct Refreshed {
    open_windows: Family<MonitorLabels, Gauge>,
    learning_windows: Family<MonitorLabels, Gauge>,
    learning_windows_wanted: Family<MonitorLabels, Gauge>,
    segments_without_baseline: Family<MonitorLabels, Gauge>,
    alerts_firing: Family<MonitorLabels, Gauge>,
    watermark_lag: Family<MonitorLabels, Float>,
    window_end: Family<MonitorLabels, Float>,
    scores: Family<ColumnLabels, Float>,
    judged: Family<JudgedLabels, Gauge>,
    false_alarms: Family<MonitorLabels, Float>,
    account_windows: Family<MonitorLabels, Gauge>,
    account_alerts: Family<JudgedLabels, Gauge>,
    account_allowed: Family<MonitorLabels, Float>,
    account_rate: Family<BoundLabels, Float>,
    limits_proposed: Family<MonitorLabels, Gauge>,
    limits_accepted: Family<MonitorLabels, Gauge>,
    lag: Family<PartitionLabels, Gauge>,
    event_lag: Family<PartitionLabels, Float>,
    outbox_pending: Family<ReceiverLabels, Gauge>,
    outbox_dead: Family<ReceiverLabels, Gauge>,
    outbox_oldest: Family<ReceiverLabels, Float>,
    deltas: Gauge,
    connections: Family<StateLabels, Gauge>,
}

impl Refreshed {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("open_windows", "Open windows", self.open_windows.clone());
        registry.register(
            "learning_windows",
            "Closed windows of those that a baseline is learned from",
            self.learning_windows.clone(),
        );
        registry.register(
            "learning_windows_wanted",
            "Windows that the baseline is learned from",
            self.learning_windows_wanted.clone(),
        );
        registry.register(
            "segments_without_baseline",
            "Segments not in the active baseline",
            self.segments_without_baseline.clone(),
        );
        registry.register("alerts_firing", "Alerts that fire", self.alerts_firing.clone());
        registry.register(
            "partition_lag_messages",
            "Messages between the stored position and the end of the log",
            self.lag.clone(),
        );
        registry.register("outbox_pending", "Pending notifications", self.outbox_pending.clone());
        registry.register("outbox_dead", "Notifications that failed permanently", self.outbox_dead.clone());
        registry.register(
            "outbox_oldest_seconds",
            "Age of the oldest pending notification",
            self.outbox_oldest.clone(),
        );
        registry.register("window_deltas", "Additions to open windows, not merged yet", self.deltas.clone());
        registry.register(
            "partition_event_lag_seconds",
            "How far the newest event time counted in a partition is behind the clock",
            self.event_lag.clone(),
        );
        registry.register(
            "watermark_lag_seconds",
            "How far the watermark of a monitor is behind the clock",
            self.watermark_lag.clone(),
        );
        registry.register(
            "last_window_end_timestamp_seconds",
            "End of the last closed window of a monitor",
            self.window_end.clone(),
        );
        registry.register(
            "drift_score",
            "Effect of the measure that says most about a column in the last closed window, as a multiple of its limit",
            self.scores.clone(),
        );
        registry.register(
            "alerts_judged",
            "Alerts of the last 90 days that people found to be real or false alarms",
            self.judged.clone(),
        );
        registry.register(
            "false_alarm_ratio",
            "Share of false alarms among the alerts of the last 90 days that people judged",
            self.false_alarms.clone(),
        );
        registry.register(
            "account_windows",
            "Judged windows in the account of false alarms: of the last 30 days of event time, or the period of the budget if it is longer",
            self.account_windows.clone(),
        );
        registry.register(
            "account_alerts",
            "Alerts about drift that fired in the time of the account, by what people judged them to be",
            self.account_alerts.clone(),
        );
        registry.register(
            "account_false_alarms_allowed",
            "False alarms that the budget allows in the time of the account",
            self.account_allowed.clone(),
        );
        registry.register(
            "account_false_alarm_rate",
            "Bounds of the 95 % interval of the rate of false alarms, per period of the budget or per window",
            self.account_rate.clone(),
        );
        registry.register(
            "limits_proposed",
            "Proposals of wider limits that nobody has decided about",
            self.limits_proposed.clone(),
        );
        registry.register("limits_accepted", "Accepted limits", self.limits_accepted.clone());
        registry.register("database_connections", "Connections to the database", self.connections.clone());
    }

    /// Takes all series away and sets those of now. Nobody scrapes meanwhile.
    pub(super) fn replace(&self, gauges: &Gauges) {
        self.clear();
        for (monitor, gauges) in &gauges.monitors {
            self.set_monitor(monitor, gauges);
        }
        for partition in &gauges.partitions {
            let labels = PartitionLabels { topic: partition.topic.clone(), partition: partition.partition };
            self.lag.get_or_create(&labels).set(i64::try_from(partition.lag).unwrap_or(i64::MAX));
            if let Some(seconds) = partition.event_lag {
                self.event_lag.get_or_create(&labels).set(seconds);
            }
        }
        for depth in &gauges.outbox {
            let labels = ReceiverLabels { receiver: depth.receiver.clone() };
            self.outbox_pending.get_or_create(&labels).set(whole(depth.pending));
            self.outbox_dead.get_or_create(&labels).set(whole(depth.dead));
            self.outbox_oldest.get_or_create(&labels).set(depth.oldest_seconds);
        }
        self.deltas.set(whole(gauges.pending_deltas));
        let (all, idle) = gauges.connections;
        let idle = i64::try_from(idle).unwrap_or(i64::MAX);
        self.connections.get_or_create(&StateLabels { state: "idle" }).set(idle);
        self.connections.get_or_create(&StateLabels { state: "used" }).set((i64::from(all) - idle).max(0));
    }

    fn clear(&self) {
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
        self.account_windows.clear();
        self.account_alerts.clear();
        self.account_allowed.clear();
        self.account_rate.clear();
        self.limits_proposed.clear();
        self.limits_accepted.clear();
        self.lag.clear();
        self.event_lag.clear();
        self.outbox_pending.clear();
        self.outbox_dead.clear();
        self.outbox_oldest.clear();
    }

    fn set_monitor(&self, monitor: &str, gauges: &MonitorGauges) {
        let labels = MonitorLabels { monitor: monitor.to_owned() };
        self.open_windows.get_or_create(&labels).set(whole(gauges.open_windows));
        // Both 0 while nothing is learned: no series comes and goes.
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
            let labels = ColumnLabels { monitor: monitor.to_owned(), column: column.clone() };
            self.scores.get_or_create(&labels).set(f64::from(*score));
        }
        if let Some((real, wrong)) = gauges.judged {
            for (judged, number) in [("real", real), ("false_alarm", wrong)] {
                let labels = JudgedLabels { monitor: monitor.to_owned(), judged };
                self.judged.get_or_create(&labels).set(whole(number));
            }
            #[expect(clippy::cast_precision_loss, reason = "some dozen alerts")]
            let share = wrong as f64 / (real + wrong).max(1) as f64;
            self.false_alarms.get_or_create(&labels).set(share);
        }
        if let Some(account) = &gauges.account {
            self.set_account(labels, account);
        }
    }

    fn set_account(&self, labels: MonitorLabels, account: &AccountGauges) {
        self.account_windows.get_or_create(&labels).set(whole(account.windows));
        self.account_allowed.get_or_create(&labels).set(account.allowed);
        self.limits_proposed.get_or_create(&labels).set(whole(account.proposed));
        self.limits_accepted.get_or_create(&labels).set(whole(account.accepted));
        let MonitorLabels { monitor } = labels;
        for (judged, number) in ["real", "false_alarm", "not_judged"].into_iter().zip(account.alerts) {
            let labels = JudgedLabels { monitor: monitor.clone(), judged };
            self.account_alerts.get_or_create(&labels).set(whole(number));
        }
        if let Some((lower, upper)) = account.rate {
            for (bound, value) in [("lower", lower), ("upper", upper)] {
                self.account_rate.get_or_create(&BoundLabels { monitor: monitor.clone(), bound }).set(value);
            }
        }
    }
}

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
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
