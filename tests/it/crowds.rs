//! Many series at a time.

use std::time::Instant;

use serde_json::Value;

use crate::support::{TRAINING_ROWS, World, bike_records, number, services};

/// Model versions that send records in the same window.
const VERSIONS: usize = 1_003;

#[test]
fn a_thousand_windows_that_are_over_at_once_are_closed_together() {
    let Some(services) = services("a thousand windows at once") else { return };
    let world = World::new(&services);
    world.configure_monitor(|monitor| {
        monitor
            .set("source.version", "version")
            .set("window.out_of_orderness", "1s")
            .remove("window.idle_after")
            .remove("segments.workingday")
    });
    world.configure("a", |daemon| daemon.set("limits.max_series", 2_000));
    let all = bike_records();
    let (training, live) = all.split_at(TRAINING_ROWS);
    world.build_baseline(training);
    let versioned = |version: usize, record: &str| {
        let mut record: Value = serde_json::from_str(record).unwrap();
        record["version"] = format!("v{version}").into();
        record.to_string()
    };
    let crowd: Vec<String> =
        (0..3 * VERSIONS).map(|index| versioned(index % VERSIONS, &live[index % 100])).collect();
    let daemon = world.start_daemon("a", None);
    world.produce_in_turns(0, &crowd);
    world.wait_for_count(crowd.len() as i64.., 90);
    let open =
        world.runtime.block_on(number(&world.pool, "select count(*) from model_window where status = 'open'"));
    assert_eq!(open, Ok(VERSIONS as i64));

    // A record of months later in every partition ends all of them.
    let began = Instant::now();
    world.produce_in_turns(0, &vec![versioned(0, live.last().unwrap()); 6]);
    world.wait_for("all windows of the crowd to be closed", 120, async |pool| {
        let closed = number(pool, "select count(*) from model_window where status = 'closed'").await?;
        if closed >= VERSIONS as i64 { Ok(()) } else { Err(format!("{closed}")) }
    });
    eprintln!("{VERSIONS} windows were closed within {:.1} s", began.elapsed().as_secs_f64());
    // `closed_at` is the time of the transaction.
    let transactions =
        number(&world.pool, "select count(distinct closed_at) from model_window where status = 'closed'");
    let transactions = world.runtime.block_on(transactions).unwrap();
    assert!(transactions <= VERSIONS as i64 / 20, "{transactions} transactions for {VERSIONS} windows");
    assert_eq!(daemon.stop(), Some(0));
}
