//! The nemesis: real Kafka, real PostgreSQL, three daemons, producers whose truth is known, seeded faults, and a checker of
//! the promises from the outside. docs/reliability.md says what is promised, and which fault is which.
//!
//! `DRIFTD_NEMESIS_SEED` and `DRIFTD_NEMESIS_SECONDS` choose seed and length, `DRIFTD_NEMESIS_FAULTS` the faults (names with
//! commas, or `all`), `DRIFTD_TEST_BIN` another program. Truth and the order of faults follow from the seed; how they meet
//! depends on the machine, so a failure is repeated by running its seed again, some times if need be.

mod check;
mod deceit;
mod faults;
mod field;
mod proxy;
mod single;
mod traffic;
mod wire;
mod witness;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::support::{
    Cluster, DAEMONS, Dice, Services, World, assert_everything_was_told, assert_told_under_one_id, number,
    services,
};
use check::Figures;
use faults::{FAULTS, Fault, Lane};
use field::Field;

/// How long the short run lasts at least, and any other: before that no two windows drift. Every fault comes once.
const SHORT: u64 = 30;
/// How soon after the last fault everything is counted again, in seconds, also by a daemon whose connections went silent.
const RECOVERY: u64 = 60;
/// How long a long run lasts, and each of its rounds, unless told otherwise.
const LONG: u64 = 3_600;
const ROUND: u64 = 120;

/// How one round went.
struct Round {
    seed: u64,
    seconds: u64,
    strikes: BTreeMap<&'static str, u64>,
    tolerated: BTreeMap<String, u64>,
    commits: (u64, u64),
    figures: Figures,
    seen: witness::Seen,
    violations: Vec<String>,
}

fn variable(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok().filter(|text| !text.is_empty())?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} must be a number, not `{text}`")))
}

/// The faults that were asked for, or all.
fn chosen() -> Vec<&'static Fault> {
    match std::env::var("DRIFTD_NEMESIS_FAULTS").ok().filter(|text| !text.is_empty()).as_deref() {
        None | Some("all") => FAULTS.iter().collect(),
        Some(names) => {
            let names: BTreeSet<&str> = names.split(',').map(str::trim).collect();
            let unknown: Vec<_> =
                names.iter().filter(|name| !FAULTS.iter().any(|fault| fault.name == **name)).collect();
            let known: Vec<&str> = FAULTS.iter().map(|fault| fault.name).collect();
            assert!(unknown.is_empty(), "unknown faults {unknown:?}; there are {known:?}");
            FAULTS.iter().filter(|fault| names.contains(fault.name)).collect()
        }
    }
}

/// The names of all faults, for the document about them.
pub fn fault_names() -> Vec<&'static str> {
    FAULTS.iter().map(|fault| fault.name).collect()
}

/// Says how to repeat a round when it fails, however it does.
struct Replay(u64, u64);

impl Drop for Replay {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "nemesis: FAILED; to repeat: DRIFTD_NEMESIS_SEED={} DRIFTD_NEMESIS_SECONDS={} make nemesis",
                self.0, self.1
            );
        }
    }
}

/// Ends what runs beside it when it goes, also by a panic.
struct Raise<'a>([&'a AtomicBool; 3]);

impl Drop for Raise<'_> {
    fn drop(&mut self) {
        self.0.iter().for_each(|flag| flag.store(true, Ordering::SeqCst));
    }
}

