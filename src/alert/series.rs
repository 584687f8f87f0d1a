//! All alerts of one series: what a judged window means to every rule.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    AlertChange, AlertPolicy, AlertRule, AlertState, AmendedLevel, ChangeReason, Level, Observation, Scope,
    episode_id,
};
use crate::judge::Judgement;
use crate::record::EventTime;

/// Which series.
#[derive(Clone, Copy, Debug)]
pub struct SeriesKey<'a> {
    /// The monitor's name.
    pub monitor: &'a str,
    /// The model version.
    pub version: &'a str,
    pub segment: &'a str,
}

/// The states of a series' alerts. Alerts that are in order and have nothing to remember are not kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SeriesAlerts {
    /// The newest window that was judged.
    #[serde(skip_serializing_if = "Option::is_none")]
    newest: Option<EventTime>,
    /// By rule, or by rule and column.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    states: BTreeMap<String, AlertState>,
}

/// What a judged window means to the alerts of its series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeriesStep {
    /// The states after it.
    pub alerts: SeriesAlerts,
    /// What happened.
    pub transitions: Vec<Transition>,
    /// The running episodes for which the window drifts.
    pub drifts_for: Vec<Uuid>,
}

/// A change of one of the alerts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    pub rule: String,
    /// The column, for a rule about columns.
    pub column: Option<String>,
    /// What happened.
    pub change: AlertChange,
}

impl SeriesAlerts {
    /// The states with what they are about: rule, column, state.
    pub fn states(&self) -> impl Iterator<Item = (&str, Option<&str>, &AlertState)> {
        self.states.iter().map(|(key, state)| {
            let (rule, column) = split(key);
            (rule, column, state)
        })
    }

    /// The state of one alert.
    #[must_use]
    pub fn state(&self, rule: &str, column: Option<&str>) -> Option<&AlertState> {
        self.states.get(&join(rule, column))
    }

    /// Takes a judged window into account.
    #[must_use]
    pub fn judged(
        &self,
        series: SeriesKey<'_>,
        start: EventTime,
        rules: &[AlertRule],
        judgement: &Judgement,
    ) -> SeriesStep {
        let mut next = self.clone();
        let (mut transitions, mut drifting) = (Vec::new(), Vec::new());
        for rule in rules {
            for observation in rule.observe(judgement) {
                if observation.level.severity().is_some() {
                    drifting.push(join(&rule.name, observation.column.as_deref()));
                }
                transitions.extend(next.observe(series, start, &rule.name, rule.policy, observation));
            }
        }
        transitions.extend(next.forget_gone(rules, judgement));
        next.newest = next.newest.max(Some(start));
        let drifts_for = next.episodes_of(&drifting, start);
        SeriesStep { alerts: next, transitions, drifts_for }
    }

    /// Takes into account that a window was judged again.
    #[must_use]
    pub fn amended(
        &self,
        series: SeriesKey<'_>,
        start: EventTime,
        rules: &[AlertRule],
        (before, now): (&Judgement, &Judgement),
    ) -> SeriesStep {
        let mut next = self.clone();
        let (mut transitions, mut drifting) = (Vec::new(), Vec::new());
        for rule in rules {
            let mut levels: BTreeMap<Option<String>, AmendedLevel> = BTreeMap::new();
            for Observation { column, level } in rule.observe(before) {
                levels.entry(column).or_default().before = Some(level);
            }
            for Observation { column, level } in rule.observe(now) {
                levels.entry(column).or_default().now = Some(level);
            }
            for (column, level) in levels {
                let key = join(&rule.name, column.as_deref());
                let state = next.states.get(&key).cloned().unwrap_or_default();
                let id = |since| episode_id(series.monitor, series.version, series.segment, &key, since);
                let (state, change) = state.amend(start, level, rule.policy, id);
                if level.now.and_then(Level::severity).is_some() {
                    drifting.push(key.clone());
                }
                next.put(key, state);
                transitions.extend(change.map(|change| Transition { rule: rule.name.clone(), column, change }));
            }
        }
        transitions.extend(next.forget_gone(rules, now));
        let drifts_for = next.episodes_of(&drifting, start);
        SeriesStep { alerts: next, transitions, drifts_for }
    }

    /// The running episodes of alerts that a window belongs to.
    fn episodes_of(&self, keys: &[String], start: EventTime) -> Vec<Uuid> {
        let episode = |key: &String| {
            let episode = self.states.get(key)?.episode.as_ref()?;
            (episode.since <= start).then_some(episode.id)
        };
        keys.iter().filter_map(episode).collect()
    }

