//! Alerts about the daemon and what it reads from, rather than about a model: the same machine, fed with facts instead of
//! judged windows, at every look instead of every window.

use super::{AlertPolicy, Level, Severity};

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
    /// Event times lie ahead of the broker's clock.
    ClockSkew,
    /// A partition has records and is not read.
    StuckPartition,
    /// Windows close and there is nothing to compare them with.
    BaselineMissing,
    /// Segments close windows that the baseline has nothing of.
    SegmentWithoutBaseline,
    /// Messages were given up.
    DeadDeliveries,
    /// A training system does not answer.
    RetrainingUnanswered,
}

impl OperationalRule {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::NoData,
        Self::Lag,
        Self::RejectedShare,
        Self::LateShare,
        Self::RetentionGap,
        Self::ClockSkew,
        Self::StuckPartition,
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
            Self::StuckPartition => "stuck_partition",
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
            Self::ClockSkew => "Look at the clocks of the producers, and at `source.time_unit`.",
            Self::StuckPartition => "Look at the daemon that owns the partition and at the broker that leads it.",
            Self::BaselineMissing => {
                "Build one (driftd baseline build), or learn it from the first windows (`baseline.learn`)."
            }
            Self::SegmentWithoutBaseline => {
                "Make a baseline from windows that have these segments (page of baselines), or build one from newer training data \
                 (driftd baseline build). `driftd status` names all of them."
            }
            Self::DeadDeliveries => {
                "Mend the receiver (driftd notify test RECEIVER), then send again what was given up (driftd alerts replay)."
            }
            Self::RetrainingUnanswered => {
                "Look at the training system; driftd retraining show ID says what was asked."
            }
        }
    }

    /// What stands still has to do so for three looks: after a restart, positions are old until the first checkpoint. The
    /// rest fires with the first look that shows it. All resolve after two looks that do not.
    #[must_use]
    pub fn policy(self) -> AlertPolicy {
        let looks = match self {
            Self::NoData
            | Self::Lag
            | Self::StuckPartition
            | Self::BaselineMissing
            | Self::SegmentWithoutBaseline => 3,
            _ => 1,
        };
        AlertPolicy { windows: looks, of: looks, resolve_after: 2, flap_windows: 30 }
    }
}

/// From where on something is wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OperationalLimits {
    /// Silence of a monitor, in microseconds; 0 switches it off.
    pub no_data: i64,
    /// Messages behind the end of the log; 0 switches it off.
    pub lag: i64,
    /// Share of rejected records.
    pub rejected_share: f64,
    /// Share of late records.
    pub late_share: f64,
    /// How long a partition with unread records may stand still, in microseconds.
    pub stuck: i64,
}

impl Default for OperationalLimits {
    fn default() -> Self {
        Self { no_data: 3_600_000_000, lag: 1_000_000, rejected_share: 0.05, late_share: 0.05, stuck: 600_000_000 }
    }
}

impl OperationalLimits {
    /// The limits of a monitor whose windows have this length: one with long windows is often fed in batches, and silent in
    /// between, so it is silent only after two of its windows.
    #[must_use]
    pub fn for_windows(self, length: i64) -> Self {
        let no_data = if self.no_data == 0 { 0 } else { self.no_data.max(length.saturating_mul(2)) };
        Self { no_data, ..self }
    }
}

/// Records a share is judged on at least.
pub const MIN_RECORDS: u64 = 200;

/// What is known of a monitor at one look.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OperationalFacts {
    /// How long no record was counted, in microseconds; none when none ever was.
    pub silent_for: Option<i64>,
    /// Messages between the position and the end of the log, over all partitions.
    pub lag: i64,
    /// Records counted since the last look that had enough of them.
    pub accepted: u64,
    /// Records that came too late since then.
    pub late: u64,
    /// Records that could not be used since then.
    pub rejected: u64,
    /// Of these, records from the future.
    pub future: u64,
    /// Partitions that lost messages to retention lately, with how many.
    pub gaps: Vec<(String, u64)>,
    /// Partitions with unread messages whose position stands still, with microseconds since it moved.
    pub stuck: Vec<(String, i64)>,
    /// Whether the newest window closed without a baseline, and none is being learnt.
    pub baseline_missing: bool,
    /// Segments that send enough records for a verdict and that the active baseline does not have, with the start of their
    /// first window that was not judged.
    pub segments: Vec<(String, String)>,
    /// Retraining requests that got no answer in time lately.
    pub unanswered: u64,
}

/// What a look says about one rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Sign {
    /// The rule.
    pub rule: OperationalRule,
    /// Whether it is wrong.
    pub level: Level,
    /// What is wrong, a sentence; empty when nothing is.
    pub summary: String,
}

