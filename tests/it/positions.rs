//! Where reading begins, what a wrong clock may do, and topics that are not what they were.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use serde_json::Value;

use crate::support::{Daemon, TOPIC_PARTITIONS, TRAINING_ROWS, World, bike_records, number, services};

fn admin(world: &World) -> AdminClient<DefaultClientContext> {
    ClientConfig::new().set("bootstrap.servers", &world.kafka).create().unwrap()
}

fn create(world: &World, topic: &str, partitions: i32) {
    let admin = admin(world);
    let new = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
    // A topic that was just deleted may be on its way out.
    for _ in 0..100 {
        let created = world.runtime.block_on(admin.create_topics([&new], &AdminOptions::new())).unwrap();
        if created.iter().all(Result::is_ok) {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("{topic} cannot be created");
}

fn delete(world: &World, topic: &str) {
    let deleted = world.runtime.block_on(admin(world).delete_topics(&[topic], &AdminOptions::new())).unwrap();
    assert!(deleted.iter().all(Result::is_ok), "{deleted:?}");
}

/// Writes records to a topic; each with a timestamp of its own if there is one.
fn write(world: &World, topic: &str, partition: i32, records: &[String], timestamp: Option<i64>) {
    let producer: BaseProducer = ClientConfig::new().set("bootstrap.servers", &world.kafka).create().unwrap();
    for text in records {
        let mut record = BaseRecord::<(), [u8]>::to(topic).partition(partition).payload(text.as_bytes());
        record.timestamp = timestamp;
        while let Err((_, again)) = producer.send(record) {
            producer.poll(Duration::from_millis(20));
            record = again;
        }
    }
    producer.flush(Duration::from_secs(30)).unwrap();
}

fn wait_for(world: &World, what: &str, query: &'static str) {
    world.wait_for(what, 60, async |pool| match number(pool, query).await? {
        0 => Err(format!("not yet: {query}")),
        _ => Ok(()),
    });
}

fn at_the_end(world: &World) {
    world.configure("a", |daemon| daemon.set("kafka.start", "latest"));
}

#[test]
fn the_start_at_the_end_is_for_the_first_start_alone() {
    let Some(services) = services("start = latest") else { return };
    let world = World::new(&services);
    at_the_end(&world);
    let pattern = format!("^{}", world.topic);
    world.configure_monitor(|monitor| monitor.remove("source.topics").set("source.pattern", pattern));
    let live = &bike_records()[TRAINING_ROWS..];

    world.produce_in_turns(0, &live[..300]);
    let daemon = world.start_daemon("a", None);
    wait_for(&world, "the first start", "select count(*) from monitor_start");
    // What was there before the first start is not counted, what comes after it is.
    world.produce_in_turns(0, &live[300..600]);
    world.wait_for_count(300..=300, 60);

    // Partitions and topics that appear later have records before the daemon hears of them.
    let more = NewPartitions::new(&world.topic, TOPIC_PARTITIONS as usize + 2);
    world.runtime.block_on(admin(&world).create_partitions([&more], &AdminOptions::new())).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    write(&world, &world.topic, TOPIC_PARTITIONS, &live[600..700], None);
    write(&world, &world.topic, TOPIC_PARTITIONS + 1, &live[700..800], None);
    let second = format!("{}-second", world.topic);
    create(&world, &second, 2);
    std::thread::sleep(Duration::from_millis(300));
    write(&world, &second, 0, &live[800..900], None);
    write(&world, &second, 1, &live[900..1_000], None);
    world.wait_for_count(700..=700, 90);
    assert_eq!(daemon.stop(), Some(0));

    // Nor do those that appear while no daemon runs begin at their end.
    let third = format!("{}-third", world.topic);
    create(&world, &third, 1);
    write(&world, &third, 0, &live[1_000..1_100], None);
    let daemon = world.start_daemon("a", None);
    world.wait_for_count(800..=800, 90);
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn records_that_come_while_no_monitor_reads_a_topic_are_counted_when_one_does_again() {
    let Some(services) = services("a topic taken away and given back") else { return };
    let world = World::new(&services);
    world.configure_monitor(|monitor| {
        monitor.set("window.out_of_orderness", "30d").set("window.idle_after", "600s")
    });
    let second = format!("{}-second", world.topic);
    create(&world, &second, 2);
    let read = |topics: &[&str]| world.configure_monitor(|monitor| monitor.set("source.topics", topics));
    let reload = |daemon: &Daemon, topics: &[&str]| {
        read(topics);
        daemon.signal("HUP");
    };
    let live = &bike_records()[TRAINING_ROWS..];

    read(&[&world.topic, &second]);
    let daemon = world.start_daemon("a", None);
    world.produce_in_turns(0, &live[..300]);
    write(&world, &second, 0, &live[300..400], None);
    world.wait_for_count(400..=400, 60);

    // What is subscribed to has just changed, so the next change has to wait: the topic is the daemon's for a moment although no
    // monitor reads it.
    reload(&daemon, &[&world.topic, &second, "there-is-none"]);
    daemon.wait_for_log("\"there-is-none\"]", 20);
    reload(&daemon, &[&world.topic]);
    daemon.wait_for_log(&format!("subscribing topics=[\"{}\"]", world.topic), 20);
    write(&world, &second, 0, &live[400..500], None);
    write(&world, &second, 1, &live[500..600], None);
    daemon.wait_for_log("revoked", 20);
    world.produce_in_turns(0, &live[600..700]);
    world.wait_for_count(500..=500, 60);

    reload(&daemon, &[&world.topic, &second]);
    world.wait_for_count(700..=700, 60);
    assert_eq!(world.tally(), BTreeMap::from([("accepted".to_owned(), 700)]));
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn a_wrong_clock_closes_no_window_and_makes_nobody_late() {
    let Some(services) = services("wrong clocks") else { return };
    let world = World::new(&services);
    world.configure_monitor(|monitor| monitor.set("window.idle_after", "600s"));
    let live = &bike_records()[TRAINING_ROWS..];
    // Newer brokers refuse such timestamps by themselves, others take them.
    let any = AlterConfig::new(ResourceSpecifier::Topic(&world.topic))
        .set("message.timestamp.after.max.ms", "9223372036854775807");
    let altered = world.runtime.block_on(admin(&world).alter_configs([&any], &AdminOptions::new())).unwrap();
    assert!(altered.iter().all(Result::is_ok), "{altered:?}");
    let daemon = world.start_daemon("a", None);
    world.produce_in_turns(0, &live[..600]);
    world.wait_for_count(600..=600, 60);

    // The producer's clock sets the timestamp of the message, too: in 2099, and 50 minutes ahead.
    let of = |time: jiff::Timestamp| {
        let mut record: Value = serde_json::from_str(&live[0]).unwrap();
        record["ts"] = time.to_string().into();
        record.to_string()
    };
    let far: jiff::Timestamp = "2099-01-01T00:00:00Z".parse().unwrap();
    let fast = jiff::Timestamp::now() + jiff::SignedDuration::from_mins(50);
    for (partition, time) in [(0, far), (1, fast)] {
        let records = vec![of(time); 120];
        write(&world, &world.topic, partition, &records, Some(time.as_millisecond()));
    }
    world.wait_for_count(840..=840, 60);
    let tally = world.tally();
    assert_eq!(tally.get("rejected future_timestamp"), Some(&240), "{tally:?}");
    assert_eq!(tally.get("accepted"), Some(&600), "{tally:?}");
    wait_for(
        &world,
        "an alert that names the clock",
        "select count(*) from alert where rule = 'clock_skew' and state = 'firing' and evidence::text like '%this daemon''s clock%'",
    );
    world.produce_in_turns(0, &live[600..1_200]);
    world.wait_for_count(1_440..=1_440, 60);
    assert_eq!(world.tally().get("late"), None);
    assert_eq!(daemon.stop(), Some(0));

    // A newest time that was stored before that was checked: neither late records nor windows closed early.
    world
        .runtime
        .block_on(sqlx::query("update monitor_partition set newest = '2099-01-01'").execute(&world.pool))
        .unwrap();
    let plan = world.driftd(&["positions", "reset", &world.topic, "--newest", "now"]);
    assert!(plan.contains("2099-01-01") && plan.contains("--yes"), "{plan}");
    let daemon = world.start_daemon("a", None);
    world.produce_in_turns(0, &live[1_200..1_800]);
    world.wait_for_count(2_040..=2_040, 60);
    let tally = world.tally();
    assert_eq!((tally.get("accepted"), tally.get("late")), (Some(&1_800), None), "{tally:?}");
    let ahead = "select count(*) from monitor_partition where newest > now()";
    assert_eq!(
        world.runtime.block_on(number(&world.pool, ahead)),
        Ok(0),
        "it was set right by what came after it"
    );

    // The command does the same by hand, under a running daemon.
    world
        .runtime
        .block_on(
            sqlx::query("update monitor_partition set newest = '2099-01-01' where partition = 3")
                .execute(&world.pool),
        )
        .unwrap();
    let done = world.driftd(&[
        "positions",
        "reset",
        &format!("{}/3", world.topic),
        "--newest",
        "2011-03-01T00:00:00Z",
        "--yes",
    ]);
    assert!(done.contains("set back from 2099-01-01T00:00:00Z to 2011-03-01T00:00:00Z"), "{done}");
    world.produce_in_turns(0, &live[1_800..2_400]);
    world.wait_for_count(2_640..=2_640, 60);
    assert_eq!(world.tally().get("accepted"), Some(&2_400));
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn a_topic_deleted_and_created_again_is_noticed_and_read_on_when_somebody_says_so() {
    let Some(services) = services("a replaced topic") else { return };
    let world = World::new(&services);
    let live = &bike_records()[TRAINING_ROWS..];
    let daemon = world.start_daemon("a", None);
    world.produce_in_turns(0, &live[..600]);
    world.wait_for_count(600..=600, 60);

    // The new log is longer than the old one was read: an offset alone tells nothing.
    delete(&world, &world.topic);
    create(&world, &world.topic, TOPIC_PARTITIONS);
    world.produce_in_turns(0, &live[600..1_800]);
    wait_for(
        &world,
        "the fault is noted",
        "select count(*) / 6 from source_partition where fault in ('replaced', 'beyond_end')",
    );
    wait_for(&world, "an alert", "select count(*) from alert where rule = 'log_replaced' and state = 'firing'");
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(world.tally().values().sum::<u64>(), 600, "nothing of the other log is counted");
    assert!(world.driftd(&["status"]).contains("NOT READ"));

    let plan = world.driftd(&["positions", "reset", &world.topic, "--to", "earliest"]);
    assert!(plan.contains("from 100 to 0: log was replaced") && plan.contains("no changes made"), "{plan}");
    assert_eq!(world.tally().values().sum::<u64>(), 600);
    world.driftd(&["positions", "reset", &world.topic, "--to", "earliest", "--yes"]);
    world.wait_for_count(1_800..=1_800, 60);
    assert_eq!(daemon.stop(), Some(0));

    // The same while no daemon runs, with a shorter log.
    delete(&world, &world.topic);
    create(&world, &world.topic, TOPIC_PARTITIONS);
    world.produce_in_turns(0, &live[1_800..1_860]);
    let daemon = world.start_daemon("a", None);
    wait_for(&world, "the fault is noted", "select count(*) / 6 from source_partition where fault = 'beyond_end'");
    world.driftd(&["positions", "reset", &world.topic, "--to", "earliest", "--yes"]);
    world.wait_for_count(1_860..=1_860, 60);

    // A topic that is gone for good.
    delete(&world, &world.topic);
    wait_for(&world, "the deletion is noted", "select count(*) / 6 from source_partition where fault = 'deleted'");
    world.driftd(&["positions", "forget", &world.topic, "--yes"]);
    let left = world.runtime.block_on(number(&world.pool, "select count(*) from source_partition"));
    assert_eq!(left, Ok(0));
    assert_eq!(daemon.stop(), Some(0));
}
