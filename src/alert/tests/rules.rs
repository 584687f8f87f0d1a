//! Which findings make which alert.

use std::collections::BTreeMap;

use super::*;
use crate::judge::{ColumnJudgement, Finding, Judgement, Movement, Subject, Verdict, WindowRule};
use crate::measure::{Measure, Score, Thresholds};

/// A finding with an effect, held against 0.1 and 0.2, significant above 0.05.
pub(super) fn finding(column: &str, measure: Measure, effect: f64) -> Finding {
    let verdict = match effect {
        effect if effect >= 0.2 => Verdict::Critical,
        effect if effect >= 0.1 => Verdict::Warn,
        _ => Verdict::Ok,
    };
    let score =
        Score { statistic: effect, p_value: None, effect, bound: None, n_baseline: 1_000, n_window: 1_000 };
    Finding {
        subject: Subject::Column(column.to_owned()),
        measure,
        score: Some(score),
        limits: Some(Thresholds { warn: 0.1, critical: 0.2 }),
        noise_floor: Some(0.05),
        significant: effect > 0.05,
        verdict,
        change: None,
    }
}

pub(super) fn judgement(findings: Vec<Finding>) -> Judgement {
    let mut columns: Vec<ColumnJudgement> = Vec::new();
    for finding in &findings {
        let Some(name) = finding.subject.column() else { continue };
        match columns.iter_mut().find(|column| column.column == name) {
            Some(column) => column.verdict = column.verdict.worse(finding.verdict),
            None => columns.push(ColumnJudgement {
                column: name.to_owned(),
                verdict: finding.verdict,
                strength: 0.0,
                movement: Movement::default(),
            }),
        }
    }
    let verdict = WindowRule::Columns(1).verdict(&columns);
    Judgement { verdict, n_window: 1_000, n_baseline: 1_000, findings, columns }
}

pub(super) fn rule(name: &str, kind: RuleKind, scope: Scope) -> AlertRule {
    AlertRule {
        name: name.to_owned(),
        kind,
        scope,
        measures: AlertRule::measures_of(kind),
        columns: None,
        severity: Severity::Critical,
        window: WindowRule::Columns(1),
        resolve_below: 0.8,
        policy: AlertPolicy::default(),
        labels: BTreeMap::new(),
    }
}

fn levels(rule: &AlertRule, findings: Vec<Finding>) -> Vec<(Option<String>, Level)> {
    rule.observe(&judgement(findings)).into_iter().map(|seen| (seen.column, seen.level)).collect()
}

