//! Who is told, with which others, when, and what keeps it back.

use std::collections::BTreeMap;
use std::sync::Arc;

use uuid::Uuid;

use super::*;

const SECOND: i64 = 1_000_000;

fn timing() -> GroupTiming {
    GroupTiming {
        wait: 10 * SECOND,
        interval: 60 * SECOND,
        repeat: 600 * SECOND,
        send_resolved: true,
        unacknowledged_for: None,
    }
}

/// Alerts and what a group tells of them, second by second.
struct World {
    group: Group,
    done: Vec<Uuid>,
}

impl World {
    fn new(timing: GroupTiming) -> Self {
        Self { group: Group { timing, opened: at(0), sent: None, members: Vec::new() }, done: Vec::new() }
    }

    fn set(&mut self, id: u128, status: AlertStatus, severity: Severity, second: i64) {
        let id = Uuid::from_u128(id);
        match self.group.members.iter_mut().find(|member| member.id == id) {
            Some(member) => (member.status, member.severity) = (status, severity),
            None => self.group.members.push(Member {
                id,
                status,
                severity,
                columns: 1,
                is_moving: true,
                fired: at(second * SECOND),
                told: None,
                suppression: None,
                was_held: false,
            }),
        }
    }

    /// How many columns of an alert have drifted, and whether any moves now.
    fn moves(&mut self, id: u128, columns: u32, is_moving: bool) {
        let member = self.group.members.iter_mut().find(|member| member.id == Uuid::from_u128(id)).unwrap();
        (member.columns, member.is_moving) = (columns, is_moving);
    }

    fn suppress(&mut self, id: u128, by: Option<Suppression>) {
        let member = self.group.members.iter_mut().find(|member| member.id == Uuid::from_u128(id));
        member.unwrap().suppression = by;
    }

    /// Looks every second from one to another; what was sent, when, about how many.
    fn watch(&mut self, seconds: std::ops::Range<i64>) -> Vec<String> {
        let mut said = Vec::new();
        for second in seconds {
            let now = at(second * SECOND);
            let step = decide_group(&self.group, now);
            if let Some(reason) = step.send {
                said.push(format!("{second} {} {}", reason.as_str(), step.about.len()));
                self.group.sent = Some(now);
                for member in self.group.members.iter_mut().filter(|member| step.about.contains(&member.id)) {
                    let times = member.told.map_or(0, |told| told.times) + 1;
                    let (status, severity, columns) = (member.status, member.severity, Some(member.columns));
                    member.told = Some(LastTold { status, severity, times, columns });
                }
            }
            if let Some(due) = step.due {
                assert!(due > now, "a look in the past would never end");
            }
            self.group.members.retain(|member| !step.done.contains(&member.id));
            self.done.extend(step.done);
        }
        said
    }
}

use AlertStatus::{Acknowledged, Firing, Resolved};
use Severity::{Critical, Warn};

#[test]
fn alerts_of_a_model_wait_for_one_another_and_are_told_together() {
    let mut world = World::new(timing());
    world.set(1, Firing, Critical, 0);
    assert!(world.watch(0..5).is_empty());
    for id in 2..=12 {
        world.set(id, Firing, Critical, 5);
    }
    assert_eq!(world.watch(5..60), ["10 new_alerts 12"]);
    world.set(13, Firing, Warn, 60);
    assert_eq!(world.watch(60..200), ["70 new_alerts 13"], "news waits for the interval");
    assert_eq!(world.watch(200..1400), ["670 repeated 13", "1270 repeated 13"]);
    world.set(13, Firing, Critical, 60);
    assert_eq!(world.watch(1400..1500), ["1400 worsened 13"]);
    for id in 1..=13 {
        world.set(id, Resolved, Critical, 0);
    }
    assert_eq!(world.watch(1500..3000), ["1500 resolved 13"]);
    assert_eq!(world.done.len(), 13, "and then the group is over");
}

#[test]
fn what_comes_and_goes_before_anything_is_said_is_one_message() {
    let mut world = World::new(timing());
    world.set(1, Firing, Critical, 0);
    assert!(world.watch(0..5).is_empty());
    world.set(1, Resolved, Critical, 0);
    assert_eq!(world.watch(5..100), ["10 resolved 1"]);
}

