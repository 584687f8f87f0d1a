//! The two transactions everything hangs on, called directly on a real PostgreSQL.

mod closing;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use driftd::alert::{ChangeKind, ChangeReason, SeriesAlerts};
use driftd::baseline::{Baseline, build, learn, sum_of};
use driftd::binning::{BinningSet, BuildOptions};
use driftd::record::table::{TableRows, json_batches};
use driftd::record::{
    ColumnType, EventTime, JsonDecoder, ModelSchema, Offset, RawMessage, RecordLayout, TimeFormat, TimeSpan,
    TimeUnit,
};
use driftd::store::{Checkpoint, CheckpointOutcome, LiveBegin, MonitorCounts, NewBaseline, PositionMove, Store};
use driftd::window::{
    BinningPins, CountingMachine, CountingSpec, Lengths, Membership, MonitorDelta, Partition, WindowKey,
    WindowLength,
};

use crate::support::{World, number, services};

const HOUR: i64 = 3_600_000_000;

fn length() -> WindowLength {
    WindowLength::from_micros(HOUR).unwrap()
}

fn schema() -> ModelSchema {
    ModelSchema::of_features(&[("x", ColumnType::Numeric)]).unwrap()
}

fn partition() -> Partition {
    Partition { topic: "t".into(), partition: 0 }
}

fn universal() -> Arc<BinningSet> {
    Arc::new(BinningSet::universal(&schema()))
}

/// What counting these many records of the first hour gives.
fn delta(binnings: Arc<BinningSet>, records: i64) -> MonitorDelta {
    let spec = CountingSpec {
        length: length(),
        segments: vec![],
        sample_size: 100,
        max_open_windows: 10,
        max_series: 10,
        amend: TimeSpan::ZERO,
    };
    let mut machine = CountingMachine::new(
        spec,
        Arc::new(BinningPins {
            active: binnings,
            open: HashMap::new(),
            series: Membership::up_to(100),
            lengths: Lengths::fixed(length()),
        }),
    );
    let mut decoder = JsonDecoder::new(&schema(), RecordLayout::default());
    for offset in 0..records {
        let text = format!("{{\"x\":{offset}}}");
        let message = RawMessage {
            payload: Some(text.as_bytes()),
            offset: Offset::new(offset),
            broker_time: EventTime::from_millis(offset),
            clock: None,
            ..RawMessage::default()
        };
        decoder.decode(message);
    }
    machine.count(&decoder.finish(), &partition());
    machine.take_delta()
}

fn checkpoint(base: i64, next: i64, delta: MonitorDelta) -> Checkpoint {
    Checkpoint {
        positions: vec![PositionMove {
            partition: partition(),
            base: Offset::new(base),
            next: Offset::new(next),
            anchor: None,
            resets: 0,
            caught_up: false,
        }],
        monitors: vec![MonitorCounts {
            amend: TimeSpan::ZERO,
            monitor: "m".to_owned(),
            counted_as: String::new(),
            max_future_skew: TimeSpan::minutes(5),
            delta,
            readings: Vec::new(),
            detection: Arc::default(),
        }],
        reads: vec![("m".to_owned(), partition())],
        owner: "test".to_owned(),
        shard: 0,
        taken_at: Instant::now(),
    }
}

fn store(world: &World) -> Store {
    let store = world.store();
    world.runtime.block_on(async {
        store.register_partitions(&[partition()]).await.unwrap();
        assert_eq!(store.begin_at(&partition(), Offset::new(100)).await.unwrap(), Offset::new(100));
        assert_eq!(
            store.begin_at(&partition(), Offset::new(999)).await.unwrap(),
            Offset::new(100),
            "the first one stays"
        );
        // Makes the universal bins known.
        store.pins("m", &schema(), "", (&length(), TimeSpan::ZERO)).await.unwrap();
    });
    store
}

fn counted(world: &World) -> (i64, i64) {
    world.runtime.block_on(async {
        let rows = number(&world.pool, "select coalesce(sum(rows), 0)::bigint from window_delta").await.unwrap();
        let tally = number(&world.pool, "select coalesce(sum(count), 0)::bigint from record_tally").await.unwrap();
        (rows, tally)
    })
}

