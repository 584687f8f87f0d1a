//! What a broker adds to records (markers, gaps, frames), and what cannot be read: counted right, told, and got over.

mod transactions;
mod unreadable;

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::support::{Config, Services, World, number};

/// A world whose one monitor `feed` reads `x` and `c` from the world's topic, in windows of a minute; `change` says what else.
pub(super) fn feed(services: &Services, change: impl FnOnce(Config) -> Config) -> World {
    let world = World::new(services);
    std::fs::remove_file(world.monitor_file()).unwrap();
    let monitor = Config::monitor("feed", &world.topic)
        .set("source.time", "ts")
        .set("window.length", "1m")
        .set("window.out_of_orderness", "1s")
        .set("window.idle_after", "2s")
        .set("window.max_close_delay", "5m")
        .set("judge.min_records", 30)
        .set("alert.receivers", ["owner"])
        .numeric("x")
        .categorical("c");
    change(monitor).write(world.folder.path().join("monitors.d/feed.toml"));
    world
}

/// The monitor reads the records of one model, and other models write to its topic as well.
pub(super) fn of_one_model(monitor: Config) -> Config {
    monitor.set("source.where.model", "credit")
}

/// The start of a minute, twelve minutes ago, in milliseconds since the epoch.
pub(super) fn some_minutes_ago() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
    now - now.rem_euclid(60_000) - 720_000
}

/// Record `index`: one a second from a start, `x` about 10, `c` one of three.
pub(super) fn record(start: i64, index: i64) -> Value {
    let x = 10.0 + 4.0 * ((index * 7_919 % 1_000) as f64 / 1_000.0 - 0.5);
    let category = ["a", "b", "c"][(index % 3) as usize];
    json!({ "ts": start + index * 1_000, "x": x, "c": category })
}

/// Waits until every window of the feed is closed and every partition is at its end, with nothing behind.
pub(super) fn wait_until_at_the_end(world: &World, accepted: i64, seconds: u64) {
    world.wait_for("everything counted and closed, every partition at its end", seconds, async |pool| {
        let counted =
            number(pool, "select coalesce(sum(count), 0)::bigint from record_tally where outcome = 'accepted'")
                .await?;
        let open = number(pool, "select count(*) from model_window where status = 'open'").await?;
        let behind = number(
            pool,
            "select count(*) from source_partition
             where quiet_since is null or log_end is null or next_offset is distinct from log_end",
        )
        .await?;
        if counted == accepted && open == 0 && behind == 0 {
            Ok(())
        } else {
            Err(format!(
                "{counted} of {accepted} counted, {open} windows open, {behind} partitions not at the end"
            ))
        }
    });
}

/// What `driftd status` says of the partitions, as JSON.
pub(super) fn partitions(world: &World) -> Vec<Value> {
    let status: Value = serde_json::from_str(&world.driftd(&["--json", "status"])).unwrap();
    status["partitions"].as_array().unwrap().clone()
}
