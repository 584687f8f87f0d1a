//! Logs whose last offsets are handed to no consumer: the end is where the client says it is.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};

use super::{feed, partitions, record, some_minutes_ago, wait_until_at_the_end};
use crate::support::{World, number, services};

const PATIENCE: Duration = Duration::from_secs(20);

struct Transactions<'a> {
    world: &'a World,
    producer: BaseProducer,
}

impl<'a> Transactions<'a> {
    fn new(world: &'a World) -> Self {
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", &world.kafka)
            .set("transactional.id", &world.topic)
            .create()
            .unwrap();
        producer.init_transactions(PATIENCE).unwrap();
        Self { world, producer }
    }

    /// Records `from..to`, alternately into the first two partitions, in a transaction that is left open.
    fn begin(&self, start: i64, records: std::ops::Range<i64>) {
        self.producer.begin_transaction().unwrap();
        for index in records {
            let payload = record(start, index).to_string();
            let to = BaseRecord::<(), str>::to(&self.world.topic).partition((index % 2) as i32).payload(&payload);
            self.producer.send(to).map_err(|(error, _)| error).unwrap();
        }
        self.producer.flush(PATIENCE).unwrap();
    }

    fn commit(&self) {
        self.producer.commit_transaction(PATIENCE).unwrap();
    }

    fn abort(&self) {
        self.producer.abort_transaction(PATIENCE).unwrap();
    }
}

fn incomplete(world: &World) -> i64 {
    world
        .runtime
        .block_on(number(
            &world.pool,
            "select count(*) from model_window where status = 'closed' and not complete",
        ))
        .unwrap()
}

#[test]
fn windows_of_a_transactional_topic_close_complete_and_nothing_lags() {
    let Some(services) = services("transactional topic") else { return };
    let world = feed(&services, |monitor| monitor);
    let daemon = world.start_daemon("a", None);
    let (start, transactions) = (some_minutes_ago(), Transactions::new(&world));
    for batch in 0..12 {
        transactions.begin(start, batch * 50..(batch + 1) * 50);
        // The first, fourth, ... are aborted, so that the last offset is the marker of a commit.
        if batch % 3 == 0 { transactions.abort() } else { transactions.commit() }
    }
    // Eight transactions were committed; aborted records are never counted.
    wait_until_at_the_end(&world, 400, 40);
    assert_eq!(world.tally(), [("accepted".to_owned(), 400)].into());
    assert_eq!(incomplete(&world), 0, "no partition was missing");
    for partition in partitions(&world) {
        assert_eq!((&partition["lag"], &partition["caught_up"]), (&0.into(), &true.into()), "{partition}");
    }
    assert_eq!(daemon.stop(), Some(0));

    // A position that was stored before the last marker, as earlier versions did: nothing is counted twice, nothing lags.
    world
        .runtime
        .block_on(
            sqlx::query("update source_partition set next_offset = next_offset - 1 where partition < 2")
                .execute(&world.pool),
        )
        .unwrap();
    let second = world.start_daemon("b", None);
    wait_until_at_the_end(&world, 400, 40);
    // And more of it is read from there.
    transactions.begin(start, 640..700);
    transactions.commit();
    wait_until_at_the_end(&world, 460, 40);
    assert_eq!(incomplete(&world), 0);
    assert_eq!(second.stop(), Some(0));
}

#[test]
fn an_aborted_tail_is_the_end_too_also_for_a_daemon_that_starts_there() {
    let Some(services) = services("aborted tail") else { return };
    let world = feed(&services, |monitor| monitor);
    let (start, transactions) = (some_minutes_ago(), Transactions::new(&world));
    transactions.begin(start, 0..200);
    transactions.commit();
    for batch in 4..8 {
        transactions.begin(start, batch * 50..(batch + 1) * 50);
        transactions.abort();
    }
    let daemon = world.start_daemon("a", None);
    wait_until_at_the_end(&world, 200, 40);
    assert_eq!(incomplete(&world), 0);
    assert_eq!(daemon.stop(), Some(0));
    // All that comes while nobody reads is aborted.
    let read = "select sum(next_offset)::bigint from source_partition";
    let before = world.runtime.block_on(number(&world.pool, read)).unwrap();
    transactions.begin(start, 400..450);
    transactions.abort();
    let second = world.start_daemon("b", None);
    world.wait_for("the aborted records passed", 40, async |pool| {
        let now = number(pool, read).await?;
        if now == before + 52 { Ok(()) } else { Err(format!("{now} after {before}")) }
    });
    wait_until_at_the_end(&world, 200, 40);
    assert_eq!(second.stop(), Some(0));
}

#[test]
fn what_an_open_transaction_holds_back_is_waited_for_and_shown() {
    let Some(services) = services("open transaction") else { return };
    let world = feed(&services, |monitor| monitor);
    let (start, transactions) = (some_minutes_ago(), Transactions::new(&world));
    transactions.begin(start, 0..90);
    transactions.commit();
    transactions.begin(start, 90..150);
    let daemon = world.start_daemon("a", None);
    world.wait_for("messages held back", 40, async |pool| {
        let held = number(pool, "select coalesce(sum(held_back), 0)::bigint from source_partition").await?;
        if held == 60 { Ok(()) } else { Err(format!("{held} held back")) }
    });
    // Longer than a partition that is at its end would be waited for.
    std::thread::sleep(Duration::from_secs(5));
    assert!(world.driftd(&["status"]).contains("30 messages held back by an open transaction"));
    let open =
        world.runtime.block_on(number(&world.pool, "select count(*) from model_window where status = 'open'"));
    assert_eq!(open, Ok(1), "the second minute has records that are not readable yet");
    transactions.commit();
    wait_until_at_the_end(&world, 150, 40);
    assert_eq!(world.tally(), [("accepted".to_owned(), 150)].into(), "none of them is late");
    assert_eq!(incomplete(&world), 0);
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn a_window_closes_although_nothing_that_comes_can_be_used() {
    let Some(services) = services("all rejected") else { return };
    let world = feed(&services, |monitor| monitor.set("window.max_close_delay", "3s"));
    let daemon = world.start_daemon("a", None);
    let start = some_minutes_ago();
    for index in 0..90 {
        world.produce((index % 6) as i32, record(start, index).to_string().as_bytes());
    }
    world.flush();
    // From now on messages keep coming to every partition, and none of them is a record.
    let mut closed = 0;
    for _ in 0..150 {
        for partition in 0..6 {
            world.produce(partition, b"\0\0\0\0\x07{}");
        }
        world.flush();
        std::thread::sleep(Duration::from_millis(100));
        let count = number(&world.pool, "select count(*) from model_window where status = 'closed'");
        closed = world.runtime.block_on(count).unwrap_or(0);
        if closed == 2 {
            break;
        }
    }
    assert_eq!(closed, 2, "{:?}", world.tally());
    assert_eq!(incomplete(&world), 1, "the second minute was not known to be over");
    assert_eq!(daemon.stop(), Some(0));
}