#[test]
fn a_checkpoint_from_a_position_that_moved_is_fenced_and_leaves_no_trace() {
    let Some(services) = services("fence") else { return };
    let world = World::new(&services);
    let store = store(&world);
    let run = |mut checkpoint: Checkpoint| world.runtime.block_on(store.checkpoint(&mut checkpoint)).unwrap();
    assert!(matches!(run(checkpoint(100, 150, delta(universal(), 50))), CheckpointOutcome::Stored { .. }));
    assert_eq!(counted(&world), (50, 50));
    // A zombie that began at the same position, an unknown one, and one that is ahead.
    for base in [100, 0, 151] {
        let CheckpointOutcome::Fenced(fence) = run(checkpoint(base, base + 60, delta(universal(), 60))) else {
            panic!("a checkpoint from {base} was not fenced")
        };
        assert_eq!((fence.base, fence.stored, fence.is_reset), (Offset::new(base), Some(Offset::new(150)), false));
        assert_eq!(
            fence.to_string(),
            format!("another daemon moved the position of {} from {base} to 150", fence.partition)
        );
        assert_eq!(counted(&world), (50, 50), "from {base}");
    }
    assert!(matches!(run(checkpoint(150, 160, delta(universal(), 10))), CheckpointOutcome::Stored { .. }));
    assert_eq!(counted(&world), (60, 60));
    let position = world.runtime.block_on(number(&world.pool, "select next_offset from source_partition"));
    assert_eq!(position, Ok(160));
}

#[test]
fn where_a_monitor_begins_is_the_smallest_position_that_it_was_counted_from() {
    let Some(services) = services("begins") else { return };
    let world = World::new(&services);
    let store = store(&world);
    let run = |base, next| {
        let mut checkpoint = checkpoint(base, next, delta(universal(), next - base));
        world.runtime.block_on(store.checkpoint(&mut checkpoint)).unwrap();
        world.runtime.block_on(store.live_begins("m")).unwrap().remove(&partition())
    };
    let change = |statement| {
        world.runtime.block_on(sqlx::query(statement).execute(&world.pool)).unwrap();
    };
    assert_eq!(run(100, 110), Some(LiveBegin::At(Offset::new(100))));
    assert_eq!(run(110, 120), Some(LiveBegin::At(Offset::new(100))), "later checkpoints change nothing");
    // Fenced: nothing is stored.
    assert_eq!(run(50, 60), Some(LiveBegin::At(Offset::new(100))));
    // Somebody has set the position back.
    change("update source_partition set next_offset = 40");
    assert_eq!(run(40, 60), Some(LiveBegin::At(Offset::new(40))));
    // An earlier version counted, and recorded nothing: the offsets of the windows say it, as long as there are any.
    change("delete from monitor_begin");
    assert_eq!(run(60, 70), Some(LiveBegin::At(Offset::new(0))), "the test's records begin at 0");
    change("delete from model_window");
    let unknown = world.runtime.block_on(store.live_begins("m")).unwrap();
    assert_eq!(unknown.get(&partition()), Some(&LiveBegin::Unknown));
}

#[test]
fn a_partition_is_quiet_up_to_when_its_reader_looked_however_late_that_is_stored() {
    let Some(services) = services("late checkpoints") else { return };
    let world = World::new(&services);
    let store = store(&world);
    let at_end = |mut checkpoint: Checkpoint, ago: Duration| {
        checkpoint.positions[0].caught_up = true;
        checkpoint.taken_at = Instant::now().checked_sub(ago).unwrap();
        world.runtime.block_on(store.checkpoint(&mut checkpoint)).unwrap();
    };
    let view = || {
        let topics = ["t".to_owned()];
        let views = world.runtime.block_on(store.partition_views("m", &topics, TimeSpan::minutes(5))).unwrap();
        let view = &views.partitions[0];
        (view.quiet_for.unwrap(), view.inactive_for)
    };
    at_end(checkpoint(100, 150, delta(universal(), 50)), Duration::ZERO);
    // Ten minutes later the database is back after a minute: the positions that are stored now were taken before it went away,
    // when the partition had been quiet for nine of them. Who knows what came since.
    let statements = [
        "update source_partition set quiet_since = now() - interval '10 min', claimed_at = now() - interval '1 day'",
        "update monitor_partition set active_at = now() - interval '10 min'",
    ];
    for statement in statements {
        world.runtime.block_on(sqlx::query(statement).execute(&world.pool)).unwrap();
    }
    at_end(checkpoint(150, 150, MonitorDelta::default()), Duration::from_mins(1));
    let minutes = |span: TimeSpan| (span.as_seconds() / 60.0).round() as i64;
    let (quiet, inactive) = view();
    assert_eq!((minutes(quiet), minutes(inactive)), (9, 9));
    // Messages that were stored as late: nothing was quiet before they were taken.
    at_end(checkpoint(150, 160, delta(universal(), 10)), Duration::from_mins(1));
    assert_eq!(minutes(view().0), 0);
}

