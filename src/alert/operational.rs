//! Alerts about the daemon and what it reads from, rather than about a model: the same machine, fed with facts instead of
//! judged windows, at every look instead of every window.

use std::collections::BTreeMap;

use super::{AlertPolicy, Level, Severity};
use crate::record::{EventTime, RejectReason, TimeFormat, listed, number_of};
use crate::window::{LATE, span_in_words as span};

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
    /// Messages were given up.
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
                "Set `path` and `type` of the column to what the records have (driftd tail shows them), or remove the column: no \
                 baseline is learnt with it, and nothing is compared."
            }
            Self::NothingSelected => "Set `[source.where]` to what the records have, or remove it.",
            Self::StuckPartition => {
                "Look at the daemon that owns the partition and at the broker that leads it; where a transaction holds messages \
                 back, look at its producer (kafka-transactions.sh find-hanging)."
            }
            Self::LogReplaced => {
                "Find out what became of the topic. `driftd positions reset TOPIC --to earliest` reads on from the beginning of what is \
                 there now; it says first what it will do."
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
                "Bring the same configuration to all daemons of this database and reload them (driftd reload); `driftd config show` says \
                 what each has."
            }
            Self::BaselineMissing => {
                "Build one for the columns as they are (driftd baseline build), make one from closed windows (page of baselines), or, \
                 when there never was one, learn it from the first windows (`baseline.learn`)."
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
/// Records that are counted before their times are found implausible: one may be a slip.
const MIN_COUNTED: u64 = 20;
/// Reasons that a summary gives with an example.
const REASONS: usize = 3;
/// Columns that a summary names.
const NAMED: usize = 5;

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
    /// Records that could not be used since then, by reason.
    pub rejected: BTreeMap<String, u64>,
    /// The newest example of each reason in words: of rejections, and `late`.
    pub examples: BTreeMap<String, String>,
    /// How many records were filtered, when no other was ever counted or late.
    pub filtered_only: Option<u64>,
    /// What each filter wants and what it sees instead.
    pub filters: Vec<String>,
    /// Columns without a valid value, or hardly with one: their names, and what was found, in words.
    pub unreadable: Vec<(String, String)>,
    /// Records ever counted.
    pub counted: u64,
    /// The newest event time ever counted.
    pub newest: Option<EventTime>,
    /// How event times are written; none when they are those of the messages.
    pub time_format: Option<TimeFormat>,
    /// Partitions that lost messages to retention lately, with how many.
    pub gaps: Vec<(String, u64)>,
    /// Partitions with unread messages whose position stands still, with microseconds since it moved.
    pub stuck: Vec<(String, i64)>,
    /// Partitions whose log is not the one that was read, with what is wrong.
    pub replaced: Vec<(String, String)>,
    /// Topics that do not exist: deleted, or never there.
    pub missing_topics: Vec<String>,
    /// How many versions and segments are counted apart, when there are more.
    pub series_full: Option<usize>,
    /// Partitions in which an open transaction has kept messages from being read for too long.
    pub held: Vec<HeldBack>,
    /// Consumer groups and databases that take records from one another, in words.
    pub conflicts: Vec<String>,
    /// In what the configurations of running daemons differ, in words.
    pub differences: Vec<String>,
    /// Why windows close without a baseline, when they do and none is being learnt.
    pub baseline_missing: Option<MissingBaseline>,
    /// Segments that send enough records for a verdict and that the active baseline does not have, with the start of their
    /// first window that was not judged.
    pub segments: Vec<(String, String)>,
    /// Retraining requests that got no answer in time lately.
    pub unanswered: u64,
}

/// Why there is nothing to compare windows with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MissingBaseline {
    /// No version is active.
    NoneActive,
    /// The active version was made for other columns.
    Unfit {
        /// The version.
        version: i32,
        /// The columns for which it does not fit; empty when only their order differs.
        columns: Vec<String>,
    },
}

impl MissingBaseline {
    fn words(&self) -> String {
        match self {
            Self::NoneActive => "windows close and there is no baseline to compare them with".to_owned(),
            Self::Unfit { version, columns } if columns.is_empty() => format!(
                "windows close and are compared with nothing: baseline version {version} has the columns in another order"
            ),
            Self::Unfit { version, columns } => format!(
                "windows close and are compared with nothing: baseline version {version} does not fit the monitor's columns: {}",
                listed(columns, NAMED_COLUMNS)
            ),
        }
    }
}

/// Columns that one alert names.
const NAMED_COLUMNS: usize = 10;

/// A partition in which an open transaction keeps messages from being read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldBack {
    /// Topic and number.
    pub partition: String,
    /// Offsets that cannot be read.
    pub messages: u64,
    /// For how long, in microseconds.
    pub held_for: i64,
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
    /// What may help in this case, before the rule's own advice.
    pub hint: Option<String>,
}