#[test]
fn another_column_of_an_alert_is_told_also_when_somebody_has_acknowledged_the_first() {
    let mut world = World::new(timing());
    world.set(1, Firing, Critical, 0);
    assert_eq!(world.watch(0..100), ["10 new_alerts 1"]);
    world.moves(1, 2, true);
    assert_eq!(world.watch(100..200), ["100 worsened 1"]);
    world.set(1, Acknowledged, Critical, 0);
    assert_eq!(world.watch(200..300), ["200 acknowledged 1"]);
    world.moves(1, 3, true);
    assert_eq!(
        world.watch(300..400),
        ["300 worsened 1"],
        "who acknowledged two columns does not know of the third"
    );
    // Calm windows are no news, nor are columns that drifted before.
    world.moves(1, 3, false);
    assert!(world.watch(400..500).is_empty());
    world.moves(1, 3, true);
    assert!(world.watch(500..600).is_empty());
}

#[test]
fn what_has_calmed_down_before_it_was_told_is_told_when_it_moves_again_or_not_at_all() {
    let mut world = World::new(timing());
    world.set(1, Firing, Critical, 0);
    world.suppress(1, Some(Suppression::Inhibited { id: Uuid::from_u128(9) }));
    assert!(world.watch(0..50).is_empty());
    // What explained it is over, and it waits for its quiet windows.
    world.suppress(1, None);
    world.moves(1, 1, false);
    assert!(world.watch(50..500).is_empty(), "nobody is woken for what is over");
    world.moves(1, 1, true);
    assert_eq!(world.watch(500..600), ["500 new_alerts 1"]);
    // Another that never moves again: nothing was told of it, and nothing is.
    let mut world = World::new(timing());
    world.set(1, Firing, Critical, 0);
    world.moves(1, 1, false);
    world.group.members[0].was_held = true;
    assert!(world.watch(0..100).is_empty());
    world.set(1, Resolved, Critical, 0);
    assert!(world.watch(100..200).is_empty());
    assert_eq!(world.done.len(), 1);
}

#[test]
fn nobody_is_reminded_of_what_somebody_is_at() {
    let mut world = World::new(timing());
    world.set(1, Firing, Critical, 0);
    assert_eq!(world.watch(0..100), ["10 new_alerts 1"]);
    world.set(1, Acknowledged, Critical, 0);
    assert_eq!(world.watch(100..5000), ["100 acknowledged 1"]);
    world.set(1, Resolved, Critical, 0);
    assert_eq!(world.watch(5000..5100), ["5000 resolved 1"]);
}

#[test]
fn an_escalation_waits_for_somebody_to_acknowledge() {
    let escalation = GroupTiming { unacknowledged_for: Some(300 * SECOND), wait: 0, ..timing() };
    let mut world = World::new(escalation);
    world.set(1, Firing, Critical, 0);
    world.set(2, Firing, Critical, 0);
    world.set(3, Firing, Critical, 0);
    world.set(2, Acknowledged, Critical, 0);
    world.set(3, Resolved, Critical, 0);
    assert_eq!(world.watch(0..500), ["300 escalated 1"]);
    world.set(1, Resolved, Critical, 0);
    assert_eq!(world.watch(500..600), ["500 resolved 1"], "whoever was told of it is told that it is over");
}

#[test]
fn what_is_silenced_is_told_when_the_silence_ends_and_not_when_it_is_over_by_then() {
    let mut world = World::new(timing());
    world.set(1, Firing, Critical, 0);
    world.set(2, Firing, Critical, 0);
    let silence = Some(Suppression::Silenced { id: Uuid::nil() });
    world.suppress(1, silence.clone());
    world.suppress(2, silence);
    assert!(world.watch(0..100).is_empty());
    world.set(2, Resolved, Critical, 0);
    assert!(world.watch(100..200).is_empty());
    world.suppress(1, None);
    assert_eq!(world.watch(200..210), ["200 new_alerts 1"]);
}

