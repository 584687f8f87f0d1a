//! The rules one by one.

mod any_order;

use super::*;

fn partition(number: i32) -> Partition {
    Partition { topic: "t".into(), partition: number }
}

fn at(offset: i64) -> FoundPosition {
    FoundPosition { offset: Offset::new(offset), anchor: None, resets: 0 }
}

fn messages(generation: u64, from: i64, to: i64) -> ReceivedMessages {
    let anchor = Some(Anchor { offset: Offset::new(to - 1), hash: to });
    ReceivedMessages { generation, first: Some(Offset::new(from)), next: Some(Offset::new(to)), anchor }
}

fn moves(ledger: &Ledger) -> Vec<(i64, i64)> {
    let due = ledger.checkpoint(|_, _| false);
    let numbers = |position: &PositionMove| (position.base.number(), position.next.number());
    due.map(|due| due.moves.iter().map(numbers).collect()).unwrap_or_default()
}

/// A ledger that reads partition 0 from offset 10.
fn reading() -> Ledger {
    let mut ledger = Ledger::new();
    ledger.assigned(&[partition(0)]);
    ledger.found(1, [(partition(0), at(10))]).unwrap();
    ledger
}

#[test]
fn a_checkpoint_moves_each_base_to_what_was_counted() {
    let mut ledger = reading();
    assert!(ledger.is_stored());
    assert_eq!(ledger.received(&partition(0), messages(1, 10, 14)), Handling::Count);
    assert!(!ledger.is_stored());
    let due = ledger.checkpoint(|_, next| next == Offset::new(14)).unwrap();
    assert!(
        due.moves[0].caught_up && due.anchors.is_empty(),
        "nothing was counted before: there is no anchor yet"
    );
    // Messages go on while it is stored.
    assert_eq!(ledger.received(&partition(0), messages(1, 14, 15)), Handling::Count);
    assert_eq!(ledger.stored(due.moves), [(partition(0), Offset::new(14))]);
    assert_eq!(moves(&ledger), [(14, 15)]);
    let due = ledger.checkpoint(|_, _| false).unwrap();
    assert_eq!(due.anchors, [(partition(0), Anchor { offset: Offset::new(13), hash: 14 })]);
    assert_eq!(ledger.stored(due.moves).len(), 1);
    assert_eq!(ledger.stored(ledger.checkpoint(|_, _| false).unwrap().moves), [], "nothing moved");
}

#[test]
fn messages_of_an_earlier_generation_or_of_nobody_are_dropped_and_those_that_come_twice_are_noticed() {
    let mut ledger = reading();
    assert_eq!(ledger.received(&partition(1), messages(1, 0, 5)), Handling::Drop, "not assigned");
    assert_eq!(ledger.received(&partition(0), messages(1, 10, 12)), Handling::Count);
    assert_eq!(ledger.received(&partition(0), messages(1, 11, 13)), Handling::Repeated);
    ledger.void();
    assert_eq!(ledger.received(&partition(0), messages(1, 12, 14)), Handling::Drop, "read before it was void");
    assert_eq!(ledger.received(&partition(0), messages(2, 10, 12)), Handling::Drop, "not looked up yet");
    assert_eq!(ledger.found(1, [(partition(0), at(12))]), None, "looked up before it was void");
    assert!(ledger.found(2, [(partition(0), at(10))]).is_some());
    assert_eq!(ledger.received(&partition(0), messages(2, 10, 12)), Handling::Count);
}

#[test]
fn what_was_revoked_or_is_read_already_is_not_started() {
    let mut ledger = Ledger::new();
    ledger.assigned(&[partition(0), partition(1)]);
    ledger.revoked(&[partition(1)]);
    let found = || [(partition(1), at(0)), (partition(0), at(7))];
    let started = ledger.found(1, found()).unwrap();
    assert_eq!(started.beginnings, [Beginning { partition: partition(0), offset: Offset::new(7), anchor: None }]);
    assert_eq!(ledger.found(1, found()).unwrap().beginnings, [], "looked up twice");
}

#[test]
fn what_no_consumer_is_handed_is_moved_over() {
    let mut ledger = reading();
    ledger.at_end(&partition(0), 1, Offset::new(12));
    ledger.at_end(&partition(0), 1, Offset::new(11));
    assert_eq!(moves(&ledger), [(10, 12)]);
    ledger.void();
    ledger.at_end(&partition(0), 1, Offset::new(20));
    ledger.found(2, [(partition(0), at(12))]).unwrap();
    assert_eq!(moves(&ledger), [(12, 12)]);
}

#[test]
fn a_stopped_partition_is_tried_again_and_goes_on_when_its_position_moves() {
    let mut ledger = reading();
    let now = Instant::now();
    assert!(ledger.stop(&partition(0), now) && !ledger.stop(&partition(0), now), "said once");
    ledger.put_aside(&partition(0));
    assert_eq!((moves(&ledger), ledger.partitions()), (vec![], vec![partition(0)]));
    assert_eq!(ledger.due_retries(now + RETRY / 2), []);
    assert_eq!(ledger.due_retries(now + RETRY), [partition(0)]);
    assert_eq!(ledger.due_retries(now + RETRY), [], "once each time");
    let started = ledger.found(1, [(partition(0), at(10))]).unwrap();
    assert!(!started.is_news && started.beginnings.len() == 1);
    assert_eq!(ledger.received(&partition(0), messages(1, 10, 11)), Handling::Count);
    ledger.stored(ledger.checkpoint(|_, _| false).unwrap().moves);
    assert_eq!(ledger.due_retries(now + RETRY * 3), [], "it is read again");
}

#[test]
fn a_gap_moves_base_and_next() {
    let mut ledger = reading();
    ledger.crossed_gap(&partition(0), Offset::new(30));
    assert_eq!((ledger.base(&partition(0)), moves(&ledger)), (Some(Offset::new(30)), vec![(30, 30)]));
    assert_eq!(ledger.base(&partition(1)), None);
}
