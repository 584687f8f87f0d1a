//! Who is told, with which others, when, and what keeps it back.

use std::collections::BTreeMap;
use std::sync::Arc;

use uuid::Uuid;

use super::*;
use crate::window::{Calendar, Once};
use AlertStatus::{Firing, Resolved};
use Severity::{Critical, Warn};

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
                days: vec![],
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
        timing: GroupTiming::default(),
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
fn a_message_is_named_after_what_it_tells() {
    let told = |status, severity, times| LastTold { status, severity, times, columns: None };
    let (group, alert, other) = (Uuid::from_u128(1), Uuid::from_u128(2), Uuid::from_u128(3));
    let fires = told(Firing, Critical, 1);
    let id = message_id("mail", &[(group, alert, fires)]);
    assert_eq!(id, message_id("mail", &[(group, alert, fires)]), "the same on every daemon");
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
