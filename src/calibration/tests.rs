use std::fmt::Write as _;
use std::io::Cursor;
use std::sync::Arc;

use super::*;
use crate::alert::{AlertPolicy, AlertRule, Severity};
use crate::baseline::place_bins;
use crate::binning::BuildOptions;
use crate::judge::{Bound, ColumnRules, FalseAlarms, JudgeSpec, WindowRule};
use crate::measure::Measure;
use crate::record::table::{TableRows, json_batches};
use crate::record::{ColumnType, EventTime, FieldPath, ModelSchema, RecordLayout, TimeFormat, TimeUnit};
use crate::reference::{ReferenceRule, RuleName};
use crate::variation::{Bins, ChangeTest};
use crate::window::{Calendar, CountingSpec, Once, Partition, WindowReach};

const HOUR: i64 = 3_600;
const EACH: i64 = 300;

/// A linear congruential generator: the same numbers on every machine.
struct Dice(u64);

impl Dice {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }
}

const COLUMNS: [(&str, ColumnType); 2] = [("x", ColumnType::Numeric), ("k", ColumnType::Categorical)];

fn spec(columns: &[(&str, ColumnType)], false_alarms: FalseAlarms) -> RehearsalSpec {
    let judge = JudgeSpec::new(
        columns.iter().map(|(name, column_type)| ColumnRules::of_type(name, *column_type)).collect(),
        100,
        false_alarms,
    );
    RehearsalSpec {
        rules: DecisionRules {
            monitor: "m".into(),
            judge,
            alerts: AlertRule::defaults(Severity::Critical, AlertPolicy::default(), 0.8, WindowRule::Columns(1)),
            labels: std::collections::BTreeMap::new(),
            receivers: vec![],
            reach: WindowReach::Pane,
            retrain: None,
            retrain_receivers: vec![],
            callback_url: None,
            shadow: None,
        },
        references: ReferencePlan::default(),
        silence: TimeSpan::hours(6),
        length: WindowLength::from_micros(HOUR * 1_000_000).unwrap(),
    }
}

/// A log of windows of an hour; `value` gives the fields of a record of an hour.
fn log(hours: i64, mut fields: impl FnMut(&mut Dice, i64) -> String) -> String {
    let mut dice = Dice(7);
    let mut text = String::new();
    for hour in 0..hours {
        for index in 0..EACH {
            let fields = fields(&mut dice, hour);
            writeln!(text, "{{\"at\":{},{fields}}}", hour * HOUR + index * HOUR / EACH).unwrap();
        }
    }
    text
}

/// Independent records of a normal `x`, moved by so much, and a `k` of three values.
fn usual(dice: &mut Dice, shift: f64) -> String {
    let x = dice.normal() + shift;
    let k = ["a", "b", "c"][(dice.uniform() * 2.99) as usize];
    format!("\"x\":{x},\"k\":\"{k}\"")
}

fn windows(text: &str, columns: &[(&str, ColumnType)], plan: &ReferencePlan) -> ReferenceWindows {
    let schema = ModelSchema::of_features(columns).unwrap();
    let layout = RecordLayout {
        time: Some(FieldPath::parse("at").unwrap()),
        time_format: TimeFormat { unit: TimeUnit::Seconds },
        ..RecordLayout::default()
    };
    let rows = TableRows { schema: schema.clone(), layout, timed: true };
    let read = || json_batches(Cursor::new(text.to_owned()), &rows).unwrap();
    let binnings = place_bins(&schema, BuildOptions::default(), read()).unwrap();
    let counting = CountingSpec {
        length: WindowLength::from_micros(HOUR * 1_000_000).unwrap(),
        segments: vec![],
        sample_size: 0,
        max_open_windows: 4,
        max_series: 100,
        amend: TimeSpan::ZERO,
    };
    let mut collecting = Collecting::new(&counting, binnings);
    let partition = Partition { topic: Arc::from("files"), partition: 0 };
    for batch in read() {
        collecting.count(&partition, &batch.unwrap().batch);
    }
    let (windows, left_out) = collecting.finish();
    ReferenceWindows::new(windows, Bins::Own, plan).without_earlier(left_out)
}

fn rehearsal(spec: &RehearsalSpec, text: &str, columns: &[(&str, ColumnType)]) -> Rehearsal {
    rehearse(spec, &windows(text, columns, &spec.references))
}

