//! Other settings, rehearsed on the same windows: what is suggested has been tried.

use jiff::tz::TimeZone;

use super::budget::{Budget, Standing};
use super::held_out::{HeldOut, of_series};
use super::interval::Rate;
use super::powers::{Powers, smaller};
use super::run::{Running, fires};
use super::series::{Series, SeriesRehearsal};
use super::{ReferenceWindows, RehearsalSpec, is_judged};
use crate::closing::DecisionRules;
use crate::judge::{Bound, Power};
use crate::record::TimeSpan;
use crate::reference::{ReferencePlan, ReferenceRule, Same, Season};
use crate::replay::ReplayedWindow;
use crate::variation::LEAST_WINDOWS;

/// Windows that other references are tried on at most, of all series; the latest ones.
const TRIED: usize = 1_500;
/// False windows below which nothing else is tried for their sake.
const LEAST_FALSE: usize = 2;
/// False windows from which on something else is tried even if they may be one event.
const MANY_FALSE: usize = 5;
/// Cycles of a season that there have to be, and that are compared with at most.
const CYCLES: (u32, u32) = (4, 12);
/// Windows of a rolling reference that is tried.
const ROLLING: (u32, u32) = (24, 12);

/// Another setting, and what it gives on the same windows.
#[derive(Clone, Debug, PartialEq)]
pub struct Alternative {
    /// In words.
    pub name: String,
    /// The lines of the monitor file that set it.
    pub toml: String,
    /// Windows that drift, of those that are judged, over all series.
    pub false_windows: Rate,
    /// Alerts that fire. Those of one window count once.
    pub alerts: usize,
    /// Of columns whose smallest changes are limited by how windows differ, those that it finds smaller changes of: name, size of the
    /// smallest effect, the same as it is now; none where no change is found.
    pub finds: Vec<(String, f64, Option<f64>)>,
    /// Whether it is suggested: it has fewer false windows by far, or finds smaller changes without more of them; of a rule of alerts, that
    /// it has fewer alerts.
    pub helps: bool,
}

/// What is tried on.
pub(super) struct Trials<'a> {
    pub(super) spec: &'a RehearsalSpec,
    pub(super) reference: &'a ReferenceWindows,
    /// The rules of single windows.
    pub(super) rules: &'a DecisionRules,
    pub(super) held_out: Option<&'a HeldOut>,
    pub(super) judged: &'a [ReplayedWindow],
    pub(super) series: &'a [SeriesRehearsal],
    pub(super) budget: &'a Budget,
    /// How many series share the budget.
    pub(super) sharing: usize,
}

impl Trials<'_> {
    /// Tries other settings where windows drift falsely more often than accepted, or differ so much that little is found.
    pub(super) fn alternatives(&self) -> Vec<Alternative> {
        let now = Tried::of(self.judged);
        let rate = now.false_windows;
        let is_clear = self.budget.standing == Standing::Broken && rate.count >= LEAST_FALSE;
        let has_false = is_clear || (rate.count >= MANY_FALSE && rate.rate > self.budget.level);
        let mut found = Vec::new();
        if (has_false || self.is_limited()) && self.held_out.is_some() && self.spec.rules.reach.is_pane() {
            found.extend(references(self.spec, self.series).into_iter().map(|rule| self.reference(&rule, &now)));
        }
        found.extend(more_patient(self.rules).filter(|_| has_false).map(|rules| self.patience(rules, &now)));
        found
    }

    /// Whether how windows differ limits what is found of some column of the first series.
    fn is_limited(&self) -> bool {
        let columns = self.series.first().map(|series| series.columns.as_slice()).unwrap_or_default();
        columns.iter().any(|column| column.power.first().is_some_and(|power| power.bound == Bound::Variation))
    }

    fn reference(&self, rule: &ReferenceRule, now: &Tried) -> Alternative {
        let skipped = self.reference.windows.len().saturating_sub(TRIED);
        let windows = self.reference.windows.get(skipped..).unwrap_or_default();
        let plan = ReferencePlan { rules: vec![rule.clone()], ..self.spec.references.clone() };
        let spec = RehearsalSpec { references: plan, ..self.spec.clone() };
        let running = Running {
            rules: self.rules.clone(),
            plan: &spec.references,
            silence: spec.silence,
            held_out: None,
            chosen: &self.reference.chosen,
        };
        let judged = running.run(windows);
        let tried = Tried::of(&judged);
        let finds = self.finds(&spec, &judged);
        let is_rarer = tried.false_windows.of > 0
            && tried.false_windows.rate <= now.false_windows.rate / 2.0
            && tried.false_windows.high < now.false_windows.rate;
        let is_kept = tried.false_windows.of > 0 && tried.false_windows.low <= self.budget.level;
        let helps = is_rarer || (is_kept && !finds.is_empty());
        let (name, toml) = written(rule, &spec);
        Alternative { name, toml, false_windows: tried.false_windows, alerts: tried.alerts, finds, helps }
    }

    /// The columns of the first series that another reference finds smaller changes of.
    fn finds(&self, spec: &RehearsalSpec, judged: &[ReplayedWindow]) -> Vec<(String, f64, Option<f64>)> {
        let Some(first) = self.series.first() else { return Vec::new() };
        let key = (first.version.clone(), first.segment.clone());
        let counted: Vec<_> = of_series(&self.reference.windows, &key).collect();
        let series = Series {
            spec,
            rules: self.rules,
            reference: self.reference,
            judged,
            held_out: None,
            number: self.sharing,
        };
        let powers = Powers::new(&series, &counted, first.usual);
        let pairs = first.columns.iter().zip(&powers.columns);
        let limited = pairs.filter_map(|(column, then)| Some((column, column.power.first()?, then.first()?)));
        limited
            .filter(|(_, now, then): &(_, &Power, &Power)| now.bound == Bound::Variation && smaller(now, then))
            .filter_map(|(column, now, then)| Some((column.name.clone(), then.size?, now.size)))
            .collect()
    }

    fn patience(&self, rules: DecisionRules, now: &Tried) -> Alternative {
        let running = Running {
            rules,
            plan: &self.spec.references,
            silence: self.spec.silence,
            held_out: self.held_out,
            chosen: &self.reference.chosen,
        };
        let tried = Tried::of(&running.run(&self.reference.windows));
        Alternative {
            name: "an alert after 2 of 3 windows".to_owned(),
            toml: "[alert]\nfor = \"2 of 3 windows\"\n".to_owned(),
            helps: 2 * tried.alerts <= now.alerts,
            false_windows: tried.false_windows,
            alerts: tried.alerts,
            finds: Vec::new(),
        }
    }
}

