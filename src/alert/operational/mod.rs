//! Alerts about the daemon and what it reads from, rather than about a model: the same machine, fed with facts instead of
//! judged windows, at every look instead of every window.

mod facts;
mod signs;

pub use facts::{HeldBack, MissingBaseline, OperationalFacts};
pub use signs::{MIN_RECORDS, Sign};

use super::{AlertPolicy, Severity};
use crate::record::TimeSpan;

/// What can be wrong. A closed set: the names of the alerts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OperationalRule {
    /// Records stopped coming.
    NoData,
    /// Reading is far behind.
    Lag,
    /// Many records cannot be used.
    RejectedShare,
    /// Many records come too late.
    LateShare,
    /// Records were gone before they could be read.
    RetentionGap,
    /// Event times lie ahead of the clock: the timestamp of their message or the daemon's own, whichever is earlier.
    ClockSkew,
    /// All event times lie in a time that cannot be meant.
    ImplausibleTime,
    /// A column has no valid value, or hardly one.
    UnreadableColumn,
    /// All records are filtered.
    NothingSelected,
    /// A partition has records and is not read.
    StuckPartition,
    /// A log is not the one that was read: partitions of it are not read on.
    LogReplaced,
    /// A topic does not exist: it is misspelt, not there yet, or was deleted.
    TopicMissing,
    /// There are more versions and segments than are counted apart.
    SeriesLimit,
    /// Groups or databases take records from one another.
    ConflictingReaders,
    /// Running daemons have different configurations.
    ConfigurationsDiffer,
    /// Windows close and there is nothing to compare them with.
    BaselineMissing,
    /// Segments close windows that the baseline has nothing of.
    SegmentWithoutBaseline,
    /// Deliveries failed.
    DeadDeliveries,
    /// A training system does not answer.
    RetrainingUnanswered,
}

impl OperationalRule {
    /// All of them.
    pub const ALL: [Self; 19] = [
        Self::NoData,
        Self::Lag,
        Self::RejectedShare,
        Self::LateShare,
        Self::RetentionGap,
        Self::ClockSkew,
        Self::ImplausibleTime,
        Self::UnreadableColumn,
        Self::NothingSelected,
        Self::StuckPartition,
        Self::LogReplaced,
        Self::TopicMissing,
        Self::SeriesLimit,
        Self::ConflictingReaders,
        Self::ConfigurationsDiffer,
        Self::BaselineMissing,
        Self::SegmentWithoutBaseline,
        Self::DeadDeliveries,
        Self::RetrainingUnanswered,
    ];

