//! What happens to the database of running daemons: a standby takes over, a backup is restored, a newer version migrates it.

use sqlx::AssertSqlSafe;

use crate::support::{
    Cluster, Services, TRAINING_ROWS, World, assert_everything_was_told, assert_windows_are_true, bike_records,
    number, services,
};

/// A world whose database is on a cluster of its own, with a baseline, and the records to produce; none (and a word about it)
/// without the services.
fn world(test: &str) -> Option<(Cluster, World, Vec<String>)> {
    let Services { kafka, .. } = services(test)?;
    let cluster = Cluster::start(test)?;
    let world = World::new(&Services { database_url: cluster.url(), kafka });
    let mut records = bike_records();
    let live = records.split_off(TRAINING_ROWS);
    world.build_baseline(&records);
    Some((cluster, world, live))
}

/// Every record is in its window once, and everything that was decided is told.
fn assert_nothing_is_lost(world: &World, records: &[String]) {
    world.wait_until_done(records.len() as u64, 90);
    assert_windows_are_true(world, records);
    assert_everything_was_told(world);
    let gaps = world.runtime.block_on(number(&world.pool, "select count(*) from retention_gap")).unwrap();
    assert_eq!(gaps, 0);
}

#[test]
fn a_lagging_standby_that_is_promoted_takes_counts_and_positions_back_together_and_nothing_is_lost() {
    let Some((cluster, world, live)) = world("a lagging standby") else { return };
    let daemons = [world.start_daemon("a", None), world.start_daemon("b", None)];
    let part = live.len() / 3;
    world.produce_in_turns(0, &live[..part]);
    world.wait_for_count(part as i64.., 60);

    let standby = cluster.standby();
    // It follows no more: what is stored from here on is on the primary alone.
    let stop = ["alter system set primary_conninfo = ''", "select pg_reload_conf()"];
    standby.run(&world.runtime, &stop);
    world.wait_for("nobody to follow", 20, async |pool| {
        let followers = number(pool, "select count(*) from pg_stat_replication").await?;
        if followers == 0 { Ok(()) } else { Err(format!("{followers} follow")) }
    });
    world.produce_in_turns(part, &live[part..2 * part]);
    world.wait_for_count(2 * part as i64.., 60);
    cluster.fail_over(&world.runtime, standby);
    let stored = world.wait_for("the new primary to answer", 20, async |pool| {
        number(pool, "select coalesce(sum(count), 0)::bigint from record_tally").await
    });
    assert!(stored < 2 * part as i64, "{stored} of {} are stored: the standby did not lag", 2 * part);

    // Without new records, too: what was stored on the lost primary is read again.
    world.wait_for_count(2 * part as i64.., 60);
    world.produce_in_turns(2 * part, &live[2 * part..]);
    assert_nothing_is_lost(&world, &live);
    for daemon in daemons {
        assert_eq!(daemon.stop(), Some(0));
    }
}

#[test]
fn a_database_restored_from_a_dump_goes_on_from_its_positions() {
    let Some((cluster, world, live)) = world("backup and restore") else { return };
    let database = world.database_url.rsplit_once('/').unwrap().1;
    let (third, half) = (live.len() / 3, live.len() / 2);
    let daemon = world.start_daemon("a", None);
    world.produce_in_turns(0, &live[..third]);
    // The backup is made while records are counted: windows and positions in it are of one moment.
    world.wait_for_count(1_000.., 60);
    let dump = cluster.dump(database);
    world.produce_in_turns(third, &live[third..half]);
    world.wait_for_count(half as i64.., 60);
    assert_eq!(daemon.stop(), Some(0));

    world.runtime.block_on(world.pool.close());
    cluster.restore(database, &dump);
    let world = world.reconnected();
    let stored = "select coalesce(sum(count), 0)::bigint from record_tally";
    let stored = world.runtime.block_on(number(&world.pool, stored)).unwrap();
    assert!((1_000..=third as i64).contains(&stored), "{stored} of {half} are in the backup");

    let daemon = world.start_daemon("a", None);
    world.produce_in_turns(half, &live[half..]);
    assert_nothing_is_lost(&world, &live);
    assert_eq!(daemon.stop(), Some(0));
}

