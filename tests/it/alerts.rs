//! Groups, silences, acknowledgements, caps, replays and retraining requests on a real PostgreSQL: what is decided there is
//! what people get.

use std::collections::{BTreeMap, BTreeSet};

use driftd::alert::{
    AlertChange, ChangeKind, ChangeReason, EventKind, Evidence, GroupKey, GroupTiming, Labels, Matcher,
    OperationalLimits, Routing, RowState, RuleKind, Severity, Transition,
};
use driftd::closing::{ChangedAlert, CheckScope, Notification};
use driftd::record::{ColumnType, EventTime, ModelSchema};
use driftd::retrain::{RequestState, Step};
use driftd::store::{AlertAction, AttemptOutcome, InputCheck, Moved, Resend, Store, Telling};
use driftd::view::{AlertDetail, AlertFilter, RequestDetail};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{World, number, services};

/// A database with nothing running on it.
struct Desk {
    world: World,
    store: Store,
    caps: BTreeMap<String, u32>,
    states: BTreeSet<String>,
    routing: Routing,
}

fn at_once() -> GroupTiming {
    GroupTiming { wait: 0, interval: 0, repeat: 0, send_resolved: true, unacknowledged_for: None }
}

impl Desk {
    fn new(test: &str) -> Option<Self> {
        let world = World::new(&services(test)?);
        let store = world.store();
        Some(Self {
            world,
            store,
            caps: BTreeMap::new(),
            states: BTreeSet::new(),
            routing: Routing { timing: at_once(), ..Routing::default() },
        })
    }

    /// An alert fires or is over, for these receivers.
    fn change(
        &self,
        id: u128,
        kind: ChangeKind,
        receivers: &[&str],
        labels: &[(&str, &str)],
        timing: GroupTiming,
    ) {
        let labels: Labels = [("monitor", "m"), ("kind", "drift"), ("alertname", "drift")]
            .into_iter()
            .chain(labels.iter().copied())
            .map(|(label, value)| (label.to_owned(), value.to_owned()))
            .collect();
        let by: Labels =
            labels.iter().filter(|(label, _)| *label == "team").map(|(l, v)| (l.clone(), v.clone())).collect();
        let groups = receivers.iter().map(|receiver| GroupKey {
            route: "test".to_owned(),
            receiver: (*receiver).to_owned(),
            labels: by.clone(),
            timing,
            mute: vec![],
        });
        let change = ChangedAlert {
            transition: Transition {
                rule: "drift".to_owned(),
                column: None,
                change: AlertChange {
                    id: Uuid::from_u128(id),
                    kind,
                    reason: ChangeReason::Persisted,
                    severity: Severity::Critical,
                    since: EventTime::default(),
                    windows: 1,
                    judged: 1,
                },
            },
            kind: RuleKind::Drift,
            labels,
            evidence: (kind == ChangeKind::Firing)
                .then(|| Evidence { summary: format!("number {id}"), ..Evidence::default() }),
            groups: groups.collect(),
        };
        self.world.runtime.block_on(self.store.inject_alerts("m", "1", &[change], "test")).unwrap();
    }

    /// Looks at all due groups; the reasons of what was decided, by receiver.
    fn settle(&self) -> Vec<String> {
        let telling = Telling {
            routing: &self.routing,
            caps: &self.caps,
            states: &self.states,
            external_url: Some("https://driftd.example/"),
        };
        self.world.runtime.block_on(async {
            let mut decided = Vec::new();
            let open = self.store.firing_alerts().await.unwrap();
            for group in self.store.due_groups(100).await.unwrap() {
                if let Some(told) = self.store.settle_group(group, telling, &open).await.unwrap() {
                    decided.push(format!("{} {} {}", told.receiver, told.reason.as_str(), told.alerts));
                }
            }
            decided.sort();
            decided
        })
    }

    fn number(&self, query: &'static str) -> i64 {
        self.world.runtime.block_on(number(&self.world.pool, query)).unwrap()
    }

    fn run(&self, query: &'static str) {
        self.world.runtime.block_on(sqlx::query(query).execute(&self.world.pool)).unwrap();
    }

