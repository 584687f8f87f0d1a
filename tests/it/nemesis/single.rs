//! What the nemesis found, each as a test of its own.

use std::time::Duration;

use super::field;
use super::proxy::Mode;
use crate::support::{Cluster, TOPIC_PARTITIONS, World, services};

fn produce(world: &World, first: i64, number: i64) {
    let begin = 1_700_000_000_000;
    for id in first..first + number {
        let record = format!(
            "{{\"ts\":{},\"model\":{{\"name\":\"nemesis\",\"version\":\"1\"}},\"country\":\"DE\",\"x\":1,\"c\":\"a\",\"y\":2}}",
            begin + id
        );
        world.produce((id % i64::from(TOPIC_PARTITIONS)) as i32, record.as_bytes());
    }
    world.flush();
}

#[test]
fn partitions_that_went_away_while_reading_paused_are_read_when_they_come_back() {
    let Some(services) = services("paused partitions") else { return };
    let Some(cluster) = Cluster::start("paused partitions") else { return };
    let (world, lines, _receiver) = field::world(&cluster, &services.kafka, "earliest");
    let a = world.start_daemon("a", None);
    produce(&world, 0, 600);
    // Both monitors count each.
    world.wait_for_count(1_200..=1_200, 40);
    // Its database goes away, and reading pauses; then half of its partitions go to another daemon.
    lines["a"].postgres.set(Mode::Cut);
    produce(&world, 600, 600);
    a.wait_for_log("the database is unavailable", 20);
    std::thread::sleep(Duration::from_secs(1));
    let b = world.start_daemon("b", None);
    a.wait_for_log("revoked", 60);
    lines["a"].postgres.set(Mode::Pass);
    world.wait_for_count(2_400..=2_400, 40);
    // The other leaves, and they come back.
    assert_eq!(b.stop(), Some(0));
    produce(&world, 1_200, 600);
    world.wait_for_count(3_600..=3_600, 40);
    assert_eq!(a.stop(), Some(0));
}