#[test]
fn windows_that_do_not_change_keep_the_chance_that_is_accepted() {
    let spec = spec(&COLUMNS, FalseAlarms::PerWindow(0.05));
    let found = rehearsal(&spec, &log(60, |dice, _| usual(dice, 0.0)), &COLUMNS);
    let series = &found.series[0];
    assert_eq!((series.windows, series.judged, series.folds), (60, 60, 10));
    assert_eq!(series.records, Sizes { least: 300, median: 300, most: 300 });
    assert!(series.level == 0.05 && series.significant.low <= 0.05, "{series:?}");
    assert_ne!(found.budget.standing, Standing::Broken);
    assert!(found.alternatives.is_empty(), "nothing is tried where nothing is wrong");
    // A shift that is found: more records find a smaller one.
    let x = &series.columns[0];
    let location = x.power.iter().find(|power| power.measure == Measure::LocationChange).unwrap();
    assert!((0.2..0.5).contains(&location.after.unwrap()), "{location:?}");
    let longer: Vec<f64> = series.longer.iter().map(|longer| longer.columns[0][0].size.unwrap()).collect();
    assert!(longer.len() == 2 && longer[0] < location.size.unwrap() && longer[1] <= longer[0], "{longer:?}");
    let k = &series.columns[1].power;
    let share = k.iter().find(|power| power.measure == Measure::CategoryChange).unwrap();
    assert!(share.of.as_deref() == Some("`a`") || share.of.as_deref() == Some("`b`"), "{share:?}");
    assert!(share.after.unwrap() > share.before.unwrap() + 0.05, "{share:?}");
}

#[test]
fn what_is_found_with_80_percent_is_found_about_as_often() {
    // A shift by what is said to be found, in windows that are no part of the reference.
    let spec = spec(&COLUMNS, FalseAlarms::PerWindow(0.05));
    let found = rehearsal(&spec, &log(40, |dice, _| usual(dice, 0.0)), &COLUMNS);
    let power = &found.series[0].columns[0].power[0];
    let (size, all) = (power.after.unwrap(), 200);
    let text = log(40 + all, |dice, hour| usual(dice, if hour >= 40 { size } else { 0.0 }));
    let both = windows(&text, &COLUMNS, &spec.references);
    let counts: Vec<&crate::distribution::WindowCounts> =
        both.windows.iter().take(40).map(|window| &window.counts).collect();
    let sum = held_out::sum(&counts).unwrap();
    let test = ChangeTest::learned(&sum, &counts, Bins::OfOthers);
    let drifts = both.windows[40..].iter().filter(|window| {
        let against = crate::judge::Against { counts: &sum, test: Some(&test), lasting: None };
        let judged = crate::judge::judge(&window.counts, Some(against), &spec.rules.judge, 0.05);
        let is_location = |finding: &&crate::judge::Finding| {
            finding.measure == Measure::LocationChange && finding.verdict.drifts()
        };
        judged.findings.iter().any(|finding| is_location(&finding))
    });
    let part = drifts.count() as f64 / all as f64;
    assert!((0.68..0.95).contains(&part), "{size} is found in {part}");
}

#[test]
fn a_change_at_the_end_is_one_event_and_is_recognised() {
    let spec = spec(&COLUMNS, FalseAlarms::DEFAULT);
    let found =
        rehearsal(&spec, &log(240, |dice, hour| usual(dice, if hour < 216 { 0.0 } else { 3.0 })), &COLUMNS);
    assert_eq!(found.division, Division::HeldOut);
    // Two dozen windows in a row say as much as one: neither that the budget is broken, nor that one alert that lasts keeps it.
    assert_eq!((found.series[0].false_windows.count, found.series[0].alerts), (24, 1));
    assert_eq!(found.budget.standing, Standing::Unknown, "{:?}", found.budget);
    assert_eq!(found.series[0].pattern(found.budget.every), Some(Pattern::AtTheEnd));
    let time = found.suggestions.iter().find(|suggestion| suggestion.topic == Topic::Time).unwrap();
    assert!(time.text.contains("--to 1970-01-10T00:00:00Z"), "{time:?}");
    let patient = found.alternatives.iter().find(|other| other.toml.contains("2 of 3 windows")).unwrap();
    assert!(patient.alerts == 1 && !patient.helps, "{patient:?}");
}

