//! Groups, silences, what explains what, caps: what belongs together is told together, and at its time.

use driftd::alert::{ChangeKind, Matcher};
use driftd::record::TimeSpan;
use driftd::store::AlertAction;
use driftd::view::AlertFilter;
use uuid::Uuid;

use super::{Desk, at_once};

#[test]
fn one_message_for_what_belongs_together_and_one_for_what_never_went_out() {
    let Some(desk) = Desk::new("groups") else { return };
    for id in 1..=3 {
        desk.change(id, ChangeKind::Firing, &["mail", "chat"], &[], at_once());
    }
    assert_eq!(desk.settle(), ["chat new_alerts 3", "mail new_alerts 3"]);
    assert!(desk.settle().is_empty(), "nothing is told twice");
    // Neither went out yet. What follows takes their place and says both.
    desk.change(1, ChangeKind::Resolved, &[], &[], at_once());
    assert_eq!(desk.settle(), ["chat resolved 3", "mail resolved 3"]);
    assert_eq!(desk.bodies("superseded").len(), 2);
    let pending = desk.bodies("pending");
    assert_eq!(pending.len(), 2);
    let alerts = pending[0]["data"]["alerts"].as_array().unwrap();
    let stands: Vec<&str> = alerts.iter().map(|alert| alert["status"].as_str().unwrap()).collect();
    assert_eq!(stands, ["firing", "firing", "resolved"]);
    assert_eq!(alerts[0]["url"], format!("https://driftd.example/alerts/{}", alerts[0]["id"].as_str().unwrap()));
    assert_eq!(
        desk.history(1),
        [
            "firing persisted",
            "told new_alerts",
            "told new_alerts",
            "resolved persisted",
            "told resolved",
            "told resolved"
        ]
    );
    for id in 2..=3 {
        desk.change(id, ChangeKind::Resolved, &[], &[], at_once());
    }
    desk.settle();
    assert_eq!(desk.number("select count(*) from alert_group"), 0, "and then the group is over");
}

#[test]
fn silences_and_people_keep_alerts_quiet_and_their_end_lets_them_speak() {
    let Some(desk) = Desk::new("silences") else { return };
    let runtime = &desk.world.runtime;
    let matchers = [Matcher::parse("monitor=m").unwrap(), Matcher::parse("segment!~country=.*").unwrap()];
    let silence =
        runtime.block_on(desk.store.add_silence(&matchers, TimeSpan::hours(1), "ada", "maintenance")).unwrap();
    desk.change(1, ChangeKind::Firing, &["mail"], &[("segment", "*")], at_once());
    assert!(desk.settle().is_empty());
    assert_eq!(desk.history(1).last().unwrap(), "held silenced");
    runtime.block_on(desk.store.expire_silence(&silence.to_string()[..8], "ada")).unwrap();
    assert_eq!(desk.settle(), ["mail new_alerts 1"]);
    assert!(runtime.block_on(desk.store.expire_silence(&silence.to_string(), "ada")).is_err(), "it is over");

    // Alerts of this kind have no state behind them, so people cannot act on them; real ones are tried with a daemon.
    let id = Uuid::from_u128(1);
    let refused = runtime.block_on(desk.store.act_on_alert(id, AlertAction::Acknowledge, "ada", ""));
    assert!(refused.unwrap_err().to_string().contains("no longer has a state"));
    let found = runtime.block_on(desk.store.alerts(&AlertFilter::default(), 10)).unwrap();
    assert_eq!((found.len(), found[0].state.as_str()), (1, "firing"));
}

#[test]
fn a_broken_column_explains_its_drift_and_the_explanation_is_in_the_history() {
    let Some(desk) = Desk::new("inhibition") else { return };
    desk.change(1, ChangeKind::Firing, &["mail"], &[("version", "1"), ("segment", "*")], at_once());
    desk.run("update alert set evidence = evidence || '{\"drifted\": [{\"column\": \"a\", \"verdict\": \"critical\", \"measure\": \"psi\", \"effect\": 1, \"threshold\": 0.1, \"movement\": {\"mean\": null, \"null_share\": null, \"category\": null}}]}'");
    desk.change(
        2,
        ChangeKind::Firing,
        &["mail"],
        &[("kind", "data_quality"), ("version", "1"), ("segment", "*")],
        at_once(),
    );
    desk.run("update alert set evidence = evidence || '{\"drifted\": [{\"column\": \"a\", \"verdict\": \"critical\", \"measure\": \"null_share\", \"effect\": 1, \"threshold\": 0.1, \"movement\": {\"mean\": null, \"null_share\": null, \"category\": null}}]}'");
    assert_eq!(desk.settle(), ["mail new_alerts 1"], "the broken values alone");
    assert_eq!(desk.history(1).last().unwrap(), "held inhibited");
    // The values are whole again, and the drift is still there: now it is told.
    desk.change(
        2,
        ChangeKind::Resolved,
        &[],
        &[("kind", "data_quality"), ("version", "1"), ("segment", "*")],
        at_once(),
    );
    desk.run("update alert_group set due_at = now()");
    assert_eq!(desk.settle(), ["mail new_alerts 2"], "and that the values are whole");
}

#[test]
fn a_capped_receiver_gets_a_digest_of_what_was_held_back() {
    let Some(mut desk) = Desk::new("caps") else { return };
    desk.caps.insert("chat".to_owned(), 2);
    for (id, team) in [(1, "a"), (2, "b"), (3, "c"), (4, "d"), (5, "e")] {
        // Each has a group of its own.
        desk.change(id, ChangeKind::Firing, &["chat"], &[("team", team)], at_once());
    }
    assert_eq!(desk.settle(), ["chat new_alerts 1", "chat new_alerts 1"]);
    assert_eq!(desk.number("select count(*) from alert_group where capped"), 3);
    assert_eq!(desk.history(5).last().unwrap(), "held rate_capped");
    desk.run("update alert_group set due_at = now() where capped");
    assert!(desk.settle().is_empty(), "there is no room yet");
    desk.run("update notification set created_at = created_at - interval '2 hours'");
    desk.run("update alert_group set due_at = now() where capped");
    // Nothing went out yet, so the digest takes the place of what it says anew.
    desk.change(1, ChangeKind::Resolved, &[], &[("team", "a")], at_once());
    desk.run("update alert_group set capped = true, due_at = now()");
    let digest = desk.settle();
    assert_eq!(digest.len(), 1, "{digest:?}");
    assert!(digest[0].starts_with("chat digest"), "{digest:?}");
    let pending = desk.bodies("pending");
    assert_eq!(pending.len(), 1, "{pending:?}");
    let told = pending[0]["data"]["alerts"].as_array().unwrap();
    assert_eq!(told.len(), 5, "and says what those would have said that it takes the place of");
    assert_eq!(told.iter().filter(|alert| alert["status"] == "resolved").count(), 1);
    assert_eq!(desk.number("select count(*) from notification where event_type = 'drift.alerts.digest'"), 1);
    assert_eq!(desk.number("select count(*) from alert_group where capped"), 0);
}