#[test]
fn without_send_resolved_the_end_is_not_told() {
    let mut world = World::new(GroupTiming { send_resolved: false, repeat: 0, ..timing() });
    world.set(1, Firing, Critical, 0);
    assert_eq!(world.watch(0..1000), ["10 new_alerts 1"]);
    world.set(1, Resolved, Critical, 0);
    assert!(world.watch(1000..2000).is_empty());
    assert_eq!(world.done.len(), 1);
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(label, value)| ((*label).to_owned(), (*value).to_owned())).collect()
}

fn facts(id: u128, pairs: &[(&str, &str)], columns: &[&str]) -> AlertFacts {
    AlertFacts {
        id: Uuid::from_u128(id),
        labels: labels(pairs),
        status: Firing,
        columns: columns.iter().map(|column| (*column).to_owned()).collect(),
    }
}

#[test]
fn broken_values_explain_the_drift_of_their_columns_and_a_broken_feed_all_of_it() {
    let drift = [("alertname", "drift"), ("kind", "drift"), ("monitor", "m"), ("version", "1"), ("segment", "*")];
    let quality = [
        ("alertname", "data_quality"),
        ("kind", "data_quality"),
        ("monitor", "m"),
        ("version", "1"),
        ("segment", "*"),
    ];
    let other = [("alertname", "drift"), ("kind", "drift"), ("monitor", "n"), ("version", "1"), ("segment", "*")];
    let column = [("kind", "drift"), ("monitor", "m"), ("version", "1"), ("segment", "*"), ("column", "a")];
    let silent = [("alertname", "no_data"), ("kind", "operational"), ("monitor", "m")];
    let lag = [("alertname", "lag"), ("kind", "operational"), ("monitor", "m")];
    for (source, target, expected) in [
        (facts(1, &quality, &["a", "b"]), facts(2, &drift, &["a"]), true),
        (facts(1, &quality, &["a", "b"]), facts(2, &drift, &["a", "c"]), false),
        (facts(1, &quality, &["a"]), facts(2, &drift, &[]), false),
        (facts(1, &drift, &["a"]), facts(2, &quality, &["a"]), false),
        (facts(1, &quality, &["a"]), facts(2, &other, &["a"]), false),
        (facts(1, &drift, &["a", "b"]), facts(2, &column, &["a"]), true),
        (facts(1, &column, &["a"]), facts(2, &drift, &["a"]), false),
        (facts(1, &silent, &[]), facts(2, &drift, &["a"]), true),
        (facts(1, &silent, &[]), facts(2, &other, &["a"]), false),
        (facts(1, &lag, &[]), facts(2, &drift, &["a"]), false),
        (facts(1, &drift, &["a"]), facts(2, &silent, &[]), false),
    ] {
        assert_eq!(explains(&source, &target), expected, "{source:?} {target:?}");
    }
}

#[test]
fn silences_inhibition_and_calendars_keep_an_alert_back_and_say_which_did() {
    let matcher = |text: &str| Matcher::parse(text).unwrap();
    let routing = Routing {
        inhibit: vec![InhibitRule {
            source: vec![matcher("segment=\"*\"")],
            target: vec![matcher("segment!=\"*\"")],
            equal: vec!["monitor".to_owned()],
        }],
        calendars: BTreeMap::from([(
            "always".to_owned(),
            Calendar {
                zone: jiff::tz::TimeZone::UTC,
                weekly: vec![],
                once: vec![Once { from: at(0), to: at(1_000) }],
            },
        )]),
        ..Routing::default()
    };
    let whole = facts(1, &[("monitor", "m"), ("segment", "*")], &[]);
    let slice = facts(2, &[("monitor", "m"), ("segment", "country=DE")], &[]);
    let silence =
        Silence { id: Uuid::from_u128(9), matchers: vec![matcher("monitor=m")], starts: at(100), ends: at(200) };
    let (silences, open) = ([silence], [whole.clone(), slice.clone()]);
    let of = |alert: &AlertFacts, mute: &[&str], now: i64| {
        let mute: Vec<String> = mute.iter().map(|name| (*name).to_owned()).collect();
        let around = Surroundings { silences: &silences, open: &open, routing: &routing, now: at(now) };
        around.suppression(alert, &mute).map(|by| by.as_str())
    };
    assert_eq!(of(&whole, &[], 50), None);
    assert_eq!(of(&whole, &[], 150), Some("silenced"));
    assert_eq!(of(&whole, &[], 200), None, "its end does not belong to it");
    assert_eq!(of(&slice, &[], 50), Some("inhibited"));
    assert_eq!(of(&whole, &["always"], 50), Some("muted"));
    assert_eq!(of(&whole, &["always"], 1_000), None);
}

