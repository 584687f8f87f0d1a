//! What a broker adds to records (markers, gaps, frames), and what cannot be read: counted right, told, and got over.

mod transactions;
mod unreadable;

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::support::{Options, Services, World, number};

/// The parts of a monitor file that tests differ in.
pub(super) struct Feed<'a> {
    /// Lines of `[source]`.
    pub(super) source: &'a str,
    /// Lines of `[window]`.
    pub(super) window: &'a str,
    /// Sections at the end.
    pub(super) rest: &'a str,
}

impl Default for Feed<'_> {
    fn default() -> Self {
        Self { source: "time = \"ts\"", window: "max_close_delay = \"5m\"", rest: "" }
    }
}

impl Feed<'_> {
    /// A world whose one monitor `feed` reads `x` and `c` from the world's topic, in windows of a minute.
    pub(super) fn world(&self, services: &Services) -> World {
        let world = World::new(services, &Options::default());
        std::fs::remove_file(world.monitor_file()).unwrap();
        std::fs::write(world.folder.path().join("monitors.d/feed.toml"), self.monitor(&world.topic)).unwrap();
        world
    }

    fn monitor(&self, topic: &str) -> String {
        let Self { source, window, rest } = self;
        format!(
            "name = \"feed\"\n[source]\ntopics = [\"{topic}\"]\n{source}\n\
             [window]\nlength = \"1m\"\nout_of_orderness = \"1s\"\nidle_after = \"2s\"\n{window}\n\
             [judge]\nmin_records = 30\n[alert]\nreceivers = [\"owner\"]\n\
             [[columns]]\nname = \"x\"\ntype = \"numeric\"\n[[columns]]\nname = \"c\"\ntype = \"categorical\"\n{rest}\n"
        )
    }
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