#[test]
fn a_rule_sees_its_own_measures_and_columns_at_its_own_bar() {
    use Measure::{NullShare, Psi};
    let drift = rule("drift", RuleKind::Drift, Scope::Model);
    let quality = rule("data_quality", RuleKind::DataQuality, Scope::Model);
    let findings = || vec![finding("a", Psi, 0.02), finding("a", NullShare, 0.5)];
    assert_eq!(levels(&drift, findings()), [(None, Level::Quiet)]);
    assert_eq!(levels(&quality, findings()), [(None, Level::Critical)]);
    for (effect, level) in [(0.3, Level::Critical), (0.17, Level::Between), (0.15, Level::Quiet)] {
        assert_eq!(levels(&drift, vec![finding("a", Psi, effect)]), [(None, level)], "{effect}");
    }
    let warned = AlertRule { severity: Severity::Warn, ..drift.clone() };
    for (effect, level) in
        [(0.3, Level::Critical), (0.15, Level::Warn), (0.09, Level::Between), (0.07, Level::Quiet)]
    {
        assert_eq!(levels(&warned, vec![finding("a", Psi, effect)]), [(None, level)], "{effect}");
    }
    let elsewhere = AlertRule { columns: Some(vec!["b".to_owned()]), ..drift.clone() };
    let both = || vec![finding("a", Psi, 0.5), finding("b", Psi, 0.01)];
    assert_eq!(levels(&elsewhere, both()), [(None, Level::Quiet)]);
    let two = AlertRule { window: WindowRule::Columns(2), ..drift.clone() };
    assert_eq!(levels(&two, both()), [(None, Level::Quiet)], "one of two columns");
    let each = rule("each", RuleKind::Drift, Scope::Column);
    assert_eq!(
        levels(&each, both()),
        [(Some("a".to_owned()), Level::Critical), (Some("b".to_owned()), Level::Quiet)]
    );
    // A test whose significance is a p-value has no noise floor: what chance explains holds no alert open.
    for (significant, level) in [(true, Level::Between), (false, Level::Quiet)] {
        let near = Finding { noise_floor: Some(0.0), significant, ..finding("a", Psi, 0.09) };
        assert_eq!(levels(&warned, vec![near]), [(None, level)], "{significant}");
    }
    // What chance produces is nothing, however large it looks; what says nothing says nothing.
    let noise =
        Finding { noise_floor: Some(0.9), significant: false, verdict: Verdict::Ok, ..finding("a", Psi, 0.5) };
    assert_eq!(levels(&drift, vec![noise]), [(None, Level::Quiet)]);
    let silent = Finding { score: None, verdict: Verdict::NotEnoughData, ..finding("a", Psi, 0.0) };
    assert!(levels(&drift, vec![silent]).is_empty());
    // Nor does a share that is in order, beside values that could not be compared; one that drifts does.
    let undefined = || Finding { score: None, verdict: Verdict::Undefined, ..finding("a", Psi, 0.0) };
    let share = |effect| finding("a", Measure::OutOfRangeShare, effect);
    assert!(levels(&drift, vec![share(0.0), undefined()]).is_empty());
    assert_eq!(levels(&drift, vec![share(0.5), undefined()]), [(None, Level::Critical)]);
    assert_eq!(levels(&drift, vec![undefined(), share(0.0), finding("b", Psi, 0.0)]), [(None, Level::Quiet)]);
}

#[test]
fn a_series_has_one_episode_a_rule_and_a_column_and_ends_those_that_nobody_asks_for_any_more() {
    use Measure::Psi;
    let series = SeriesKey { monitor: "m", version: "1", segment: "*" };
    let rules = [rule("drift", RuleKind::Drift, Scope::Model), rule("each", RuleKind::Drift, Scope::Column)];
    let said = |transitions: &[Transition]| -> Vec<String> {
        let one = |transition: &Transition| {
            let column = transition.column.as_deref().unwrap_or("*");
            let change = &transition.change;
            format!("{} {column} {} ({})", transition.rule, change.kind.as_str(), change.reason.as_str())
        };
        transitions.iter().map(one).collect()
    };
    let moved = judgement(vec![finding("a", Psi, 0.5), finding("b", Psi, 0.5)]);
    let SeriesStep { alerts, transitions, .. } = SeriesAlerts::default().judged(series, at(1), &rules, &moved);
    assert_eq!(
        said(&transitions),
        ["drift * firing (persisted)", "each a firing (persisted)", "each b firing (persisted)"]
    );
    let ids: std::collections::BTreeSet<_> = transitions.iter().map(|transition| transition.change.id).collect();
    assert_eq!(ids.len(), 3);
    let SeriesStep { alerts: again, transitions, .. } = alerts.judged(series, at(2), &rules, &moved);
    assert!(transitions.is_empty(), "once an episode: {transitions:?}");
    // The column goes, then the rule.
    let one = judgement(vec![finding("a", Psi, 0.5)]);
    let SeriesStep { alerts: fewer, transitions, .. } = again.judged(series, at(3), &rules, &one);
    assert_eq!(said(&transitions), ["each b resolved (rule_removed)"]);
    let SeriesStep { alerts: none, transitions, .. } = fewer.judged(series, at(4), &rules[..1], &one);
    assert_eq!(said(&transitions), ["each a resolved (rule_removed)"]);
    assert_eq!(none.states().count(), 1);
    // A window that says nothing leaves everything as it is.
    let nothing = Judgement { findings: vec![], columns: vec![], ..one };
    let SeriesStep { alerts: same, transitions, .. } = none.judged(series, at(5), &rules[..1], &nothing);
    assert!(transitions.is_empty() && same.state("drift", None).is_some_and(AlertState::is_open));
    let stored: SeriesAlerts = serde_json::from_value(serde_json::to_value(&same).unwrap()).unwrap();
    assert_eq!(stored, same);
}
