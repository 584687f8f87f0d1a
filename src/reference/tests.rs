use std::sync::Arc;

use jiff::tz::TimeZone;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::binning::{Binning, CategoricalBinning};
use crate::record::{ColumnType, ModelSchema, TimeSpan, batch_of};
use crate::window::{Calendar, Once, WindowKey, WindowReach, WindowSpan};

fn at(hour: i64) -> EventTime {
    "2026-11-02T00:00:00Z".parse::<EventTime>().unwrap().shifted(TimeSpan::hours(hour))
}

fn bins() -> Arc<BinningSet> {
    Arc::new(BinningSet::new(vec![("flag".to_owned(), Binning::Categorical(CategoricalBinning::boolean()))]))
}

fn other_bins() -> Arc<BinningSet> {
    Arc::new(BinningSet::new(vec![("sign".to_owned(), Binning::Categorical(CategoricalBinning::boolean()))]))
}

fn counts(bins: &Arc<BinningSet>, rows: usize) -> Arc<WindowCounts> {
    let schema = ModelSchema::of_features(&[("flag", ColumnType::Boolean)]).unwrap();
    let batch = batch_of(&schema, (0..rows).map(|row| format!(r#"{{"flag":{}}}"#, row % 3 == 0)));
    let mut counts = WindowCounts::empty(Arc::clone(bins));
    let all: Vec<u32> = (0..u32::try_from(rows).unwrap()).collect();
    counts.count(&batch, &all);
    Arc::new(counts)
}

fn part(hour: i64, rows: usize) -> Part {
    Part { id: Some(hour), start: at(hour), end: at(hour + 1), counts: counts(&bins(), rows) }
}

fn key(hour: i64, segment: &str) -> WindowKey {
    WindowKey { version: "2".to_owned(), segment: segment.to_owned(), start: at(hour) }
}

fn history_of(rules: Vec<ReferenceRule>, excluded: Vec<Calendar>) -> History {
    let plan = ReferencePlan { rules, excluded, ..ReferencePlan::default() };
    History::new(plan, WindowReach::Pane)
}

fn span(key: &WindowKey) -> WindowSpan {
    WindowSpan::of_pane(key.clone(), key.start.shifted(TimeSpan::hours(1)))
}

fn rolling(windows: u32, at_least: u32) -> ReferenceRule {
    ReferenceRule::Rolling { windows, at_least }
}

#[test]
fn a_rolling_reference_is_the_sum_of_the_latest_windows_and_keeps_them() {
    let mut history = history_of(vec![rolling(3, 2)], Vec::new());
    for hour in 0..6 {
        history.add(&key(hour, "*"), part(hour, 10 + usize::try_from(hour).unwrap()));
    }
    let rule = rolling(3, 2);
    let selection = rule.selection(&span(&key(5, "*"))).unwrap().unwrap();
    let reference =
        rule.reference(&key(5, "*"), &bins(), history.select(&span(&key(5, "*")), &selection), 0).unwrap();
    assert_eq!(reference.choice.ids, [2, 3, 4]);
    assert_eq!((reference.choice.windows, reference.choice.records), (3, 12 + 13 + 14));
    assert_eq!(reference.counts.as_ref().map(WindowCounts::rows), Some(39));
    assert_eq!(reference.choice.name, "the last 3 windows, 2026-11-02T02:00:00Z to 2026-11-02T05:00:00Z");
    let early = history.select(&span(&key(1, "*")), &selection);
    let refused = rule.reference(&key(1, "*"), &bins(), early, 0).unwrap_err();
    assert_eq!(refused.to_string(), "1 earlier window is usable, 2 are needed");
}

#[test]
fn windows_on_other_bins_are_left_out_and_counted() {
    let mut parts = vec![part(0, 10), part(1, 10)];
    parts.push(Part { counts: counts(&other_bins(), 10), ..part(2, 10) });
    let reference = rolling(3, 1).reference(&key(3, "*"), &bins(), parts.clone(), 0).unwrap();
    assert_eq!(reference.choice.ids, [0, 1]);
    let refused = rolling(3, 3).reference(&key(3, "*"), &bins(), parts, 0).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "2 earlier windows are usable, 3 are needed; 1 window was counted on other bins"
    );
}

#[test]
fn a_reference_with_too_few_records_is_none_and_one_that_left_windows_out_says_so() {
    let parts = vec![part(0, 10), part(1, 10)];
    let refused = rolling(3, 1).reference(&key(3, "*"), &bins(), parts.clone(), 50).unwrap_err();
    assert_eq!(refused.to_string(), "its 2 windows have 20 records, 50 are needed");
    let elsewhere = Part { counts: counts(&other_bins(), 10), ..part(2, 10) };
    let parts = [parts, vec![elsewhere]].concat();
    let reference = rolling(3, 1).reference(&key(3, "*"), &bins(), parts, 20).unwrap();
    assert_eq!(
        reference.choice.name,
        "the last 2 windows, 2026-11-02T00:00:00Z to 2026-11-02T02:00:00Z; 1 window was counted on other bins"
    );
}

#[test]
fn a_column_whose_reference_lies_beyond_its_bins_is_not_compared_and_says_why() {
    let binning = crate::binning::NumericBinning::new(vec![0.0, 1.0, 2.0], 0.5).unwrap();
    let numeric = Arc::new(BinningSet::new(vec![("x".to_owned(), Binning::Numeric(binning))]));
    let schema = ModelSchema::of_features(&[("x", ColumnType::Numeric)]).unwrap();
    let counted = |far: usize| {
        let rows = (0..100).map(|row| format!(r#"{{"x":{}}}"#, if row < far { 50.0 } else { 0.5 }));
        let batch = batch_of(&schema, rows);
        let mut counts = WindowCounts::empty(Arc::clone(&numeric));
        counts.count(&batch, &(0..100).collect::<Vec<u32>>());
        Part { counts: Arc::new(counts), ..part(0, 1) }
    };
    let beyond = |far: usize| {
        let reference = rolling(1, 1).reference(&key(3, "*"), &numeric, vec![counted(far)], 0).unwrap();
        reference.choice.beyond_bins
    };
    assert_eq!((beyond(10), beyond(11)), (vec![], vec!["x".to_owned()]));
    let reference = rolling(1, 1).reference(&key(3, "*"), &numeric, vec![counted(50)], 0).unwrap();
    assert!(reference.choice.why_not_compared("x").is_some() && reference.choice.why_not_compared("y").is_none());
}

#[test]
fn a_seasonal_reference_needs_cycles_not_windows() {
    let season =
        Season { same: Same::HourOfDay, zone: TimeZone::get("Europe/Berlin").unwrap(), cycles: 3, at_least: 2 };
    let rule = ReferenceRule::Seasonal(season);
    let mut history = history_of(vec![rule.clone()], Vec::new());
    for hour in 0..72 {
        history.add(&key(hour, "*"), part(hour, 10));
    }
    let selection = rule.selection(&span(&key(72, "*"))).unwrap().unwrap();
    let reference =
        rule.reference(&key(72, "*"), &bins(), history.select(&span(&key(72, "*")), &selection), 0).unwrap();
    assert_eq!(reference.choice.ids, [0, 24, 48]);
    assert!(reference.choice.name.starts_with("3 windows of the same hour of the day in Europe/Berlin, 2026"));
    // Two windows of one cycle are one cycle.
    let refused = rule.reference(&key(72, "*"), &bins(), vec![part(48, 10), part(48, 10)], 0).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "1 of the last 3 cycles with a usable window of the same hour of the day, 2 are needed"
    );
}

#[test]
fn the_champion_is_compared_in_the_same_window_and_not_with_itself() {
    let rule = ReferenceRule::Version("1".to_owned());
    let mut history = history_of(vec![rule.clone()], Vec::new());
    for (version, rows) in [("1", 30), ("2", 20)] {
        let key = WindowKey { version: version.to_owned(), ..key(4, "*") };
        history.add(&key, part(4, rows));
    }
    let selection = rule.selection(&span(&key(4, "*"))).unwrap().unwrap();
    let reference =
        rule.reference(&key(4, "*"), &bins(), history.select(&span(&key(4, "*")), &selection), 0).unwrap();
    assert_eq!((reference.choice.records, reference.choice.name.as_str()), (30, "version 1 in the same window"));
    let own = WindowKey { version: "1".to_owned(), ..key(4, "*") };
    assert_eq!(rule.selection(&span(&own)).unwrap_err().to_string(), "the window is of version 1 itself");
    let nothing = rule.reference(&key(5, "*"), &bins(), Vec::new(), 0).unwrap_err();
    assert_eq!(nothing.to_string(), "version 1 has no records in this window");
}

#[test]
fn the_rest_is_all_other_segments_of_the_same_column() {
    let mut history = history_of(vec![ReferenceRule::Rest], Vec::new());
    for (segment, rows) in
        [("*", 99), ("country=DE", 10), ("country=FR", 20), ("country=(other)", 5), ("age=1", 7)]
    {
        history.add(&key(4, segment), part(4, rows));
    }
    let rule = ReferenceRule::Rest;
    let key = key(4, "country=DE");
    let selection = rule.selection(&span(&key)).unwrap().unwrap();
    let reference = rule.reference(&key, &bins(), history.select(&span(&key), &selection), 0).unwrap();
    assert_eq!(reference.choice.records, 25);
    assert_eq!(reference.choice.name, "the other segments of country in the same window");
    assert!(rule.selection(&span(&WindowKey { segment: "*".to_owned(), ..key })).is_err());
}

#[test]
fn incidents_and_windows_with_broken_data_are_in_no_reference() {
    let incident = Calendar {
        zone: TimeZone::UTC,
        weekly: Vec::new(),
        days: Vec::new(),
        once: vec![Once { from: at(2), to: at(3) }],
    };
    let mut history = history_of(vec![rolling(9, 1)], vec![incident]);
    for hour in 0..8 {
        for segment in ["*", "country=DE"] {
            history.add(&key(hour, segment), part(hour, 10));
        }
    }
    let ids = |history: &History, segment| -> Vec<i64> {
        let parts = history.select(&span(&key(8, segment)), &Selection::Latest(9));
        parts.iter().filter_map(|part| part.id).collect()
    };
    assert_eq!(ids(&history, "*"), [0, 1, 3, 4, 5, 6, 7]);
    let alert = Uuid::from_u128(7);
    let series = ("2".to_owned(), "country=DE".to_owned());
    history.broken_since(&series, alert, at(4));
    assert_eq!(ids(&history, "country=DE"), [0, 1, 3]);
    history.mended_at(&series, alert, at(6));
    assert_eq!(ids(&history, "country=DE"), [0, 1, 3, 6, 7]);
    assert_eq!(ids(&history, "*"), [0, 1, 3, 4, 5, 6, 7], "only the segment's data is broken");
    // What is broken in all records is broken in each segment.
    history.broken_since(&("2".to_owned(), "*".to_owned()), Uuid::from_u128(8), at(7));
    assert_eq!(ids(&history, "country=DE"), [0, 1, 3, 6]);
}

#[test]
fn a_long_data_quality_alert_takes_no_place_of_the_windows_before_it() {
    let mut history = history_of(vec![rolling(3, 1)], Vec::new());
    for hour in 0..6 {
        history.add(&key(hour, "*"), part(hour, 10));
    }
    let series = ("2".to_owned(), "*".to_owned());
    history.broken_since(&series, Uuid::from_u128(1), at(6));
    for hour in 6..400 {
        history.add(&key(hour, "*"), part(hour, 10));
    }
    let ids = |history: &History| -> Vec<i64> {
        history.select(&span(&key(400, "*")), &Selection::Latest(3)).iter().filter_map(|part| part.id).collect()
    };
    assert!(history.is_broken(&series));
    assert_eq!(ids(&history), [3, 4, 5]);
    history.mended_at(&series, Uuid::from_u128(1), at(399));
    assert!(!history.is_broken(&series));
    assert_eq!(ids(&history), [4, 5, 399]);
}

proptest! {
    /// The counts of a reference are those of its windows, whatever the order in which they were closed.
    #[test]
    fn a_reference_is_the_sum_of_its_windows_in_any_order(
        mut rows in prop::collection::vec(1usize..40, 1..12), windows in 1u32..14, seed in 0usize..1_000,
    ) {
        let length = rows.len();
        let mut order: Vec<usize> = (0..length).collect();
        order.sort_by_key(|hour| (hour * 7_919 + seed) % 101);
        let mut history = History::new(ReferencePlan { rules: vec![rolling(windows, 1)], excluded: Vec::new(), min_records: 0, volume: Vec::new() }, WindowReach::Pane);
        for hour in order {
            let hours = i64::try_from(hour).unwrap();
            history.add(&key(hours, "*"), part(hours, rows[hour]));
        }
        let now = key(i64::try_from(length).unwrap(), "*");
        let rule = rolling(windows, 1);
        let selection = rule.selection(&span(&now)).unwrap().unwrap();
        let reference = rule.reference(&now, &bins(), history.select(&span(&now), &selection), 0).unwrap();
        let expected = rows.split_off(length.saturating_sub(windows as usize));
        prop_assert_eq!(reference.counts.as_ref(), Some(&*counts_of(&expected)));
        prop_assert_eq!(reference.parts.len(), expected.len());
        prop_assert_eq!(reference.parts.iter().map(|part| part.counts.rows()).sum::<u64>(), reference.choice.records);
    }
}

fn counts_of(windows: &[usize]) -> Arc<WindowCounts> {
    let mut sum = WindowCounts::empty(bins());
    for rows in windows {
        sum.merge(&counts(&bins(), *rows)).unwrap();
    }
    Arc::new(sum)
}