impl Sign {
    /// A rule that is broken, or not.
    #[must_use]
    pub fn new(rule: OperationalRule, summary: Option<String>) -> Self {
        let level = if summary.is_some() { Level::drifting(rule.severity()) } else { Level::Quiet };
        Self { rule, level, summary: summary.unwrap_or_default(), hint: None }
    }

    /// A rule that is broken in these ways, or in none.
    #[must_use]
    pub fn of_all(rule: OperationalRule, found: &[String]) -> Self {
        Self::new(rule, (!found.is_empty()).then(|| found.join("; ")))
    }

    /// With what may help.
    #[must_use]
    pub fn with_hint(self, hint: Option<String>) -> Self {
        Self { hint, ..self }
    }

    /// What to do about it.
    #[must_use]
    pub fn advice(&self) -> String {
        match &self.hint {
            Some(hint) if !hint.is_empty() => format!("{hint} {}", self.rule.advice()),
            _ => self.rule.advice().to_owned(),
        }
    }
}

impl OperationalFacts {
    /// Whether enough records came since the last look to judge shares.
    #[must_use]
    pub fn enough_records(&self) -> bool {
        self.all() >= MIN_RECORDS
    }

    fn all(&self) -> u64 {
        self.accepted + self.late + self.all_rejected()
    }

    fn all_rejected(&self) -> u64 {
        self.rejected.values().sum()
    }

    /// An example of a reason, and its hint: whole sentences.
    fn example(&self, reason: &str) -> Option<String> {
        let text = self.examples.get(reason)?;
        let (what, hint) = text.split_once("\nhint: ").unwrap_or((text, ""));
        let hint = if hint.is_empty() { String::new() } else { format!(" {}", sentence(hint)) };
        Some(format!("For example {}{hint}", sentence_end(what)))
    }

    /// Shares of records that came to nothing, with examples of why.
    fn shares(&self, limits: &OperationalLimits) -> Vec<Sign> {
        use OperationalRule as Rule;
        let all = self.all();
        let share = |part: u64, limit: f64| Some(ratio(part, all)).filter(|share| *share > limit);
        let of_all = |share: f64| format!("{:.1} % of the last {all} records", share * 100.0);
        let mut reasons: Vec<(&String, u64)> =
            self.rejected.iter().map(|(reason, count)| (reason, *count)).collect();
        reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let rejected = share(self.all_rejected(), limits.rejected_share).map(|share| {
            let named = reasons
                .iter()
                .take(REASONS)
                .map(|(reason, count)| format!("{count} {}", reason.replace('_', " ")));
            format!("{} could not be used: {}", of_all(share), named.collect::<Vec<_>>().join(", "))
        });
        let examples: Vec<String> =
            reasons.iter().take(REASONS).filter_map(|(reason, _)| self.example(reason)).collect();
        let mut late_hint = self.example(LATE);
        let late = share(self.late, limits.late_share).map(|share| {
            if share > 0.5 {
                let order = "Most records are late: the log is not in the order of its event times. It is sorted by something else, \
                             several sources follow one another in it, or old records are written again.";
                late_hint = Some(late_hint.take().map_or(order.to_owned(), |example| format!("{order} {example}")));
            }
            format!("{} came too late to be counted", of_all(share))
        });
        let ahead_of_clock = RejectReason::FutureTimestamp.as_str();
        let future = self.rejected.get(ahead_of_clock).copied().unwrap_or(0);
        let ahead =
            share(future, 0.01).map(|share| format!("{} have event times ahead of the clock", of_all(share)));
        vec![
            Sign::new(Rule::RejectedShare, rejected).with_hint((!examples.is_empty()).then(|| examples.join(" "))),
            Sign::new(Rule::LateShare, late).with_hint(late_hint),
            Sign::new(Rule::ClockSkew, ahead).with_hint(self.example(ahead_of_clock)),
        ]
    }

    /// What is configured otherwise than the records are: times, columns, filters.
    fn mismatches(&self) -> Vec<Sign> {
        use OperationalRule as Rule;
        let implausible = self.newest.filter(|newest| !newest.is_plausible() && self.counted >= MIN_COUNTED);
        let unit = implausible.zip(self.time_format).and_then(|(newest, format)| format.plausible_unit(newest));
        let hint = unit
            .map(|(unit, time)| format!("With `time_unit = \"{}\"` in `[source]` it is {time}.", unit.as_str()));
        let implausible = implausible
            .map(|newest| format!("all event times lie before 1990 or after 2100, the newest is {newest}"));
        let unreadable = (!self.unreadable.is_empty()).then(|| {
            let names: Vec<String> = self.unreadable.iter().map(|(name, _)| format!("`{name}`")).collect();
            format!("columns without a valid value, or hardly with one: {}", listed(&names, NAMED))
        });
        let found: Vec<String> = self.unreadable.iter().take(NAMED).map(|(_, found)| sentence(found)).collect();
        let selected = self
            .filtered_only
            .filter(|filtered| *filtered >= MIN_RECORDS)
            .map(|filtered| format!("all of {filtered} records were filtered by `where`"));
        vec![
            Sign::new(Rule::ImplausibleTime, implausible).with_hint(hint),
            Sign::new(Rule::UnreadableColumn, unreadable).with_hint(Some(found.join(" "))),
            Sign::new(Rule::NothingSelected, selected).with_hint(self.filtered()),
        ]
    }

