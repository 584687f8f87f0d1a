//! Wider limits, such that what alarmed falsely would not have, and what was real still would.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::alert::{AlertRule, Judged, RuleKind, Scope, Severity, derived_id};
use crate::judge::{JudgeSpec, Subject};
use crate::measure::{Measure, Thresholds, WITHOUT_BOUND};

/// What carried an alert: a measure of a subject that drifts by its rule in windows of the alert.
#[derive(Clone, Debug, PartialEq)]
pub struct Carried {
    pub subject: Subject,
    pub measure: Measure,
    /// The largest effect in a window of the alert.
    pub largest: f64,
    /// The largest limit at which so many windows still drift that the alert fires; with fewer drifting windows that at which all still
    /// drift.
    pub holds: f64,
}

/// An alert that fired.
#[derive(Clone, Debug, PartialEq)]
pub struct Alarm {
    pub id: Uuid,
    /// What people said about it.
    pub judged: Option<Judged>,
    /// Name of its rule.
    pub rule: String,
    /// What carried it, as far as its findings are still stored.
    pub carried: Vec<Carried>,
}

/// Why no wider limits can be proposed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Obstacle {
    /// An alert that was said to be real has no larger effect than a false one: limits cannot separate them.
    RealAlert {
        alert: Uuid,
        /// Its effect.
        effect: f64,
    },
    /// No effect would reach the wider limits.
    BeyondMeasure,
}

/// What a proposal would do to the alerts that were looked at, as far as their findings are still stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// False alarms that would not have fired.
    pub prevents: u64,
    /// The same with all proposals together.
    pub prevents_together: u64,
    /// Alerts said to be real that would not have fired.
    pub misses: u64,
    /// Alerts that nobody judged that would not have fired.
    pub not_judged: u64,
}

/// Wider limits for a measure of a subject.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposal {
    /// Of its content: the same on every daemon, another one when the limits are others.
    pub id: Uuid,
    pub subject: Subject,
    pub measure: Measure,
    /// The limits that hold now.
    pub today: Thresholds,
    /// The wider ones, or why there are none.
    pub wider: Result<Thresholds, Obstacle>,
    /// The largest effect in a false alarm.
    pub largest: f64,
    /// The false alarms that it rests on.
    pub rests_on: Vec<Uuid>,
    pub outcome: Outcome,
}

/// What proposals are computed from.
#[derive(Clone, Copy, Debug)]
pub struct ProposalBasis<'a> {
    /// Name of the monitor.
    pub monitor: &'a str,
    /// The limits that hold now.
    pub judge: &'a JudgeSpec,
    /// The rules that alert.
    pub rules: &'a [AlertRule],
}

/// A wider limit is so much above what alarmed falsely.
const MARGIN: f64 = 1.1;

type Key = (String, Measure);

/// Proposes wider limits for every measure that carried a false alarm and would again.
#[must_use]
pub fn proposals(basis: ProposalBasis<'_>, alarms: &[Alarm]) -> Vec<Proposal> {
    let mut found: Vec<Proposal> =
        carriers(alarms, Judged::FalseAlarm).into_iter().filter_map(|of| basis.proposal(alarms, &of)).collect();
    let together: BTreeMap<Key, Thresholds> = found.iter().filter_map(Proposal::change).collect();
    for proposal in &mut found {
        let alone: BTreeMap<Key, Thresholds> = proposal.change().into_iter().collect();
        let mut outcome = Outcome::default();
        for alarm in alarms.iter().filter(|alarm| basis.fires(alarm, &BTreeMap::new())) {
            let stays = basis.fires(alarm, &alone);
            let counter = match alarm.judged {
                Some(Judged::FalseAlarm) => &mut outcome.prevents,
                Some(Judged::Real) => &mut outcome.misses,
                None => &mut outcome.not_judged,
            };
            *counter += u64::from(!stays);
            let is_prevented = proposal.rests_on.contains(&alarm.id) && !basis.fires(alarm, &together);
            outcome.prevents_together += u64::from(is_prevented);
        }
        proposal.outcome = outcome;
    }
    found
}

