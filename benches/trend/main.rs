//! How often slow drift is reported where nothing changes, how soon where something does, and how well its onset is found.
//!
//!     cargo bench --bench trend              # 10,000 runs of each kind
//!     cargo bench --bench trend -- 1000      # another number of runs
//!
//! docs/slow-drift.md has the tables.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a benchmark"
)]
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a benchmark converts small numbers"
)]

mod runs;
mod world;

use driftd::trend::{Onset, Shape};

use runs::{WINDOWS, all};
use world::{Change, World};

fn main() {
    let runs = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(10_000);
    false_alarms(runs);
    delays(runs);
    onsets(runs);
    panes(runs);
}

fn header(names: &[&str]) {
    println!("\n| {} |\n|{}", names.join(" | "), " --- |".repeat(names.len()));
}

fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values[((values.len() - 1) as f64 * share).round() as usize]
}

fn false_alarms(runs: u64) {
    let mut worlds = vec![];
    for windows in [6, 12, 24, 168] {
        let (plain, strong) = (World::new(0.05, windows), World::new(0.15, windows));
        worlds.push(("sampling alone", World::new(0.0, windows), 0));
        worlds.push(("effects of 0.05", plain, 0));
        worlds.push(("effects of 0.15", strong, 0));
        worlds.push(("effects of 0.05, correlation 0.5", World { correlation: 0.5, ..plain }, 0));
        worlds.push(("effects of 0.15, correlation 0.5", World { correlation: 0.5, ..strong }, 0));
        worlds.push(("effects of 0.15, correlation 0.8", World { correlation: 0.8, ..strong }, 0));
        worlds.push(("effects of 0.15, t(5)", World { tail: 5, ..strong }, 0));
        worlds.push(("effects of 0.15, t(3)", World { tail: 3, ..strong }, 0));
        worlds.push(("effects of 0.05, every 50th window 10 sd away", plain, 50));
    }
    let usual = (1_000.0, 1_000.0);
    for (name, sizes) in [
        ("effects of 0.05, 200 to 2,000 records", [(200.0, 2_000.0); 2]),
        ("effects of 0.05, 100 records after 1,000", [usual, (100.0, 100.0)]),
        ("effects of 0.05, 10,000 records after 1,000", [usual, (10_000.0, 10_000.0)]),
        ("effects of 0.05, 100 to 10,000 records after 1,000", [usual, (100.0, 10_000.0)]),
    ] {
        worlds.push((name, World { sizes, ..World::new(0.05, 24) }, 0));
    }
    for windows in [24, 168] {
        for (name, share) in [("share of 5 %", 0.05), ("share of 1 %", 0.01), ("share of 0.2 %", 0.002)] {
            worlds.push((name, World { share, ..World::new(0.0, windows) }, 0));
        }
        let rare = World { share: 0.01, ..World::new(0.05, windows) };
        worlds.push(("share of 1 %, effects of 0.05", rare, 0));
        worlds.push(("share of 1 %, 200 to 2,000 records", World { sizes: [(200.0, 2_000.0); 2], ..rare }, 0));
    }
    header(&["windows vary by", "reference windows", "at 5 %", "at 1 %", "at 0.1 %"]);
    for (name, world, odd) in worlds {
        let most = all(runs, |random| runs::quiet(world, odd, random));
        let share = |level: f64| {
            let reached = most.iter().filter(|strength| **strength >= WINDOWS as f64 / level).count();
            reached as f64 * 100.0 / runs as f64
        };
        println!("| {name} | {} | {:.2} | {:.2} | {:.2} |", world.windows, share(0.05), share(0.01), share(0.001));
    }
}

fn delays(runs: u64) {
    let names = ["change", "effects", "reference windows", "quiet windows before", "slow drift", "single windows"];
    header(&names);
    for (name, step, slope, effect) in [
        ("ramp of 0.01 per window", 0.0, 0.01, 0.05),
        ("ramp of 0.003 per window", 0.0, 0.003, 0.05),
        ("step of 0.05", 0.05, 0.0, 0.05),
        ("step of 0.1", 0.1, 0.0, 0.05),
        ("step of 0.2", 0.2, 0.0, 0.05),
        ("step of 0.03", 0.03, 0.0, 0.0),
        ("ramp of 0.01 per window", 0.0, 0.01, 0.15),
        ("step of 0.2", 0.2, 0.0, 0.15),
    ] {
        for windows in [12, 24, 168] {
            for quiet in [0, 500] {
                let change = Change { step, slope, quiet };
                let found = all(runs / 10, |random| runs::delays(World::new(effect, windows), change, random));
                let shown = |method: usize| {
                    let mut delays: Vec<f64> = found.iter().map(|found| found[method]).collect();
                    let within =
                        |most: f64| delays.iter().filter(|delay| **delay <= most).count() * 100 / delays.len();
                    let shares = format!("{}/{}/{} %", within(24.0), within(100.0), within(1_000.0));
                    match quantile(&mut delays, 0.5) {
                        median if median.is_finite() => format!("{shares}, median {median}"),
                        _ => shares,
                    }
                };
                println!("| {name} | {effect} | {windows} | {quiet} | {} | {} |", shown(0), shown(1));
            }
        }
    }
}

