//! Everything that follows from a closed window: findings, changes of alerts and whom they concern, whether to ask for a
//! retraining. Pure, so that the daemon, replays and tests decide alike; the store writes the result in the transaction
//! that closes the window.

mod checks;
mod evidence;
mod gather;
mod onset;
mod retraining;
mod shadow;

pub use checks::{CheckScope, decide_checks};
pub use gather::{EarlierPane, Gathered};
pub use onset::ONSET_WINDOWS;
pub use retraining::{RequestDraft, RetrainingRequest, request_notifications};
pub use shadow::Shadow;

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;
use uuid::Uuid;

use crate::alert::{
    AlertRule, ChangeKind, EventKind, Evidence, GroupKey, Labels, Routing, RuleKind, SeriesAlerts, SeriesKey,
    SeriesStep, Transition, WindowEvidence,
};
use crate::distribution::{RecordSample, WindowCounts};
use crate::judge::{
    AcceptedLimits, Against, Finding, FollowedWindow, JudgeSpec, Judgement, SeriesTrend, Spread, judge,
};
use crate::record::{EventTime, TimeSpan};
use crate::reference::{Reference, RuleName, UsualRows};
use crate::retrain::{RetrainDecision, RetrainPolicy};
use crate::variation::ChangeTest;
use crate::window::{WindowReach, WindowSpan};
use evidence::{Episodes, labels_of};
use retraining::{is_explained, retraining};

/// How a monitor decides and whom it tells.
#[derive(Clone, Debug, PartialEq)]
pub struct DecisionRules {
    /// The monitor's name.
    pub monitor: String,
    /// Labels of all its alerts.
    pub labels: Labels,
    /// Measures, thresholds, the rule over columns.
    pub judge: JudgeSpec,
    pub alerts: Vec<AlertRule>,
    /// Names of the receivers it tells whatever the routes say.
    pub receivers: Vec<String>,
    /// How far windows reach back.
    pub reach: WindowReach,
    /// When it asks for a retraining.
    pub retrain: Option<RetrainPolicy>,
    /// Names of the receivers that take retraining requests.
    pub retrain_receivers: Vec<String>,
    /// Base of the callback URL; the request's id is appended.
    pub callback_url: Option<String>,
    /// Series whose alerts send nothing and request no retraining.
    pub shadow: Option<Shadow>,
}

/// A window that closes, with all that is needed to decide.
#[derive(Clone, Debug)]
pub struct ClosingWindow {
    /// Which window: its key and its panes.
    pub span: WindowSpan,
    /// What was counted in all its panes.
    pub counts: WindowCounts,
    /// Records of its last pane.
    pub pane_rows: u64,
    /// A sample of its records, empty when none is kept: what tells faults apart that counts do not.
    pub sample: RecordSample,
    /// What to tell about it.
    pub evidence: WindowEvidence,
    /// What it is compared with.
    pub reference: Option<Reference>,
    /// What its number of records is compared with.
    pub usual_rows: UsualRows,
    /// Versions and segments of the monitor that have windows: they share the budget of false alarms.
    pub series: usize,
    /// Wider limits that people accepted, of the whole monitor.
    pub accepted: Vec<AcceptedLimits>,
    /// The states of the series' alerts before.
    pub alerts: SeriesAlerts,
    /// Whether an alert says that the monitor's input is broken.
    pub feed_broken: bool,
    /// Episodes that asked for a retraining already.
    pub requested: Vec<Uuid>,
    /// Ends of the windows behind the monitor's requests.
    pub requests: Vec<EventTime>,
    /// What the series' running alerts rested on before.
    pub rested_on: HashMap<Uuid, Evidence>,
    /// What it was before, when it is judged again.
    pub amends: Option<Amends>,
    /// Where the series stands after the windows before; none where windows are judged by themselves.
    pub trend: Option<SeriesTrend>,
}

/// An earlier judgement of a window that is judged again.
#[derive(Clone, Debug)]
pub struct Amends {
    /// Its findings.
    pub before: Judgement,
    /// Records of its last pane then.
    pub pane_rows: u64,
    /// The alerts for which it drifted.
    pub drifted_for: Vec<Uuid>,
    /// Whether a model could learn from it.
    pub taught: bool,
}

/// A message to one receiver.
#[derive(Clone, Debug, PartialEq)]
pub struct Notification {
    /// The receiver's idempotency key.
    pub id: Uuid,
    /// The group or request it is about; messages about one subject are delivered in order.
    pub subject: Uuid,
    /// The receiver's name.
    pub receiver: String,
    /// The event's `type`.
    pub kind: EventKind,
    /// The event: `type`, `timestamp`, `data`.
    pub body: Value,
}

/// An alert that changed.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangedAlert {
    /// What happened.
    pub transition: Transition,
    /// What kind of problem it is.
    pub kind: RuleKind,
    /// What it is routed and silenced by.
    pub labels: Labels,
    /// What it rests on now; none when no window added anything, and what it rested on stays.
    pub evidence: Option<Evidence>,
    /// Whom it concerns; empty for changes that are not told.
    pub groups: Vec<GroupKey>,
}

