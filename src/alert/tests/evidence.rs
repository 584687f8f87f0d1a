//! What an alert rests on over its episode: worst and last, whatever the last window says.

use super::rules::{finding, judgement, rule};
use super::*;
use crate::judge::why::{Cause, Reason};
use crate::judge::{Finding, Verdict, strength};
use crate::measure::Measure;
use crate::window::OffsetRanges;

const HOUR: i64 = 3_600_000_000;

fn window(hour: i64) -> WindowEvidence {
    WindowEvidence {
        id: Some(100 + hour),
        start: at(hour * HOUR).into(),
        end: at((hour + 1) * HOUR).into(),
        records: 1_000,
        late_records: 0,
        complete: true,
        revision: 0,
        offsets: OffsetRanges::default(),
    }
}

/// What the rule rests on after windows with these effects of columns; 0.2 is the limit of drift, 0.1 that of a warning.
/// The effect that a column has a second time is that of another measure.
fn rests_on(windows: &[(i64, &[(&str, f64)])]) -> Evidence {
    let rule = rule("drift", RuleKind::Drift, Scope::Model);
    let mut evidence = Evidence::default();
    let since = at(windows[0].0 * HOUR);
    for (hour, effects) in windows {
        let measure = |index: usize| {
            let is_second = effects[..index].iter().any(|(column, _)| *column == effects[index].0);
            if is_second { Measure::WassersteinNormed } else { Measure::Psi }
        };
        let findings: Vec<Finding> = effects
            .iter()
            .enumerate()
            .map(|(index, (column, effect))| finding(column, measure(index), *effect))
            .collect();
        let judgement = judgement(findings);
        let drifting = judgement.verdict.drifts();
        let window = window(*hour);
        let judged = JudgedWindow {
            start: at(hour * HOUR),
            window: &window,
            judgement: &judgement,
            rule: &rule,
            column: None,
            since,
            drifting,
        };
        evidence.take(judged, |column| vec![Reason { cause: Cause::Bins, text: format!("{column} at {hour}") }]);
        evidence.summary = summary_of(RuleKind::Drift, "m", None, &evidence);
    }
    evidence
}

fn names(columns: &[DriftedColumn]) -> Vec<&str> {
    columns.iter().map(|column| column.column.as_str()).collect()
}

#[test]
fn the_column_that_moved_most_stays_first_when_it_has_calmed_down() {
    // b exceeds its limit 627 times and is quiet minutes later, when a moves a little.
    let evidence = rests_on(&[
        (1, &[("a", 0.21), ("b", 0.3)]),
        (2, &[("a", 0.01), ("b", 125.4)]),
        (3, &[("a", 0.25), ("b", 0.02)]),
    ]);
    assert_eq!(names(&evidence.drifted), ["b", "a"]);
    let b = &evidence.drifted[0];
    assert_eq!((b.strength.round(), b.window.as_ref().and_then(|window| window.id)), (627.0, Some(102)));
    assert_eq!(b.last.as_ref().map(|last| (last.verdict, last.effect)), Some((Verdict::Ok, Some(0.02))));
    assert_eq!(b.why, ["b at 2"], "as in its worst window");
    let a = &evidence.drifted[1];
    assert_eq!((a.effect, a.window.as_ref().and_then(|window| window.id)), (0.25, Some(103)));
    let id = |window: &Option<EpisodeWindow>| window.as_ref().and_then(|window| window.id);
    assert_eq!((id(&evidence.first), id(&evidence.worst), id(&evidence.last)), (Some(101), Some(102), Some(103)));
    assert_eq!(evidence.window.as_ref().and_then(|window| window.id), Some(102), "the window is the worst one");
    assert_eq!(
        evidence.summary,
        "m drifted in 2 of 2 columns (1 now): b (at worst 627 times its drift limit, now 0.10), a; now a (1.2 times its drift limit)"
    );
    let words: Vec<String> =
        evidence.windows().iter().map(|(name, window)| format!("{name}: {}", window.words())).collect();
    assert_eq!(
        words,
        [
            "Worst window: b at 627 times its drift limit",
            "Last window: a at 1.2 times its drift limit",
            "First window: b at 1.5 times its drift limit"
        ]
    );
}

#[test]
fn how_a_column_stands_now_is_what_moves_most_now_by_any_measure() {
    let evidence = rests_on(&[(1, &[("a", 0.9), ("a", 0.1)]), (2, &[("a", 0.02), ("a", 0.3)])]);
    let a = &evidence.drifted[0];
    let last = a.last.as_ref().unwrap();
    assert_eq!((a.measure, a.effect), (Measure::Psi, 0.9));
    assert_eq!(
        (last.measure, last.effect, last.verdict),
        (Measure::WassersteinNormed, Some(0.3), Verdict::Critical)
    );
    assert_eq!(evidence.moving_columns(), ["a"]);
    assert_eq!(evidence.summary, "m drifted in 1 of 1 column: a (at worst 4.5 times its drift limit, now 1.5)");
}

