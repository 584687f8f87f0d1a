//! The faults by name. Each strikes, lasts, and heals before it returns; lanes run side by side, so that faults of
//! different lanes come together.

use std::fs;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sqlx::Connection as _;

use super::field::{Field, Lines};
use super::proxy::{AtCommit, Mode, Proxy};
use crate::support::{DAEMONS, Dice, edit, number};

/// What faults of one lane have in common, and why they do not overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    Processes,
    Database,
    Kafka,
    Receivers,
    /// Not a fault that comes and goes, but a setting of the whole round.
    Settings,
}

impl Lane {
    pub const ALL: [Self; 4] = [Self::Processes, Self::Database, Self::Kafka, Self::Receivers];
}

pub struct Fault {
    pub name: &'static str,
    pub lane: Lane,
    pub strike: fn(&Field<'_>, &mut Dice),
}

const fn fault(name: &'static str, lane: Lane, strike: fn(&Field<'_>, &mut Dice)) -> Fault {
    Fault { name, lane, strike }
}

/// All of them; docs/reliability.md says what each does.
pub const FAULTS: [Fault; 33] = [
    fault("kill", Lane::Processes, kill),
    fault("die-at-a-point", Lane::Processes, die_at_a_point),
    fault("pause", Lane::Processes, pause),
    fault("restart", Lane::Processes, restart),
    fault("rebalances", Lane::Processes, rebalances),
    fault("reload", Lane::Processes, reload),
    fault("reload-topics", Lane::Processes, reload_topics),
    fault("reload-broken", Lane::Processes, reload_broken),
    fault("start-without-postgres", Lane::Processes, start_without_postgres),
    fault("stop-while-receiver-hangs", Lane::Processes, stop_while_receiver_hangs),
    fault("postgres-crash", Lane::Database, postgres_crash),
    fault("postgres-failover", Lane::Database, postgres_failover),
    fault("postgres-read-only", Lane::Database, postgres_read_only),
    fault("postgres-terminate", Lane::Database, postgres_terminate),
    fault("postgres-locked", Lane::Database, postgres_locked),
    fault("postgres-cut", Lane::Database, |field, dice| postgres(field, dice, Mode::Cut, 2_000)),
    fault("postgres-slow", Lane::Database, |field, dice| {
        let delay = Duration::from_millis(20 + dice.below(180));
        postgres(field, dice, Mode::Slow(delay), 3_000);
    }),
    fault("postgres-swallow-requests", Lane::Database, |field, dice| {
        postgres(field, dice, Mode::SwallowRequests, 3_000);
    }),
    fault("postgres-swallow-answers", Lane::Database, |field, dice| {
        postgres(field, dice, Mode::SwallowAnswers, 3_000);
    }),
    fault("commit-cut-before", Lane::Database, |field, dice| commit(field, dice, AtCommit::CutBefore)),
    fault("commit-cut-after", Lane::Database, |field, dice| commit(field, dice, AtCommit::CutAfter)),
    fault("commit-silent-before", Lane::Database, |field, dice| commit(field, dice, AtCommit::SilentBefore)),
    fault("commit-silent-after", Lane::Database, |field, dice| commit(field, dice, AtCommit::SilentAfter)),
    fault("kafka-cut", Lane::Kafka, |field, dice| kafka(field, dice, Mode::Cut, 4_000)),
    fault("kafka-slow", Lane::Kafka, |field, dice| {
        let delay = Duration::from_millis(20 + dice.below(280));
        kafka(field, dice, Mode::Slow(delay), 4_000);
    }),
    fault("kafka-swallow-requests", Lane::Kafka, |field, dice| kafka(field, dice, Mode::SwallowRequests, 4_000)),
    fault("kafka-swallow-answers", Lane::Kafka, |field, dice| kafka(field, dice, Mode::SwallowAnswers, 4_000)),
    fault("more-partitions", Lane::Kafka, more_partitions),
    fault("receiver-hangs", Lane::Receivers, |field, _| receiver(field, Mode::SwallowRequests)),
    fault("receiver-resets", Lane::Receivers, |field, _| receiver(field, Mode::Cut)),
    fault("receiver-loses-answers", Lane::Receivers, |field, _| receiver(field, Mode::SwallowAnswers)),
    fault("receiver-fails", Lane::Receivers, receiver_fails),
    fault("start-latest", Lane::Settings, |_, _| {}),
];

/// Where a debug build can be made to die.
const POINTS: [&str; 10] = [
    "checkpoint.before_begin",
    "checkpoint.before_commit",
    "checkpoint.after_commit",
    "close.before_commit",
    "close.after_commit",
    "groups.before_commit",
    "groups.after_commit",
    "dispatch.before_send",
    "dispatch.after_send",
    "dispatch.after_record",
];

