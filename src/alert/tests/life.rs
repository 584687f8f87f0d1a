//! Scripts: windows in, transcript out. The state goes through its stored form after every step, as over a restart.

use super::*;
use uuid::Uuid;

/// Letters: q quiet, b between the bars, w warn, C critical.
fn level(letter: char) -> Level {
    match letter {
        'q' => Level::Quiet,
        'b' => Level::Between,
        'w' => Level::Warn,
        'C' => Level::Critical,
        other => panic!("{other}"),
    }
}

fn step(state: &AlertState, start: i64, letter: char, policy: AlertPolicy) -> (AlertState, Option<String>) {
    let stored: AlertState = serde_json::from_value(serde_json::to_value(state).unwrap()).unwrap();
    assert_eq!(stored, *state, "what is stored is what was");
    let id = |since: EventTime| Uuid::from_u128(u128::try_from(since.micros()).unwrap());
    let (next, change) = stored.observe(at(start), level(letter), policy, id);
    let said = change.map(|change| {
        let (kind, reason) = (change.kind.as_str(), change.reason.as_str());
        format!("{start}{letter} {kind} {} since {} ({reason})", change.severity.as_str(), change.since.micros())
    });
    (next, said)
}

fn script(policy: AlertPolicy, windows: &[(i64, char)]) -> Vec<String> {
    let mut state = AlertState::default();
    let mut transcript = Vec::new();
    for (start, letter) in windows {
        let (next, said) = step(&state, *start, *letter, policy);
        state = next;
        transcript.extend(said);
    }
    transcript
}

fn run(policy: AlertPolicy, windows: &str) -> Vec<String> {
    let windows: Vec<(i64, char)> = (0..).zip(windows.chars()).collect();
    script(policy, &windows)
}

const ONCE: AlertPolicy = AlertPolicy { windows: 1, of: 1, resolve_after: 1, flap_windows: 0 };

#[test]
fn fires_once_and_resolves_once_an_episode() {
    assert_eq!(
        run(ONCE, "qCCCqqC"),
        [
            "1C firing critical since 1 (persisted)",
            "4q resolved critical since 1 (quiet)",
            "6C firing critical since 6 (persisted)"
        ]
    );
}

#[test]
fn waits_for_some_of_the_newest_windows() {
    let policy = AlertPolicy { windows: 3, of: 5, ..ONCE };
    assert_eq!(
        run(policy, "CqCqqqqqCqCqC"),
        [
            "0C pending critical since 0 (bar_exceeded)",
            "7q cleared critical since 0 (did_not_persist)",
            "8C pending critical since 8 (bar_exceeded)",
            "12C firing critical since 8 (persisted)"
        ]
    );
}

#[test]
fn between_the_bars_an_alert_neither_fires_nor_resolves() {
    let policy = AlertPolicy { resolve_after: 2, ..ONCE };
    assert_eq!(
        run(policy, "bbCqbqbqqb"),
        ["2C firing critical since 2 (persisted)", "8q resolved critical since 2 (quiet)"]
    );
}

#[test]
fn severity_rises_with_one_window_and_falls_when_windows_agree() {
    let policy = AlertPolicy { resolve_after: 2, ..ONCE };
    assert_eq!(
        run(policy, "wCwwCqq"),
        [
            "0w firing warn since 0 (persisted)",
            "1C worsened critical since 0 (higher_severity)",
            "3w eased warn since 0 (lower_severity)",
            "4C worsened critical since 0 (higher_severity)",
            "6q resolved critical since 0 (quiet)"
        ]
    );
}

#[test]
fn a_flapping_alert_needs_more_and_more_quiet_windows() {
    let policy = AlertPolicy { flap_windows: 3, ..ONCE };
    assert_eq!(
        run(policy, "CqCqqCqqqqCqqqqqqqqqqqqC"),
        [
            "0C firing critical since 0 (persisted)",
            "1q resolved critical since 0 (quiet)",
            "2C firing critical since 2 (fired_again)",
            "4q resolved critical since 2 (quiet)",
            "5C firing critical since 5 (fired_again)",
            "9q resolved critical since 5 (quiet)",
            "10C firing critical since 10 (fired_again)",
            "18q resolved critical since 10 (quiet)",
            // Calm for long enough: it begins anew.
            "23C firing critical since 23 (persisted)",
        ]
    );
}

#[test]
fn windows_out_of_order_count_where_they_belong() {
    let policy = AlertPolicy { windows: 2, of: 3, ..ONCE };
    // Window 1 comes late and makes two of the newest three: the episode began with it.
    assert_eq!(
        script(policy, &[(0, 'q'), (2, 'C'), (3, 'b'), (1, 'C'), (4, 'q')]),
        [
            "2C pending critical since 2 (bar_exceeded)",
            "1C firing critical since 1 (persisted)",
            "4q resolved critical since 1 (quiet)"
        ]
    );
    // It is older than the newest three: nothing follows. And what comes after the end of an episode is past.
    assert_eq!(
        script(policy, &[(0, 'q'), (2, 'C'), (3, 'b'), (4, 'b'), (1, 'C')]),
        ["2C pending critical since 2 (bar_exceeded)"]
    );
    assert_eq!(
        script(policy, &[(0, 'q'), (2, 'C'), (1, 'C'), (3, 'q'), (1, 'C')]),
        [
            "2C pending critical since 2 (bar_exceeded)",
            "1C firing critical since 1 (persisted)",
            "3q resolved critical since 1 (quiet)"
        ]
    );
}

#[test]
fn an_amended_window_decides_as_if_it_had_always_been_so() {
    assert_eq!(
        script(ONCE, &[(0, 'q'), (0, 'C'), (0, 'C'), (0, 'q')]),
        ["0C firing critical since 0 (window_amended)", "0q resolved critical since 0 (window_amended)"]
    );
}