    fn bodies(&self, status: &'static str) -> Vec<Value> {
        self.world
            .runtime
            .block_on(
                sqlx::query_scalar("select body from notification where status = $1 order by sequence")
                    .bind(status)
                    .fetch_all(&self.world.pool),
            )
            .unwrap()
    }

    fn history(&self, id: u128) -> Vec<String> {
        let id = Uuid::from_u128(id).to_string();
        let AlertDetail { history, .. } = self.world.runtime.block_on(self.store.alert(&id)).unwrap();
        history.into_iter().map(|entry| format!("{} {}", entry.kind, entry.reason)).collect()
    }
}

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
        runtime.block_on(desk.store.add_silence(&matchers, 3_600_000_000, "ada", "maintenance")).unwrap();
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

#[test]
fn what_was_given_up_is_told_through_others_and_can_be_sent_again() {
    let Some(desk) = Desk::new("dead deliveries") else { return };
    let runtime = &desk.world.runtime;
    desk.change(1, ChangeKind::Firing, &["pager"], &[], at_once());
    desk.settle();
    let claimed = runtime.block_on(desk.store.claim_notifications("pager", 5, 1_000_000)).unwrap().remove(0);
    let dead = desk.store.record_attempt(&claimed, AttemptOutcome::Dead, "gone", "HTTP 410");
    runtime.block_on(dead).unwrap();
    runtime.block_on(desk.store.disable_receiver("pager", "old", "HTTP 410")).unwrap();
    assert!(runtime.block_on(desk.store.is_disabled("pager", "old")).unwrap());

    let routing =
        Routing { operators: vec!["pager".into(), "mail".into()], timing: at_once(), ..Routing::default() };
    let labels = Labels::new();
    let scope = CheckScope { monitor: "", labels: &labels, receivers: &[], routing: &routing };
    let receivers = ["pager".to_owned(), "mail".to_owned()];
    runtime.block_on(desk.store.check_deliveries(scope, &receivers, 0)).unwrap();
    assert_eq!(desk.settle(), ["mail new_alerts 1"], "the one that is the trouble is not told of it");
    let body = &desk.bodies("pending")[0];
    let summary = body["data"]["alerts"][0]["evidence"]["summary"].as_str().unwrap();
    assert!(summary.contains("gone for good"), "{summary}");

    assert!(!runtime.block_on(desk.store.is_disabled("pager", "new")).unwrap(), "configured anew, it is on again");
    let which = Resend::Receiver("pager".to_owned());
    assert_eq!(runtime.block_on(desk.store.replay_deliveries(&which, "ada")).unwrap(), 1);
    let again = runtime.block_on(desk.store.claim_notifications("pager", 5, 1_000_000)).unwrap().remove(0);
    assert_eq!((again.id, again.attempt), (claimed.id, 1), "under the same id");
    let sent = desk.store.record_attempt(&again, AttemptOutcome::Sent { reference: None }, "delivered", "");
    runtime.block_on(sent).unwrap();
    // Two looks without trouble, and the alert about it is over.
    desk.run("update notification set finished_at = finished_at - interval '2 hours'");
    for _ in 0..2 {
        runtime.block_on(desk.store.check_deliveries(scope, &receivers, 0)).unwrap();
    }
    assert_eq!(desk.settle(), ["mail resolved 1"]);
}