#[test]
fn routes_are_taken_in_order_and_a_receiver_is_told_once() {
    let route = |name: &str, matchers: &[&str], receivers: &[&str], goes_on: bool| Route {
        name: name.to_owned(),
        matchers: matchers.iter().map(|text| Matcher::parse(text).unwrap()).collect(),
        receivers: receivers.iter().map(|name| (*name).to_owned()).collect(),
        group_by: vec!["monitor".to_owned()],
        timing: timing(),
        mute: vec![],
        goes_on,
    };
    let routing = Routing {
        routes: vec![
            route("a", &["severity=critical"], &["pager"], true),
            route("b", &["owner=~team-.*"], &["chat", "pager"], false),
            route("c", &[], &["everybody"], false),
        ],
        group_by: vec!["monitor".to_owned()],
        operators: vec!["ops".to_owned()],
        ..Routing::default()
    };
    let taken = |pairs: &[(&str, &str)], own: &[&str]| {
        let own: Vec<String> = own.iter().map(|name| (*name).to_owned()).collect();
        let groups = routing.groups_of(&labels(pairs), &own);
        groups.into_iter().map(|group| format!("{}:{}", group.route, group.receiver)).collect::<Vec<_>>()
    };
    assert_eq!(
        taken(&[("severity", "critical"), ("owner", "team-x")], &["mail"]),
        ["monitor:mail", "a:pager", "b:chat"]
    );
    assert_eq!(taken(&[("severity", "warn")], &[]), ["c:everybody"]);
    assert_eq!(taken(&[("receiver", "everybody"), ("kind", "operational")], &[]), ["operators:ops"]);
    let group = &routing.groups_of(&labels(&[("monitor", "m")]), &[])[0];
    assert_eq!(group.id(), group.clone().id());
    assert_ne!(group.id(), GroupKey { receiver: "other".to_owned(), ..group.clone() }.id());
}

#[test]
fn later_messages_say_what_earlier_ones_that_never_went_out_would_have_said() {
    let alert = |id: u128, status| AlertView { id: Uuid::from_u128(id), ..crate::notify::example_alert(status) };
    let event = |alerts| AlertsEvent::new(Uuid::nil(), Labels::new(), SendReason::NewAlerts, alerts);
    let mut later = event(vec![alert(1, Resolved), alert(2, Firing)]);
    later.absorb(event(vec![alert(1, Firing), alert(3, Resolved)]));
    let told: Vec<(u128, AlertStatus)> =
        later.alerts.iter().map(|alert| (alert.id.as_u128(), alert.status)).collect();
    assert_eq!(told, [(2, Firing), (1, Resolved), (3, Resolved)], "how things stand now wins");
    assert_eq!(later.kind(), EventKind::AlertsFiring);
    let _shared: Arc<Routing> = Arc::default();
}