/// One lane: a shuffled deck of its faults, at least once, again and again until time is up.
fn run_lane(
    field: &Field<'_>,
    lane: Lane,
    faults: &[&'static Fault],
    seed: u64,
    strikes: &Mutex<BTreeMap<&str, u64>>,
) {
    let mut dice = Dice(seed.wrapping_mul(1_000_003).wrapping_add(lane as u64));
    let mut deck: Vec<&Fault> = faults.iter().copied().filter(|fault| fault.lane == lane).collect();
    if deck.is_empty() {
        if lane == Lane::Processes {
            while !field.is_over() {
                std::thread::sleep(Duration::from_millis(200));
                field.revive();
            }
        }
        return;
    }
    let mut first = true;
    while first || !field.is_over() {
        for place in (1..deck.len()).rev() {
            deck.swap(place, dice.below(place as u64 + 1) as usize);
        }
        for fault in &deck {
            if !first && field.is_over() {
                break;
            }
            std::thread::sleep(Duration::from_millis(200 + dice.below(1_000)));
            eprintln!("nemesis: {}", fault.name);
            (fault.strike)(field, &mut dice);
            *strikes.lock().unwrap().entry(fault.name).or_insert(0) += 1;
            if lane == Lane::Processes {
                field.revive();
            }
        }
        first = false;
    }
}

fn run_round(cluster: &Cluster, kafka: &str, seed: u64, seconds: u64, faults: &[&'static Fault]) -> Round {
    let began = Instant::now();
    let replay = Replay(seed, seconds);
    eprintln!("nemesis: seed {seed}, {seconds} s, {} faults", faults.len());
    let start = if faults.iter().any(|fault| fault.name == "start-latest") { "latest" } else { "earliest" };
    let (world, lines, receiver) = field::world(cluster, kafka, start);
    let mut dice = Dice(seed);
    world.store();
    for (name, ..) in field::MONITORS {
        build_baseline(&world, name, &traffic::training(&mut dice));
    }
    // In every other round one daemon lives from beginning to end.
    let spared = (seed % 2 == 1).then_some("a");
    let field = Field::new(&world, cluster, &lines, &receiver, spared);
    for name in DAEMONS {
        field.start(name, None);
    }
    world.wait_for("every partition to have a position", 60, async |pool| {
        let begun = number(pool, "select count(*) from source_partition where next_offset is not null").await?;
        if begun == i64::from(crate::support::TOPIC_PARTITIONS) { Ok(()) } else { Err(format!("{begun}")) }
    });

    let (producing, watching) = (AtomicBool::new(false), AtomicBool::new(false));
    let strikes = Mutex::new(BTreeMap::new());
    let (truth, seen) = std::thread::scope(|scope| {
        let _when_this_fails = Raise([&producing, &watching, &field.over]);
        let producer = scope.spawn(|| traffic::produce(&world, seed, &field.partitions, &producing));
        let witness = scope.spawn(|| witness::watch(&field, &watching));
        let lanes: Vec<_> = Lane::ALL
            .into_iter()
            .map(|lane| {
                let (field, strikes) = (&field, &strikes);
                scope.spawn(move || run_lane(field, lane, faults, seed, strikes))
            })
            .collect();
        std::thread::sleep(Duration::from_secs(seconds));
        field.over.store(true, Ordering::SeqCst);
        let broken = lanes.into_iter().filter_map(|lane| lane.join().err()).count();
        recover(&field);
        producing.store(true, Ordering::SeqCst);
        let truth = producer.join().unwrap();
        settle(&field, &truth);
        watching.store(true, Ordering::SeqCst);
        let seen = witness.join().unwrap();
        assert_eq!(broken, 0, "a lane panicked");
        (truth, seen)
    });
    truth.assert_is_the_log(&world);
    check::check_api(&field);
    for name in DAEMONS {
        field.stop(name, true);
    }
    let figures = check::check(&field, &truth);
    let violations = field.take_violations();
    if violations.is_empty() {
        assert_everything_was_told(&world);
        assert_told_under_one_id(&world);
        deceit::assert_the_checker_sees(&field, &truth);
    }
    drop(replay);
    let sum = |which: fn(&proxy::Counters) -> &std::sync::atomic::AtomicU64| {
        lines.values().map(|lines| which(&lines.postgres.counters).load(Ordering::Relaxed)).sum()
    };
    let round = Round {
        seed,
        seconds: began.elapsed().as_secs(),
        strikes: strikes.into_inner().unwrap(),
        tolerated: field.all_tolerated(),
        commits: (sum(|counters| &counters.commits), sum(|counters| &counters.commits_struck)),
        figures,
        seen,
        violations,
    };
    for violation in &round.violations {
        eprintln!("nemesis: broken promise, seed {seed}: {violation}");
    }
    if !round.violations.is_empty() {
        let mut world = world;
        world.folder.disable_cleanup(true);
        eprintln!("nemesis: logs and configuration stay in {}", world.folder.path().display());
    }
    round
}

fn build_baseline(world: &World, monitor: &str, training: &[String]) {
    let file = world.folder.path().join("training.jsonl");
    std::fs::write(&file, training.join("\n")).unwrap();
    world.driftd(&["baseline", "build", "--monitor", monitor, "--from", file.to_str().unwrap()]);
}

/// After the last fault records still come: every partition is counted again soon, by daemons that nobody restarts.
fn recover(field: &Field<'_>) {
    field.revive();
    let standing = "select coalesce(string_agg(partition || ' by ' || coalesce(owner, 'nobody') || ' for ' ||
                                               extract(epoch from now() - progressed_at)::int || ' s', ', '), '')
                    from source_partition where progressed_at < now() - interval '3 seconds' or next_offset is null";
    let state = field.world.runtime.block_on(crate::support::until(RECOVERY, async || {
        let standing: String =
            sqlx::query_scalar(standing).fetch_one(&field.world.pool).await.map_err(|error| error.to_string())?;
        if standing.is_empty() { Ok(()) } else { Err(standing) }
    }));
    if let Err(standing) = state {
        field.violated(format!("{RECOVERY} s after the last fault partitions stand still: {standing}"));
    }
}

