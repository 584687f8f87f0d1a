//! The whole and its segments: what only follows the whole is one line, what stands apart is told apart.

use uuid::Uuid;

use super::*;
use crate::judge::{Movement, Verdict};
use crate::measure::Measure;
use crate::notify::example_alert;

fn column(name: &str, strength: f64) -> DriftedColumn {
    let drifts = strength >= 1.0;
    DriftedColumn {
        column: name.to_owned(),
        verdict: if drifts { Verdict::Critical } else { Verdict::Warn },
        measure: Measure::Psi,
        effect: strength * 0.2,
        threshold: if drifts { 0.2 } else { 0.1 },
        strength,
        movement: Movement::default(),
        why: Vec::new(),
        window: None,
        last: None,
        onset: None,
        further: 0,
        url: None,
    }
}

fn alert(id: u128, segment: &str, columns: &[(&str, f64)]) -> AlertView {
    let mut alert = example_alert(AlertStatus::Firing);
    alert.id = Uuid::from_u128(id);
    segment.clone_into(&mut alert.segment);
    let moved = columns.iter().map(|(name, strength)| column(name, *strength));
    (alert.evidence.drifted, alert.evidence.warned) = moved.partition(|column| column.verdict.drifts());
    alert.severity = if alert.evidence.drifted.is_empty() { Severity::Warn } else { Severity::Critical };
    alert
}

fn event(alerts: Vec<AlertView>) -> AlertsEvent {
    AlertsEvent::new(Uuid::nil(), Labels::new(), SendReason::NewAlerts, alerts)
}

/// The segments of the event's alerts in order, those that follow the whole with a `<`.
fn order(event: &AlertsEvent) -> Vec<String> {
    let one = |alert: &AlertView| format!("{}{}", alert.segment, if alert.follows.is_some() { " <" } else { "" });
    event.alerts.iter().map(one).collect()
}

#[test]
fn the_whole_comes_first_and_segments_that_follow_it_come_last() {
    let told = event(vec![
        alert(1, "c=a", &[("income", 2.9)]),
        alert(2, "c=b", &[("income", 3.5), ("odd", 0.7)]),
        alert(3, "c=other", &[("age", 2.0)]),
        alert(4, "c=strong", &[("income", 9.0)]),
        alert(5, "*", &[("income", 3.0), ("country", 1.2)]),
        alert(6, "c=mild", &[("income", 0.8)]),
    ]);
    assert_eq!(order(&told), ["*", "c=strong", "c=other", "c=b <", "c=a <", "c=mild <"]);
    let segments = told.alerts[0].segments.clone().unwrap();
    assert_eq!((segments.following, segments.apart), (3, 2));
    assert_eq!(segments.names, ["c=a", "c=b", "c=mild"]);
    assert_eq!(
        segments.line(),
        "also in 3 segments (c=a, c=b, c=mild); 2 more drift on their own (c=other, c=strong)"
    );
    assert_eq!(segments.words(), "also in 3 segments; 2 more drift on their own");
    assert!(told.alerts.iter().skip(1).all(|alert| alert.follows.is_none_or(|id| id == Uuid::from_u128(5))));
    // Programs have them all.
    assert_eq!(told.alerts.len(), 6);
}

#[test]
fn a_segment_follows_only_its_own_whole() {
    let other = |change: fn(&mut AlertView)| {
        let mut segment = alert(2, "c=a", &[("income", 2.0)]);
        change(&mut segment);
        order(&event(vec![alert(1, "*", &[("income", 3.0)]), segment])).remove(1)
    };
    assert_eq!(other(|_| {}), "c=a <");
    assert_eq!(other(|alert| alert.version = "4".to_owned()), "c=a");
    assert_eq!(other(|alert| alert.monitor = "other".to_owned()), "c=a");
    assert_eq!(other(|alert| alert.rule = "other".to_owned()), "c=a");
    assert_eq!(other(|alert| alert.evidence.drifted[0].strength = 4.6), "c=a", "more strongly");
    assert_eq!(
        other(|alert| alert.evidence.drifted[0].strength = 4.4),
        "c=a <",
        "more, by what few records scatter"
    );
    assert_eq!(other(|alert| alert.status = AlertStatus::Resolved), "c=a", "it is over, the whole is not");
    // A segment that drifts where the whole only warns says more.
    let told = event(vec![alert(1, "*", &[("income", 0.9), ("x", 2.0)]), alert(2, "c=a", &[("income", 1.1)])]);
    assert_eq!(order(&told), ["*", "c=a"]);
    // Without the whole there is nothing to follow.
    assert_eq!(order(&event(vec![alert(2, "c=a", &[("income", 2.0)])])), ["c=a"]);
    // A worse segment makes the message worse, although the whole comes first.
    let told = event(vec![alert(1, "*", &[("income", 0.9)]), alert(2, "c=a", &[("income", 1.1)])]);
    assert_eq!((order(&told)[0].as_str(), told.severity), ("*", Severity::Critical));
}

#[test]
fn segments_are_counted_however_many_there_are_and_whatever_takes_the_place_of_a_message() {
    let whole = || {
        let mut whole = alert(1, "*", &[("income", 3.0)]);
        whole.segments = Some(Segments { judged: Some(80), ..Segments::default() });
        whole
    };
    let segments = (0..75).map(|number| alert(100 + number, &format!("c={number:02}"), &[("income", 2.0)]));
    let mut told = event([whole()].into_iter().chain(segments).collect());
    let words = |told: &AlertsEvent| told.alerts[0].segments.as_ref().map(Segments::words).unwrap();
    assert_eq!(words(&told), "also in 75 of 80 judged segments");
    assert_eq!((told.alerts.len(), told.more), (50, 26), "the whole and what stands apart are never left out");
    told.absorb(event(vec![alert(999, "c=gone", &[("income", 2.0)])]));
    assert_eq!(words(&told), "also in 75 of 80 judged segments");
    let none = event(vec![whole()]);
    assert_eq!(none.alerts[0].segments, None, "no line without a segment that drifts");
    for (following, apart, said) in [
        (5, 0, "also in 5 of 6 judged segments"),
        (0, 2, "2 of 6 judged segments drift on their own"),
        (0, 1, "1 of 6 judged segments drifts on its own"),
        (4, 1, "also in 4 of 6 judged segments; 1 more drifts on its own"),
        (0, 0, ""),
    ] {
        let segments = Segments { judged: Some(6), following, apart, ..Segments::default() };
        assert_eq!(segments.words(), said);
    }
}

#[test]
fn a_segment_with_two_episodes_counts_once() {
    let told = event(vec![
        alert(1, "*", &[("income", 3.0)]),
        alert(2, "c=a", &[("income", 2.0)]),
        alert(3, "c=a", &[("income", 2.5)]),
        alert(4, "c=b", &[("income", 2.0)]),
        alert(5, "c=b", &[("age", 2.0)]),
    ]);
    let segments = told.alerts[0].segments.clone().unwrap();
    assert_eq!((segments.following, segments.apart), (1, 1));
    assert_eq!(segments.names, ["c=a"]);
}
