//! Windows that are closed in one transaction.

use std::time::Duration;

use driftd::alert::Routing;
use driftd::closing::{ClosingWindow, decide_window};
use driftd::detection::DetectionRules;
use driftd::record::EventTime;
use driftd::store::{Closing, DueWindow, Store};
use driftd::window::WindowReach;

use super::{HOUR, delta, store, universal};
use crate::support::{World, number, services};

/// An open window of a series, with records that were counted in it.
fn open_window(world: &World, segment: &str, hour: i64, counts: &[u8]) {
    let query = sqlx::query(
        "with s as (insert into series (monitor, model_version, segment) values ('m', '', $1) on conflict do nothing),
              w as (insert into model_window (monitor, model_version, segment, starts_at, ends_at, binning_id)
                    values ('m', '', $1, timestamptz '2026-11-01 00:00Z' + make_interval(hours => $2::int),
                            timestamptz '2026-11-01 01:00Z' + make_interval(hours => $2::int), $3) returning id)
         insert into window_delta (window_id, rows, counts, ranges) select id, 50, $4, '[]' from w",
    );
    let query = query.bind(segment).bind(hour).bind(universal().id()).bind(counts);
    world.runtime.block_on(query.execute(&world.pool)).unwrap();
}

/// Closes open windows in one transaction, with `seen` called for each that is judged; the outcome of each window, by segment and hour.
pub(super) fn close_what_is_open(
    world: &World,
    store: &Store,
    within: Duration,
    seen: impl Fn(&ClosingWindow),
) -> Vec<(String, i64, &'static str)> {
    let example = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("config/monitors.d/example.toml");
    let monitor = driftd::config::load_monitor(&example).unwrap();
    world.runtime.block_on(async {
        let open = store.open_windows("m", EventTime::MAX, 10).await.unwrap();
        let due: Vec<DueWindow> =
            open.into_iter().map(|window| DueWindow { window, missing: Vec::new() }).collect();
        let detection = DetectionRules::default();
        let with = Closing {
            monitor: "m",
            sample_size: 100,
            configuration: "",
            references: &monitor.references,
            reach: WindowReach::Pane,
            budget_period: None,
            detection: &detection,
        };
        let decide = |window: &ClosingWindow, now| {
            seen(window);
            decide_window(window, &monitor.rules, &Routing::default(), now)
        };
        let outcomes = store.close_windows(with, &due, within, decide).await.unwrap();
        let named = |outcome: &Result<Option<_>, _>| match outcome {
            Ok(Some(_)) => "closed",
            Ok(None) => "left",
            Err(_) => "damaged",
        };
        let hour = |due: &DueWindow| due.window.key.start.micros().rem_euclid(24 * HOUR) / HOUR;
        let each = due.iter().zip(&outcomes);
        each.map(|(due, outcome)| (due.window.key.segment.clone(), hour(due), named(outcome))).collect()
    })
}

fn close(world: &World, store: &Store, within: Duration) -> Vec<(String, i64, &'static str)> {
    close_what_is_open(world, store, within, |_| ())
}

fn became<'a>(outcomes: &'a [(String, i64, &'static str)]) -> Vec<(&'a str, i64, &'static str)> {
    outcomes.iter().map(|(segment, hour, outcome)| (segment.as_str(), *hour, *outcome)).collect()
}

#[test]
fn windows_of_several_starts_close_together_in_their_order_and_only_the_series_of_a_damaged_one_waits() {
    let Some(services) = services("closing together") else { return };
    let world = World::new(&services);
    let store = store(&world);
    let counts = delta(universal(), 50).windows.remove(0).counts.to_ipc().unwrap();
    // In the opposite order: ids do not follow starts.
    for hour in (0..3).rev() {
        open_window(&world, "*", hour, &counts);
        open_window(&world, "a=1", hour, if hour == 1 { b"damaged" } else { &counts });
    }
    let outcomes = close(&world, &store, Duration::MAX);
    let expected = [
        ("*", 0, "closed"),
        ("a=1", 0, "closed"),
        ("*", 1, "closed"),
        ("a=1", 1, "damaged"),
        ("*", 2, "closed"),
        ("a=1", 2, "left"),
    ];
    assert_eq!(became(&outcomes), expected);
    let stored = |query: &'static str| world.runtime.block_on(number(&world.pool, query)).unwrap();
    assert_eq!(stored("select count(*) from model_window where status = 'closed' and rows = 50"), 4);
    assert_eq!(stored("select count(distinct closed_at) from model_window"), 1, "one transaction");
    assert_eq!(stored("select count(*) from window_delta"), 2, "what is open keeps its records");
    // Each series stands where its last closed window left it.
    let newest_whole = "select (alerts->>'newest')::bigint / 3600000000 % 24 from series where segment = '*'";
    let newest_segment = "select (alerts->>'newest')::bigint / 3600000000 % 24 from series where segment = 'a=1'";
    assert_eq!((stored(newest_whole), stored(newest_segment)), (2, 0));
}

#[test]
fn a_transaction_takes_no_further_window_after_its_time() {
    let Some(services) = services("closing in time") else { return };
    let world = World::new(&services);
    let store = store(&world);
    let counts = delta(universal(), 50).windows.remove(0).counts.to_ipc().unwrap();
    for hour in 0..3 {
        open_window(&world, "*", hour, &counts);
    }
    for hour in 0..3 {
        assert_eq!(became(&close(&world, &store, Duration::ZERO)), [("*", hour, "closed")]);
    }
    assert!(close(&world, &store, Duration::ZERO).is_empty());
}

#[test]
fn the_windows_of_a_series_that_somebody_else_has_locked_are_left_to_them() {
    let Some(services) = services("a locked series") else { return };
    let world = World::new(&services);
    let store = store(&world);
    let counts = delta(universal(), 50).windows.remove(0).counts.to_ipc().unwrap();
    for hour in 0..2 {
        open_window(&world, "*", hour, &counts);
        open_window(&world, "a=1", hour, &counts);
    }
    let lock = world.runtime.block_on(async {
        let mut transaction = world.pool.begin().await.unwrap();
        let lock = "select from series where segment = '*' for no key update";
        sqlx::query(lock).execute(&mut *transaction).await.unwrap();
        transaction
    });
    let outcomes = close(&world, &store, Duration::MAX);
    let expected = [("*", 0, "left"), ("a=1", 0, "closed"), ("*", 1, "left"), ("a=1", 1, "closed")];
    assert_eq!(became(&outcomes), expected);
    world.runtime.block_on(lock.rollback()).unwrap();
    let outcomes = close(&world, &store, Duration::MAX);
    assert_eq!(became(&outcomes), [("*", 0, "closed"), ("*", 1, "closed")]);
}