#[test]
fn counts_on_other_bins_than_the_window_was_opened_on_are_not_stored() {
    let Some(services) = services("stale bins") else { return };
    let world = World::new(&services);
    let store = store(&world);
    let run = |mut checkpoint: Checkpoint| world.runtime.block_on(store.checkpoint(&mut checkpoint)).unwrap();
    run(checkpoint(100, 150, delta(universal(), 50)));
    let text: String = (0..50).map(|index| format!("{{\"x\":{index}}}\n")).collect();
    let rows = TableRows { schema: schema(), layout: RecordLayout::default(), timed: false };
    let (baseline, _) =
        build(&schema(), &[], BuildOptions::default(), || json_batches(std::io::Cursor::new(text.clone()), &rows))
            .unwrap();
    let summary =
        world.runtime.block_on(store.add_baseline("m", &baseline, "test", true, false, "test")).unwrap().unwrap();
    assert!(summary.active);
    let newer = Arc::clone(&baseline.binnings);
    assert_eq!(run(checkpoint(150, 160, delta(Arc::clone(&newer), 10))), CheckpointOutcome::StaleBinning);
    assert_eq!(counted(&world), (50, 50));
    // The pins say what to count on instead: the open window's bins there, the new ones elsewhere.
    let pins = world.runtime.block_on(store.pins("m", &schema(), "", (&length(), TimeSpan::ZERO))).unwrap();
    assert_eq!(pins.active.id(), newer.id());
    let key = WindowKey { version: String::new(), segment: "*".to_owned(), start: EventTime::default() };
    assert_eq!(pins.open[&key].id(), universal().id());
}

/// The first hour is closed: what it was compared with.
fn compared_with(world: &World, store: &Store) -> Option<String> {
    let compared_with = Mutex::new(None);
    let outcomes = closing::close_what_is_open(world, store, Duration::MAX, |window| {
        *compared_with.lock().unwrap() = window.reference.as_ref().map(|reference| reference.choice.name.clone());
    });
    assert!(outcomes.iter().all(|(.., outcome)| *outcome == "closed"), "{outcomes:?}");
    compared_with.into_inner().unwrap()
}

#[test]
fn a_window_is_compared_with_what_fits_its_bins_when_it_closes() {
    let Some(services) = services("references") else { return };
    let build_of = |values: std::ops::Range<i64>| {
        let text: String = values.map(|value| format!("{{\"x\":{value}}}\n")).collect();
        let rows = TableRows { schema: schema(), layout: RecordLayout::default(), timed: false };
        let open = || json_batches(std::io::Cursor::new(text.clone()), &rows);
        build(&schema(), &[], BuildOptions::default(), open).unwrap().0
    };
    let (first, other) = (build_of(0..300), build_of(1_000..1_300));
    let same_bins = sum_of(&[("*".to_owned(), first.segments["*"].clone())]).unwrap();
    let learned = learn(
        &schema(),
        &[("*".to_owned(), delta(universal(), 300).windows.remove(0).counts)],
        BuildOptions::default(),
    )
    .unwrap();
    for (opened_on, later, expected) in [
        (&first, vec![], Some("version 1 (v1)")),
        // Another one on the same bins, active or not any more.
        (&first, vec![&same_bins], Some("version 2 (v2)")),
        (&first, vec![&same_bins, &other], Some("version 2 (v2)")),
        (&first, vec![&other], Some("version 1 (v1)")),
    ] {
        let world = World::new(&services);
        let store = store(&world);
        let add = |baseline: &Baseline, version: usize| {
            let origin = format!("v{version}");
            let added = store.add_baseline("m", baseline, &origin, true, false, "test");
            world.runtime.block_on(added).unwrap().unwrap();
        };
        add(opened_on, 1);
        let mut counted = checkpoint(100, 150, delta(Arc::clone(&opened_on.binnings), 50));
        world.runtime.block_on(store.checkpoint(&mut counted)).unwrap();
        for (place, baseline) in later.into_iter().enumerate() {
            add(baseline, place + 2);
        }
        assert_eq!(compared_with(&world, &store).as_deref(), expected);
    }
    // Opened before there was one: learned from counts like its own, or not.
    for (baseline, expected) in [(&learned, Some("version 1 (v1)")), (&first, None)] {
        let world = World::new(&services);
        let store = store(&world);
        let mut counted = checkpoint(100, 150, delta(universal(), 50));
        world.runtime.block_on(store.checkpoint(&mut counted)).unwrap();
        let added = store.add_baseline("m", baseline, "v1", true, false, "test");
        world.runtime.block_on(added).unwrap().unwrap();
        assert_eq!(compared_with(&world, &store).as_deref(), expected);
    }
}

