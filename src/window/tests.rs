use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::binning::BinningSet;
use crate::record::{
    ColumnType, Decoded, FieldPath, JsonDecoder, ModelSchema, RawMessage, RecordLayout, TimeFormat, TimeSpan,
    TimeUnit,
};

const SECOND: i64 = 1_000_000;

fn at(seconds: i64) -> EventTime {
    EventTime::from_micros(seconds * SECOND).unwrap()
}

fn part(partition: i32) -> Partition {
    Partition { topic: "t".into(), partition }
}

fn view(partition: i32, newest: Option<i64>) -> PartitionView {
    PartitionView {
        partition: part(partition),
        newest: newest.map(at),
        quiet_for: None,
        stalled_for: TimeSpan::ZERO,
        inactive_for: TimeSpan::ZERO,
        unchanged_for: TimeSpan::ZERO,
    }
}

const TIMING: Timing = Timing {
    amend_every: TimeSpan::ZERO,
    out_of_orderness: TimeSpan::seconds(5),
    idle_after: TimeSpan::seconds(30),
    max_close_delay: TimeSpan::seconds(600),
    max_future_skew: TimeSpan::seconds(300),
};

#[test]
fn the_watermark_is_held_by_the_slowest_partition_even_one_never_read() {
    let progress = EventTimeProgress::new(vec![view(0, Some(100)), view(1, Some(70))], TIMING, at(1_000));
    assert_eq!(progress.watermark(), Some(at(65)));
    assert_eq!(progress.decide(at(65), TimeSpan::ZERO), CloseDecision::Complete);
    assert_eq!(progress.decide(at(66), TimeSpan::ZERO), CloseDecision::Wait { due: true });
    assert_eq!(progress.decide(at(96), TimeSpan::ZERO), CloseDecision::Wait { due: false });
    let unread = EventTimeProgress::new(vec![view(0, Some(100)), view(1, None)], TIMING, at(1_000));
    assert_eq!(unread.watermark(), None);
}

#[test]
fn idle_means_caught_up_and_quiet_and_all_idle_follows_the_wall_clock() {
    let quiet = |partition, newest, seconds: i64| PartitionView {
        quiet_for: Some(TimeSpan::from_micros(seconds * SECOND)),
        ..view(partition, newest)
    };
    let one = EventTimeProgress::new(vec![view(0, Some(100)), quiet(1, Some(10), 30)], TIMING, at(1_000));
    assert_eq!(one.watermark(), Some(at(95)));
    let not_yet = EventTimeProgress::new(vec![view(0, Some(100)), quiet(1, Some(10), 29)], TIMING, at(1_000));
    assert_eq!(not_yet.watermark(), Some(at(5)));
    let all = EventTimeProgress::new(vec![quiet(0, Some(100), 30), quiet(1, None, 30)], TIMING, at(1_000));
    assert_eq!(all.watermark(), Some(at(965)));
    // A lagging partition is not idle however silent it is.
    let lagging = PartitionView { stalled_for: TimeSpan::seconds(9_000), ..view(1, Some(10)) };
    assert_eq!(
        EventTimeProgress::new(vec![quiet(0, Some(100), 30), lagging], TIMING, at(1_000)).watermark(),
        Some(at(5))
    );
    assert_eq!(EventTimeProgress::new(vec![], TIMING, at(1_000)).watermark(), None);
}

#[test]
fn records_of_other_models_do_not_hold_windows_open() {
    // Read to the end a moment ago; what comes is filtered, here since 30 seconds, there always.
    let others = |partition, newest| PartitionView {
        quiet_for: Some(TimeSpan::ZERO),
        inactive_for: TimeSpan::seconds(30),
        unchanged_for: TimeSpan::seconds(30),
        ..view(partition, newest)
    };
    let progress = EventTimeProgress::new(vec![others(0, Some(100)), others(1, None)], TIMING, at(1_000));
    assert_eq!(progress.watermark(), Some(at(965)));
    let own = PartitionView {
        quiet_for: Some(TimeSpan::ZERO),
        inactive_for: TimeSpan::seconds(29),
        ..view(0, Some(100))
    };
    assert_eq!(EventTimeProgress::new(vec![own, others(1, None)], TIMING, at(1_000)).watermark(), Some(at(95)));
    let lagging = PartitionView { quiet_for: None, ..others(1, Some(10)) };
    assert_eq!(
        EventTimeProgress::new(vec![others(0, Some(100)), lagging], TIMING, at(1_000)).watermark(),
        Some(at(5))
    );
}