fn rest(milliseconds: u64) {
    std::thread::sleep(Duration::from_millis(milliseconds));
}

fn kill(field: &Field<'_>, dice: &mut Dice) {
    let name = field.victim(dice, true);
    if let Some(daemon) = field.take(name) {
        daemon.kill();
    }
    // At once, or after the group has noticed.
    rest([0, 500, 4_000][dice.below(3) as usize]);
    field.start(name, None);
}

fn die_at_a_point(field: &Field<'_>, dice: &mut Dice) {
    let name = field.victim(dice, true);
    let point = POINTS[dice.below(POINTS.len() as u64) as usize];
    let passes = 1 + dice.below(3);
    if let Some(daemon) = field.take(name) {
        daemon.kill();
    }
    field.start(name, Some(&format!("{point}:{passes}")));
    if let Some(mut daemon) = field.take(name) {
        // It may have nothing to do that leads there.
        if daemon.ended_within(Duration::from_secs(6)).is_none() {
            daemon.kill();
        }
    }
    field.start(name, None);
}

/// Longer than the session timeout: its partitions go to others, and it comes back as a zombie.
fn pause(field: &Field<'_>, dice: &mut Dice) {
    let name = field.victim(dice, false);
    field.signal(name, "STOP");
    rest(4_500 + dice.below(1_500));
    field.signal(name, "CONT");
}

fn restart(field: &Field<'_>, dice: &mut Dice) {
    let name = field.victim(dice, true);
    field.stop(name, false);
    field.start(name, None);
}

/// Daemons join and leave faster than the group settles.
fn rebalances(field: &Field<'_>, dice: &mut Dice) {
    for _ in 0..4 {
        let name = field.victim(dice, true);
        if dice.below(2) == 0 {
            field.stop(name, false);
        } else if let Some(daemon) = field.take(name) {
            daemon.kill();
        }
        rest(dice.below(500));
        field.start(name, None);
        rest(500 + dice.below(1_000));
    }
}

/// All daemons take over a changed monitor.
fn reload(field: &Field<'_>, dice: &mut Dice) {
    let file = field.world.folder.path().join("monitors.d/nemesis.toml");
    let text = fs::read_to_string(&file).unwrap();
    let kept = text.split("\n# changed").next().unwrap();
    fs::write(&file, format!("{kept}\n# changed {}\n", dice.below(1_000_000))).unwrap();
    hang_up(field);
}

/// All daemons are to read one more topic, which does not exist, or no longer are; perhaps they change their minds at once.
fn reload_topics(field: &Field<'_>, dice: &mut Dice) {
    let file = field.world.folder.path().join("monitors.d/nemesis.toml");
    let one = [field.world.topic.clone()];
    let two = [field.world.topic.clone(), format!("{}-later", field.world.topic)];
    for _ in 0..=dice.below(2) {
        edit(&file, |monitor| {
            let with_one = monitor.clone().set("source.topics", &one);
            if with_one == monitor { monitor.set("source.topics", &two) } else { with_one }
        });
        hang_up(field);
    }
}

/// All daemons are given a configuration that they must refuse.
fn reload_broken(field: &Field<'_>, dice: &mut Dice) {
    let file = field.world.folder.path().join("monitors.d/nemesis.toml");
    let text = fs::read_to_string(&file).unwrap();
    let broken = ["name = \"nemesis\"\n[source\n", "name = \"other\"\n", "\u{0}"][dice.below(3) as usize];
    fs::write(&file, broken).unwrap();
    hang_up(field);
    rest(700);
    fs::write(&file, text).unwrap();
    hang_up(field);
}

fn hang_up(field: &Field<'_>) {
    for name in DAEMONS {
        // A daemon that is still starting does not listen to signals yet, and would die of them.
        if field.is_up_within(name, Duration::from_secs(3)) {
            field.signal(name, "HUP");
        }
    }
    rest(300);
}

/// PostgreSQL cannot be reached while it starts: that is waited for.
fn start_without_postgres(field: &Field<'_>, dice: &mut Dice) {
    let name = field.victim(dice, true);
    if let Some(daemon) = field.take(name) {
        daemon.kill();
    }
    let line = &field.lines[name].postgres;
    line.set(Mode::Cut);
    field.start(name, None);
    rest(3_000);
    line.set(Mode::Pass);
    if let Some(mut daemon) = field.take(name) {
        if let Some(status) = daemon.ended_within(Duration::ZERO) {
            field.violated(format!("{name} gave up when PostgreSQL could not be reached at its start: {status}"));
            field.start(name, None);
        } else {
            field.put_back(name, daemon);
        }
    }
}

