//! Dying anywhere loses nothing and doubles nothing.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::support::{
    DAEMONS, Dice, TRAINING_ROWS, World, assert_everything_was_told, assert_told_under_one_id,
    assert_windows_are_true, bike_records, number, services,
};

/// Kills at moments of chance.
const RANDOM_KILLS: u32 = 50;

fn world(test: &str, session_timeout: &str) -> Option<World> {
    let services = services(test)?;
    let world = World::new(&services);
    for name in DAEMONS {
        world.configure(name, |daemon| daemon.set("kafka.session_timeout", session_timeout));
    }
    Some(world)
}

#[test]
fn dying_at_the_commit_points_and_at_random_moments_leaves_the_counts_true() {
    let Some(world) = world("crash", "1s") else { return };
    // A message that nobody knows of is sent again after a while. Until then no daemon closes the window that records stop in.
    world.configure_monitor(|monitor| monitor.set("window.idle_after", "45s"));
    let all = bike_records();
    let (training, live) = all.split_at(TRAINING_ROWS);
    world.build_baseline(training);

    // Before the transaction, after it and before anybody knows, around closing, after a send and before its record.
    let points = [
        "checkpoint.before_commit:1",
        "checkpoint.after_commit:1",
        // While the alert is new, before everything about it has been sent.
        "dispatch.after_send:2",
        "dispatch.after_send:1",
        "checkpoint.before_commit:3",
        "checkpoint.after_commit:3",
        "close.before_commit:1",
        "close.after_commit:1",
    ];
    let mut produced = 0;
    let share = live.len() / 2 / points.len();
    for point in points {
        // Enough for windows to close and alerts to fire, so that every point is passed.
        world.produce_in_turns(produced, &live[produced..produced + share]);
        produced += share;
        let mut daemon = world.start_daemon("a", Some(point));
        let status = daemon.wait(60);
        assert!(!status.success() && status.code().is_none(), "{point}: it died of the fault: {status}");
    }

    let mut dice = Dice(7);
    for round in 0..RANDOM_KILLS {
        let part = (live.len() - produced) / (RANDOM_KILLS - round) as usize;
        world.produce_in_turns(produced, &live[produced..produced + part]);
        produced += part;
        let daemon = world.start_daemon("a", None);
        let until = Instant::now() + Duration::from_millis(300 + dice.below(1_700));
        std::thread::sleep(until - Instant::now());
        daemon.kill();
    }
    assert_eq!(produced, live.len());
    let daemon = world.start_daemon("a", None);
    world.wait_until_done(live.len() as u64, 90);
    assert_windows_are_true(&world, live);
    assert_eq!(world.tally(), BTreeMap::from([("accepted".to_owned(), live.len() as u64)]));
    assert_everything_was_told(&world);
    assert_told_under_one_id(&world);
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn a_daemon_stopped_past_its_session_timeout_writes_nothing_twice_when_continued() {
    let Some(world) = world("zombie", "2s") else { return };
    let all = bike_records();
    let (training, live) = all.split_at(TRAINING_ROWS);
    world.build_baseline(training);
    // It stops itself when it is about to store its second checkpoint, with counts in its hands.
    world.configure("a", |daemon| daemon.set("checkpoint.interval", "3s"));
    let zombie = world.start_daemon("a", Some("checkpoint.before_begin:2:stop"));
    world.produce_in_turns(0, &live[..3_000]);
    world.wait_for("the first daemon to store a checkpoint", 60, async |pool| {
        let counted = number(pool, "select coalesce(sum(count), 0)::bigint from record_tally").await?;
        if counted > 100 { Ok(()) } else { Err(format!("{counted}")) }
    });
    world.produce_in_turns(3_000, &live[3_000..6_000]);
    let deadline = Instant::now() + Duration::from_secs(20);
    while !zombie.is_stopped() {
        assert!(Instant::now() < deadline, "{}", zombie.log());
        std::thread::sleep(Duration::from_millis(50));
    }
    let stored =
        world.runtime.block_on(number(&world.pool, "select sum(count)::bigint from record_tally")).unwrap();
    assert!(stored < 6_000, "it was stopped with counts in memory: {stored}");
    let other = world.start_daemon("b", None);
    world.wait_for("the second daemon to count what the first had counted", 60, async |pool| {
        let counted = number(pool, "select coalesce(sum(count), 0)::bigint from record_tally").await?;
        if counted >= 6_000 { Ok(()) } else { Err(format!("{counted}")) }
    });
    zombie.signal("CONT");
    // Its overdue checkpoint is fenced off; whatever it does next, it does from positions it has read again.
    zombie.wait_for_log("counts since the last checkpoint are dropped", 20);
    world.produce_in_turns(6_000, &live[6_000..]);
    world.wait_until_done(live.len() as u64, 90);
    assert_windows_are_true(&world, live);
    assert_eq!(world.tally(), BTreeMap::from([("accepted".to_owned(), live.len() as u64)]));
    assert_everything_was_told(&world);
    assert_told_under_one_id(&world);
    assert_eq!(zombie.stop(), Some(0));
    assert_eq!(other.stop(), Some(0));
}

#[test]
fn a_transaction_left_open_by_a_stopped_daemon_is_ended_and_others_go_on() {
    let Some(world) = world("stopped inside a transaction", "2s") else { return };
    let all = bike_records();
    let (training, live) = all.split_at(TRAINING_ROWS);
    world.build_baseline(training);
    // It stops itself with the locks of everything it has written in its second checkpoint.
    let stopped = world.start_daemon("a", Some("checkpoint.before_commit:2:stop"));
    world.produce_in_turns(0, &live[..3_000]);
    let deadline = Instant::now() + Duration::from_secs(30);
    while !stopped.is_stopped() {
        assert!(Instant::now() < deadline, "{}", stopped.log());
        std::thread::sleep(Duration::from_millis(50));
    }
    let other = world.start_daemon("b", None);
    world.produce_in_turns(3_000, &live[3_000..]);
    // Its locks are gone after `idle_in_transaction_session_timeout`, 15 s.
    world.wait_for("the other daemon to count everything", 60, async |pool| {
        let counted = number(pool, "select coalesce(sum(count), 0)::bigint from record_tally").await?;
        if counted >= live.len() as i64 { Ok(()) } else { Err(format!("{counted}")) }
    });
    stopped.signal("CONT");
    world.wait_until_done(live.len() as u64, 90);
    assert_windows_are_true(&world, live);
    assert_eq!(world.tally(), BTreeMap::from([("accepted".to_owned(), live.len() as u64)]));
    assert_everything_was_told(&world);
    assert_told_under_one_id(&world);
    assert_eq!(other.stop(), Some(0));
    assert_eq!(stopped.stop(), Some(0));
}

#[test]
fn a_second_sigterm_ends_it_at_once() {
    let Some(services) = services("second SIGTERM") else { return };
    let world = World::new(&services);
    let live = &bike_records()[TRAINING_ROWS..];
    let mut daemon = world.start_daemon("a", None);
    world.produce_in_turns(0, &live[..600]);
    world.wait_for("records to be counted", 60, async |pool| {
        let counted = number(pool, "select coalesce(sum(count), 0)::bigint from record_tally").await?;
        if counted == 600 { Ok(()) } else { Err(format!("{counted}")) }
    });
    // The last checkpoint has to wait for this lock.
    let locked = world.runtime.block_on(async {
        let mut transaction = world.pool.begin().await.unwrap();
        let lock = sqlx::query("lock table source_partition in access exclusive mode");
        lock.execute(&mut *transaction).await.unwrap();
        transaction
    });
    world.produce_in_turns(600, &live[600..900]);
    std::thread::sleep(Duration::from_secs(1));
    daemon.signal("TERM");
    assert_eq!(daemon.ended_within(Duration::from_secs(2)), None, "it waits for its last checkpoint");
    daemon.signal("TERM");
    let status = daemon.ended_within(Duration::from_secs(2)).expect("it ends at once");
    assert_eq!(status.code(), Some(1));
    world.runtime.block_on(locked.rollback()).unwrap();
    // What it did not store is read again.
    let next = world.start_daemon("b", None);
    world.wait_for("everything to be counted", 60, async |pool| {
        let counted = number(pool, "select coalesce(sum(count), 0)::bigint from record_tally").await?;
        if counted == 900 { Ok(()) } else { Err(format!("{counted}")) }
    });
    assert_eq!(next.stop(), Some(0));
}