#[test]
fn only_one_of_two_daemons_can_store_the_same_records() {
    let Some(services) = services("race") else { return };
    let world = World::new(&services);
    let store = store(&world);
    for round in 0..20 {
        let base = 100 + round * 10;
        let outcomes = world.runtime.block_on(async {
            let contenders: Vec<_> = (0..4)
                .map(|_| {
                    let store = store.clone();
                    let mut checkpoint = checkpoint(base, base + 10, delta(universal(), 10));
                    tokio::spawn(async move { store.checkpoint(&mut checkpoint).await })
                })
                .collect();
            let mut outcomes = Vec::new();
            for contender in contenders {
                outcomes.push(contender.await.unwrap().unwrap());
            }
            outcomes
        });
        let stored = outcomes.iter().filter(|outcome| matches!(outcome, CheckpointOutcome::Stored { .. })).count();
        assert_eq!(stored, 1, "{outcomes:?}");
    }
    assert_eq!(counted(&world), (200, 200));
}

#[test]
fn an_alert_that_fired_before_an_upgrade_goes_on_after_it() {
    let Some(services) = services("upgrade") else { return };
    let world = World::new(&services);
    let run = |text: &'static str| world.runtime.block_on(sqlx::raw_sql(text).execute(&world.pool)).unwrap();
    run(include_str!("../../../migrations/0001_spine.sql"));
    run("insert into series values ('m', '1', '*', '{\"state\": \"firing\", \"id\": \"00000000-0000-0000-0000-000000000007\",
             \"since\": 5, \"windows\": 2, \"quiet\": 0, \"severity\": \"critical\"}'), ('m', '1', 'a=b', default);
         insert into alert (id, monitor, model_version, segment, state, severity, since)
         values ('00000000-0000-0000-0000-000000000007', 'm', '1', '*', 'firing', 'critical', now())");
    run(include_str!("../../../migrations/0002_alerts.sql"));
    let stored: Vec<serde_json::Value> = world
        .runtime
        .block_on(sqlx::query_scalar("select alerts from series order by segment").fetch_all(&world.pool))
        .unwrap();
    let read = |value: &serde_json::Value| serde_json::from_value::<SeriesAlerts>(value.clone()).unwrap();
    assert_eq!(read(&stored[1]), SeriesAlerts::default());
    let mut alerts = read(&stored[0]);
    let change = alerts.end("drift", None, ChangeReason::ByPerson).unwrap();
    assert_eq!((change.id.as_u128(), change.kind), (7, ChangeKind::Resolved));
    let fired =
        world.runtime.block_on(number(&world.pool, "select count(*) from alert where fired_at is not null"));
    assert_eq!(fired, Ok(1));
}

#[test]
fn a_proposed_baseline_is_made_from_the_windows_of_the_new_version_alone() {
    let Some(services) = services("proposals") else { return };
    let world = World::new(&services);
    let store = store(&world);
    let counted = delta(universal(), 300).windows.remove(0).counts;
    let window = |version: &'static str, hour: i64| {
        let query = sqlx::query(
            "with s as (insert into series (monitor, model_version, segment) values ('m', $1, '*') on conflict do nothing)
             insert into model_window (monitor, model_version, segment, starts_at, ends_at, binning_id, status, closed_at,
                                       rows, counts)
             values ('m', $1, '*', timestamptz '2026-11-01 00:00Z' + make_interval(hours => $2::int),
                     timestamptz '2026-11-01 01:00Z' + make_interval(hours => $2::int), $3, 'closed', now(), 300, $4)",
        );
        let query = query.bind(version).bind(hour).bind(counted.binnings().id()).bind(counted.to_ipc().unwrap());
        world.runtime.block_on(query.execute(&world.pool)).unwrap();
    };
    let make = || {
        let schema = schema();
        let made = store.make_proposed_baselines("m", &schema, BuildOptions::default());
        world.runtime.block_on(made).unwrap()
    };
    window("1", 0);
    let since = TimeFormat { unit: TimeUnit::Seconds }.text("2026-11-01T01:00:00Z");
    let wanted = NewBaseline {
        id: uuid::Uuid::from_u128(1),
        monitor: "m",
        version: None,
        since,
        windows: 2,
        activate: true,
        reason: "there is a new model",
    };
    for _ in 0..2 {
        world.runtime.block_on(store.propose_baseline(wanted)).unwrap();
    }
    // The old version goes on, and the new one begins.
    window("1", 1);
    window("1", 2);
    window("2", 2);
    assert_eq!(make(), [], "one window of the new version is not two");
    window("2", 3);
    assert_eq!(make(), [(1, true)]);
    assert_eq!(make(), [], "once");
    let baselines = world.runtime.block_on(store.baselines("m")).unwrap();
    assert_eq!((baselines[0].rows, baselines[0].origin.as_str()), (600, "there is a new model"));
}
