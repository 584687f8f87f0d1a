//! Whether a retraining is asked for.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::alert::{AlertState, derived_id};
use crate::record::{EventTime, TimeSpan};
use crate::window::Calendar;

/// When a monitor asks for a retraining. Times are event times, so a replay decides as the daemon did.
#[derive(Clone, Debug, PartialEq)]
pub struct RetrainPolicy {
    /// The rules whose alerts ask; those about drift when none is named.
    pub rules: Vec<String>,
    /// Drifting windows of the episode before it asks, at least 1.
    pub after_windows: u32,
    /// Records in the drifting windows before it asks: too few teach nothing.
    pub min_records: u64,
    /// Between two requests of a monitor.
    pub cool_down: TimeSpan,
    /// Requests of a monitor in 24 hours at most.
    pub per_day: Option<u32>,
    /// Requests of a monitor in 7 days at most.
    pub per_week: Option<u32>,
    /// When it does not ask.
    pub quiet: Vec<Calendar>,
    /// Decides and records, and asks nobody.
    pub dry_run: bool,
    /// A person has to approve a request before it is sent.
    pub approval: bool,
    /// How long the training system may take before the request expires; 0 when no answer can come.
    pub answer_within: TimeSpan,
    /// Whether a baseline from the new version's first windows is made at once, or only proposed.
    pub promote: bool,
    /// Windows such a baseline is made from.
    pub promote_windows: u32,
}

impl Default for RetrainPolicy {
    fn default() -> Self {
        Self {
            rules: Vec::new(),
            after_windows: 2,
            min_records: 0,
            cool_down: TimeSpan::days(1),
            per_day: None,
            per_week: None,
            quiet: Vec::new(),
            dry_run: false,
            approval: false,
            answer_within: TimeSpan::days(1),
            promote: false,
            promote_windows: 24,
        }
    }
}

/// What was decided. A closed set: recorded with the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetrainDecision {
    /// Ask.
    Request,
    /// Ask a person first.
    Propose,
    /// It would ask.
    DryRun,
    /// No alert fires.
    NotFiring,
    /// Not drifting for long enough.
    NotYet,
    /// This episode has asked already.
    AlreadyRequested,
    /// The last request is too recent.
    CoolingDown,
    /// There were as many requests as there may be.
    OverBudget,
    /// Not at this time.
    QuietHours,
    /// The drifting windows hold too few records.
    TooFewRecords,
    /// The window is incomplete: partitions were missing.
    IncompleteWindow,
    /// Missing or broken values explain the drift: new training data would be broken, too.
    BrokenData,
}

impl RetrainDecision {
    /// The name used in logs and tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Propose => "propose",
            Self::DryRun => "dry_run",
            Self::NotFiring => "not_firing",
            Self::NotYet => "not_yet",
            Self::AlreadyRequested => "already_requested",
            Self::CoolingDown => "cooling_down",
            Self::OverBudget => "over_budget",
            Self::QuietHours => "quiet_hours",
            Self::TooFewRecords => "too_few_records",
            Self::IncompleteWindow => "incomplete_window",
            Self::BrokenData => "broken_data",
        }
    }

    /// Whether there is a request after it.
    #[must_use]
    pub fn makes_request(self) -> bool {
        matches!(self, Self::Request | Self::Propose | Self::DryRun)
    }
}

/// What is known when a window has been judged.
#[expect(clippy::struct_excessive_bools, reason = "facts, independent of one another")]
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    /// The alert after this window.
    pub alert: &'a AlertState,
    /// Whether the window was complete.
    pub complete: bool,
    pub window_end: EventTime,
    /// Whether this window drifted.
    pub drifting: bool,
    /// Drifting windows of the episode that a model could learn from, this one included.
    pub windows: u32,
    /// Records in them.
    pub records: u64,
    /// Whether broken data explains the drift.
    pub broken_data: bool,
    /// Whether this episode has asked already.
    pub requested_for_episode: bool,
    /// Ends of the windows behind the monitor's requests.
    pub requests: &'a [EventTime],
}

const DAY: TimeSpan = TimeSpan::days(1);

/// Decides whether to ask.
#[must_use]
pub fn decide(policy: &RetrainPolicy, situation: Situation<'_>) -> RetrainDecision {
    if !situation.alert.is_open() {
        return RetrainDecision::NotFiring;
    }
    if !situation.drifting {
        return RetrainDecision::NotYet;
    }
    if situation.requested_for_episode {
        return RetrainDecision::AlreadyRequested;
    }
    if !situation.complete {
        return RetrainDecision::IncompleteWindow;
    }
    if situation.broken_data {
        return RetrainDecision::BrokenData;
    }
    if situation.windows < policy.after_windows {
        return RetrainDecision::NotYet;
    }
    if situation.records < policy.min_records {
        return RetrainDecision::TooFewRecords;
    }
    let end = situation.window_end;
    if situation.requests.iter().any(|last| end < last.shifted(policy.cool_down)) {
        return RetrainDecision::CoolingDown;
    }
    let over = |limit: Option<u32>, span: TimeSpan| {
        let recent = situation.requests.iter().filter(|at| end < at.shifted(span)).count();
        limit.is_some_and(|limit| recent >= limit as usize)
    };
    if over(policy.per_day, DAY) || over(policy.per_week, DAY.times(7)) {
        return RetrainDecision::OverBudget;
    }
    if policy.quiet.iter().any(|calendar| calendar.contains(end)) {
        return RetrainDecision::QuietHours;
    }
    match (policy.dry_run, policy.approval) {
        (true, _) => RetrainDecision::DryRun,
        (false, true) => RetrainDecision::Propose,
        (false, false) => RetrainDecision::Request,
    }
}

/// The id of the one request of an episode.
#[must_use]
pub fn request_id(monitor: &str, episode: Uuid) -> Uuid {
    derived_id(&["retraining", monitor, &episode.to_string()])
}