#[test]
fn a_stuck_partition_is_named_and_no_longer_waited_for() {
    let stuck = PartitionView { stalled_for: TimeSpan::seconds(600), ..view(1, Some(10)) };
    let progress = EventTimeProgress::new(vec![view(0, Some(100)), stuck], TIMING, at(1_000));
    assert_eq!(progress.decide(at(60), TimeSpan::seconds(599)), CloseDecision::Wait { due: true });
    assert_eq!(progress.decide(at(60), TimeSpan::seconds(600)), CloseDecision::Incomplete(vec![part(1)]));
    // One that lags but moves is waited for, however long.
    let moving = EventTimeProgress::new(vec![view(0, Some(100)), view(1, Some(10))], TIMING, at(1_000));
    assert_eq!(moving.decide(at(60), TimeSpan::seconds(6_000)), CloseDecision::Wait { due: true });
    // One with a clock that is hours behind, read to its end, is not.
    let wrong_clock = PartitionView { quiet_for: Some(TimeSpan::ZERO), ..view(1, Some(10)) };
    let progress = EventTimeProgress::new(vec![view(0, Some(100)), wrong_clock], TIMING, at(1_000));
    assert_eq!(progress.decide(at(60), TimeSpan::seconds(600)), CloseDecision::Incomplete(vec![part(1)]));
}

#[test]
fn windows_have_a_deadline_by_the_clock_when_all_partitions_stand_still() {
    let stuck = |partition, newest, seconds: i64| PartitionView {
        stalled_for: TimeSpan::from_micros(seconds * SECOND),
        unchanged_for: TimeSpan::from_micros(seconds * SECOND),
        ..view(partition, newest)
    };
    // Nobody has passed 120, and nothing is read from either: over since 120 + 5 + 30, patience 600.
    let still =
        |wall| EventTimeProgress::new(vec![stuck(0, Some(100), 600), stuck(1, Some(90), 600)], TIMING, at(wall));
    assert_eq!(still(754).decide(at(120), TimeSpan::ZERO), CloseDecision::Wait { due: false });
    assert_eq!(still(755).decide(at(120), TimeSpan::ZERO), CloseDecision::Incomplete(vec![part(0), part(1)]));
    assert_eq!(still(755).horizon(), Some(at(120)));
    // One of them is idle: only the other is missing.
    let idle = PartitionView { quiet_for: Some(TimeSpan::seconds(40)), ..stuck(0, Some(100), 700) };
    let one = EventTimeProgress::new(vec![idle, stuck(1, Some(90), 700)], TIMING, at(800));
    assert_eq!(one.decide(at(120), TimeSpan::ZERO), CloseDecision::Incomplete(vec![part(1)]));
    // One that moves is waited for, whatever the clock says: records of long ago are read.
    let moving = EventTimeProgress::new(vec![stuck(0, Some(100), 700), view(1, Some(90))], TIMING, at(9_000));
    assert_eq!(moving.decide(at(120), TimeSpan::ZERO), CloseDecision::Wait { due: false });
    assert_eq!(moving.horizon(), Some(at(95)));
}

#[test]
fn traffic_that_cannot_be_used_does_not_hold_a_window_open_for_ever() {
    // Read to the end, messages keep coming, but no event time moves: all of them are rejected.
    let rejecting = |seconds: i64| PartitionView {
        quiet_for: Some(TimeSpan::ZERO),
        unchanged_for: TimeSpan::from_micros(seconds * SECOND),
        ..view(0, Some(100))
    };
    let progress = |seconds| EventTimeProgress::new(vec![rejecting(seconds)], TIMING, at(2_000));
    assert_eq!(progress(599).decide(at(120), TimeSpan::ZERO), CloseDecision::Wait { due: false });
    assert_eq!(progress(600).decide(at(120), TimeSpan::ZERO), CloseDecision::Incomplete(vec![part(0)]));
    // It lags: what it has not read yet may be usable.
    let lagging = PartitionView { quiet_for: None, ..rejecting(600) };
    let progress = EventTimeProgress::new(vec![lagging], TIMING, at(2_000));
    assert_eq!(progress.decide(at(120), TimeSpan::ZERO), CloseDecision::Wait { due: false });
}