#[test]
fn after_its_end_an_alert_shows_its_worst_window_and_not_its_weakest() {
    let evidence = rests_on(&[(1, &[("a", 3.0)]), (2, &[("a", 0.22)]), (3, &[("a", 0.01)])]);
    assert_eq!((evidence.drifted[0].effect, evidence.strength()), (3.0, 15.0));
    assert_eq!(evidence.worst.as_ref().map(|worst| worst.strength), Some(15.0));
    // The last window is the one that ended it; nothing moved there.
    assert_eq!(evidence.last.as_ref().map(|last| (last.id, last.drifted)), Some((Some(103), 0)));
    // A warning in a window that does not drift is evidence, and not the worst window.
    let evidence = rests_on(&[(1, &[("a", 0.4), ("w", 0.01)]), (2, &[("a", 0.18), ("w", 0.15)])]);
    assert_eq!((names(&evidence.drifted), names(&evidence.warned)), (vec!["a"], vec!["w"]));
    assert_eq!(evidence.worst.as_ref().and_then(|worst| worst.id), Some(101));
    // Out of order: an earlier window adds what it saw and is not the last one.
    let evidence = rests_on(&[(2, &[("a", 0.3), ("b", 0.0)]), (1, &[("a", 0.2), ("b", 0.9)])]);
    assert_eq!(names(&evidence.drifted), ["b", "a"]);
    assert_eq!(evidence.last.as_ref().and_then(|last| last.id), Some(102));
}

#[test]
fn drifted_means_one_thing_and_a_warning_is_another() {
    let evidence = rests_on(&[(1, &[("a", 0.19), ("b", 0.25), ("c", 0.12), ("d", 0.05)])]);
    assert_eq!((names(&evidence.drifted), names(&evidence.warned)), (vec!["b"], vec!["a", "c"]));
    assert_eq!(evidence.summary, "m drifted in 1 of 4 columns: b (1.2 times its drift limit); 2 more warned");
    // A warning at nearly twice its own limit ranks below a drift that is just one.
    assert!(evidence.drifted[0].strength > evidence.warned[0].strength);
    assert_eq!((evidence.drifted[0].threshold, evidence.warned[0].threshold), (0.2, 0.1));
    let window = evidence.worst.unwrap();
    assert_eq!((window.drifted, window.warned), (1, 2));
    let mild = rests_on(&[(1, &[("a", 0.19), ("b", 0.01)])]);
    assert_eq!(mild.summary, "m warns in 1 of 2 columns: a (0.95 times its drift limit)");
    for (verdict, drifts, moved) in [
        (Verdict::Critical, true, true),
        (Verdict::Warn, false, true),
        (Verdict::Ok, false, false),
        (Verdict::NotEnoughData, false, false),
        (Verdict::NoBaseline, false, false),
        (Verdict::Undefined, false, false),
    ] {
        assert_eq!((verdict.drifts(), verdict.moved()), (drifts, moved), "{verdict:?}");
    }
}

#[test]
fn what_other_alerts_are_held_against_is_what_moves_now() {
    let evidence =
        rests_on(&[(1, &[("a", 0.4), ("b", 0.4), ("w", 0.15)]), (2, &[("a", 0.4), ("b", 0.01), ("w", 0.0)])]);
    assert_eq!(names(&evidence.drifted), ["a", "b"]);
    assert_eq!(evidence.moving_columns(), ["a"]);
    let old: Evidence = serde_json::from_value(serde_json::json!({
        "summary": "", "advice": "",
        "drifted": [{ "column": "a", "verdict": "critical", "measure": "psi", "effect": 1.0, "threshold": 0.1,
                      "movement": { "mean": null, "null_share": null, "category": null } }],
    }))
    .unwrap();
    assert_eq!(old.moving_columns(), ["a"], "stored before there was a last window");
}

#[test]
fn a_multiple_of_a_limit_is_a_number_for_any_limit() {
    assert_eq!(strength(0.5, Some(0.25), Some(0.01), Verdict::Critical), 2.0);
    assert_eq!(
        strength(0.5, Some(0.0), Some(0.1), Verdict::Critical),
        5.0,
        "without a limit, what chance gives is one"
    );
    assert_eq!(strength(0.5, Some(0.0), Some(0.0), Verdict::Critical), 1.0);
    assert_eq!(strength(0.5, Some(0.0), None, Verdict::Ok), 0.0);
    assert!(strength(1e300, Some(1e-300), None, Verdict::Critical).is_finite());
    let json = serde_json::to_value(strength(1e300, Some(1e-300), None, Verdict::Critical)).unwrap();
    assert!(json.is_number(), "what is stored can be read again: {json}");
    assert_eq!(
        [0.004, 0.5, 1.25, 99.6, 627.2, 1e9].map(times),
        ["0.00", "0.50", "1.2", "100", "627", "over a million"]
    );
}

#[test]
fn messages_name_some_columns_and_count_all() {
    let many: Vec<(String, f64)> =
        (0..70).map(|column| (format!("c{column:02}"), if column < 30 { 0.5 } else { 0.15 })).collect();
    let effects: Vec<(&str, f64)> = many.iter().map(|(name, effect)| (name.as_str(), *effect)).collect();
    let mut evidence = rests_on(&[(1, &effects)]);
    assert_eq!(evidence.counts(), (30, 40));
    for _ in 0..2 {
        evidence.cut();
        assert_eq!((evidence.drifted.len(), evidence.warned.len()), (MAX_COLUMNS, 0));
        assert_eq!((evidence.counts(), evidence.left_out()), ((30, 40), 50), "cut twice, counted once");
    }
}
