//! When a group is told, and when it is not.

use uuid::Uuid;

use super::*;
use crate::record::TimeSpan;

fn timing() -> GroupTiming {
    GroupTiming {
        wait: TimeSpan::seconds(10),
        interval: TimeSpan::seconds(60),
        repeat: TimeSpan::seconds(600),
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
    let escalation =
        GroupTiming { unacknowledged_for: Some(TimeSpan::seconds(300)), wait: TimeSpan::ZERO, ..timing() };
    let mut world = World::new(escalation);
    world.set(1, Firing, Critical, 0);
    world.set(2, Firing, Critical, 0);
    world.set(3, Firing, Critical, 0);
    world.set(2, Acknowledged, Critical, 0);
    world.set(3, Resolved, Critical, 0);
    assert_eq!(world.watch(0..500), ["300 escalated 1"]);
    world.set(1, Resolved, Critical, 0);
    assert_eq!(
        world.watch(500..600),
        ["500 resolved 1"],
        "a receiver that was told of it is told that it is over"
    );
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
    let mut world = World::new(GroupTiming { send_resolved: false, repeat: TimeSpan::ZERO, ..timing() });
    world.set(1, Firing, Critical, 0);
    assert_eq!(world.watch(0..1000), ["10 new_alerts 1"]);
    world.set(1, Resolved, Critical, 0);
    assert!(world.watch(1000..2000).is_empty());
    assert_eq!(world.done.len(), 1);
}