/// A receiver hangs while the daemon is told to stop.
fn stop_while_receiver_hangs(field: &Field<'_>, dice: &mut Dice) {
    let name = field.victim(dice, true);
    field.receiver.set(Mode::SwallowRequests);
    rest(1_500);
    let began = std::time::Instant::now();
    field.stop(name, false);
    let seconds = began.elapsed().as_secs();
    // Faults of other lanes may last meanwhile: a database that is silent is waited for. Alone, `sending` holds it to less.
    if seconds > 40 {
        field.violated(format!("{name} took {seconds} s to stop while a receiver hung"));
    }
    field.receiver.set(Mode::Pass);
    field.start(name, None);
}

fn postgres_crash(field: &Field<'_>, dice: &mut Dice) {
    field.cluster.crash();
    rest(dice.below(2_500));
    field.cluster.up();
}

/// A standby that commits are waited for takes the place of the primary.
fn postgres_failover(field: &Field<'_>, dice: &mut Dice) {
    let (cluster, runtime) = (field.cluster, &field.world.runtime);
    let standby = cluster.standby();
    let set = |statement| {
        let statements = [statement, "select pg_reload_conf()"];
        cluster.run(runtime, &statements).expect("the cluster's own connection works");
    };
    set("alter system set synchronous_standby_names = '*'");
    field.world.wait_for("the standby to be waited for", 20, async |pool| {
        let query = "select count(*) from pg_stat_replication where sync_state = 'sync' and state = 'streaming'";
        if number(pool, query).await? == 1 { Ok(()) } else { Err("not yet".to_owned()) }
    });
    rest(1_000 + dice.below(1_000));
    cluster.fail_over(runtime, standby);
    set("alter system reset synchronous_standby_names");
}

/// As on a replica, or when the disk is full: everything can be read, nothing stored.
fn postgres_read_only(field: &Field<'_>, _dice: &mut Dice) {
    let set = |statement| {
        let outcome = field.cluster.run(
            &field.world.runtime,
            &["set default_transaction_read_only = off", statement, "select pg_reload_conf()"],
        );
        outcome.expect("the cluster's own connection works");
    };
    set("alter system set default_transaction_read_only = on");
    rest(3_000);
    set("alter system reset default_transaction_read_only");
}

/// As after a failover or by an administrator: `57P01`.
fn postgres_terminate(field: &Field<'_>, _dice: &mut Dice) {
    for _ in 0..5 {
        field
            .cluster
            .run(
                &field.world.runtime,
                &["select pg_terminate_backend(pid) from pg_stat_activity where application_name in ('a', 'b', 'c')"],
            )
            .expect("the cluster's own connection works");
        rest(300);
    }
}

/// Somebody holds a lock on what every checkpoint writes.
fn postgres_locked(field: &Field<'_>, _dice: &mut Dice) {
    let url = field.world.database_url.clone();
    field.world.runtime.block_on(async {
        let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
        for statement in ["begin", "lock table source_partition in access exclusive mode"] {
            sqlx::query(statement).execute(&mut connection).await.unwrap();
        }
        tokio::time::sleep(Duration::from_secs(3)).await;
        sqlx::query("rollback").execute(&mut connection).await.unwrap();
    });
}

fn on_lines(lines: &[&Lines], which: fn(&Lines) -> &Proxy, mode: Mode, milliseconds: u64) {
    for line in lines {
        which(line).set(mode);
    }
    rest(milliseconds);
    for line in lines {
        which(line).set(Mode::Pass);
    }
}

fn postgres(field: &Field<'_>, dice: &mut Dice, mode: Mode, milliseconds: u64) {
    on_lines(&field.some_lines(dice), |lines| &lines.postgres, mode, milliseconds);
}

fn commit(field: &Field<'_>, dice: &mut Dice, how: AtCommit) {
    on_lines(&field.some_lines(dice), |lines| &lines.postgres, Mode::Commit(how), 3_000);
}

fn kafka(field: &Field<'_>, dice: &mut Dice, mode: Mode, milliseconds: u64) {
    if field.kafka_is_proxied {
        on_lines(&field.some_lines(dice), |lines| &lines.kafka, mode, milliseconds);
    }
}

/// The topic grows, and the new partitions are written to at once.
fn more_partitions(field: &Field<'_>, dice: &mut Dice) {
    let now = field.partitions.load(Ordering::SeqCst);
    let more = 1 + dice.below(3) as i32;
    // Not without bound in a long run.
    if now + more <= 24 {
        field.world.grow_topic(now + more);
        field.partitions.store(now + more, Ordering::SeqCst);
    }
    rest(1_000);
}

fn receiver(field: &Field<'_>, mode: Mode) {
    field.receiver.set(mode);
    rest(5_000);
    field.receiver.set(Mode::Pass);
}

fn receiver_fails(field: &Field<'_>, _dice: &mut Dice) {
    field.world.webhooks.fail(true);
    rest(5_000);
    field.world.webhooks.fail(false);
}