#[test]
fn facts_about_the_input_are_signs_and_too_few_records_are_none() {
    let limits = OperationalLimits::default();
    let facts = OperationalFacts {
        silent_for: Some(7_200 * SECOND),
        accepted: 900,
        late: 10,
        rejected: [("syntax".to_owned(), 90)].into(),
        examples: [(
            "syntax".to_owned(),
            "t/0 at 17: the message is empty\nhint: let it say something".to_owned(),
        )]
        .into(),
        gaps: vec![("t/0".to_owned(), 12)],
        ..OperationalFacts::default()
    };
    let broken: Vec<String> = facts
        .signs(&limits)
        .into_iter()
        .filter(|sign| sign.level != Level::Quiet)
        .map(|sign| format!("{}: {}", sign.rule.as_str(), sign.summary))
        .collect();
    assert_eq!(
        broken,
        [
            "no_data: no record was counted for 2 hours",
            "rejected_share: 9.0 % of the last 1000 records could not be used: 90 syntax",
            "retention_gap: messages were gone before they could be read: t/0 lost 12 messages"
        ]
    );
    // A monitor with windows of a day is not silent after two hours.
    let daily = limits.for_windows(86_400 * SECOND);
    assert!(
        facts.signs(&daily).iter().all(|sign| sign.rule != OperationalRule::NoData || sign.level == Level::Quiet)
    );
    assert_eq!(OperationalLimits { no_data: 0, ..limits }.for_windows(86_400 * SECOND).no_data, 0);
    let few = OperationalFacts { rejected: [("syntax".to_owned(), 100)].into(), ..OperationalFacts::default() };
    assert!(few.signs(&limits).iter().all(|sign| sign.rule != OperationalRule::RejectedShare));
}

fn firing(facts: &OperationalFacts) -> Vec<(&'static str, String, String)> {
    let signs = facts.signs(&OperationalLimits::default());
    let wrong = signs.into_iter().filter(|sign| sign.level != Level::Quiet);
    wrong.map(|sign| (sign.rule.as_str(), sign.summary.clone(), sign.advice())).collect()
}

#[test]
fn what_is_rejected_late_or_from_the_future_is_told_with_an_example_and_its_own_hint() {
    let example = |text: &str| text.to_owned();
    let facts = OperationalFacts {
        accepted: 100,
        late: 500,
        rejected: [("future_timestamp".to_owned(), 300), ("not_an_object".to_owned(), 100)].into(),
        examples: [
            (
                "late".to_owned(),
                example("t/1 at 9: its event time is 2026-01-01T00:00:00Z, 9 days before the newest"),
            ),
            (
                "future_timestamp".to_owned(),
                example("t/0 at 1: `ts` is 9 h after the timestamp of the message\nhint: a time zone?"),
            ),
            ("not_an_object".to_owned(), example("t/0 at 2: an array of 2")),
        ]
        .into(),
        ..OperationalFacts::default()
    };
    let firing = firing(&facts);
    let names: Vec<&str> = firing.iter().map(|(rule, ..)| *rule).collect();
    assert_eq!(names, ["rejected_share", "late_share", "clock_skew"]);
    assert!(!firing[1].2.contains("not in the order"), "half of them late is not most of them: {firing:?}");
    let facts = OperationalFacts { accepted: 50, late: 900, ..facts };
    let firing = self::firing(&facts);
    let of = |rule: &str| firing.iter().find(|(name, ..)| *name == rule).unwrap();
    let (_, rejected, advice) = of("rejected_share");
    assert_eq!(
        rejected,
        "29.6 % of the last 1350 records could not be used: 300 future timestamp, 100 not an object"
    );
    assert!(
        advice.starts_with("For example t/0 at 1: `ts` is 9 h after the timestamp of the message. A time zone?")
            && advice.contains("For example t/0 at 2: an array of 2."),
        "{advice}"
    );
    let (_, _, advice) = of("late_share");
    assert!(
        advice.contains("not in the order of its event times") && advice.contains("9 days before"),
        "{advice}"
    );
    let (_, _, advice) = of("clock_skew");
    assert!(advice.contains("9 h after the timestamp of the message. A time zone?"), "{advice}");
    assert!(firing.iter().all(|(_, summary, _)| summary.len() < 120), "subjects are made of them: {firing:?}");
}

