//! What the facts of a look say: for each rule whether it is broken, and how, in words.

use super::{MissingBaseline, OperationalFacts, OperationalLimits, OperationalRule};
use crate::alert::Level;
use crate::record::{RejectReason, TimeSpan, listed, number_of};
use crate::window::{LATE, span_in_words as span};

/// Records a share is judged on at least.
pub const MIN_RECORDS: u64 = 200;
/// Records that are counted before their times are found implausible: one may be a slip.
const MIN_COUNTED: u64 = 20;
/// Reasons that a summary gives with an example.
const REASONS: usize = 3;
/// Columns that a summary names.
const NAMED: usize = 5;

/// What a look says about one rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Sign {
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
            format!("{} were rejected: {}", of_all(share), named.collect::<Vec<_>>().join(", "))
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
            format!("{} are late", of_all(share))
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
            format!("columns with no or almost no valid values: {}", listed(&names, NAMED))
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
        if limits.no_data > TimeSpan::ZERO {
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
            list(&gaps).map(|list| format!("messages were deleted before they could be read: {list}")),
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
        let stuck = list(&stuck).map(|list| format!("stuck partitions with unread messages: {list}"));
        let held = list(&held).map(|list| {
            format!("messages held back by a transaction that its producer neither commits nor aborts: {list}")
        });
        let both: Vec<String> = stuck.into_iter().chain(held).collect();
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