#[test]
fn where_windows_follow_a_trend_the_last_ones_find_smaller_changes() {
    let spec = spec(&COLUMNS, FalseAlarms::DEFAULT);
    // Three standard deviations in ten days: natural variation takes them in, and little is found.
    let found = rehearsal(&spec, &log(240, |dice, hour| usual(dice, hour as f64 / 80.0)), &COLUMNS);
    assert_eq!(found.series[0].false_windows.count, 0);
    assert_eq!(found.series[0].columns[0].power[0].bound, Bound::Variation);
    let rolling = found.alternatives.iter().find(|other| other.toml.contains("rolling")).unwrap();
    assert!(rolling.helps && rolling.false_windows.of == 228, "{rolling:?}");
    assert_eq!(rolling.finds[0].0, "x");
    let reference = found.suggestions.iter().find(|suggestion| suggestion.topic == Topic::Reference).unwrap();
    assert!(reference.text.contains("smaller effects are found with 80 % (`x` by "), "{reference:?}");
}

#[test]
fn where_the_day_has_seasons_the_same_hour_finds_smaller_changes() {
    let spec = spec(&COLUMNS, FalseAlarms::DEFAULT);
    let season = |hour: i64| (hour as f64 / 24.0 * std::f64::consts::TAU).sin();
    let found = rehearsal(&spec, &log(288, |dice, hour| usual(dice, season(hour))), &COLUMNS);
    let reference = found.suggestions.iter().find(|suggestion| suggestion.topic == Topic::Reference).unwrap();
    assert!(reference.toml.as_ref().unwrap().contains("same = \"hour_of_day\""), "{reference:?}");
}

#[test]
fn too_few_windows_say_nothing_and_never_a_number() {
    let spec = spec(&COLUMNS, FalseAlarms::DEFAULT);
    let found = rehearsal(&spec, &log(5, |dice, _| usual(dice, 0.0)), &COLUMNS);
    assert_eq!(found.series[0].not_rehearsed, Some(NotRehearsed::TooFewWindows { needed: 7 }));
    assert_eq!((found.budget.standing, found.budget.alerts), (Standing::Unknown, None));
    assert_eq!(found.series[0].judged, 0);
    let found = rehearsal(&spec, &log(7, |dice, _| usual(dice, 0.0)), &COLUMNS);
    assert_eq!((found.series[0].folds, found.series[0].judged), (7, 7), "each is judged against six others");
    assert!(found.budget.standing == Standing::Unknown && found.budget.windows_needed.unwrap() > 2_000.0);
}

#[test]
fn windows_with_too_few_records_are_told_how_long_they_have_to_be() {
    let mut spec = spec(&COLUMNS, FalseAlarms::DEFAULT);
    spec.rules.judge.min_records = 1_000;
    let found = rehearsal(&spec, &log(24, |dice, _| usual(dice, 0.0)), &COLUMNS);
    assert_eq!(found.series[0].not_rehearsed, Some(NotRehearsed::TooFewRecords { min_records: 1_000 }));
    let of = |topic| found.suggestions.iter().find(|suggestion| suggestion.topic == topic).unwrap();
    assert_eq!(of(Topic::Window).toml.as_deref(), Some("[window]\nlength = \"4h\"\n"));
    assert_eq!(of(Topic::MinRecords).toml.as_deref(), Some("[judge]\nmin_records = 150\n"));
}