/// After the last fault: daemons end when they are told to, start again, and deal with all that is left.
fn settle(field: &Field<'_>, truth: &traffic::Truth) {
    field.revive();
    for name in DAEMONS {
        // A statement on a connection that went silent before may still wait for its deadline.
        field.stop(name, false);
        field.start(name, None);
    }
    // Retries that are due in minutes and hours, and leases of the dead, are not waited for.
    let query = "update notification set next_attempt_at = now(), leased_until = null where status = 'pending'";
    field.world.runtime.block_on(sqlx::query(query).execute(&field.world.pool)).unwrap();
    let messages = truth.messages() * field::MONITORS.len() as u64;
    let state = field.world.runtime.block_on(crate::support::until(120, async || {
        let pool = &field.world.pool;
        let tally = number(pool, "select coalesce(sum(count), 0)::bigint from record_tally").await?;
        let open = number(pool, "select count(*) from model_window where status = 'open'").await?;
        let pending = number(pool, "select count(*) from notification where status = 'pending'").await?;
        let due =
            number(pool, "select count(*) from alert_group where due_at < now() + interval '2 seconds'").await?;
        if tally as u64 >= messages && open == 0 && pending == 0 && due == 0 {
            Ok(())
        } else {
            Err(format!(
                "{tally} of {messages} messages, {open} windows open, {due} groups due, {pending} notifications pending"
            ))
        }
    }));
    if let Err(state) = state {
        field.violated(format!("120 s after the last fault not everything is counted, closed and told: {state}"));
    }
}

