//! Scripts of windows that are judged again: `(start, before, now)`.

use uuid::Uuid;

use super::*;
use crate::alert::lifecycle::WindowLevel;

const ONCE: AlertPolicy = AlertPolicy { windows: 1, of: 1, resolve_after: 1, flap_windows: 0 };

fn level(letter: char) -> Option<Level> {
    match letter {
        'q' => Some(Level::Quiet),
        'w' => Some(Level::Warn),
        'C' => Some(Level::Critical),
        _ => None,
    }
}

/// First the windows, then those that are judged again, then more windows: what happens, and how many windows drift at the end.
fn story(
    policy: AlertPolicy,
    windows: &str,
    again: &[(i64, char, char)],
    more: &str,
) -> (Vec<String>, Option<u32>) {
    let id = |since: EventTime| Uuid::from_u128(u128::try_from(since.micros()).unwrap());
    let mut state = AlertState::default();
    let mut said = Vec::new();
    let mut note = |start: i64, change: Option<AlertChange>| {
        said.extend(change.map(|change| {
            let (kind, reason) = (change.kind.as_str(), change.reason.as_str());
            format!("{start} {kind} since {} ({reason})", change.since.micros())
        }));
    };
    let first = i64::try_from(windows.len()).unwrap();
    let observe = |state: &AlertState, start: i64, letter: char| match level(letter) {
        Some(level) => state.observe(at(start), level, policy, id),
        None => (state.clone(), None),
    };
    for (start, letter) in (0..).zip(windows.chars()) {
        let (next, change) = observe(&state, start, letter);
        note(start, change);
        // As the store: what has nothing to remember is forgotten.
        state = if next.is_idle() { AlertState::default() } else { next };
    }
    for (start, before, now) in again {
        let stored: AlertState = serde_json::from_value(serde_json::to_value(&state).unwrap()).unwrap();
        let amended = AmendedLevel { before: level(*before), now: level(*now) };
        let (next, change) = stored.amend(at(*start), amended, policy, id);
        note(*start, change);
        let starts: Vec<EventTime> = next.history.iter().map(|WindowLevel { start, .. }| *start).collect();
        assert!(starts.is_sorted(), "{starts:?}");
        state = next;
    }
    for (start, letter) in (first..).zip(more.chars()) {
        let (next, change) = observe(&state, start, letter);
        note(start, change);
        state = next;
    }
    (said, state.episode.map(|episode| episode.drifting))
}

#[test]
fn an_alert_is_raised_late_and_resolves_with_the_next_window() {
    let (said, _) = story(ONCE, "qqqqqqqqqq", &[(2, 'q', 'C')], "q");
    assert_eq!(said, ["2 firing since 2 (window_amended)", "10 resolved since 2 (quiet)"]);
    // Also when an earlier alert is over, and when it had too few records before.
    let (said, _) = story(ONCE, "qqCqqq", &[(1, '-', 'C')], "");
    assert_eq!(said[2..], ["1 firing since 1 (window_amended)"]);
}

#[test]
fn an_alert_that_would_not_have_fired_is_withdrawn() {
    let slowly = AlertPolicy { resolve_after: 3, ..ONCE };
    let (said, _) = story(slowly, "qCq", &[(1, 'C', 'q')], "q");
    assert_eq!(said, ["1 firing since 1 (persisted)", "1 resolved since 1 (window_amended)"]);
    // One that waits for more is cleared.
    let two = AlertPolicy { windows: 2, of: 3, ..ONCE };
    let (said, _) = story(two, "C", &[(0, 'C', 'q')], "");
    assert_eq!(said, ["0 pending since 0 (bar_exceeded)", "0 cleared since 0 (window_amended)"]);
    // Of two drifting windows one is too few.
    let (said, _) = story(two, "CC", &[(0, 'C', 'q')], "");
    assert_eq!(said[1..], ["1 firing since 0 (persisted)", "0 resolved since 0 (window_amended)"]);
}

#[test]
fn an_alert_that_still_stands_is_amended_without_a_change() {
    assert_eq!(
        story(ONCE, "CCC", &[(1, 'C', 'q')], ""),
        (vec!["0 firing since 0 (persisted)".to_owned()], Some(2))
    );
    assert_eq!(story(ONCE, "CCC", &[(1, 'C', 'C')], "").1, Some(3));
    let (said, _) = story(ONCE, "w", &[(0, 'w', 'C')], "");
    assert_eq!(said[1..], ["0 worsened since 0 (higher_severity)"]);
}

#[test]
fn a_window_of_an_alert_that_is_over_changes_nothing() {
    let (said, drifting) = story(ONCE, "qCqq", &[(1, 'C', 'q'), (2, 'q', 'q')], "");
    assert_eq!((said.len(), drifting), (2, None), "{said:?}");
}

#[test]
fn a_rule_that_needs_several_windows_is_raised_late_only_with_its_neighbours() {
    let two = AlertPolicy { windows: 2, of: 2, flap_windows: 6, ..ONCE };
    let (said, drifting) = story(two, "qCqqqq", &[(2, 'q', 'C')], "");
    assert_eq!(said[2..], ["2 firing since 1 (window_amended)"]);
    assert_eq!(drifting, Some(2));
    let (said, _) = story(two, "qqqqqq", &[(2, 'q', 'C')], "");
    assert_eq!(said, [] as [String; 0]);
}

#[test]
fn a_window_that_was_forgotten_counts_in_the_running_alert() {
    let letters = format!("C{}", "C".repeat(40));
    assert_eq!(story(ONCE, &letters, &[(3, 'C', 'q')], "").1, Some(40));
}