#[test]
fn columns_that_say_nothing_are_named_with_the_reason() {
    let columns = [
        ("x", ColumnType::Numeric),
        ("empty", ColumnType::Numeric),
        ("one", ColumnType::Numeric),
        ("id", ColumnType::Categorical),
        ("rare", ColumnType::Numeric),
    ];
    let spec = spec(&columns, FalseAlarms::DEFAULT);
    let mut count = 0;
    let text = log(24, |dice, _| {
        count += 1;
        let rare = if count % 60 == 0 { "1.5" } else { "null" };
        format!("\"x\":{},\"empty\":null,\"one\":4,\"id\":\"r{count}\",\"rare\":{rare}", dice.normal())
    });
    let found = rehearsal(&spec, &text, &columns);
    let remarks = |name: &str| {
        let column = found.series[0].columns.iter().find(|column| column.name == name).unwrap();
        (column.is_never_judged(), column.remarks.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
    };
    assert_eq!(remarks("x"), (false, String::new()));
    assert_eq!(remarks("empty"), (true, "never judged: no value in any window".to_owned()));
    assert_eq!(
        remarks("one"),
        (false, "constant: another value is found, how much it varies is not known".to_owned())
    );
    assert!(
        remarks("id").1.starts_with("nearly every value is different (7,200 of 7,200)"),
        "{:?}",
        remarks("id")
    );
    assert_eq!(remarks("rare").1, "never judged: a window has about 5 values, 30 are needed");
    for name in ["empty", "id", "rare"] {
        let named = |suggestion: &&Suggestion| suggestion.column.as_deref() == Some(name);
        assert!(found.suggestions.iter().any(|suggestion| named(&suggestion)), "{name}");
    }
}

#[test]
fn a_column_with_a_few_odd_windows_gets_wider_limits_that_they_do_not_reach() {
    let mut spec = spec(&COLUMNS, FalseAlarms::PerWindow(0.001));
    // Three hours of a week are moved by half a standard deviation.
    let shift = |hour: i64| if matches!(hour, 30 | 81 | 133) { 0.5 } else { 0.0 };
    let text = log(168, |dice, hour| usual(dice, shift(hour)));
    let found = rehearsal(&spec, &text, &COLUMNS);
    let x = &found.series[0].columns[0];
    assert!(x.false_windows.count >= 3 && x.exceeds_its_part(), "{x:?}");
    assert_eq!(found.budget.standing, Standing::Broken, "{:?}", found.budget);
    let limits = found.suggestions.iter().find(|suggestion| suggestion.topic == Topic::Limits).unwrap();
    assert_eq!(limits.column.as_deref(), Some("x"));
    // With the new limits nothing of it drifts.
    for rule in &mut spec.rules.judge.columns[0].measures {
        let line = limits.toml.as_ref().unwrap().lines().find(|line| line.starts_with(rule.measure.as_str()));
        let critical = line.and_then(|line| line.split("critical = ").nth(1)?.trim_end_matches(" }").parse().ok());
        if let (Some(limits), Some(critical)) = (&mut rule.limits, critical) {
            (limits.warn, limits.critical) = (0.0, critical);
        }
    }
    let again = rehearsal(&spec, &text, &COLUMNS);
    assert_eq!(again.series[0].columns[0].false_windows.count, 0);
}

#[test]
fn a_monitor_of_earlier_windows_is_rehearsed_by_its_own_rules() {
    let mut spec = spec(&COLUMNS, FalseAlarms::DEFAULT);
    spec.references.rules = vec![ReferenceRule::Rolling { windows: 24, at_least: 12 }, ReferenceRule::Fixed];
    let found = rehearsal(&spec, &log(48, |dice, _| usual(dice, 0.0)), &COLUMNS);
    assert_eq!(found.division, Division::Earlier(vec![RuleName::Rolling]));
    // The first windows have no reference, and the baseline would have had them in it.
    assert_eq!((found.series[0].windows, found.series[0].judged), (48, 36));
    assert!(found.series[0].longer.is_empty());
}

#[test]
fn what_a_calendar_excludes_is_not_rehearsed_and_the_order_of_records_does_not_matter() {
    let spec = spec(&COLUMNS, FalseAlarms::DEFAULT);
    let text = log(20, |dice, _| usual(dice, 0.0));
    let mut lines: Vec<&str> = text.lines().collect();
    let found = rehearsal(&spec, &text, &COLUMNS);
    lines.reverse();
    let reversed = rehearsal(&spec, &lines.join("\n"), &COLUMNS);
    assert_eq!(found, reversed, "no record of a file is late");
    let at = |hour: i64| EventTime::default().shifted(TimeSpan::hours(hour));
    let once = vec![Once { from: at(3), to: at(5) }];
    let calendar = Calendar { zone: jiff::tz::TimeZone::UTC, weekly: vec![], days: vec![], once };
    let plan = ReferencePlan { excluded: vec![calendar], ..ReferencePlan::default() };
    let windows = windows(&text, &COLUMNS, &plan);
    assert_eq!((windows.windows.len(), windows.excluded), (18, 2));
}

#[test]
fn a_small_window_is_limited_by_its_records_and_varying_ones_by_their_nature() {
    let spec = spec(&COLUMNS, FalseAlarms::DEFAULT);
    let bound = |text: &str| rehearsal(&spec, text, &COLUMNS).series[0].columns[0].power[0].clone();
    let quiet = bound(&log(48, |dice, _| usual(dice, 0.0)));
    assert_eq!(quiet.bound, Bound::Records);
    // Every window lies elsewhere, by half a standard deviation.
    let mut levels = Dice(99);
    let levels: Vec<f64> = (0..48).map(|_| levels.normal() * 0.5).collect();
    let moving = bound(&log(48, |dice, hour| usual(dice, levels[hour as usize])));
    assert_eq!(moving.bound, Bound::Variation);
    assert!(moving.effective_size < 60.0 && moving.size.unwrap() > 2.0 * quiet.size.unwrap(), "{moving:?}");
}