/// What was decided.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// Findings and verdict.
    pub judgement: Judgement,
    /// The states of the series' alerts after.
    pub alerts: SeriesAlerts,
    /// What happened to them.
    pub changes: Vec<ChangedAlert>,
    /// Running alerts that go on without a change.
    pub refreshed: Vec<RefreshedAlert>,
    /// The running alerts for which the window drifts.
    pub drifts_for: Vec<Uuid>,
    /// Whether a model could learn from the window: it is complete, and no broken values explain its drift.
    pub teaches: bool,
    /// Whether a retraining is asked for, or why not; none when the monitor has no policy.
    pub retrain: Option<RetrainDecision>,
    /// Where the series stands after the window; none when it stays as it was.
    pub trend: Option<SeriesTrend>,
    /// The request, when there is one; it lacks the earlier windows that it rests on.
    pub request: Option<RequestDraft>,
    /// The names of the sequential detectors that found a drift with the window. They read windows beside what is decided here.
    pub detected_by: Vec<String>,
}

/// A running alert that goes on without a change.
#[derive(Clone, Debug, PartialEq)]
pub struct RefreshedAlert {
    pub id: Uuid,
    /// What it rests on now.
    pub evidence: Evidence,
    /// Whether its groups are to be looked at: another column drifts, one drifts further, or it moves again.
    pub has_news: bool,
    /// Start of its first drifting window.
    pub since: EventTime,
    /// Windows since then that drift by its rule.
    pub windows: u32,
    /// Windows since then that were judged.
    pub judged: u32,
}

impl DecisionRules {
    /// The rules with the limits that people accepted.
    #[must_use]
    pub fn with_accepted(&self, accepted: &[AcceptedLimits]) -> Cow<'_, Self> {
        match self.judge.with_accepted(accepted) {
            Cow::Borrowed(_) => Cow::Borrowed(self),
            Cow::Owned(judge) => Cow::Owned(Self { judge, ..self.clone() }),
        }
    }

    /// Drifting windows that make an alert about columns fire, of how many: those of the rule that fires soonest, which decides how sensitive
    /// a window may be.
    fn persistence(&self) -> (u32, u32) {
        let of_columns = self.alerts.iter().filter(|rule| rule.kind.is_about_columns());
        let policies = of_columns.map(|rule| (rule.policy.windows, rule.policy.of));
        policies.min().unwrap_or((1, 1))
    }

    /// What a window is tested against. It takes some milliseconds to learn from windows, and is left out where nothing asks for it: no
    /// change measure, and no budget that depends on how windows follow each other.
    fn test(&self, window: &ClosingWindow) -> Option<Arc<ChangeTest>> {
        let follows = self.judge.false_alarms.period().is_some() && self.persistence().0 > 1;
        let reference = window.reference.as_ref().filter(|_| follows || self.judge.has_changes());
        reference.and_then(Reference::learned_test)
    }

    /// What the budget of false alarms is spread over.
    fn spread(&self, window: &ClosingWindow, test: Option<&ChangeTest>) -> Spread {
        self.spread_over(window.span.end.since(window.span.key.start), window.series, test)
    }

    /// What the budget of false alarms is spread over where a window ends every so often, in so many series, and is tested so.
    #[must_use]
    pub fn spread_over(&self, every: TimeSpan, series: usize, test: Option<&ChangeTest>) -> Spread {
        Spread {
            every,
            series,
            hypotheses: self.judge.hypotheses(),
            persistence: self.persistence(),
            autocorrelation: test.map_or(0.0, |test| test.variation().autocorrelation()),
        }
    }

    /// Follows a series over a window: its findings about slow drift by column, and where the series stands then. None where windows are not
    /// followed: they are compared with a baseline that stays the same, the first reference of the monitor.
    fn follow(&self, window: &ClosingWindow, spread: &Spread) -> Option<(HashMap<String, Finding>, SeriesTrend)> {
        let reference = window.reference.as_ref()?;
        let stays = reference.choice.rule == Some(RuleName::Fixed) && reference.choice.passed_over.is_empty();
        let mut trend = window.trend.clone().filter(|_| stays)?;
        let columns = self.judge.followed_columns();
        let followed = FollowedWindow {
            from: window.span.from,
            end: window.span.end,
            counts: &window.counts,
            reference: &reference.choice.name,
            before: reference.counts.as_ref()?,
            test: reference.test.as_deref()?,
            needed: self.judge.false_alarms.strength_needed(spread, columns),
        };
        Some((trend.follow(followed, &self.judge), trend))
    }
}

