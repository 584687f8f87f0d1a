//! What an alert of a window says: its labels, its sentences, the columns and why they moved.

use super::{ClosingWindow, DecisionRules};
use crate::alert::{AlertRule, DriftedColumn, Evidence, Labels, RuleKind, Transition};
use crate::judge::Judgement;
use crate::judge::why::{Reason, Sides, explain_columns};
use crate::measure::Pair;
use crate::window::WHOLE;

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
        ("version", &window.key.version),
        ("segment", &window.key.segment),
        ("severity", transition.change.severity.as_str()),
        ("column", transition.column.as_deref().unwrap_or_default()),
    ];
    let own = own.into_iter().filter(|(_, value)| !value.is_empty());
    labels.extend(own.map(|(label, value)| (label.to_owned(), value.to_owned())));
    labels
}

pub(super) fn evidence_of(
    window: &ClosingWindow,
    rules: &DecisionRules,
    judgement: &Judgement,
    rule: &AlertRule,
    column: Option<&str>,
) -> Evidence {
    let drifted = DriftedColumn::of(judgement, rule, column, |name| why(window, name));
    let mut model = rules.monitor.clone();
    if !window.key.version.is_empty() {
        model = format!("{model} version {}", window.key.version);
    }
    if window.key.segment != WHOLE {
        model = format!("{model}, segment {}", window.key.segment);
    }
    let names: Vec<&str> = drifted.iter().take(3).map(|column| column.column.as_str()).collect();
    let more = drifted.len().saturating_sub(names.len());
    let list = names.join(", ") + &if more > 0 { format!(" and {more} more") } else { String::new() };
    let judged = judgement.columns.len();
    let summary = match (rule.kind, column) {
        (RuleKind::DataQuality, None) => format!("values of {model} are missing or broken: {list}"),
        (RuleKind::DataQuality, Some(column)) => format!("values of {column} of {model} are missing or broken"),
        (_, Some(column)) => format!("{column} of {model} drifted"),
        (_, None) => format!("{model} drifted in {} of {judged} columns: {list}", drifted.len()),
    };
    let advice = match rule.kind {
        RuleKind::DataQuality => {
            "Look at the pipeline that fills these columns. Retraining on broken values would teach them to the model."
        }
        _ => {
            "Look at the first columns: did a pipeline change, or did the world? If the new data is right, retrain the \
             model and build a baseline from its training data (driftd baseline build)."
        }
    };
    Evidence {
        summary,
        advice: advice.to_owned(),
        window: Some(window.evidence.clone()),
        baseline: window.baseline.as_ref().map(|(name, _)| name.clone()),
        baseline_records: Some(judgement.n_baseline),
        columns: Some(judged),
        drifted,
        more: 0,
    }
}

pub(super) fn why(window: &ClosingWindow, column: &str) -> Vec<Reason> {
    let Some((_, Some(baseline))) = &window.baseline else { return Vec::new() };
    let sides = |pair: &Pair<'_>, name: &str| Sides::of_window(pair, window.sample.column(name).as_ref());
    explain_columns(baseline, &window.counts, [column], sides).remove(column).unwrap_or_default()
}
