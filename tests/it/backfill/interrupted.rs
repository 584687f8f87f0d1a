//! Backfills that are killed, stopped or cut off from the database: every record is counted once.

use std::time::{Duration, Instant};

use super::*;

#[test]
fn dying_anywhere_counts_every_record_once() {
    let Some(world) = world("backfill that dies") else { return };
    let all = bike_records();
    let (training, live) = all.split_at(TRAINING_ROWS);
    world.build_baseline(training);
    world.produce_in_turns(0, &live[..PAST]);
    let daemon = world.start_daemon("a", None);
    wait_for_begin(&world);
    world.produce_in_turns(PAST, &live[PAST..PAST + BESIDE]);
    world.wait_for_count(BESIDE as i64..=BESIDE as i64, 60);
    // One checkpoint a partition, then one transaction a start.
    for point in [
        "backfill.before_begin:1",
        "backfill.before_commit:1",
        "backfill.after_commit:1",
        "backfill.before_commit:3",
        "backfill.after_commit:2",
        "backfill.before_close_commit:1",
        "backfill.after_close_commit:1",
        "backfill.before_close_commit:3",
        "backfill.after_close_commit:2",
    ] {
        let status = start(&world, &["--monitor", "bike-demand"], Some(point)).wait().unwrap();
        assert!(!status.success() && status.code().is_none(), "{point}: it died of the fault: {status}");
    }
    let unfinished = world.driftd(&["backfill", "--list"]);
    assert!(unfinished.contains("all read, closing windows"), "{unfinished}");
    let (code, said) = world.attempt("a", &["backfill", "--monitor", "bike-demand", "--discard"]);
    assert!(code == Some(1) && said.contains("it cannot be discarded"), "{said}");
    world.driftd(&["backfill", "--monitor", "bike-demand"]);
    assert_quiet(&world);
    world.produce_in_turns(PAST + BESIDE, &live[PAST + BESIDE..]);
    world.wait_until_done((live.len() - PAST) as u64, 120);
    assert_windows_are_true(&world, live);
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn killed_at_any_moment_and_run_twice_at_once_it_counts_every_record_once() {
    let Some(world) = world("backfill killed") else { return };
    let all = bike_records();
    let (training, live) = all.split_at(TRAINING_ROWS);
    world.build_baseline(training);
    world.produce_in_turns(0, live);
    let daemon = world.start_daemon("a", None);
    wait_for_begin(&world);
    let mut dice = Dice(11);
    for _ in 0..12 {
        let mut running = start(&world, &["--monitor", "bike-demand"], None);
        std::thread::sleep(Duration::from_millis(dice.below(900)));
        running.kill().unwrap();
        running.wait().unwrap();
    }
    // Two at once: the later one takes over, the other one is refused by the database.
    let mut one = start(&world, &["--monitor", "bike-demand"], None);
    let mut other = start(&world, &["--monitor", "bike-demand"], None);
    let ended = [one.wait().unwrap().code(), other.wait().unwrap().code()];
    if !ended.contains(&Some(0)) && ask(&world, "select count(*) from backfill where state = 'done'") == 0 {
        world.driftd(&["backfill", "--monitor", "bike-demand"]);
    }
    assert_eq!(ask(&world, "select count(*) from backfill"), 1);
    assert_eq!(ask(&world, "select count(*) from backfill_delta"), 0);
    assert_quiet(&world);
    // The topic is quiet: windows of the past are over, however new their records are.
    assert_eq!(ask(&world, "select count(*) from model_window where status = 'open'"), 0);
    assert_windows_are_true(&world, live);
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn connections_that_break_cost_the_last_checkpoint_and_no_record() {
    let Some(world) = world("backfill without its connections") else { return };
    learning(&world);
    world.produce_in_turns(0, &hours(0, 12, 99));
    let daemon = world.start_daemon("a", None);
    wait_for_begin(&world);
    assert_eq!(daemon.stop(), Some(0));
    let middle = time(6, 0);
    for (range, point) in [
        (["--to", &middle], "backfill.before_commit:2:stop"),
        (["--from", &middle], "backfill.before_close_commit:2:stop"),
    ] {
        let mut running = start(&world, &[&["--monitor", "m"][..], &range].concat(), Some(point));
        wait_until_stopped(&running);
        // It holds a transaction that is not committed.
        let ended = ask(
            &world,
            "select count(pg_terminate_backend(pid)) from pg_stat_activity
             where datname = current_database() and application_name = 'a'",
        );
        assert!(ended > 0);
        signal(&running, "CONT");
        assert_eq!(running.wait().unwrap().code(), Some(0), "{point}: it tries again");
    }
    assert_eq!(
        ask(
            &world,
            "select sum(coalesce(w.rows, (select sum(d.rows) from window_delta d where d.window_id = w.id)))::bigint
             from model_window w where w.segment = '*'",
        ),
        12 * 120
    );
    let exact = "select count(*) from backfill
                 where state = 'done' and outcomes = '{\"accepted\": 720, \"outside\": 720}'";
    assert_eq!(ask(&world, exact), 2);
    assert_quiet(&world);
}

#[test]
fn a_signal_stops_it_at_a_checkpoint_and_the_same_command_goes_on() {
    let Some(world) = world("backfill that is stopped") else { return };
    learning(&world);
    world.produce_in_turns(0, &hours(0, 12, 99));
    let daemon = world.start_daemon("a", None);
    wait_for_begin(&world);
    // It stops itself with the counts of the second partition in its hands, and finds the signal when it goes on.
    let mut running = start(&world, &["--monitor", "m"], Some("backfill.before_begin:2:stop"));
    wait_until_stopped(&running);
    signal(&running, "TERM");
    signal(&running, "CONT");
    assert_eq!(running.wait().unwrap().code(), Some(1));
    let listed = world.driftd(&["backfill", "--list"]);
    assert!(listed.contains("% read"), "{listed}");
    assert_eq!(ask(&world, "select count(*) from model_window"), 0);
    let said = world.driftd(&["backfill", "--monitor", "m"]);
    assert!(said.contains("1,440 accepted") && said.contains("12 windows closed"), "{said}");
    assert_eq!(daemon.stop(), Some(0));
}

/// Records of the past in the measurement.
const MILLION: usize = 1_000_000;

#[test]
#[ignore = "takes minutes: a measurement of the time that a million records take"]
fn a_million_records_beside_live_reading_killed_and_resumed() {
    let Some(world) = world("a million records") else { return };
    learning(&world);
    world.configure_monitor(|monitor| {
        monitor.categorical("k").numeric("y").numeric("z").set("window.idle_after", "5m")
    });
    let record = |index: usize, hour: i64| {
        let (x, k) = ((index * 7_919 % 10_007) as f64 / 100.0, index % 5);
        json!({ "ts": time(hour, (index % 3_600) as i64), "x": x, "y": x * 2.0, "z": -x, "k": format!("k{k}"), "v": "7",
                "text": "x".repeat(180) })
        .to_string()
    };
    let mut truth: BTreeMap<i64, u64> = BTreeMap::new();
    for index in 0..MILLION {
        let hour = (index / 1_000) as i64;
        *truth.entry(hour).or_default() += 1;
        world.produce((index % TOPIC_PARTITIONS as usize) as i32, record(index, hour).as_bytes());
    }
    world.flush();
    let daemon = world.start_daemon("a", None);
    wait_for_begin(&world);
    let began = Instant::now();
    let (mut dice, mut kills, mut live) = (Dice(3), 0, 0_usize);
    let mut spent = Duration::ZERO;
    loop {
        // Live records of later hours, all the time.
        let mut running = start(&world, &["--monitor", "m"], None);
        let started = Instant::now();
        let until = Duration::from_millis(1_000 + dice.below(5_000));
        let ended = loop {
            let batch: Vec<String> = (live..live + 50).map(|index| record(index, 1_000)).collect();
            world.produce_in_turns(live, &batch);
            live += 50;
            match running.try_wait().unwrap() {
                Some(status) => break Some(status),
                None if kills < 12 && started.elapsed() > until => break None,
                None => std::thread::sleep(Duration::from_millis(100)),
            }
        };
        spent += started.elapsed();
        match ended {
            Some(status) => {
                assert!(status.success(), "{status}");
                break;
            }
            None => {
                running.kill().unwrap();
                running.wait().unwrap();
                kills += 1;
            }
        }
    }
    eprintln!(
        "{MILLION} records, {kills} kills: {:?} in all, {spent:?} running; {live} live records",
        began.elapsed()
    );
    eprintln!("{}", world.driftd(&["backfill", "--list"]));
    world.wait_for_count(live as i64..=live as i64, 60);
    *truth.entry(1_000).or_default() += live as u64;
    let rows: Vec<(i64, i64)> = world
        .runtime
        .block_on(
            sqlx::query_as(
                "select (extract(epoch from starts_at - timestamptz '2026-01-05T00:00:00Z') / 3600)::bigint,
                        coalesce(rows, (select sum(d.rows) from window_delta d where d.window_id = w.id), 0)::bigint
                 from model_window w where segment = '*'",
            )
            .fetch_all(&world.pool),
        )
        .unwrap();
    let stored: BTreeMap<i64, u64> = rows.into_iter().map(|(hour, rows)| (hour, rows as u64)).collect();
    assert_eq!(stored, truth);
    assert_eq!(world.tally(), BTreeMap::from([("accepted".to_owned(), live as u64)]));
    assert_quiet(&world);
    assert_eq!(daemon.stop(), Some(0));
}
