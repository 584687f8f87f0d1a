//! What is decided about due groups together: caps and digests, what is held back, receivers of states.

use uuid::Uuid;

use super::*;
use crate::notify::example_alert;
use crate::record::TimeSpan;

const SECOND: i64 = 1_000_000;

fn due(id: u128, receiver: &str, alerts: Vec<DueAlert>) -> DueGroup {
    DueGroup {
        id: Uuid::from_u128(id),
        thread: Uuid::from_u128(id + 1_000),
        route: "all".to_owned(),
        receiver: receiver.to_owned(),
        labels: [("monitor".to_owned(), format!("m{id}"))].into(),
        mute: Vec::new(),
        capped: false,
        timing: GroupTiming { wait: TimeSpan::ZERO, interval: TimeSpan::seconds(60), ..GroupTiming::default() },
        opened: at(0),
        sent: None,
        alerts,
    }
}

fn alert(id: u128, segment: &str, status: AlertStatus) -> DueAlert {
    let mut view = example_alert(status);
    view.id = Uuid::from_u128(id);
    segment.clone_into(&mut view.segment);
    view.labels.insert("segment".to_owned(), segment.to_owned());
    DueAlert { view, fired: at(0), told: None, suppression: None }
}

const FREE: Recipient = Recipient { takes_states: false, room_at: None };

fn decide(groups: &[DueGroup], recipient: Recipient, silences: &[Silence]) -> MessageDecision {
    let routing = Routing::default();
    let surroundings = Surroundings { silences, open: &[], routing: &routing, now: at(10 * SECOND) };
    decide_message(groups, recipient, &surroundings, Some("https://driftd.example/"))
}

fn silence(matcher: &str) -> Silence {
    Silence {
        id: Uuid::from_u128(77),
        matchers: vec![Matcher::parse(matcher).unwrap()],
        starts: at(0),
        ends: at(100 * SECOND),
    }
}

#[test]
fn a_message_names_its_alerts_by_what_they_tell_and_links_them() {
    let group = due(1, "mail", vec![alert(1, "*", AlertStatus::Firing)]);
    let decision = decide(std::slice::from_ref(&group), FREE, &[]);
    let message = decision.message.unwrap();
    assert_eq!((message.event.group_id, message.event.reason), (group.thread, SendReason::NewAlerts));
    assert_eq!(
        message.event.alerts[0].url.as_deref(),
        Some(&*format!("https://driftd.example/alerts/{}", Uuid::from_u128(1)))
    );
    let told = LastTold { status: AlertStatus::Firing, severity: Severity::Critical, times: 1, columns: Some(1) };
    assert_eq!(decision.groups[0].told, [(Uuid::from_u128(1), told)]);
    assert_eq!(message.id, message_id("mail", &[(group.id, Uuid::from_u128(1), told)]));
    assert_eq!(decide(&[group], FREE, &[]).message.unwrap().id, message.id, "the same on every daemon");
}

#[test]
fn a_silenced_segment_is_not_told_and_is_counted_where_the_whole_says_how_its_segments_stand() {
    let alerts =
        ["*", "c=a", "c=b"].into_iter().zip(1..).map(|(segment, id)| alert(id, segment, AlertStatus::Firing));
    let group = due(1, "mail", alerts.collect());
    let decision = decide(&[group], FREE, &[silence("segment=c=b")]);
    let event = decision.message.unwrap().event;
    let names: Vec<&str> = event.alerts.iter().map(|alert| alert.segment.as_str()).collect();
    assert_eq!(names, ["*", "c=a"]);
    assert_eq!(event.alerts[0].segments.as_ref().unwrap().following, 2);
    let held = Some(Suppression::Silenced { id: Uuid::from_u128(77) });
    assert_eq!(decision.groups[0].suppressions, [(Uuid::from_u128(3), Severity::Critical, held)]);
}

#[test]
fn what_holds_an_alert_back_is_written_down_when_it_changes() {
    let silences = [silence("segment=*")];
    let mut group = due(1, "mail", vec![alert(1, "*", AlertStatus::Firing)]);
    let first = decide(std::slice::from_ref(&group), FREE, &silences);
    assert!(first.message.is_none() && first.groups[0].step.due.is_some(), "it is looked at again");
    let [(_, _, by)] = first.groups[0].suppressions.as_slice() else { panic!("{first:?}") };
    group.alerts[0].suppression.clone_from(by);
    assert_eq!(decide(std::slice::from_ref(&group), FREE, &silences).groups[0].suppressions, []);
    let released = decide(&[group], FREE, &[]);
    assert_eq!(released.groups[0].suppressions, [(Uuid::from_u128(1), Severity::Critical, None)]);
    assert!(released.message.is_some());
}

#[test]
fn what_a_cap_holds_back_is_told_in_one_digest_when_there_is_room() {
    let full = Recipient { room_at: Some(at(500 * SECOND)), ..FREE };
    let mut groups: Vec<DueGroup> =
        (1..=3).map(|id| due(id, "mail", vec![alert(id, "*", AlertStatus::Firing)])).collect();
    for group in &mut groups {
        let decision = decide(std::slice::from_ref(group), full, &[]);
        let decided = &decision.groups[0];
        assert!(decision.message.is_none() && decided.capped && decided.told.is_empty());
        assert_eq!(decided.step.due, Some(at(500 * SECOND)));
        assert_eq!(decided.suppressions.last().unwrap().2, Some(Suppression::RateCapped));
        group.capped = true;
        group.alerts[0].suppression = Some(Suppression::RateCapped);
        let again = decide(std::slice::from_ref(group), full, &[]);
        assert_eq!(again.groups[0].suppressions, [], "said once");
    }
    assert!(is_digest(&groups[0], FREE) && !is_digest(&groups[0], full));
    let decision = decide(&groups, FREE, &[]);
    let message = decision.message.unwrap();
    assert_eq!((message.event.reason, message.event.alerts.len()), (SendReason::Digest, 3));
    assert!(
        groups
            .iter()
            .all(|group| message.threads.contains(&group.thread) && message.event.group_id != group.thread)
    );
    assert!(
        message.event.group.is_empty()
            && decision.groups.iter().all(|group| group.told.len() == 1 && !group.capped)
    );
}

#[test]
fn a_receiver_of_states_is_sent_nothing_and_what_is_over_leaves_its_group() {
    let states = Recipient { takes_states: true, ..FREE };
    let alerts = vec![alert(1, "*", AlertStatus::Firing), alert(2, "c=a", AlertStatus::Resolved)];
    let decision = decide(&[due(1, "am", alerts)], states, &[]);
    assert!(decision.message.is_none());
    assert_eq!(decision.groups[0].step.done, [Uuid::from_u128(2)]);
    assert!(decision.groups[0].step.due.is_some(), "what silences the rest may change");
}

#[test]
fn a_message_about_drills_alone_says_so() {
    let mut drill = alert(1, "*", AlertStatus::Firing);
    drill.view.labels.insert(DRILL.to_owned(), "true".to_owned());
    let alone = decide(&[due(1, "mail", vec![drill.clone()])], FREE, &[]);
    assert!(alone.message.unwrap().event.test);
    let beside = decide(&[due(1, "mail", vec![drill, alert(2, "c=a", AlertStatus::Firing)])], FREE, &[]);
    assert!(!beside.message.unwrap().event.test);
}
