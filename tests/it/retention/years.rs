//! What two years of a hundred monitors take, and what a pass makes of them: the figures of docs/operations.md.

use std::time::Instant;

use driftd::record::{TimeSpan, grouped};
use driftd::store::Deletion;

use super::{Aged, Closed, usual};
use crate::support::services;

const MONITORS: i64 = 100;
const DAYS: i64 = 730;
const WINDOWS_PER_DAY: i64 = 1;
const COLUMNS: i64 = 10;
const MEASURES: i64 = 3;
/// As ten numeric columns of 10,000 records take.
const COUNTS_BYTES: i64 = 12_000;
const SAMPLE_BYTES: i64 = 100_000;

fn fill(aged: &Aged) {
    let first = aged.window(Closed { monitor: "m", version: "1", age: 1, hour: 0 });
    let windows = format!(
        "create table filler as
             select string_agg(uuid_send(gen_random_uuid()), '') filter (where n <= {COUNTS_BYTES} / 16) as counts,
                    string_agg(uuid_send(gen_random_uuid()), '') filter (where n <= {SAMPLE_BYTES} / 16) as sample
             from generate_series(1, greatest({COUNTS_BYTES}, {SAMPLE_BYTES}) / 16) n;
         insert into series (monitor, model_version, segment)
             select 'm' || m, '1', '*' from generate_series(1, {MONITORS}) m;
         insert into model_window (monitor, model_version, segment, starts_at, ends_at, binning_id, status, opened_at, closed_at,
                                   rows, counts, sample, ranges, complete, missing, verdict, columns, scores, verdicts)
         select 'm' || m, '1', '*', closed - interval '7 hours', closed - interval '1 hour', w.binning_id, 'closed', closed, closed,
                10000, filler.counts, case when n < 30 * {WINDOWS_PER_DAY} then filler.sample end,
                '[[\"predictions\",0,0,2500],[\"predictions\",1,0,2500],[\"predictions\",2,0,2500],[\"predictions\",3,0,2500]]',
                true, '[]', 'ok', (select array_agg('feature_' || c) from generate_series(1, {COLUMNS}) c),
                (select array_agg(0.1 * c) from generate_series(1, {COLUMNS}) c), repeat('o', {COLUMNS})
         from model_window w, filler, generate_series(1, {DAYS} * {WINDOWS_PER_DAY}) n, generate_series(1, {MONITORS}) m,
              lateral (select now() - n * interval '1 day' / {WINDOWS_PER_DAY} as closed) c
         where w.id = {first} order by n desc, m;"
    );
    let rest = format!(
        "insert into finding (window_id, column_name, measure, statistic, effect, bound, noise_floor, warn, critical, n_baseline,
                              n_window, verdict, significant)
         select w.id, 'feature_' || c, 'measure_' || k, 0.05, 0.05, 0.04, 0.02, 0.1, 0.2, 100000, 10000, 'ok', false
         from model_window w, generate_series(1, {COLUMNS}) c, generate_series(1, {MEASURES}) k where w.id <> {first};
         insert into column_summary (window_id, column_name, present, nulls, invalid, below, above, unseen, mean, quantiles)
         select w.id, 'feature_' || c, 10000, 0, 0, 0, 0, 0, 0.5, '{{0.05,0.25,0.5,0.75,0.95}}'
         from model_window w, generate_series(1, {COLUMNS}) c where w.id <> {first};
         insert into notification (id, subject_id, receiver, event_type, body, status, created_at, finished_at)
         select gen_random_uuid(), gen_random_uuid(), 'owner', 'alert.firing', jsonb_build_object('text', repeat(md5(n::text), 100)),
                'sent', now() - n * interval '1 day' / 20, now() - n * interval '1 day' / 20
         from generate_series(1, {DAYS} * 20) n;
         insert into audit (at, actor, action, subject)
         select now() - n * interval '1 day' / 10, 'cli:me', 'alert.acknowledge', 'x' from generate_series(1, {DAYS} * 10) n;
         analyze"
    );
    aged.run(&windows);
    aged.run(&rest);
}

fn sizes(aged: &Aged) -> Vec<(String, u64)> {
    aged.world.runtime.block_on(aged.store.table_sizes()).unwrap()
}

fn batch(aged: &Aged, what: Deletion<'_>) {
    let started = Instant::now();
    let batch = aged.world.runtime.block_on(aged.store.delete_batch(what)).unwrap().unwrap();
    eprintln!("a batch of {}: {} rows in {} ms", what.table(), batch.rows, started.elapsed().as_millis());
}

#[test]
#[ignore = "two minutes, and 3 GB of disk: it prints the table of docs/operations.md"]
fn two_years_of_a_hundred_monitors_are_cleaned_in_small_batches() {
    let Some(services) = services("two years") else { return };
    let aged = Aged::new(&services);
    let started = Instant::now();
    fill(&aged);
    eprintln!("filled in {} s", started.elapsed().as_secs());
    let before = sizes(&aged);
    // Single batches of each kind first: how long a transaction is.
    let (m, age) = ("m1", TimeSpan::days(180));
    let batches = [
        Deletion::Samples { monitor: m, age: TimeSpan::days(14) },
        Deletion::Counts { monitor: m, age, learns_from: None },
        Deletion::Findings { monitor: m, age: TimeSpan::days(400) },
        Deletion::Messages { age: TimeSpan::days(90) },
    ];
    for what in batches {
        batch(&aged, what);
    }
    let started = Instant::now();
    let deleted = aged.pass(&usual());
    eprintln!("first pass: {} s, {deleted:?}", started.elapsed().as_secs());
    let started = Instant::now();
    let idle = aged.pass(&usual());
    eprintln!("a pass with nothing to delete: {} ms, {idle:?}", started.elapsed().as_millis());
    let after = sizes(&aged);
    // As if they were that old: with what refers to them.
    batch(&aged, Deletion::Windows { age: TimeSpan::days(500) });
    let started = Instant::now();
    for table in ["model_window", "finding", "column_summary", "notification"] {
        aged.run(&format!("vacuum full {table}"));
    }
    eprintln!("vacuum full: {} s", started.elapsed().as_secs());
    let whole = sizes(&aged);
    let megabytes = |bytes: u64| grouped(bytes / 1_000_000);
    for ((table, before), ((_, after), (_, whole))) in before.into_iter().zip(after.into_iter().zip(whole)) {
        if before > 1_000_000 {
            eprintln!("| `{table}` | {} | {} | {} |", megabytes(before), megabytes(after), megabytes(whole));
        }
    }
}