/// The columns that carried an alert, each once, by the names that lists have.
#[must_use]
pub fn carrying_columns(alarm: &Alarm) -> Vec<&str> {
    let mut names: Vec<&str> = alarm.carried.iter().map(|carried| carried.subject.name()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// What carried alerts that people judged so.
fn carriers(alarms: &[Alarm], judged: Judged) -> Vec<(Subject, Measure)> {
    let mut found: Vec<(Subject, Measure)> = Vec::new();
    for carried in alarms.iter().filter(|alarm| alarm.judged == Some(judged)).flat_map(|alarm| &alarm.carried) {
        let key = (carried.subject.clone(), carried.measure);
        if !found.contains(&key) {
            found.push(key);
        }
    }
    found.sort_by(|left, right| (left.0.as_stored(), left.1).cmp(&(right.0.as_stored(), right.1)));
    found
}

impl ProposalBasis<'_> {
    fn rule(&self, alarm: &Alarm) -> Option<&AlertRule> {
        self.rules.iter().find(|rule| rule.name == alarm.rule)
    }

    /// Whether an alert would still fire with these limits changed.
    fn fires(&self, alarm: &Alarm, changed: &BTreeMap<Key, Thresholds>) -> bool {
        let Some(rule) = self.rule(alarm) else { return false };
        let drifts = |carried: &&Carried| {
            let key = (carried.subject.as_stored().to_owned(), carried.measure);
            let limits =
                changed.get(&key).copied().or_else(|| self.judge.limits_of(&carried.subject, carried.measure));
            limits.is_some_and(|limits| carried.holds >= bar(limits, rule))
        };
        let mut columns: Vec<&str> =
            alarm.carried.iter().filter(drifts).map(|carried| carried.subject.as_stored()).collect();
        columns.sort_unstable();
        columns.dedup();
        match (rule.kind, rule.scope) {
            (RuleKind::Volume, _) | (_, Scope::Column) => !columns.is_empty(),
            (_, Scope::Model) => rule.window.is_met(columns.len(), self.judge.columns.len()),
        }
    }

    fn proposal(&self, alarms: &[Alarm], (subject, measure): &(Subject, Measure)) -> Option<Proposal> {
        let today = self.judge.limits_of(subject, *measure)?;
        let base = positive(today, *measure);
        // In multiples of the limits that hold now, so that rules about warnings and about drift add up.
        let of = |judged: Judged| {
            alarms.iter().filter(move |alarm| alarm.judged == Some(judged)).filter_map(|alarm| {
                let rule = self.rule(alarm)?;
                let is_it = |carried: &&Carried| carried.subject == *subject && carried.measure == *measure;
                alarm.carried.iter().find(is_it).map(|carried| (alarm, rule, carried))
            })
        };
        let (mut needed, mut largest, mut rests_on) = (0.0_f64, 0.0_f64, Vec::new());
        for (alarm, rule, carried) in of(Judged::FalseAlarm) {
            if carried.largest >= bar(today, rule) {
                needed = needed.max(carried.largest / bar(base, rule));
                largest = largest.max(carried.largest);
                rests_on.push(alarm.id);
            }
        }
        if rests_on.is_empty() {
            return None;
        }
        let real = of(Judged::Real)
            .map(|(alarm, rule, carried)| (alarm.id, carried.holds, carried.holds / bar(base, rule)));
        let real = real.min_by(|left, right| left.2.total_cmp(&right.2));
        let most = real.map_or(f64::INFINITY, |(_, _, most)| most);
        let wider = match real {
            Some((alert, effect, _)) if needed >= most => Err(Obstacle::RealAlert { alert, effect }),
            _ => {
                let wider = widened(base, needed, most);
                let reachable = measure.largest_effect().unwrap_or(WITHOUT_BOUND);
                if wider.critical <= reachable { Ok(today.or_wider(wider)) } else { Err(Obstacle::BeyondMeasure) }
            }
        };
        let limits =
            wider.map_or_else(|_| "none".to_owned(), |wider| format!("{:e} {:e}", wider.warn, wider.critical));
        let id = derived_id(&["limits", self.monitor, subject.as_stored(), measure.as_str(), &limits]);
        let (subject, measure, outcome) = (subject.clone(), *measure, Outcome::default());
        Some(Proposal { id, subject, measure, today, wider, largest, rests_on, outcome })
    }
}

impl Proposal {
    /// The limits as they would be, by what they are of.
    fn change(&self) -> Option<(Key, Thresholds)> {
        let wider = self.wider.ok()?;
        Some(((self.subject.as_stored().to_owned(), self.measure), wider))
    }
}

/// The limit that a rule looks at.
fn bar(limits: Thresholds, rule: &AlertRule) -> f64 {
    match rule.severity {
        Severity::Warn => limits.warn,
        Severity::Critical => limits.critical,
    }
}

/// Limits of 0 have no multiples: those of the measure stand in for them.
fn positive(limits: Thresholds, measure: Measure) -> Thresholds {
    let usual = measure.default_thresholds();
    let critical = if limits.critical > 0.0 { limits.critical } else { usual.critical };
    let warn = if limits.warn > 0.0 { limits.warn } else { usual.warn.min(critical) };
    Thresholds { warn, critical }
}

/// Both limits widened by one factor, more than `needed` and at most `most`, which is larger.
fn widened(limits: Thresholds, needed: f64, most: f64) -> Thresholds {
    let wanted = (needed * MARGIN).min(most);
    let rounded = |limit: f64| between(limit * needed, limit * wanted, limit * most);
    let critical = rounded(limits.critical);
    Thresholds { warn: rounded(limits.warn).min(critical), critical }
}

/// A number of few digits above `least` and at most `most`, from the wanted one upwards where that is possible.
fn between(least: f64, wanted: f64, most: f64) -> f64 {
    let fits = |value: f64| value > least && value <= most;
    let rounded = (2..=9).flat_map(|digits| [up(wanted, digits), down(most.min(f64::MAX), digits)]);
    rounded.into_iter().find(|value| fits(*value)).unwrap_or(wanted)
}

/// The smallest number of so many digits that is not smaller.
fn up(value: f64, digits: i32) -> f64 {
    rounded(value, digits, f64::ceil)
}

/// The largest number of so many digits that is not larger.
fn down(value: f64, digits: i32) -> f64 {
    rounded(value, digits, f64::floor)
}

fn rounded(value: f64, digits: i32, whole: fn(f64) -> f64) -> f64 {
    if !(value.is_finite() && value > 0.0) {
        return value;
    }
    #[expect(clippy::cast_possible_truncation, reason = "between -324 and 308")]
    let decimals = digits - 1 - value.log10().floor() as i32;
    // What is a number of so many digits already stays so, whatever its last bit.
    let scaled = if decimals >= 0 { value * 10_f64.powi(decimals) } else { value / 10_f64.powi(-decimals) };
    let nearest = scaled.round();
    let scaled = if (scaled - nearest).abs() < 1e-9 * nearest.abs() { nearest } else { whole(scaled) };
    if decimals >= 0 { scaled / 10_f64.powi(decimals) } else { scaled * 10_f64.powi(-decimals) }
}
