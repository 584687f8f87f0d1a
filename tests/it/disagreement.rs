//! What several daemons have to agree on: which series are counted apart, how records are counted, how long windows are.

use std::collections::BTreeMap;

use serde_json::Value;
use sqlx::Row as _;

use crate::support::{TRAINING_ROWS, World, bike_records, number, services};

/// Records of the whole by version, in windows that are open or closed.
fn by_version(world: &World) -> BTreeMap<String, i64> {
    let rows = world.runtime.block_on(
        sqlx::query(
            "select model_version, coalesce(sum(w.rows), 0)::bigint + coalesce(sum(d.rows), 0)::bigint as rows from model_window w
             left join (select window_id, sum(rows)::bigint as rows from window_delta group by 1) d on d.window_id = w.id
             where segment = '*' group by 1",
        )
        .fetch_all(&world.pool),
    );
    rows.unwrap().iter().map(|row| (row.get("model_version"), row.get("rows"))).collect()
}

#[test]
fn which_versions_are_counted_apart_is_decided_once_for_all_daemons_and_idle_ones_give_way() {
    let Some(services) = services("the limit on series") else { return };
    let world = World::new(&services);
    world.configure_monitor(|monitor| {
        monitor
            .set("source.version", "version")
            .set("window.idle_after", "600s")
            .remove("segments.workingday")
            .set("alert.gone_after", "1m")
    });
    for name in ["a", "b"] {
        world.configure(name, |daemon| daemon.set("limits.max_series", 10));
    }
    let live = &bike_records()[TRAINING_ROWS..];
    let versioned = |version: &str, record: &String| {
        let mut record: Value = serde_json::from_str(record).unwrap();
        record["version"] = version.into();
        record.to_string()
    };
    // 60 versions in turns, over all partitions and two daemons.
    let flood: Vec<String> = live[..600]
        .iter()
        .enumerate()
        .map(|(index, record)| versioned(&format!("v{:02}", index / 10), record))
        .collect();
    let (a, b) = (world.start_daemon("a", None), world.start_daemon("b", None));
    world.produce_in_turns(0, &flood);
    world.wait_for_count(600..=600, 90);
    let counted = by_version(&world);
    assert_eq!(counted.values().sum::<i64>(), 600, "{counted:?}");
    assert_eq!(counted.len(), 11, "ten and the others: {counted:?}");
    for (version, rows) in &counted {
        let all = if version == "(other)" { 500 } else { 10 };
        assert_eq!(*rows, all, "{version} is counted as itself everywhere or nowhere: {counted:?}");
    }
    world.wait_for("an alert about it", 60, async |pool| {
        match number(pool, "select count(*) from alert where rule = 'series_limit' and state = 'firing'").await? {
            0 => Err("not yet".to_owned()),
            _ => Ok(()),
        }
    });

    // A year later the made-up ones are idle, and a real one is counted apart, without a restart.
    let later: Vec<String> = live[7_000..7_300].iter().map(|record| versioned("real", record)).collect();
    world.produce_in_turns(0, &later);
    world.wait_for_count(900..=900, 90);
    world.wait_for("room", 90, async |pool| match number(pool, "select count(*) from series_full").await? {
        0 => Ok(()),
        _ => Err("still full".to_owned()),
    });
    let more: Vec<String> = live[7_300..7_600].iter().map(|record| versioned("real", record)).collect();
    world.produce_in_turns(0, &more);
    world.wait_for_count(1_200..=1_200, 90);
    // Of the first of them some may have come after there was room.
    let real = by_version(&world).get("real").copied().unwrap_or(0);
    assert!((300..=600).contains(&real), "{:?}", by_version(&world));
    assert_eq!((a.stop(), b.stop()), (Some(0), Some(0)));
}

#[test]
fn records_counted_in_another_way_go_to_windows_of_their_own_and_lengths_never_overlap() {
    let Some(services) = services("changed columns and lengths") else { return };
    let world = World::new(&services);
    world.configure_monitor(|monitor| monitor.set("window.idle_after", "600s"));
    let live = &bike_records()[TRAINING_ROWS..];
    let daemon = world.start_daemon("a", None);
    world.produce_in_turns(0, &live[..700]);
    world.wait_for_count(700..=700, 60);

    // A column goes away in the middle of a window.
    world.configure_monitor(|monitor| monitor.remove("columns.windspeed"));
    daemon.signal("HUP");
    world.wait_for("the reload", 30, async |pool| {
        let _connected = number(pool, "select 1::bigint").await?;
        let log = std::fs::read_to_string(world.folder.path().join("a.log")).unwrap_or_default();
        if log.contains("reloaded") { Ok(()) } else { Err("not yet".to_owned()) }
    });
    world.produce_in_turns(0, &live[700..1_000]);
    world.wait_for_count(1_000..=1_000, 60);
    let ways = "select count(distinct counted_as) from model_window";
    assert_eq!(world.runtime.block_on(number(&world.pool, ways)), Ok(2));

    // Then windows become shorter.
    world.configure_monitor(|monitor| monitor.set("window.length", "7d"));
    daemon.signal("HUP");
    world.produce_in_turns(0, &live[1_000..4_000]);
    world.wait_for_count(4_000..=4_000, 60);
    assert_eq!(daemon.stop(), Some(0));
    let daemon = world.start_daemon("a", None);
    world.produce_in_turns(0, &live[4_000..]);
    world.wait_for_count((live.len() as i64)..=(live.len() as i64), 60);
    let overlapping = "select count(*) from model_window a join model_window b using (monitor, model_version, segment, counted_as)
                       where a.id < b.id and a.starts_at < b.ends_at and b.starts_at < a.ends_at";
    assert_eq!(world.runtime.block_on(number(&world.pool, overlapping)), Ok(0));
    let short = "select count(*) from model_window where ends_at - starts_at = interval '7 days'";
    assert!(world.runtime.block_on(number(&world.pool, short)).unwrap() > 20);
    // In no window a column is missing that was not configured when it was counted.
    let missing: Vec<String> = world
        .windows()
        .values()
        .flat_map(|(counts, _)| {
            counts.columns().iter().map(|column| (column.name().to_owned(), column.nulls())).collect::<Vec<_>>()
        })
        .filter(|(_, nulls)| *nulls > 0)
        .map(|(name, _)| name)
        .collect();
    assert_eq!(missing, Vec::<String>::new());
    assert_eq!(daemon.stop(), Some(0));
}
