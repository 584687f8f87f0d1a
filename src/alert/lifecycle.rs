//! The life of one alert: (state, level of a window, policy) -> state and change, each change with its reason.
//!
//! A state keeps the levels of the last windows, in the order of their starts, and everything is derived from them:
//! whether enough of them drift to fire, whether enough of the newest are quiet to resolve. So a window that arrives out
//! of order or is amended is put where it belongs and decides as if it had always been there.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::change::{AlertChange, ChangeKind, ChangeReason};
use super::is_default;
use crate::record::EventTime;

/// How bad an alert is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth a look.
    Warn,
    /// Worth waking someone.
    Critical,
}

impl Severity {
    /// The name used in tables, events and messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Warn => "warn",
            Self::Critical => "critical",
        }
    }

    /// The severity of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Warn, Self::Critical].into_iter().find(|severity| severity.as_str() == name)
    }
}

/// What a window says to a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Nothing: below the bar for resolving.
    Quiet,
    /// Between the bars: it neither raises nor resolves an alert.
    Between,
    /// Drifting, mildly.
    Warn,
    /// Drifting.
    Critical,
}

impl Level {
    /// The level of a drifting window.
    #[must_use]
    pub fn drifting(severity: Severity) -> Self {
        match severity {
            Severity::Warn => Self::Warn,
            Severity::Critical => Self::Critical,
        }
    }

    /// How bad it is; none when it does not drift.
    #[must_use]
    pub fn severity(self) -> Option<Severity> {
        match self {
            Self::Quiet | Self::Between => None,
            Self::Warn => Some(Severity::Warn),
            Self::Critical => Some(Severity::Critical),
        }
    }
}

/// When an alert fires and when it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlertPolicy {
    /// Drifting windows that make it fire, at least 1 ...
    pub windows: u32,
    /// ... of this many newest ones, at least as many.
    pub of: u32,
    /// Quiet windows in a row before it resolves, at least 1.
    pub resolve_after: u32,
    /// Firing again within this many windows of its resolution is flapping: every time, twice as many quiet windows are
    /// needed to resolve it, up to [`MAX_DAMPING`] times. 0 switches it off.
    pub flap_windows: u32,
}

/// How much longer than `resolve_after` a flapping alert stays open at most.
pub const MAX_DAMPING: u32 = 16;

/// Windows a state remembers at most, whatever the policy.
const MAX_HISTORY: usize = 2_048;

impl Default for AlertPolicy {
    fn default() -> Self {
        Self { windows: 1, of: 1, resolve_after: 1, flap_windows: 6 }
    }
}

/// Where an alert stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Nothing wrong.
    #[default]
    Inactive,
    /// Drifting, but not often enough.
    Pending,
    /// Acknowledged: somebody is working on it, and nobody is told again unless it becomes worse.
    Acknowledged,
    /// People are told.
    Firing,
}

impl Phase {
    /// The name used in tables, events and messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Inactive => "inactive",
            Self::Pending => "pending",
            Self::Firing => "firing",
            Self::Acknowledged => "acknowledged",
        }
    }
}

/// One problem from its first drifting window to its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Episode {
    /// Its id: the same on every daemon.
    pub id: Uuid,
    /// Start of its first drifting window.
    pub since: EventTime,
    /// How bad it is now.
    pub severity: Severity,
    /// Windows since it began that drift by its rule. Counted here and not in the history, which is cut.
    #[serde(default)]
    pub drifting: u32,
    /// Windows since it began that say anything about drift, these included.
    #[serde(default)]
    pub judged: u32,
    /// The drifting windows that a model could learn from.
    #[serde(default)]
    pub lessons: Lessons,
}

/// The drifting windows of an episode that a model could learn from: complete, and their drift is not explained by broken
/// values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lessons {
    /// How many.
    pub windows: u32,
    /// Records in them.
    pub records: u64,
}

/// The level of one window. Stored as a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(EventTime, Level)", into = "(EventTime, Level)")]
pub struct WindowLevel {
    pub start: EventTime,
    /// How it stands by the rule.
    pub level: Level,
}

impl From<(EventTime, Level)> for WindowLevel {
    fn from((start, level): (EventTime, Level)) -> Self {
        Self { start, level }
    }
}

impl From<WindowLevel> for (EventTime, Level) {
    fn from(window: WindowLevel) -> Self {
        (window.start, window.level)
    }
}

/// Progress of an open alert without drift in its last windows towards its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Calm {
    /// Windows in a row without drift.
    pub windows: u32,
    /// So many of them end the alert.
    pub needed: u32,
    /// Whether it takes more than `resolve_after` because the alert fired again soon after it had resolved.
    pub flapping: bool,
}

impl Calm {
    /// In words, the rest of a sentence about an alert.
    #[must_use]
    pub fn words(self) -> String {
        let why = if self.flapping { ", since it fired again soon after it had resolved" } else { "" };
        format!("no drift in the last {} of {} windows in a row that end it{why}", self.windows, self.needed)
    }
}