fn decoder() -> JsonDecoder {
    let path = |text| FieldPath::parse(text).unwrap();
    let layout = RecordLayout {
        time: Some(path("t")),
        time_format: TimeFormat { unit: TimeUnit::Seconds },
        version: Some(path("v")),
        segments: vec![("c".to_owned(), path("c"))],
        ..RecordLayout::default()
    };
    JsonDecoder::new(&schema(), layout)
}

fn schema() -> ModelSchema {
    ModelSchema::of_features(&[("x", ColumnType::Numeric)]).unwrap()
}

fn machine(max_open_windows: u32, max_series: usize) -> CountingMachine {
    let active = Arc::new(BinningSet::universal(&schema()));
    CountingMachine::new(
        CountingSpec {
            amend: TimeSpan::ZERO,
            length: WindowLength::from_micros(60 * SECOND).unwrap(),
            segments: vec!["c".to_owned()],
            sample_size: 10,
            max_open_windows,
            max_series,
        },
        Arc::new(BinningPins {
            active,
            open: HashMap::new(),
            series: Membership::up_to(max_series),
            lengths: Lengths::fixed(WindowLength::from_micros(60 * SECOND).unwrap()),
        }),
    )
}

/// (seconds, country) rows of one partition, split into batches.
fn run(machine: &mut CountingMachine, partition: i32, rows: &[(i64, u8)], batch: usize) {
    let mut decoder = decoder();
    let mut offset = Offset::default();
    for chunk in rows.chunks(batch.max(1)) {
        for (seconds, country) in chunk {
            let text = format!(r#"{{"t":{seconds},"v":"1","c":"c{country}","x":{seconds}}}"#);
            let message = RawMessage {
                payload: Some(text.as_bytes()),
                offset,
                broker_time: None,
                clock: None,
                ..RawMessage::default()
            };
            assert_eq!(decoder.decode(message), Decoded::Row);
            offset = offset.after();
        }
        machine.count(&decoder.finish(), &part(partition));
    }
}

#[test]
fn a_record_is_counted_once_in_the_whole_and_once_in_its_segment() {
    let mut machine = machine(64, 100);
    run(&mut machine, 0, &[(0, 1), (59, 2), (60, 1), (-1, 1)], 2);
    let delta = machine.take_delta();
    let rows: Vec<(String, i64, u64)> = delta
        .windows
        .iter()
        .map(|window| (window.key.segment.clone(), window.key.start.micros() / SECOND, window.counts.rows()))
        .collect();
    let row = |segment: &str, start, rows| (segment.to_owned(), start, rows);
    assert_eq!(
        rows,
        [
            row("*", -60, 1),
            row("*", 0, 2),
            row("*", 60, 1),
            row("c=c1", -60, 1),
            row("c=c1", 0, 1),
            row("c=c1", 60, 1),
            row("c=c2", 0, 1)
        ]
    );
    assert_eq!(delta.tally, Tally { accepted: 4, ..Tally::default() });
    assert_eq!(delta.newest[&part(0)], at(60));
    assert_eq!(delta.windows[1].ranges.as_slice(), [(part(0), Offset::new(0), Offset::new(2))]);
    assert!(machine.take_delta().is_empty());
}

#[test]
fn records_far_behind_their_partition_are_late() {
    let mut machine = machine(2, 100);
    run(&mut machine, 0, &[(600, 1), (480, 1), (479, 1)], 10);
    assert_eq!(machine.take_delta().tally, Tally { accepted: 2, late: 1, ..Tally::default() });
}

#[test]
fn segments_beyond_the_limit_are_counted_together() {
    let mut machine = machine(64, 3);
    let rows: Vec<(i64, u8)> = (0..50).map(|index| (i64::from(index), index as u8)).collect();
    run(&mut machine, 0, &rows, 1);
    let delta = machine.take_delta();
    let other = delta.windows.iter().find(|window| window.key.segment == "c=(other)").unwrap();
    assert_eq!(other.counts.rows(), 48);
    assert_eq!(delta.windows.len(), 4);
}

proptest! {
    #[test]
    fn window_arithmetic_holds_every_time_in_exactly_one_window(micros in -2_000_000_000_000_000i64..4_000_000_000_000_000, length in 1i64..100_000_000_000) {
        let length = WindowLength::from_micros(length).unwrap();
        let time = EventTime::from_micros(micros).unwrap();
        let start = length.start_of(time);
        prop_assert!(start <= time && time < length.end_of(start));
        prop_assert_eq!(length.start_of(length.end_of(start)), length.end_of(start));
    }

    #[test]
    fn deltas_taken_anywhere_and_workers_in_any_number_add_up_to_the_same(
        rows in prop::collection::vec((0i64..600, 0u8..4), 1..80), cut in 0usize..80, batch in 1usize..20,
    ) {
        let mut single = machine(1_000, 100);
        run(&mut single, 0, &rows, batch);
        let whole = single.take_delta();
        let total: u64 = whole.windows.iter().filter(|window| window.key.segment == WHOLE).map(|window| window.counts.rows()).sum();
        prop_assert_eq!(total, rows.len() as u64);

        // The same log cut by a checkpoint, each part on a machine of its own.
        let cut = cut.min(rows.len());
        let mut decoder = decoder();
        let mut merged = MonitorDelta::default();
        for (part_rows, first) in [(&rows[..cut], 0), (&rows[cut..], cut)] {
            let mut machine = machine(1_000, 100);
            for (index, (seconds, country)) in part_rows.iter().enumerate() {
                let text = format!(r#"{{"t":{seconds},"v":"1","c":"c{country}","x":{seconds}}}"#);
                decoder.decode(RawMessage { payload: Some(text.as_bytes()), offset: Offset::new((first + index) as i64), broker_time: None, clock: None, ..RawMessage::default() });
            }
            machine.count(&decoder.finish(), &part(0));
            merged.merge(machine.take_delta());
        }
        merged.windows.sort_by(|left, right| left.key.cmp(&right.key));
        prop_assert_eq!(&whole.tally, &merged.tally);
        prop_assert_eq!(&whole.newest, &merged.newest);
        for (left, right) in whole.windows.iter().zip(&mut merged.windows) {
            prop_assert_eq!(&left.key, &right.key);
            prop_assert_eq!(left.counts.to_ipc().unwrap(), right.counts.to_ipc().unwrap());
            prop_assert_eq!(&left.ranges, &right.ranges);
            prop_assert_eq!(left.sample.clone().to_ipc().unwrap(), right.sample.to_ipc().unwrap());
        }
    }
}

#[test]
fn a_flood_of_versions_makes_a_bounded_number_of_series_whatever_segments_they_have() {
    let mut counted = machine(64, 4);
    let mut decoder = decoder();
    for version in 0..300 {
        let text = format!(r#"{{"t":0,"v":"made-up-{version}","c":"c{}","x":1}}"#, version % 50);
        let message = RawMessage {
            payload: Some(text.as_bytes()),
            offset: Offset::new(version),
            broker_time: None,
            clock: None,
            ..RawMessage::default()
        };
        assert_eq!(decoder.decode(message), Decoded::Row);
    }
    counted.count(&decoder.finish(), &part(0));
    let delta = counted.take_delta();
    let whole: u64 =
        delta.windows.iter().filter(|window| window.key.segment == WHOLE).map(|window| window.counts.rows()).sum();
    assert_eq!(whole, 300, "every record is counted once in a whole");
    // Four that are counted apart, of as many as four versions; for each of these what takes its other segments; and the two
    // that take all other versions.
    assert!(delta.windows.len() <= 10, "{:?}", delta.windows.iter().map(|window| &window.key).collect::<Vec<_>>());
    assert_eq!(delta.candidates.len(), 4);
}

#[test]
fn what_is_known_is_counted_apart_and_what_is_not_together_when_there_is_no_room() {
    let active = Arc::new(BinningSet::universal(&schema()));
    let known = [("1", WHOLE), ("1", "c=c1")].map(|(version, segment)| (version.to_owned(), segment.to_owned()));
    let series = Membership { known: known.into(), room: 0 };
    let lengths = Lengths::fixed(WindowLength::from_micros(60 * SECOND).unwrap());
    let pins = Arc::new(BinningPins { active, open: HashMap::new(), series, lengths });
    let mut machine = machine(64, 100);
    machine.repin(pins);
    run(&mut machine, 0, &[(0, 1), (0, 2), (0, 3)], 10);
    let delta = machine.take_delta();
    let segments: Vec<(&str, u64)> =
        delta.windows.iter().map(|window| (window.key.segment.as_str(), window.counts.rows())).collect();
    assert_eq!(segments, [("*", 3), ("c=(other)", 2), ("c=c1", 1)]);
    assert_eq!(delta.candidates, []);
}