    /// What `where` wants and what the records have instead, when it filters any.
    fn filtered(&self) -> Option<String> {
        (!self.filters.is_empty()).then(|| format!("In the filtered records {}.", self.filters.join("; ")))
    }

    /// What they say about every rule of a monitor. Shares of too few records say nothing.
    #[must_use]
    pub fn signs(&self, limits: &OperationalLimits) -> Vec<Sign> {
        use OperationalRule as Rule;
        let mut signs = Vec::new();
        if limits.no_data > 0 {
            let silent = self.silent_for.filter(|silent| *silent > limits.no_data);
            let summary = silent.map(|silent| format!("no record was counted for {}", span(silent)));
            signs.push(Sign::new(Rule::NoData, summary).with_hint(self.filtered()));
        }
        if limits.lag > 0 {
            let summary = (self.lag > limits.lag).then(|| format!("reading is {} messages behind", self.lag));
            signs.push(Sign::new(Rule::Lag, summary));
        }
        if self.enough_records() {
            signs.extend(self.shares(limits));
        }
        signs.extend(self.mismatches());
        let list = |found: &[(String, String)]| {
            (!found.is_empty())
                .then(|| found.iter().map(|(name, what)| format!("{name} {what}")).collect::<Vec<_>>().join(", "))
        };
        let gaps: Vec<_> = self
            .gaps
            .iter()
            .map(|(name, lost)| (name.clone(), format!("lost {}", number_of(*lost, "message"))))
            .collect();
        signs.push(Sign::new(
            Rule::RetentionGap,
            list(&gaps).map(|list| format!("messages were gone before they could be read: {list}")),
        ));
        let stuck: Vec<_> =
            self.stuck.iter().map(|(name, since)| (name.clone(), format!("for {}", span(*since)))).collect();
        let held: Vec<_> = self
            .held
            .iter()
            .map(|held| {
                (
                    held.partition.clone(),
                    format!("{} for {}", number_of(held.messages, "message"), span(held.held_for)),
                )
            })
            .collect();
        let standing = list(&stuck).map(|list| format!("partitions with unread messages stand still: {list}"));
        let held = list(&held).map(|list| {
            format!("a transaction that its producer neither commits nor aborts holds messages back: {list}")
        });
        let both: Vec<String> = standing.into_iter().chain(held).collect();
        signs.push(Sign::new(Rule::StuckPartition, (!both.is_empty()).then(|| both.join("; "))));
        let replaced = list(&self.replaced)
            .map(|list| format!("the position does not fit the log, so these are not read: {list}"));
        signs.push(Sign::new(Rule::LogReplaced, replaced));
        let deleted = (!self.missing_topics.is_empty()).then(|| {
            format!("topics do not exist, so nothing is read from them: {}", self.missing_topics.join(", "))
        });
        signs.push(Sign::new(Rule::TopicMissing, deleted));
        let full = self.series_full.map(|limit| {
            format!("there are more than {limit} versions and segments: records of the others are counted together as (other)")
        });
        signs.push(Sign::new(Rule::SeriesLimit, full));
        signs.push(Sign::of_all(Rule::ConflictingReaders, &self.conflicts));
        signs.push(Sign::of_all(Rule::ConfigurationsDiffer, &self.differences));
        let missing = self.baseline_missing.as_ref().map(MissingBaseline::words);
        signs.push(Sign::new(Rule::BaselineMissing, missing));
        signs.push(Sign::new(Rule::SegmentWithoutBaseline, segments_in_words(&self.segments)));
        let unanswered = format!("{} got no answer in time", number_of(self.unanswered, "retraining request"));
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

/// Words as a sentence.
fn sentence(hint: &str) -> String {
    let mut letters = hint.chars();
    let first = letters.next().map(|first| first.to_uppercase().collect::<String>()).unwrap_or_default();
    sentence_end(&format!("{first}{}", letters.as_str()))
}

fn sentence_end(text: &str) -> String {
    if text.ends_with(['.', '?', '!']) { text.to_owned() } else { format!("{text}.") }
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn ratio(part: u64, all: u64) -> f64 {
    if all == 0 { 0.0 } else { part as f64 / all as f64 }
}