impl Sign {
    /// A rule that is broken, or not.
    #[must_use]
    pub fn new(rule: OperationalRule, summary: Option<String>) -> Self {
        let level = if summary.is_some() { Level::drifting(rule.severity()) } else { Level::Quiet };
        Self { rule, level, summary: summary.unwrap_or_default() }
    }
}

impl OperationalFacts {
    /// Whether enough records came since the last look to judge shares.
    #[must_use]
    pub fn enough_records(&self) -> bool {
        self.accepted + self.late + self.rejected >= MIN_RECORDS
    }

    /// What they say about every rule of a monitor. Shares of too few records say nothing.
    #[must_use]
    pub fn signs(&self, limits: &OperationalLimits) -> Vec<Sign> {
        use OperationalRule as Rule;
        let mut signs = Vec::new();
        if limits.no_data > 0 {
            let silent = self.silent_for.filter(|silent| *silent > limits.no_data);
            let summary = silent.map(|silent| format!("no record was counted for {}", span(silent)));
            signs.push(Sign::new(Rule::NoData, summary));
        }
        if limits.lag > 0 {
            let summary = (self.lag > limits.lag).then(|| format!("reading is {} messages behind", self.lag));
            signs.push(Sign::new(Rule::Lag, summary));
        }
        if self.enough_records() {
            let all = self.accepted + self.late + self.rejected;
            let share = |part: u64, limit: f64, what: &str| {
                let share = ratio(part, all);
                (share > limit).then(|| format!("{:.1} % of the last {all} records {what}", share * 100.0))
            };
            signs.push(Sign::new(
                Rule::RejectedShare,
                share(self.rejected, limits.rejected_share, "could not be used"),
            ));
            signs.push(Sign::new(
                Rule::LateShare,
                share(self.late, limits.late_share, "came too late to be counted"),
            ));
            signs.push(Sign::new(
                Rule::ClockSkew,
                share(self.future, 0.01, "have event times ahead of the broker's clock"),
            ));
        }
        let list = |found: &[(String, String)]| {
            (!found.is_empty())
                .then(|| found.iter().map(|(name, what)| format!("{name} {what}")).collect::<Vec<_>>().join(", "))
        };
        let gaps: Vec<_> =
            self.gaps.iter().map(|(name, lost)| (name.clone(), format!("lost {lost} messages"))).collect();
        signs.push(Sign::new(
            Rule::RetentionGap,
            list(&gaps).map(|list| format!("messages were gone before they could be read: {list}")),
        ));
        let stuck: Vec<_> =
            self.stuck.iter().map(|(name, since)| (name.clone(), format!("for {}", span(*since)))).collect();
        signs.push(Sign::new(
            Rule::StuckPartition,
            list(&stuck).map(|list| format!("partitions with unread messages stand still: {list}")),
        ));
        let missing = "windows close and there is no baseline to compare them with".to_owned();
        signs.push(Sign::new(Rule::BaselineMissing, self.baseline_missing.then_some(missing)));
        signs.push(Sign::new(Rule::SegmentWithoutBaseline, segments_in_words(&self.segments)));
        let unanswered = format!("{} retraining requests got no answer in time", self.unanswered);
        signs.push(Sign::new(Rule::RetrainingUnanswered, (self.unanswered > 0).then_some(unanswered)));
        signs
    }
}

/// Segments that one alert names.
const NAMED_SEGMENTS: usize = 5;

/// One alert says it of all segments, however many there are.
fn segments_in_words(segments: &[(String, String)]) -> Option<String> {
    let named: Vec<String> = segments
        .iter()
        .take(NAMED_SEGMENTS)
        .map(|(segment, since)| format!("segment {segment}: no baseline since {since}"))
        .collect();
    let more = segments.len().saturating_sub(NAMED_SEGMENTS);
    let more = if more > 0 { format!(", and {more} more") } else { String::new() };
    (!named.is_empty())
        .then(|| format!("windows of new segments are counted and not judged: {}{more}", named.join(", ")))
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn ratio(part: u64, all: u64) -> f64 {
    if all == 0 { 0.0 } else { part as f64 / all as f64 }
}

/// Microseconds as people say it.
fn span(micros: i64) -> String {
    let seconds = micros / 1_000_000;
    match seconds {
        s if s >= 172_800 => format!("{} days", s / 86_400),
        s if s >= 7_200 => format!("{} hours", s / 3_600),
        s if s >= 120 => format!("{} minutes", s / 60),
        s => format!("{s} seconds"),
    }
}
