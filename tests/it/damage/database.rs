//! What is stored, damaged in the database: who opens it is told so, and the daemon goes on.

use sqlx::Row as _;
use xxhash_rust::xxh3::xxh3_64;

use crate::support::{TOPIC_PARTITIONS, TRAINING_ROWS, World, bike_records, services};

#[test]
fn a_damaged_window_says_so_and_the_daemon_goes_on() {
    let Some(services) = services("a_damaged_window_says_so_and_the_daemon_goes_on") else { return };
    let world = World::new(&services);
    let records = bike_records();
    world.build_baseline(&records[..TRAINING_ROWS]);
    let production = &records[TRAINING_ROWS..TRAINING_ROWS + 2_000];
    for (index, record) in production.iter().enumerate() {
        world.produce((index % TOPIC_PARTITIONS as usize) as i32, record.as_bytes());
    }
    world.flush();
    let daemon = world.start_daemon("a", None);
    world.wait_until_done(production.len() as u64, 90);
    let windows = world.runtime.block_on(
        sqlx::query(
            "select id, counts from model_window where segment = '*' and counts is not null order by starts_at",
        )
        .fetch_all(&world.pool),
    );
    let windows: Vec<(i64, Vec<u8>)> =
        windows.unwrap().iter().map(|row| (row.get("id"), row.get("counts"))).collect();
    let [(damaged, bytes), .., (whole, _)] = windows.as_slice() else { panic!("two windows") };
    // A buffer that says that it unpacks to a million terabytes, with a checksum that is right.
    let mut stream = bytes[..bytes.len() - 8].to_vec();
    let magic = stream.windows(4).position(|word| word == [0x28, 0xb5, 0x2f, 0xfd]).unwrap();
    stream[magic - 8..magic].copy_from_slice(&(1i64 << 60).to_le_bytes());
    let checksum = xxh3_64(&stream);
    stream.extend_from_slice(&checksum.to_le_bytes());
    world.runtime.block_on(async {
        let update = sqlx::query("update model_window set counts = $2 where id = $1").bind(damaged).bind(stream);
        update.execute(&world.pool).await.unwrap();
    });
    let opened = |window: i64| {
        [
            world.get("a", &format!("/api/v1/monitors/bike-demand/windows/{window}/distributions")),
            world.get("a", &format!("/api/v1/monitors/bike-demand/windows/{window}/columns/temp")),
            world.get("a", &format!("/monitors/bike-demand/columns/temp?window={window}")),
        ]
    };
    for (status, answer) in opened(*damaged) {
        assert_eq!(status, 500, "{answer}");
        assert!(answer.contains("damaged"), "{answer}");
    }
    for (status, answer) in opened(*whole) {
        assert_eq!(status, 200, "{answer}");
    }
    assert_eq!(world.get("a", "/healthz").0, 200, "the daemon goes on");
    let log = std::fs::read_to_string(world.folder.path().join("a.log")).unwrap();
    assert!(log.contains("damaged") && !log.contains("panicked"), "{log}");
    drop(daemon);
}