#[test]
fn a_message_is_not_given_up_untried_after_days_without_a_daemon() {
    let Some(desk) = Desk::new("untried") else { return };
    let runtime = &desk.world.runtime;
    desk.change(1, ChangeKind::Firing, &["mail"], &[], at_once());
    desk.settle();
    desk.run("update notification set created_at = now() - interval '6 days', waiting_since = now() - interval '6 days'");
    let (labels, routing) = (Labels::new(), Routing::default());
    let scope = CheckScope { monitor: "", labels: &labels, receivers: &[], routing: &routing };
    let look = |receiver: &str| {
        runtime.block_on(desk.store.check_deliveries(scope, &[receiver.to_owned()], 0)).unwrap();
    };
    look("mail");
    assert_eq!(desk.number("select count(*) from notification where status = 'pending'"), 1);
    // Nobody delivers to a receiver that is no longer configured.
    look("chat");
    assert_eq!(desk.number("select count(*) from notification where status = 'dead'"), 1);
    // What is asked for again is tried again, however old it is.
    let id = runtime.block_on(async {
        sqlx::query_scalar::<_, Uuid>("select id from notification").fetch_one(&desk.world.pool).await.unwrap()
    });
    let which = Resend::Message(id.to_string());
    assert_eq!(runtime.block_on(desk.store.replay_deliveries(&which, "ada")).unwrap(), 1);
    look("chat");
    let claimed = runtime.block_on(desk.store.claim_notifications("mail", 5, 1_000_000)).unwrap().remove(0);
    assert_eq!((claimed.id, claimed.failures, claimed.trying_for), (id, 0, 0));
    // A lease is given back, or kept by the daemon that still sends; not by one that was overtaken.
    assert!(runtime.block_on(desk.store.renew_lease(&claimed, 60_000_000)).unwrap());
    assert!(runtime.block_on(desk.store.claim_notifications("mail", 5, 1_000_000)).unwrap().is_empty());
    runtime.block_on(desk.store.release_lease(&claimed)).unwrap();
    let again = runtime.block_on(desk.store.claim_notifications("mail", 5, 1_000_000)).unwrap().remove(0);
    assert_eq!((again.attempt, again.failures), (2, 0));
    assert!(!runtime.block_on(desk.store.renew_lease(&claimed, 60_000_000)).unwrap());
    let failed = AttemptOutcome::Retry { after: 0 };
    runtime.block_on(desk.store.record_attempt(&again, failed, "connect", "")).unwrap();
    let third = runtime.block_on(desk.store.claim_notifications("mail", 5, 1_000_000)).unwrap().remove(0);
    assert_eq!((third.attempt, third.failures), (3, 1));
}

#[test]
fn a_silent_stuck_monitor_without_baseline_alerts_about_itself_once() {
    let Some(desk) = Desk::new("operations") else { return };
    let runtime = &desk.world.runtime;
    desk.run("insert into monitor_partition (monitor, topic, partition, newest, counted_at) values ('m', 't', 0, now(), now() - interval '2 hours')");
    desk.run("insert into source_partition (topic, partition, next_offset, log_end, progressed_at) values ('t', 0, 10, 50, now() - interval '1 hour')");
    desk.run("insert into record_tally (monitor, outcome, reason, shard, count) values ('m', 'accepted', '', 0, 900), ('m', 'rejected', 'syntax', 0, 100)");
    desk.run("insert into retention_gap (topic, partition, from_offset, to_offset) values ('t', 0, 0, 7)");
    let labels = Labels::from([("owner".to_owned(), "risk".to_owned())]);
    let receivers = ["mail".to_owned()];
    let scope = CheckScope { monitor: "m", labels: &labels, receivers: &receivers, routing: &desk.routing };
    let (topics, limits) = (["t".to_owned()], OperationalLimits::default());
    let schema = ModelSchema::of_features(&[("x", ColumnType::Numeric)]).unwrap();
    let watched = InputCheck {
        scope,
        topics: &topics,
        schema: &schema,
        learns: false,
        max_series: 1_000,
        unknown_topics: &[],
        min_records: 1,
        time_format: None,
        filters: &[],
        limits: &limits,
    };
    let firing = || {
        let found = runtime.block_on(desk.store.alerts(&AlertFilter::default(), 10)).unwrap();
        let mut names: Vec<String> = found
            .into_iter()
            .filter(|alert| alert.state == RowState::Firing)
            .map(|alert| alert.view.rule)
            .collect();
        names.sort_unstable();
        names
    };
    let look = |interval| runtime.block_on(desk.store.check_input(watched, interval)).unwrap();
    look(0);
    look(3_600_000_000);
    assert_eq!(
        firing(),
        ["rejected_share", "retention_gap"],
        "what stands still is looked at again before it is said"
    );
    look(0);
    look(0);
    assert_eq!(firing(), ["no_data", "rejected_share", "retention_gap", "stuck_partition"]);
    let found = runtime.block_on(desk.store.alerts(&AlertFilter::default(), 10)).unwrap();
    assert!(found.iter().all(|alert| alert.view.labels["owner"] == "risk"));
    assert_eq!(desk.settle(), ["mail new_alerts 4"]);
    assert_eq!(
        desk.number("select count(*) from alert where state = 'firing' and evidence->>'summary' like 'm: %'"),
        4
    );
    // Acknowledged by a person, through the same machine.
    let id = found[0].view.id;
    let acted = runtime.block_on(desk.store.act_on_alert(id, AlertAction::Acknowledge, "ada", "on it")).unwrap();
    assert_eq!((acted.state.as_str(), acted.view.acknowledged_by.as_deref()), ("acknowledged", Some("ada")));
    assert_eq!(desk.settle(), ["mail acknowledged 4"]);
    let resolved = runtime.block_on(desk.store.act_on_alert(id, AlertAction::Resolve, "ada", "")).unwrap();
    assert_eq!(resolved.state, RowState::Resolved);
    assert!(runtime.block_on(desk.store.act_on_alert(id, AlertAction::Resolve, "ada", "")).is_err());
}