/// What a trial gives.
struct Tried {
    false_windows: Rate,
    alerts: usize,
}

impl Tried {
    fn of(judged: &[ReplayedWindow]) -> Self {
        let drifts: Vec<bool> = judged
            .iter()
            .filter(|window| is_judged(window))
            .map(|window| window.judgement.verdict.drifts())
            .collect();
        let starts = judged.chunk_by(|left, right| left.key.start == right.key.start);
        let alerts = starts.filter(|windows| windows.iter().any(fires)).count();
        Self { false_windows: Rate::of_windows(&drifts), alerts }
    }
}

/// Alerts that need two windows of three, where they need one now; none where they need more already.
fn more_patient(rules: &DecisionRules) -> Option<DecisionRules> {
    let mut rules = rules.clone();
    let of_columns = rules.alerts.iter_mut().filter(|rule| rule.kind.is_about_columns());
    let mut changed = false;
    for rule in of_columns.filter(|rule| rule.policy.of == 1) {
        (rule.policy.windows, rule.policy.of) = (2, 3);
        changed = true;
    }
    changed.then_some(rules)
}

/// References of earlier windows that such windows can have: seasons of which there are enough cycles, and the last windows.
fn references(spec: &RehearsalSpec, series: &[SeriesRehearsal]) -> Vec<ReferenceRule> {
    let length = spec.length.span();
    let Some(first) = series.first() else { return Vec::new() };
    let time = first.to.since(first.from);
    let zone = spec.length.calendar().and_then(|(_, zone)| TimeZone::get(zone).ok()).unwrap_or(TimeZone::UTC);
    let season = |same: Same| {
        let slot = same.slot();
        // A longer slot would mix the hours of a day.
        let has_slot = length <= slot && (slot == TimeSpan::hours(1) || length > TimeSpan::hours(1));
        let cycles = u32::try_from(time.micros() / same.cycle().micros().max(1)).unwrap_or(u32::MAX);
        (has_slot && cycles > CYCLES.0).then(|| {
            // With fewer windows how they differ is not known, and chance alone is assumed.
            let cycles = (cycles / 3 * 2).clamp(CYCLES.0, CYCLES.1);
            let at_least = cycles.min(u32::try_from(LEAST_WINDOWS).unwrap_or(cycles));
            ReferenceRule::Seasonal(Season { same, zone: zone.clone(), cycles, at_least })
        })
    };
    let seasons = [Same::HourOfDay, Same::HourOfWeek, Same::DayOfWeek].into_iter().filter_map(season);
    let (windows, at_least) = ROLLING;
    let rolling = (first.windows >= 2 * windows as usize).then_some(ReferenceRule::Rolling { windows, at_least });
    seasons.chain(rolling).collect()
}

fn written(rule: &ReferenceRule, spec: &RehearsalSpec) -> (String, String) {
    match rule {
        ReferenceRule::Seasonal(season) => {
            let zone = spec.length.calendar().map_or("UTC", |(_, zone)| zone);
            let (same, cycles, at_least) = (season.same, season.cycles, season.at_least);
            let settings = format!(
                "{{ same = \"{}\", time_zone = \"{zone}\", cycles = {cycles}, at_least = {at_least} }}",
                same.as_str()
            );
            (
                format!("compared with the same {} in the last {cycles} cycles", same.in_words()),
                format!("[baseline]\nreference = [\"seasonal\", \"fixed\"]\nseasonal = {settings}\n"),
            )
        }
        ReferenceRule::Rolling { windows, at_least } => (
            format!("compared with the last {windows} windows"),
            format!(
                "[baseline]\nreference = [\"rolling\", \"fixed\"]\nrolling = {{ windows = {windows}, at_least = {at_least} }}\n"
            ),
        ),
        other => (other.name().as_str().to_owned(), String::new()),
    }
}