/// The state of one rule of one series.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AlertState {
    /// Where it stands.
    pub phase: Phase,
    /// What it is about; none when inactive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub episode: Option<Episode>,
    /// The newest windows since the last episode ended, oldest first.
    pub history: Vec<WindowLevel>,
    /// The newest window of the last episode: what lies before it has been told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<EventTime>,
    /// How often it fired again soon after it had resolved.
    #[serde(skip_serializing_if = "is_default")]
    pub flaps: u32,
}

impl AlertState {
    /// Whether it is pending, firing or acknowledged.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.phase != Phase::Inactive
    }

    /// Whether people know or should: firing or acknowledged.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Firing | Phase::Acknowledged)
    }

    /// Whether forgetting it would change nothing.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        !self.is_active()
            && self.ended.is_none()
            && self.history.iter().all(|seen| seen.level.severity().is_none())
    }

    /// How many windows in a row had no drift, and how many of them end the alert; none while the newest one drifts, and
    /// unless it is open.
    #[must_use]
    pub fn calm(&self, policy: AlertPolicy) -> Option<Calm> {
        let windows = self.quiet_windows();
        let needed = quiet_windows_needed(policy, self.flaps);
        (self.is_open() && windows > 0).then_some(Calm { windows, needed, flapping: self.flaps > 0 })
    }

    fn quiet_windows(&self) -> u32 {
        number(self.history.iter().rev().take_while(|seen| seen.level == Level::Quiet).count())
    }

    /// What a window said, if it belongs to the running episode and is remembered.
    #[must_use]
    pub fn said(&self, start: EventTime) -> Option<Level> {
        let episode = self.episode.as_ref()?;
        self.history.iter().find(|seen| seen.start == start && seen.start >= episode.since).map(|seen| seen.level)
    }

    /// Notes that a model could learn from a window of the running episode.
    pub fn learn_from(&mut self, records: u64) {
        if let Some(episode) = &mut self.episode {
            episode.lessons.windows = episode.lessons.windows.saturating_add(1);
            episode.lessons.records = episode.lessons.records.saturating_add(records);
        }
    }

    /// Takes a window into account. `new_id` derives the id of an episode from the start of its first window.
    #[must_use]
    pub fn observe(
        &self,
        start: EventTime,
        level: Level,
        policy: AlertPolicy,
        new_id: impl FnOnce(EventTime) -> Uuid,
    ) -> (Self, Option<AlertChange>) {
        if self.ended.is_some_and(|ended| start <= ended) {
            return (self.clone(), None);
        }
        let mut next = self.clone();
        let at = next.history.partition_point(|seen| seen.start < start);
        let before = next.history.get(at).filter(|seen| seen.start == start).map(|seen| seen.level);
        match next.history.get_mut(at) {
            Some(seen) if before.is_some() => seen.level = level,
            _ => next.history.insert(at, WindowLevel { start, level }),
        }
        next.count(WindowLevel { start, level }, before, policy);
        let change = next.settle(policy, new_id, before.is_some());
        next.forget(policy);
        (next, change)
    }

    /// Somebody is at it. None when it does not fire.
    #[must_use]
    pub fn acknowledge(&self) -> Option<(Self, AlertChange)> {
        if self.phase != Phase::Firing {
            return None;
        }
        let next = Self { phase: Phase::Acknowledged, ..self.clone() };
        let change = next.change(ChangeKind::Acknowledged, ChangeReason::ByPerson)?;
        Some((next, change))
    }

    /// Ends it, whatever its windows say; the next drifting window begins a new episode. None when it is inactive.
    #[must_use]
    pub fn end(&self, reason: ChangeReason) -> Option<(Self, AlertChange)> {
        let kind = if self.is_open() { ChangeKind::Resolved } else { ChangeKind::Cleared };
        let change = self.change(kind, reason)?;
        Some((self.ended_state(), change))
    }

    /// Counts a window in the running episode; `before` is what it said when it was judged before.
    pub(super) fn count(&mut self, window: WindowLevel, before: Option<Level>, policy: AlertPolicy) {
        let recent = self.recent(policy.of).first().map(|seen| seen.start);
        let Some(episode) = &mut self.episode else { return };
        let drifts = |level: Level| level.severity().is_some();
        if window.start < episode.since {
            // An earlier window that closed later: the episode began with it, if it counts at all.
            if !drifts(window.level) || recent.is_none_or(|recent| window.start < recent) {
                return;
            }
            let between = |seen: &&WindowLevel| window.start < seen.start && seen.start < episode.since;
            let more = self.history.iter().filter(between).count();
            episode.judged = episode.judged.saturating_add(1).saturating_add(number(more));
            episode.drifting = episode.drifting.saturating_add(1);
            episode.since = window.start;
            return;
        }
        episode.judged = episode.judged.saturating_add(u32::from(before.is_none()));
        let counted = u32::from(before.is_some_and(drifts));
        episode.drifting =
            episode.drifting.saturating_add(u32::from(drifts(window.level))).saturating_sub(counted);
    }

    /// The newest windows, oldest first.
    fn recent(&self, windows: u32) -> &[WindowLevel] {
        let from = self.history.len().saturating_sub(windows as usize);
        self.history.get(from..).unwrap_or_default()
    }

    pub(super) fn settle(
        &mut self,
        policy: AlertPolicy,
        new_id: impl FnOnce(EventTime) -> Uuid,
        amended: bool,
    ) -> Option<AlertChange> {
        let drifting: Vec<WindowLevel> =
            self.recent(policy.of).iter().filter(|seen| seen.level.severity().is_some()).copied().collect();
        let reason = |usual| if amended { ChangeReason::WindowAmended } else { usual };
        match self.phase {
            Phase::Inactive | Phase::Pending => {
                let Some(first) = drifting.first() else {
                    let change = self.change(ChangeKind::Cleared, reason(ChangeReason::DidNotPersist));
                    self.phase = Phase::Inactive;
                    self.episode = None;
                    if self.history.len() > policy.flap_windows as usize {
                        self.flaps = 0;
                        self.ended = None;
                    }
                    return change;
                };
                let worst = drifting.iter().filter_map(|seen| seen.level.severity()).max()?;
                let was_pending = self.phase == Phase::Pending;
                match &mut self.episode {
                    Some(episode) => episode.severity = worst,
                    None => {
                        let judged = self.history.iter().filter(|seen| seen.start >= first.start).count();
                        self.episode = Some(Episode {
                            id: new_id(first.start),
                            since: first.start,
                            severity: worst,
                            drifting: number(drifting.len()),
                            judged: number(judged),
                            lessons: Lessons::default(),
                        });
                    }
                }
                if drifting.len() >= policy.windows as usize {
                    self.phase = Phase::Firing;
                    let soon = self.history.len() <= policy.flap_windows as usize;
                    let again = self.ended.is_some() && soon;
                    self.flaps = if again { self.flaps.saturating_add(1) } else { 0 };
                    let usual = if again { ChangeReason::FiredAgain } else { ChangeReason::Persisted };
                    self.change(ChangeKind::Firing, reason(usual))
                } else {
                    self.phase = Phase::Pending;
                    if was_pending {
                        return None;
                    }
                    self.change(ChangeKind::Pending, reason(ChangeReason::BarExceeded))
                }
            }
            Phase::Firing | Phase::Acknowledged => self.settle_open(policy, reason(ChangeReason::Quiet)),
        }
    }

    fn settle_open(&mut self, policy: AlertPolicy, quiet_reason: ChangeReason) -> Option<AlertChange> {
        if self.quiet_windows() >= quiet_windows_needed(policy, self.flaps) {
            let change = self.change(ChangeKind::Resolved, quiet_reason);
            *self = self.ended_state();
            return change;
        }
        // It rises with one window and falls when as many windows agree as resolving takes.
        let worst = self.recent(policy.resolve_after).iter().filter_map(|seen| seen.level.severity()).max()?;
        let episode = self.episode.as_mut()?;
        let before = std::mem::replace(&mut episode.severity, worst);
        match worst.cmp(&before) {
            std::cmp::Ordering::Greater => {
                // Who acknowledged it was told of something milder.
                self.phase = Phase::Firing;
                self.change(ChangeKind::Worsened, ChangeReason::HigherSeverity)
            }
            std::cmp::Ordering::Less => self.change(ChangeKind::Eased, ChangeReason::LowerSeverity),
            std::cmp::Ordering::Equal => None,
        }
    }

    fn ended_state(&self) -> Self {
        let ended = self.history.last().map(|seen| seen.start).max(self.ended);
        Self { phase: Phase::Inactive, episode: None, history: Vec::new(), ended, flaps: self.flaps }
    }

    pub(super) fn change(&self, kind: ChangeKind, reason: ChangeReason) -> Option<AlertChange> {
        let Episode { id, since, severity, drifting, judged, .. } = self.episode.clone()?;
        Some(AlertChange { id, kind, reason, severity, since, windows: drifting, judged })
    }

    /// Drops windows that can no longer decide anything.
    fn forget(&mut self, policy: AlertPolicy) {
        let quiet = quiet_windows_needed(policy, self.flaps);
        let kept = (policy.of.max(quiet).max(policy.flap_windows + 1) as usize).min(MAX_HISTORY);
        let extra = self.history.len().saturating_sub(kept);
        self.history.drain(..extra);
    }
}

fn number(windows: usize) -> u32 {
    u32::try_from(windows).unwrap_or(u32::MAX)
}

fn quiet_windows_needed(policy: AlertPolicy, flaps: u32) -> u32 {
    let damping = 1u32.checked_shl(flaps).unwrap_or(MAX_DAMPING).min(MAX_DAMPING);
    policy.resolve_after.saturating_mul(damping)
}