    /// The name used as `alertname`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoData => "no_data",
            Self::Lag => "lag",
            Self::RejectedShare => "rejected_share",
            Self::LateShare => "late_share",
            Self::RetentionGap => "retention_gap",
            Self::ClockSkew => "clock_skew",
            Self::ImplausibleTime => "implausible_time",
            Self::UnreadableColumn => "unreadable_column",
            Self::NothingSelected => "nothing_selected",
            Self::StuckPartition => "stuck_partition",
            Self::LogReplaced => "log_replaced",
            Self::TopicMissing => "topic_missing",
            Self::SeriesLimit => "series_limit",
            Self::ConflictingReaders => "conflicting_readers",
            Self::ConfigurationsDiffer => "configurations_differ",
            Self::BaselineMissing => "baseline_missing",
            Self::SegmentWithoutBaseline => "segment_without_baseline",
            Self::DeadDeliveries => "dead_deliveries",
            Self::RetrainingUnanswered => "retraining_unanswered",
        }
    }

    /// How bad it is.
    #[must_use]
    pub fn severity(self) -> Severity {
        match self {
            Self::Lag
            | Self::LateShare
            | Self::UnreadableColumn
            | Self::NothingSelected
            | Self::TopicMissing
            | Self::SeriesLimit
            | Self::BaselineMissing
            | Self::SegmentWithoutBaseline
            | Self::RetrainingUnanswered => Severity::Warn,
            _ => Severity::Critical,
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn advice(self) -> &'static str {
        match self {
            Self::NoData => {
                "Does the model still log its predictions? Look at its producer and at the topic's newest offsets."
            }
            Self::Lag => "Start another daemon in the same group, or give this one more workers.",
            Self::RejectedShare => {
                "Did the log's format change? `driftd status` counts rejected records by reason."
            }
            Self::LateShare => "Raise `window.out_of_orderness`, or find out what delays these records.",
            Self::RetentionGap => "Raise the topic's retention, or find out why reading was so far behind.",
            Self::ClockSkew => {
                "Look at the clock that the example names, at the offsets of local times, and at `source.time_unit`."
            }
            Self::ImplausibleTime => "Set `source.time` and `source.time_unit` to what the records have.",
            Self::UnreadableColumn => {
                "If it was read until now, look at what fills it. Otherwise set `path` and `type` of the column to what the records \
                 have (driftd tail shows them), or remove the column. Its values cannot be compared, and no baseline is learned with it."
            }
            Self::NothingSelected => "Set `[source.where]` to what the records have, or remove it.",
            Self::StuckPartition => {
                "Look at the daemon that owns the partition and at the broker that leads it; where a transaction holds messages \
                 back, look at its producer (kafka-transactions.sh find-hanging)."
            }
            Self::LogReplaced => {
                "Find out what happened to the topic. `driftd positions reset TOPIC --to earliest` continues with the messages that exist \
                 now; it shows first what it will change."
            }
            Self::TopicMissing => {
                "Is `source.topics` spelt as the topic is (driftd check --online)? When the topic is gone for good, remove it there, and \
                 `driftd positions forget TOPIC` makes windows stop waiting for it."
            }
            Self::SeriesLimit => {
                "Find out why there are so many versions or segment values, or raise `limits.max_series`. Those without records give way \
                 to others after `alert.gone_after`."
            }
            Self::ConflictingReaders => {
                "Daemons that share a database share one `kafka.group`, and every database has a group of its own: set `kafka.group` \
                 and `postgres.url` so, and restart the daemons. Windows of that time lack records, or were read twice for nothing."
            }
            Self::ConfigurationsDiffer => {
                "Deploy the same configuration to all daemons of this database and reload them (driftd reload); `driftd config show` says \
                 what each has."
            }
            Self::BaselineMissing => {
                "Build a baseline for the current columns from training data (driftd baseline build) or from closed windows (page of \
                 baselines). If there never was one, it can be learned from the first windows (`baseline.learn`)."
            }
            Self::SegmentWithoutBaseline => {
                "Build a baseline from windows that have these segments (page of baselines), or one from newer training data \
                 (driftd baseline build). `driftd status` names all of them."
            }
            Self::DeadDeliveries => {
                "Fix the receiver (driftd notify test RECEIVER), then send the failed messages again (driftd alerts replay)."
            }
            Self::RetrainingUnanswered => {
                "Look at the training system; driftd retraining show ID says what was asked."
            }
        }
    }

    /// A position that does not move, or data that does not come, fires at the third look in a row that finds it: after a
    /// restart, positions are old until the first checkpoint. Configurations that differ fire at the sixth: a change reaches
    /// one daemon after another. Everything else fires at the first. All resolve after two looks that find nothing.
    #[must_use]
    pub fn policy(self) -> AlertPolicy {
        let looks = match self {
            Self::NoData
            | Self::Lag
            | Self::StuckPartition
            | Self::TopicMissing
            | Self::ConflictingReaders
            | Self::BaselineMissing
            | Self::NothingSelected
            | Self::SegmentWithoutBaseline => 3,
            Self::ConfigurationsDiffer => 6,
            _ => 1,
        };
        AlertPolicy { windows: looks, of: looks, resolve_after: 2, flap_windows: 30 }
    }
}

/// From where on something is wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OperationalLimits {
    /// Silence of a monitor; 0 switches it off.
    pub no_data: TimeSpan,
    /// Messages behind the end of the log; 0 switches it off.
    pub lag: i64,
    /// Share of rejected records.
    pub rejected_share: f64,
    /// Share of late records.
    pub late_share: f64,
    /// How long a partition with unread records may stand still.
    pub stuck: TimeSpan,
}

impl Default for OperationalLimits {
    fn default() -> Self {
        Self {
            no_data: TimeSpan::hours(1),
            lag: 1_000_000,
            rejected_share: 0.05,
            late_share: 0.05,
            stuck: TimeSpan::minutes(10),
        }
    }
}

impl OperationalLimits {
    /// The limits of a monitor whose windows have this length: one with long windows is often fed in batches, and silent in
    /// between, so it is silent only after two of its windows.
    #[must_use]
    pub fn for_windows(self, length: TimeSpan) -> Self {
        let no_data = if self.no_data.is_zero() { TimeSpan::ZERO } else { self.no_data.max(length.times(2)) };
        Self { no_data, ..self }
    }
}