/// What a later version may do to the schema while this one runs: add.
#[test]
fn a_daemon_goes_on_while_a_newer_one_migrates_its_database() {
    let Some((_cluster, world, live)) = world("a newer version's migration") else { return };
    let half = live.len() / 2;
    let daemon = world.start_daemon("a", None);
    world.produce_in_turns(0, &live[..half]);
    world.wait_for_count(half as i64 / 2.., 60);
    world.runtime.block_on(async {
        let tables = "select format('%I', table_name) from information_schema.tables
                      where table_schema = 'public' and table_name <> '_sqlx_migrations'";
        let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(&world.pool).await.unwrap();
        assert!(tables.len() > 20, "{tables:?}");
        for table in tables {
            let add = format!("alter table {table} add column later text not null default 'later'");
            // Each by itself: no migration locks all tables, and two that lock some can wait for one another.
            sqlx::query(AssertSqlSafe(add)).execute(&world.pool).await.unwrap();
        }
        sqlx::query("create table later (id bigint primary key)").execute(&world.pool).await.unwrap();
        let applied = "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
                       values (9999, 'later', true, '', 0)";
        sqlx::query(applied).execute(&world.pool).await.unwrap();
    });
    world.produce_in_turns(half, &live[half..]);
    assert_nothing_is_lost(&world, &live);
    for path in ["/readyz", "/api/v1/monitors/bike-demand/windows", "/api/v1/alerts", "/monitors/bike-demand"] {
        assert_eq!(world.get("a", path).0, 200, "{path}");
    }
    assert!(!daemon.log().contains("ERROR"), "{}", daemon.log());
    assert_eq!(daemon.stop(), Some(0));
}

/// A real upgrade: two daemons of an earlier version are replaced by this one, one by one, while records come.
#[test]
#[ignore = "needs the program of an earlier version: DRIFTD_TEST_EARLIER"]
fn daemons_of_an_earlier_version_are_replaced_one_by_one_over_a_migration() {
    let Some(services) = services("an upgrade") else { return };
    let earlier = std::env::var_os("DRIFTD_TEST_EARLIER").expect("DRIFTD_TEST_EARLIER names a program");
    let earlier = std::path::PathBuf::from(earlier);
    let world = World::new(&services);
    let live = &bike_records()[TRAINING_ROWS..];
    let part = live.len() / 4;
    let version = |world: &World| {
        world.runtime.block_on(number(&world.pool, "select max(version) from _sqlx_migrations")).unwrap()
    };

    let training = world.folder.path().join("training.jsonl");
    std::fs::write(&training, bike_records()[..TRAINING_ROWS].join("\n")).unwrap();
    let built = std::process::Command::new(&earlier)
        .arg("--config")
        .arg(world.daemon_file("a"))
        .args(["baseline", "build", "--monitor"])
        .arg(world.monitor_file())
        .arg("--from")
        .arg(&training)
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let old = [world.start_program(&earlier, "a", None), world.start_program(&earlier, "b", None)];
    world.produce_in_turns(0, &live[..part]);
    world.wait_for_count(part as i64.., 60);
    let before = version(&world);
    let [first, second] = old;
    assert_eq!(first.stop(), Some(0));
    let first = world.start_daemon("a", None);
    world.wait_for("the schema to be brought up", 30, async |pool| {
        let now = number(pool, "select max(version) from _sqlx_migrations").await?;
        if now > before { Ok(()) } else { Err(format!("it is still {now}")) }
    });
    println!("from schema {before} to {}", version(&world));
    world.wait_for("both versions to share the partitions", 30, async |pool| {
        let readers = number(pool, "select count(distinct owner) from source_partition").await?;
        if readers == 2 { Ok(()) } else { Err(format!("{readers} read")) }
    });
    world.produce_in_turns(part, &live[part..2 * part]);
    world.wait_for_count(2 * part as i64.., 60);
    assert!(!second.log().contains("ERROR"), "{}", second.log());
    // The earlier one is killed with counts in memory, and is not let in again.
    world.produce_in_turns(2 * part, &live[2 * part..3 * part]);
    drop(second);
    let refused = world.start_program(&earlier, "b", None);
    refused.wait_for_log("hint", 30);
    drop(refused);
    let second = world.start_daemon("b", None);
    world.produce_in_turns(3 * part, &live[3 * part..]);
    assert_nothing_is_lost(&world, live);
    assert_eq!(first.stop(), Some(0));
    assert_eq!(second.stop(), Some(0));
}