const ONSETS: [&str; 5] = ["found", "median error", "error of 1 or less", "covered", "median width"];

fn row(runs: u64, change: Change, found: Vec<Option<Onset>>) -> String {
    let found: Vec<Onset> = found.into_iter().flatten().collect();
    let share = |what: &dyn Fn(&Onset) -> bool, of: f64| {
        format!("{:.1} %", found.iter().filter(|onset| what(onset)).count() as f64 * 100.0 / of)
    };
    let error = |onset: &Onset| (onset.likely - change.quiet).abs() as f64;
    let earliest = |onset: &Onset| onset.earliest.unwrap_or(0);
    let mut errors: Vec<f64> = found.iter().map(error).collect();
    let mut widths: Vec<f64> = found.iter().map(|onset| (onset.latest - earliest(onset) + 1) as f64).collect();
    let all = found.len() as f64;
    format!(
        "{} | {} | {} | {} | {} |",
        share(&|_| true, runs as f64),
        quantile(&mut errors, 0.5),
        share(&|onset| error(onset) <= 1.0, all),
        share(&|onset| (earliest(onset)..=onset.latest).contains(&change.quiet), all),
        quantile(&mut widths, 0.5),
    )
}

fn onsets(runs: u64) {
    header(&[&["change", "effects", "correlation", "known after"], &ONSETS[..], &["called a step"]].concat());
    for (name, step, slope, effect, correlation) in [
        ("step of 0.1", 0.1, 0.0, 0.05, 0.0),
        ("step of 0.2", 0.2, 0.0, 0.05, 0.0),
        ("step of 0.5", 0.5, 0.0, 0.05, 0.0),
        ("step of 1", 1.0, 0.0, 0.05, 0.0),
        ("step of 0.05", 0.05, 0.0, 0.0, 0.0),
        ("step of 0.2", 0.2, 0.0, 0.15, 0.0),
        ("step of 0.5", 0.5, 0.0, 0.15, 0.0),
        ("step of 1", 1.0, 0.0, 0.15, 0.0),
        ("step of 0.5", 0.5, 0.0, 0.15, 0.5),
        ("ramp of 0.01", 0.0, 0.01, 0.05, 0.0),
        ("ramp of 0.003", 0.0, 0.003, 0.05, 0.0),
        ("ramp of 0.01", 0.0, 0.01, 0.15, 0.0),
    ] {
        for changed in [None, Some(10), Some(50)] {
            let world = World { correlation, ..World::new(effect, 24) };
            let change = Change { step, slope, quiet: 60 };
            let found = all(runs, |random| runs::located(world, change, changed, random));
            let steps = found.iter().flatten().filter(|onset| onset.shape == Shape::Step).count();
            let steps = steps as f64 * 100.0 / found.iter().flatten().count() as f64;
            let known = changed.map_or("alarm".to_owned(), |changed| format!("{changed} windows"));
            let row = row(runs, change, found);
            println!("| {name} | {effect} | {correlation} | {known} | {row} {steps:.0} % |");
        }
    }
}

fn panes(runs: u64) {
    header(&[&["change", "effects", "known after"], &ONSETS[..]].concat());
    for (step, effect) in [(0.2, 0.05), (0.5, 0.05), (1.0, 0.05), (0.5, 0.15), (1.0, 0.15)] {
        for changed in [5, 10, 30] {
            let change = Change { step, slope: 0.0, quiet: 125 };
            let world = World::new(effect, 24);
            let found = all(runs, |random| runs::located_pane(world, change, changed, random));
            println!("| step of {step} | {effect} | {changed} panes | {}", row(runs, change, found));
        }
    }
}
