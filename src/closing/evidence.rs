//! What an alert of a window says: its labels, its sentences, the columns and why they moved.

use std::collections::HashMap;

use uuid::Uuid;

use super::{ClosingWindow, DecisionRules};
use crate::alert::{
    AlertRule, Calm, ChangeReason, Evidence, JudgedWindow, Labels, RuleKind, SeriesAlerts, Transition,
    series_words, summary_of,
};
use crate::judge::Judgement;
use crate::judge::why::{Reason, Sides, explain_columns};
use crate::measure::Pair;
use crate::record::EventTime;
use crate::reference::Reference;

pub(super) fn labels_of(
    rules: &DecisionRules,
    window: &ClosingWindow,
    rule: Option<&AlertRule>,
    transition: &Transition,
) -> Labels {
    let mut labels = rules.labels.clone();
    labels.extend(rule.map(|rule| rule.labels.clone()).unwrap_or_default());
    let kind = rule.map_or(RuleKind::Drift, |rule| rule.kind).as_str();
    let own = [
        ("alertname", transition.rule.as_str()),
        ("kind", kind),
        ("monitor", &rules.monitor),
        ("version", &window.span.key.version),
        ("segment", &window.span.key.segment),
        ("severity", transition.change.severity.as_str()),
        ("column", transition.column.as_deref().unwrap_or_default()),
    ];
    set_own(&mut labels, &own);
    labels
}

/// Sets the labels that driftd gives an alert itself; those without a value are left out.
pub(super) fn set_own(labels: &mut Labels, own: &[(&str, &str)]) {
    let own = own.iter().filter(|(_, value)| !value.is_empty());
    labels.extend(own.map(|(label, value)| ((*label).to_owned(), (*value).to_owned())));
}

/// The episodes of a series at the moment a window closes.
pub(super) struct Episodes<'a> {
    pub(super) window: &'a ClosingWindow,
    pub(super) rules: &'a DecisionRules,
    pub(super) judgement: &'a Judgement,
    pub(super) alerts: &'a SeriesAlerts,
    pub(super) transitions: &'a [Transition],
    /// The episodes for which the window drifts.
    pub(super) drifts_for: &'a [Uuid],
}

impl Episodes<'_> {
    /// What each alert rests on for which the window says anything: those that run on, and those that it ends.
    pub(super) fn evidence(&self) -> HashMap<Uuid, Evidence> {
        let start = self.window.span.key.start;
        let rule_of = |name: &str| self.rules.alerts.iter().find(|rule| rule.name == name);
        let mut found = HashMap::new();
        // A window that is judged again may be forgotten, and still be one of the episode.
        let is_amended = |since: EventTime| self.window.amends.is_some() && since <= start;
        for (name, column, state) in self.alerts.states() {
            let (Some(rule), Some(episode)) = (rule_of(name), &state.episode) else { continue };
            if state.said(start).is_none() && !is_amended(episode.since) {
                continue;
            }
            let judged = self.judged(rule, column, episode.since, self.drifts_for.contains(&episode.id));
            let (before, calm) = (self.window.rested_on.get(&episode.id), state.calm(rule.policy));
            found.insert(episode.id, evidence_of(self.window, self.rules, judged, before, calm));
        }
        for Transition { rule, column, change } in self.transitions {
            // The window that ends an alert is its last one. Other ends are no matter of what the window says.
            let by_window = !matches!(change.reason, ChangeReason::RuleRemoved);
            let (true, Some(rule), Some(before)) =
                (by_window && change.kind.is_over(), rule_of(rule), self.window.rested_on.get(&change.id))
            else {
                continue;
            };
            let judged = self.judged(rule, column.as_deref(), change.since, false);
            found.insert(change.id, evidence_of(self.window, self.rules, judged, Some(before), None));
        }
        found
    }

    fn judged<'a>(
        &'a self,
        rule: &'a AlertRule,
        column: Option<&'a str>,
        since: EventTime,
        drifting: bool,
    ) -> JudgedWindow<'a> {
        let window = &self.window.evidence;
        JudgedWindow {
            start: self.window.span.key.start,
            window,
            judgement: self.judgement,
            rule,
            column,
            since,
            drifting,
        }
    }
}

/// What an alert rests on with this window: what it rested on before, and what the window adds.
fn evidence_of(
    window: &ClosingWindow,
    rules: &DecisionRules,
    judged: JudgedWindow<'_>,
    before: Option<&Evidence>,
    calm: Option<Calm>,
) -> Evidence {
    let mut evidence = before.cloned().unwrap_or_default();
    evidence.calm = calm;
    if window.amends.is_some() {
        evidence.forget(&judged.window.reference());
    }
    evidence.take(judged, |column| {
        let lasting = judged.judgement.lasting(column).into_iter();
        lasting.chain(why(window, rules.judge.values_only, column)).collect()
    });
    let key = &window.span.key;
    let whose = series_words(&rules.monitor, &key.version, &key.segment);
    evidence.summary = summary_of(judged.rule.kind, &whose, judged.column, &evidence);
    match judged.rule.kind {
        RuleKind::DataQuality => {
            "Look at the pipeline that fills these columns. Retraining on broken values would teach them to the model."
        }
        RuleKind::Volume => {
            "Check whether everything that writes to the topic works, and whether records are written twice. If the new number is \
             right, nothing is to be done: it becomes the usual one."
        }
        _ => {
            "Check the first columns for a change of a pipeline. If the new data is correct, retrain the model and build a baseline \
             from its training data (driftd baseline build)."
        }
    }
    .clone_into(&mut evidence.advice);
    if judged.rule.kind == RuleKind::Volume {
        evidence.baseline = Some(window.usual_rows.name.clone());
        return evidence;
    }
    evidence.baseline = window.reference.as_ref().and_then(|reference| reference.choice.in_words());
    evidence.baseline_records = Some(judged.judgement.n_baseline);
    evidence.natural_variation =
        window.reference.as_ref().and_then(|reference| reference.choice.natural_variation);
    evidence
}

pub(super) fn why(window: &ClosingWindow, values_only: bool, column: &str) -> Vec<Reason> {
    let Some(Reference { counts: Some(baseline), .. }) = &window.reference else { return Vec::new() };
    let sides = |pair: &Pair<'_>, name: &str| Sides::of_window(pair, window.sample.column(name).as_ref());
    explain_columns(baseline, &window.counts, values_only, [column], sides).remove(column).unwrap_or_default()
}