#[test]
fn a_retraining_request_is_approved_sent_answered_and_brings_a_baseline() {
    let Some(desk) = Desk::new("retraining") else { return };
    let runtime = &desk.world.runtime;
    desk.change(1, ChangeKind::Firing, &[], &[], at_once());
    desk.run("insert into binning (id, columns) values ('00000000-0000-0000-0000-0000000000b1', '[]')");
    desk.run("insert into series (monitor, model_version, segment) values ('m', '1', '*')");
    desk.run("insert into model_window (monitor, model_version, segment, starts_at, ends_at, binning_id) values ('m', '1', '*', now() - interval '1 hour', now(), '00000000-0000-0000-0000-0000000000b1')");
    desk.run("insert into retraining_request (id, monitor, model_version, segment, alert_id, window_id, window_end, body, state, receivers)
              select '00000000-0000-0000-0000-00000000002a', 'm', '1', '*', '00000000-0000-0000-0000-000000000001', id, ends_at, '{\"type\": \"drift.retraining.requested\", \"data\": {}}', 'proposed', '{trainer}' from model_window");
    let id = Uuid::from_u128(42);
    let step = |step, external_id| {
        let moved = Moved { step, actor: "ada", detail: "", external_id };
        runtime.block_on(desk.store.move_request(id, moved))
    };
    assert!(step(Step::Report(RequestState::Running), None).is_err(), "nobody approved it");
    assert_eq!(desk.number("select count(*) from notification"), 0);
    assert_eq!(step(Step::Approve, None).unwrap(), (RequestState::Requested, true));
    let claimed = runtime.block_on(desk.store.claim_notifications("trainer", 5, 1_000_000)).unwrap().remove(0);
    let sent = AttemptOutcome::Sent { reference: Some("run-1".to_owned()) };
    runtime.block_on(desk.store.record_attempt(&claimed, sent, "delivered", "")).unwrap();
    let RequestDetail { request, history } =
        runtime.block_on(desk.store.retraining_request(&id.to_string())).unwrap();
    assert_eq!((request.state, request.external_id.as_deref()), (RequestState::Accepted, Some("run-1")));
    assert_eq!(history.iter().map(|change| change.state.as_str()).collect::<Vec<_>>(), ["requested", "accepted"]);
    assert_eq!(runtime.block_on(desk.store.requests_to_poll(60_000_000)).unwrap().len(), 1);
    assert!(runtime.block_on(desk.store.requests_to_poll(60_000_000)).unwrap().is_empty(), "asked a moment ago");
    // No answer in time, and then one after all.
    desk.run("update retraining_request set expires_at = now() - interval '1 second'");
    assert_eq!(runtime.block_on(desk.store.expire_requests()).unwrap(), 1);
    assert_eq!(step(Step::Report(RequestState::Succeeded), None).unwrap(), (RequestState::Succeeded, true));
    assert_eq!(step(Step::Report(RequestState::Succeeded), None).unwrap(), (RequestState::Succeeded, false));
    assert_eq!(desk.number("select count(*) from audit where action = 'retraining.approve'"), 1);
}

#[test]
fn undeliverable_requests_fail_and_tests_of_receivers_belong_to_none() {
    let Some(desk) = Desk::new("undeliverable") else { return };
    let runtime = &desk.world.runtime;
    let notification = Notification {
        id: Uuid::from_u128(5),
        subject: Uuid::from_u128(6),
        receiver: "trainer".to_owned(),
        kind: EventKind::RetrainingRequested,
        body: json!({ "type": "drift.retraining.requested", "data": {} }),
    };
    runtime.block_on(desk.store.enqueue(&notification)).unwrap();
    let claimed = runtime.block_on(desk.store.claim_notifications("trainer", 5, 1_000_000)).unwrap().remove(0);
    runtime.block_on(desk.store.record_attempt(&claimed, AttemptOutcome::Dead, "refused", "HTTP 404")).unwrap();
    assert_eq!(desk.number("select count(*) from notification where status = 'dead'"), 1);
}

#[test]
fn the_alerts_of_a_version_that_is_gone_end_when_others_have_moved_on() {
    const HOUR: i64 = 3_600_000_000;
    let Some(desk) = Desk::new("stale") else { return };
    desk.change(1, ChangeKind::Firing, &["mail"], &[], at_once());
    desk.settle();
    desk.run("insert into binning (id, columns) values ('00000000-0000-0000-0000-0000000000b1', '[]')");
    desk.run("insert into series (monitor, model_version, segment, alerts) values
              ('m', '1', '*', '{\"states\": {\"drift\": {\"phase\": \"firing\", \"history\": [[1, \"critical\"]],
               \"episode\": {\"id\": \"00000000-0000-0000-0000-000000000001\", \"since\": 1, \"severity\": \"critical\"}}}}'),
              ('m', '2', '*', '{}'), ('other', '1', '*', '{}')");
    let window = |monitor: &str, version: &str, hour: i32, status: &str| {
        let query = sqlx::query(
            "insert into model_window (monitor, model_version, segment, starts_at, ends_at, binning_id, status, closed_at)
             select $1, $2, '*', start, start + interval '1 hour', '00000000-0000-0000-0000-0000000000b1', $4,
                    case when $4 = 'closed' then now() end
             from (select timestamptz '2026-11-01 00:00Z' + make_interval(hours => $3) as start) w",
        );
        let query = query.bind(monitor.to_owned()).bind(version.to_owned()).bind(hour).bind(status.to_owned());
        desk.world.runtime.block_on(query.execute(&desk.world.pool)).unwrap();
    };
    let end = || desk.world.runtime.block_on(desk.store.end_alerts_of_gone_series("m", 6 * HOUR)).unwrap();
    window("m", "1", 0, "closed");
    window("other", "1", 500, "closed");
    assert_eq!(end(), 0, "the whole monitor is silent: that is another alert's matter, and nothing ends");
    window("m", "2", 6, "closed");
    assert_eq!(end(), 0, "six hours are not more than six");
    window("m", "2", 7, "open");
    assert_eq!(end(), 0, "what is not judged yet says nothing about others");
    window("m", "2", 8, "closed");
    window("m", "1", 8, "open");
    assert_eq!(end(), 0, "it is seen again");
    desk.run("delete from model_window where model_version = '1' and status = 'open'");
    assert_eq!(end(), 1);
    assert_eq!(end(), 0);
    assert_eq!(desk.history(1).last().unwrap(), "resolved no_more_records");
    let id = Uuid::from_u128(1).to_string();
    let detail = desk.world.runtime.block_on(desk.store.alert(&id)).unwrap();
    let said = &detail.history.last().unwrap().detail;
    assert!(said.contains("2026-11-01T01:00:00Z") && said.contains("2026-11-01T09:00:00Z"), "{said}");
    assert_eq!(desk.settle(), ["mail resolved 1"]);
    let told = desk.bodies("pending").pop().unwrap();
    assert_eq!(told["data"]["alerts"][0]["reason"], "no_more_records");
}