    /// Ends the alerts of rules and columns that are gone.
    fn forget_gone(&mut self, rules: &[AlertRule], judgement: &Judgement) -> Vec<Transition> {
        // Columns can go, too.
        let judged = |name: &str| judgement.columns.iter().any(|column| column.column == name);
        let mut gone = self.end_where(ChangeReason::RuleRemoved, |_, column| !column.is_none_or(judged));
        gone.extend(
            self.drop_rules(|rule| rules.iter().find(|known| known.name == rule).map(|known| known.scope)),
        );
        gone
    }

    /// Takes one observation of one rule into account.
    pub fn observe(
        &mut self,
        series: SeriesKey<'_>,
        start: EventTime,
        rule: &str,
        policy: AlertPolicy,
        Observation { column, level }: Observation,
    ) -> Option<Transition> {
        let key = join(rule, column.as_deref());
        let forgotten = || {
            // What is not remembered was in order up to the newest window.
            let history = self
                .newest
                .iter()
                .map(|newest| super::WindowLevel { start: *newest, level: Level::Quiet })
                .collect();
            AlertState { history, ..AlertState::default() }
        };
        let state = self.states.get(&key).cloned().unwrap_or_else(forgotten);
        let id = |since| episode_id(series.monitor, series.version, series.segment, &key, since);
        let (state, change) = state.observe(start, level, policy, id);
        self.put(key, state);
        Some(Transition { rule: rule.to_owned(), column, change: change? })
    }

    /// Notes for these running episodes that a model could learn from a window.
    pub fn learn_from(&mut self, episodes: &[Uuid], records: u64) {
        for state in self.states.values_mut() {
            if state.episode.as_ref().is_some_and(|episode| episodes.contains(&episode.id)) {
                state.learn_from(records);
            }
        }
    }

    /// Takes back what an earlier judgement of a window taught: its records, for these episodes.
    pub fn unlearn(&mut self, episodes: &[Uuid], records: u64) {
        for state in self.states.values_mut() {
            if let Some(episode) = state.episode.as_mut().filter(|episode| episodes.contains(&episode.id)) {
                episode.lessons.windows = episode.lessons.windows.saturating_sub(1);
                episode.lessons.records = episode.lessons.records.saturating_sub(records);
            }
        }
    }

    /// Acknowledges an alert. None when it does not fire.
    pub fn acknowledge(&mut self, rule: &str, column: Option<&str>) -> Option<AlertChange> {
        let key = join(rule, column);
        let (state, change) = self.states.get(&key)?.acknowledge()?;
        self.put(key, state);
        Some(change)
    }

    /// Ends an alert. None when it is inactive.
    pub fn end(&mut self, rule: &str, column: Option<&str>, reason: ChangeReason) -> Option<AlertChange> {
        let key = join(rule, column);
        let (state, change) = self.states.get(&key)?.end(reason)?;
        self.put(key, state);
        Some(change)
    }

    /// Ends every alert.
    pub fn end_all(&mut self, reason: ChangeReason) -> Vec<Transition> {
        self.end_where(reason, |_, _| true)
    }

    /// Ends the alerts of rules that are gone, or are about something else now.
    fn drop_rules(&mut self, scope_of: impl Fn(&str) -> Option<Scope>) -> Vec<Transition> {
        let transitions = self.end_where(ChangeReason::RuleRemoved, |rule, column| {
            scope_of(rule) != Some(if column.is_some() { Scope::Column } else { Scope::Model })
        });
        self.states.retain(|key, _| scope_of(split(key).0).is_some());
        transitions
    }

    fn end_where(&mut self, reason: ChangeReason, which: impl Fn(&str, Option<&str>) -> bool) -> Vec<Transition> {
        let keys: Vec<String> = self
            .states
            .keys()
            .filter(|key| {
                let (rule, column) = split(key);
                which(rule, column)
            })
            .cloned()
            .collect();
        keys.into_iter()
            .filter_map(|key| {
                let (rule, column) = split(&key);
                let change = self.end(rule, column, reason)?;
                Some(Transition { rule: rule.to_owned(), column: column.map(str::to_owned), change })
            })
            .collect()
    }

    fn put(&mut self, key: String, state: AlertState) {
        if state.is_idle() {
            self.states.remove(&key);
        } else {
            self.states.insert(key, state);
        }
    }
}

/// Names of rules have no colon.
fn join(rule: &str, column: Option<&str>) -> String {
    column.map_or_else(|| rule.to_owned(), |column| format!("{rule}:{column}"))
}

fn split(key: &str) -> (&str, Option<&str>) {
    key.split_once(':').map_or((key, None), |(rule, column)| (rule, Some(column)))
}