fn print_table(rounds: &[Round]) {
    let sum = |which: fn(&Round) -> u64| rounds.iter().map(which).sum::<u64>();
    eprintln!("\n     seed  seconds  messages  windows   late  alerts  webhooks  peak MiB  broken");
    for round in rounds {
        let Figures { messages, windows, late, alerts, webhooks } = round.figures;
        eprintln!(
            "{:>9}  {:>7}  {messages:>8}  {windows:>7}  {late:>5}  {alerts:>6}  {webhooks:>8}  {:>8}  {:>6}",
            round.seed,
            round.seconds,
            round.seen.peak_memory / 1_024,
            round.violations.len()
        );
    }
    let mut strikes: BTreeMap<&str, u64> = BTreeMap::new();
    let mut tolerated: BTreeMap<&str, u64> = BTreeMap::new();
    for round in rounds {
        round.strikes.iter().for_each(|(name, number)| *strikes.entry(name).or_insert(0) += number);
        round.tolerated.iter().for_each(|(name, number)| *tolerated.entry(name).or_insert(0) += number);
    }
    eprintln!("\nfaults: {}", strikes.values().sum::<u64>());
    for (name, number) in &strikes {
        eprintln!("  {number:>6}  {name}");
    }
    for (what, number) in &tolerated {
        eprintln!("  {number:>6}  not promised: {what}");
    }
    let (commits, struck) = (sum(|round| round.commits.0), sum(|round| round.commits.1));
    eprintln!(
        "\n{} rounds, {} messages, {} windows compared bin by bin, {commits} commits of which {struck} were struck, {} broken promises",
        rounds.len(),
        sum(|round| round.figures.messages),
        sum(|round| round.figures.windows),
        sum(|round| round.violations.len() as u64),
    );
    for round in rounds.iter().filter(|round| !round.seen.spared_memory.is_empty()) {
        let of = |part: &[(u64, u64)]| part.iter().map(|(_, memory)| memory).max().copied().unwrap_or(0) / 1_024;
        let memory = &round.seen.spared_memory;
        let third = memory.len() / 3;
        eprintln!(
            "memory of a daemon that lived through seed {}: at most {} MiB in the first third, {} in the second, {} in the last",
            round.seed,
            of(&memory[..third]),
            of(&memory[third..2 * third]),
            of(&memory[2 * third..])
        );
    }
}

fn assert_unbroken(rounds: &[Round]) {
    let broken: Vec<String> = rounds
        .iter()
        .filter(|round| !round.violations.is_empty())
        .map(|round| {
            let first: Vec<&str> = round.violations.iter().take(20).map(String::as_str).collect();
            format!(
                "seed {}: {} broken promises, the first are\n  {}",
                round.seed,
                round.violations.len(),
                first.join("\n  ")
            )
        })
        .collect();
    assert!(broken.is_empty(), "{}\nto repeat: DRIFTD_NEMESIS_SEED=... make nemesis", broken.join("\n"));
}

#[test]
fn every_fault_once_and_every_promise_holds() {
    let Some(Services { kafka, .. }) = services("nemesis") else { return };
    let Some(cluster) = Cluster::start("nemesis") else { return };
    let seed = variable("DRIFTD_NEMESIS_SEED").unwrap_or(1);
    let seconds = variable("DRIFTD_NEMESIS_SECONDS").unwrap_or(SHORT).max(SHORT);
    let rounds = [run_round(&cluster, &kafka, seed, seconds, &chosen())];
    print_table(&rounds);
    assert_unbroken(&rounds);
}

#[test]
#[ignore = "an hour; `make nemesis` runs it"]
fn hours_of_faults_break_no_promise() {
    let Some(Services { kafka, .. }) = services("nemesis") else { return };
    let Some(cluster) = Cluster::start("nemesis") else { return };
    let asked = variable("DRIFTD_NEMESIS_SEED");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let first = asked.unwrap_or(now % 1_000_000);
    let seconds = variable("DRIFTD_NEMESIS_SECONDS").unwrap_or(LONG);
    let began = Instant::now();
    let mut rounds: Vec<Round> = Vec::new();
    while rounds.is_empty() || began.elapsed() < Duration::from_secs(seconds) {
        let seed = first + rounds.len() as u64;
        rounds.push(run_round(&cluster, &kafka, seed, seconds.clamp(SHORT, ROUND), &chosen()));
        print_table(&rounds);
    }
    assert_unbroken(&rounds);
}
