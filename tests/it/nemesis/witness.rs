//! Looks on while a round runs: what must never change does not, and memory is written down.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::field::Field;

/// What was seen.
#[derive(Debug, Default)]
pub struct Seen {
    /// The most that a daemon used, in KiB.
    pub peak_memory: u64,
    /// What the spared daemon used, by seconds since the start: KiB.
    pub spared_memory: Vec<(u64, u64)>,
    /// The longest that a checkpoint was due, by the stored positions: seconds.
    pub looks: u64,
}

pub fn watch(field: &Field<'_>, stop: &AtomicBool) -> Seen {
    let began = Instant::now();
    let mut seen = Seen::default();
    let mut results: HashMap<i64, String> = HashMap::new();
    let mut positions: BTreeMap<i32, i64> = BTreeMap::new();
    while !stop.load(Ordering::SeqCst) {
        std::thread::sleep(Duration::from_millis(500));
        for (name, process) in field.processes() {
            let Some(resident) = resident(process) else { continue };
            seen.peak_memory = seen.peak_memory.max(resident);
            if field.spared == Some(name) {
                seen.spared_memory.push((began.elapsed().as_secs(), resident));
            }
        }
        // The database may be away; what was not seen now is seen later.
        if let Ok(now) = field.world.runtime.block_on(closed(field)) {
            seen.looks += 1;
            for (id, result) in now {
                let before = results.entry(id).or_insert_with(|| result.clone());
                if *before != result {
                    field.violated(format!("the result of closed window {id} changed from {before} to {result}"));
                    *before = result;
                }
            }
        }
        if let Ok(now) = field.world.runtime.block_on(offsets(field)) {
            for (partition, next) in now {
                let before = positions.entry(partition).or_insert(next);
                if next < *before {
                    field.violated(format!(
                        "the position of partition {partition} went back from {before} to {next}"
                    ));
                }
                *before = next;
            }
        }
    }
    seen
}

async fn closed(field: &Field<'_>) -> Result<Vec<(i64, String)>, sqlx::Error> {
    sqlx::query_as(
        "select id, concat_ws(' ', rows, verdict, complete, md5(counts), md5(coalesce(sample, '')), md5(ranges::text),
                              closed_at, (select md5(string_agg(f::text, ';' order by f::text)) from finding f
                                          where f.window_id = w.id))
         from model_window w where status = 'closed'",
    )
    .fetch_all(&field.world.pool)
    .await
}

async fn offsets(field: &Field<'_>) -> Result<Vec<(i32, i64)>, sqlx::Error> {
    sqlx::query_as("select partition, next_offset from source_partition where next_offset is not null")
        .fetch_all(&field.world.pool)
        .await
}

/// Resident memory of a process in KiB.
fn resident(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