/// Decides; `routing` says who is told of alerts. `now` is the time events carry; it decides nothing.
#[must_use]
pub fn decide_window(
    window: &ClosingWindow,
    rules: &DecisionRules,
    routing: &Routing,
    now: EventTime,
) -> Decision {
    let rules = rules.with_accepted(&window.accepted);
    let rules = rules.as_ref();
    let test = rules.test(window);
    let spread = rules.spread(window, test.as_deref());
    let followed = rules.follow(window, &spread);
    let lasting = followed.as_ref().map(|(findings, _)| findings);
    let against = window.reference.as_ref().and_then(|reference| {
        Some(Against { counts: reference.counts.as_ref()?, test: test.as_deref(), lasting })
    });
    let level = rules.judge.false_alarms.level(&spread);
    let mut judgement = judge(&window.counts, against, &rules.judge, level);
    let (usual, complete) = (&window.usual_rows.rows, window.evidence.complete);
    judgement.judge_rows(window.pane_rows, usual, complete, (&rules.judge, level));
    let key = &window.span.key;
    let start = key.start;
    let series = SeriesKey { monitor: &rules.monitor, version: &key.version, segment: &key.segment };
    let SeriesStep { mut alerts, transitions, drifts_for } = match &window.amends {
        None => window.alerts.judged(series, start, &rules.alerts, &judgement),
        Some(amends) => window.alerts.amended(series, start, &rules.alerts, (&amends.before, &judgement)),
    };
    let teaches = window.evidence.complete && !is_explained(window, rules, &alerts, &judgement);
    if let Some(amends) = window.amends.as_ref().filter(|amends| amends.taught) {
        alerts.unlearn(&amends.drifted_for, amends.pane_rows);
    }
    if teaches {
        alerts.learn_from(&drifts_for, window.pane_rows);
    }
    let rested_on = Episodes {
        window,
        rules,
        judgement: &judgement,
        alerts: &alerts,
        transitions: &transitions,
        drifts_for: &drifts_for,
    };
    let rested_on = rested_on.evidence();
    let changed = |id: Uuid| transitions.iter().any(|transition| transition.change.id == id);
    let mut refreshed = Vec::new();
    for (_, _, state) in alerts.states() {
        let Some(episode) = &state.episode else { continue };
        if let (Some(evidence), false) = (rested_on.get(&episode.id), changed(episode.id)) {
            let before = window.rested_on.get(&episode.id);
            let is_news = |before: &Evidence| {
                evidence.changes() > before.changes() || (evidence.is_moving() && !before.is_moving())
            };
            refreshed.push(RefreshedAlert {
                id: episode.id,
                evidence: evidence.clone(),
                has_news: before.is_none_or(is_news),
                since: episode.since,
                windows: episode.drifting,
                judged: episode.judged,
            });
        }
    }
    let is_shadow = rules.shadow.as_ref().is_some_and(|shadow| shadow.covers(&window.span.key));
    let (retrain, request) = match rules.retrain.as_ref().filter(|_| !is_shadow) {
        None => (None, None),
        Some(policy) => {
            let (decision, request) = retraining(window, rules, policy, &alerts, &judgement, &rested_on, now);
            (Some(decision), request)
        }
    };
    let changes = transitions
        .into_iter()
        .map(|transition| {
            let rule = rules.alerts.iter().find(|rule| rule.name == transition.rule);
            let evidence = rested_on.get(&transition.change.id).cloned();
            let labels = labels_of(rules, window, rule, &transition);
            let groups =
                if is_shadow { Vec::new() } else { groups_of(&transition, routing, &labels, &rules.receivers) };
            ChangedAlert {
                kind: rule.map_or(RuleKind::Drift, |rule| rule.kind),
                transition,
                labels,
                evidence,
                groups,
            }
        })
        .collect();
    // A window that is judged again was counted.
    let trend = followed.map(|(_, trend)| trend).filter(|_| window.amends.is_none());
    Decision {
        judgement,
        alerts,
        changes,
        refreshed,
        drifts_for,
        teaches,
        retrain,
        trend,
        request,
        detected_by: Vec::new(),
    }
}

impl Decision {
    /// What it says of the window alone: alerts stay as they are, nobody is notified, and no retraining is asked for.
    #[must_use]
    pub fn without_alerts(self) -> Self {
        Self {
            judgement: self.judgement,
            teaches: self.teaches,
            alerts: SeriesAlerts::default(),
            changes: Vec::new(),
            refreshed: Vec::new(),
            drifts_for: Vec::new(),
            retrain: None,
            trend: None,
            request: None,
            detected_by: Vec::new(),
        }
    }

    /// Whether groups of alerts are to be looked at.
    #[must_use]
    pub fn has_news(&self) -> bool {
        !self.changes.is_empty() || self.refreshed.iter().any(|refreshed| refreshed.has_news)
    }
}

/// The groups an alert joins with a change. What follows later concerns the groups that it is in.
fn groups_of(transition: &Transition, routing: &Routing, labels: &Labels, own: &[String]) -> Vec<GroupKey> {
    match transition.change.kind {
        ChangeKind::Firing | ChangeKind::Worsened => routing.groups_of(labels, own),
        _ => Vec::new(),
    }
}