#[test]
fn what_is_configured_otherwise_than_the_records_are_is_a_sign() {
    let newest = crate::record::EventTime::from_millis(1_780_000_000).unwrap();
    let facts = OperationalFacts {
        counted: 600,
        newest: Some(newest),
        time_format: Some(crate::record::TimeFormat { unit: crate::record::TimeUnit::Milliseconds }),
        unreadable: vec![("x".to_owned(), "column `x` (path `x`) has no valid value in 600 records".to_owned())],
        ..OperationalFacts::default()
    };
    let firing = firing(&facts);
    assert_eq!(
        firing.iter().map(|(rule, ..)| *rule).collect::<Vec<_>>(),
        ["implausible_time", "unreadable_column"]
    );
    let (_, summary, advice) = &firing[0];
    assert!(summary.contains("the newest is 1970-01-21T14:26:40Z"), "{summary}");
    assert!(advice.contains("With `time_unit = \"s\"` in `[source]` it is 2026-"), "{advice}");
    assert!(firing[1].1.contains("`x`") && firing[1].2.contains("Column `x` (path `x`)"), "{firing:?}");
    let filtered = OperationalFacts {
        filtered_only: Some(43_345),
        filters: vec!["`model` must be `credit`, the values seen are \"loans\"".to_owned()],
        ..OperationalFacts::default()
    };
    let firing = self::firing(&filtered);
    assert_eq!(firing.len(), 1);
    assert_eq!(firing[0].1, "all of 43345 records were filtered by `where`");
    assert!(firing[0].2.contains("`model` must be `credit`, the values seen are \"loans\""), "{firing:?}");
}

#[test]
fn what_cannot_be_read_does_not_silence_drift() {
    let facts = |kind: &str, rule: &str| AlertFacts {
        id: Uuid::new_v4(),
        labels: [("alertname", rule), ("kind", kind), ("monitor", "m")]
            .map(|(label, value)| (label.to_owned(), value.to_owned()))
            .into(),
        status: AlertStatus::Firing,
        columns: Vec::new(),
    };
    let drift = facts("drift", "drift");
    for rule in OperationalRule::ALL {
        let silences = ["no_data", "retention_gap", "stuck_partition", "log_replaced"].contains(&rule.as_str());
        assert_eq!(explains(&facts("operational", rule.as_str()), &drift), silences, "{}", rule.as_str());
    }
}

#[test]
fn what_is_normal_on_a_topic_is_no_sign() {
    // Few late records, one with a slip in its time, records of other models beside those that are counted.
    let facts = OperationalFacts {
        accepted: 960,
        late: 30,
        rejected: [("bad_timestamp".to_owned(), 5)].into(),
        counted: 960,
        newest: crate::record::EventTime::from_millis(1_780_000_000_000),
        filtered_only: None,
        ..OperationalFacts::default()
    };
    assert_eq!(firing(&facts), []);
    let few = OperationalFacts {
        counted: 3,
        newest: Some(crate::record::EventTime::default()),
        ..OperationalFacts::default()
    };
    assert_eq!(firing(&few), [], "three records do not tell what all are like");
    assert_eq!(firing(&OperationalFacts { filtered_only: Some(150), ..OperationalFacts::default() }), []);
}

#[test]
fn a_message_is_named_after_what_it_tells() {
    let told = |status, severity, times| LastTold { status, severity, times, columns: None };
    let (group, alert, other) = (Uuid::from_u128(1), Uuid::from_u128(2), Uuid::from_u128(3));
    let fires = told(Firing, Critical, 1);
    let id = message_id("mail", &[(group, alert, fires)]);
    assert_eq!(id, message_id("mail", &[(group, alert, fires)]), "whoever derives it");
    let both = [(group, alert, fires), (group, other, fires)];
    let turned = [(group, other, fires), (group, alert, fires)];
    assert_eq!(message_id("mail", &both), message_id("mail", &turned), "the order says nothing");
    let different = [
        message_id("chat", &[(group, alert, fires)]),
        message_id("mail", &[(other, alert, fires)]),
        message_id("mail", &[(group, other, fires)]),
        message_id("mail", &[(group, alert, told(Resolved, Critical, 2))]),
        message_id("mail", &[(group, alert, told(Firing, Warn, 1))]),
        message_id("mail", &[(group, alert, told(Firing, Critical, 2))]),
        message_id("mail", &both),
    ];
    for (place, other) in different.iter().enumerate() {
        assert!(*other != id && !different[..place].contains(other), "{place}");
    }
    let stored: LastTold = serde_json::from_str(r#"{"status":"firing","severity":"warn"}"#).unwrap();
    assert_eq!(stored, told(Firing, Warn, 0), "as it was stored before it was counted");
}