#[test]
fn somebody_is_at_it_until_it_becomes_worse() {
    let policy = AlertPolicy { resolve_after: 2, ..ONCE };
    let (firing, _) = step(&AlertState::default(), 0, 'w', policy);
    let (acknowledged, change) = firing.acknowledge().unwrap();
    assert_eq!((change.kind, change.reason), (ChangeKind::Acknowledged, ChangeReason::ByPerson));
    assert_eq!(acknowledged.acknowledge(), None, "once is enough");
    let (still, said) = step(&acknowledged, 1, 'w', policy);
    assert_eq!((still.phase, said), (Phase::Acknowledged, None));
    let (worse, said) = step(&still, 2, 'C', policy);
    assert_eq!(worse.phase, Phase::Firing);
    assert_eq!(said.unwrap(), "2C worsened critical since 0 (higher_severity)");
    let (ended, change) = worse.end(ChangeReason::ByPerson).unwrap();
    assert_eq!(change.kind, ChangeKind::Resolved);
    let (again, said) = step(&ended, 3, 'C', policy);
    assert_eq!(said.unwrap(), "3C firing critical since 3 (persisted)");
    assert_ne!(again.episode.unwrap().id, change.id, "a new episode");
    assert_eq!(AlertState::default().end(ChangeReason::ByPerson), None);
}

#[test]
fn ids_are_the_same_for_the_same_episode_and_parts_cannot_run_together() {
    assert_eq!(episode_id("m", "1", "*", "r", at(5)), episode_id("m", "1", "*", "r", at(5)));
    assert_ne!(derived_id(&["ab", "c"]), derived_id(&["a", "bc"]));
}

/// Windows that drifted and windows that were judged, as the last change or the state says.
fn counted(policy: AlertPolicy, windows: &[(i64, char)]) -> (u32, u32) {
    let mut state = AlertState::default();
    let mut last = (0, 0);
    for (start, letter) in windows {
        let stored: AlertState = serde_json::from_value(serde_json::to_value(&state).unwrap()).unwrap();
        let id = |since: EventTime| Uuid::from_u128(u128::try_from(since.micros()).unwrap());
        let (next, change) = stored.observe(at(*start), level(*letter), policy, id);
        if let Some(change) = change {
            last = (change.windows, change.judged);
        }
        if let Some(episode) = &next.episode {
            last = (episode.drifting, episode.judged);
        }
        state = next;
    }
    last
}

#[test]
fn an_episode_counts_all_its_windows_however_long_it_lasts() {
    let usual = AlertPolicy::default();
    let series = |letters: &str| (0..).zip(letters.chars()).collect::<Vec<(i64, char)>>();
    assert_eq!(counted(usual, &series(&"C".repeat(99))), (99, 99), "more than the state remembers");
    assert_eq!(counted(usual, &series(&("qqqqq".to_owned() + &"w".repeat(5_000)))), (5_000, 5_000));
    // Windows between the bars are judged and do not drift.
    assert_eq!(counted(usual, &series(&"Cb".repeat(40))), (40, 80));
    let patient = AlertPolicy { resolve_after: 3, ..usual };
    assert_eq!(counted(patient, &series(&"Cqq".repeat(30))), (30, 90));
    // The end says how it was, and the next episode counts anew.
    assert_eq!(counted(usual, &series(&("C".repeat(20) + "q"))), (20, 21));
    assert_eq!(counted(AlertPolicy { flap_windows: 0, ..usual }, &series("CCCCCCCCCCqC")), (1, 1));
    // What was pending counts: the episode began with it.
    assert_eq!(counted(AlertPolicy { windows: 3, of: 5, ..usual }, &series("CqCqC")), (3, 5));
    // An acknowledged alert goes on counting.
    let (firing, _) = AlertState::default().observe(at(0), Level::Critical, usual, |_| Uuid::nil());
    let (mut state, _) = firing.acknowledge().unwrap();
    for start in 1..30 {
        state = state.observe(at(start), Level::Critical, usual, |_| Uuid::nil()).0;
    }
    assert_eq!(state.episode.map(|episode| (episode.drifting, episode.judged)), Some((30, 30)));
}

#[test]
fn windows_out_of_order_and_judged_again_are_counted_once() {
    let policy = AlertPolicy { windows: 2, of: 3, resolve_after: 3, ..ONCE };
    assert_eq!(counted(policy, &[(0, 'q'), (2, 'C'), (3, 'b'), (1, 'C')]), (2, 3), "as 1C 2C 3b in order");
    assert_eq!(counted(policy, &[(1, 'C'), (2, 'C'), (3, 'b')]), (2, 3));
    assert_eq!(counted(ONCE, &[(0, 'C'), (1, 'C'), (1, 'C')]), (2, 2), "judged again, as before");
    assert_eq!(counted(ONCE, &[(0, 'C'), (1, 'C'), (1, 'b')]), (1, 2), "judged again, milder");
    assert_eq!(counted(ONCE, &[(0, 'C'), (1, 'b'), (1, 'w')]), (2, 2), "judged again, worse");
}

#[test]
fn a_state_from_before_episodes_had_counters_is_read() {
    let stored = serde_json::json!({
        "phase": "firing", "history": [[7, "critical"]],
        "episode": { "id": Uuid::nil(), "since": 7, "severity": "critical" },
    });
    let state: AlertState = serde_json::from_value(stored).unwrap();
    assert_eq!(state.episode.map(|episode| (episode.drifting, episode.lessons)), Some((0, Lessons::default())));
}
