use std::borrow::Cow;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// Counts of a column that live as long as they are needed.
#[derive(Clone, Debug)]
struct Owned {
    bins: Vec<u64>,
    nulls: u64,
    invalid: u64,
}

impl Owned {
    fn get(&self) -> ColumnCounts<'_> {
        ColumnCounts { bins: &self.bins, nulls: self.nulls, invalid: self.invalid }
    }

    fn sum(bins: usize, windows: &[Self]) -> Self {
        let mut sum = Self { bins: vec![0; bins], nulls: 0, invalid: 0 };
        for window in windows {
            for (sum, count) in sum.bins.iter_mut().zip(&window.bins) {
                *sum = sum.saturating_add(*count);
            }
            sum.nulls = sum.nulls.saturating_add(window.nulls);
            sum.invalid = sum.invalid.saturating_add(window.invalid);
        }
        sum
    }
}

#[derive(Clone, Debug)]
struct Column {
    kind: Kind,
    total: Owned,
    windows: Vec<Owned>,
    foreign: Foreign,
}

fn fit(columns: &[Column]) -> Variation {
    let names: Vec<String> = (0..columns.len()).map(|number| number.to_string()).collect();
    let columns: Vec<ReferenceColumn<'_>> = columns
        .iter()
        .zip(&names)
        .map(|(column, name)| ReferenceColumn {
            name,
            kind: column.kind,
            total: column.total.get(),
            windows: column.windows.iter().map(Owned::get).collect(),
            foreign: column.foreign.clone(),
            rare: None,
        })
        .collect();
    Variation::fit(&columns)
}

fn judge(variation: Variation, columns: &[Column]) -> Judge {
    Judge::new(Arc::new(variation), |name| {
        Some(Cow::Borrowed(columns.get(name.parse::<usize>().ok()?)?.total.bins.as_slice()))
    })
}

/// All that is said about some windows.
fn said(judge: &Judge, columns: &[Column], windows: &[Owned]) -> Vec<Option<Vec<Change>>> {
    (0..columns.len())
        .flat_map(|column| windows.iter().map(move |window| judge.changes(&column.to_string(), &window.get())))
        .collect()
}

fn makes_sense(changes: &[Option<Vec<Change>>]) {
    for change in changes.iter().flatten().flatten() {
        assert!((0.0..=1.0).contains(&change.p_value), "{change:?}");
        let numbers = [change.size, change.margin, change.effective_size, change.weight];
        assert!(numbers.iter().all(|number| number.is_finite() && *number >= 0.0), "{change:?}");
        assert!(change.before.is_finite() && change.after.is_finite(), "{change:?}");
    }
}

fn count(largest: u64) -> impl Strategy<Value = u64> {
    prop_oneof![4 => Just(0u64), 6 => 0..40u64, 4 => 0..2000u64, 1 => Just(largest), 1 => 0..largest / 8 + 1]
}

fn counts(bins: usize, largest: u64) -> impl Strategy<Value = Owned> {
    (vec(count(largest), bins), count(largest), count(largest)).prop_map(|(bins, nulls, invalid)| Owned {
        bins,
        nulls,
        invalid,
    })
}

fn column(bins: usize, windows: usize, largest: u64) -> impl Strategy<Value = Column> {
    let kind = prop_oneof![Just(Kind::Numeric), Just(Kind::Categorical)];
    let foreign = prop_oneof![
        count(largest).prop_map(Foreign::Singletons),
        vec(count(largest), windows).prop_map(Foreign::OnlyHere),
        vec(count(largest), 1).prop_map(Foreign::OnlyHere),
        Just(Foreign::Independent),
    ];
    (kind, vec(counts(bins, largest), windows), foreign, counts(bins, largest)).prop_map(
        move |(kind, windows, foreign, file)| {
            let total = if windows.is_empty() { file } else { Owned::sum(bins, &windows) };
            Column { kind, total, windows, foreign }
        },
    )
}

fn monitor(largest: u64) -> impl Strategy<Value = (Vec<Column>, Vec<Owned>)> {
    (0..40usize, 0..26usize, 1..8usize).prop_flat_map(move |(bins, windows, columns)| {
        (vec(column(bins, windows, largest), columns), vec(counts(bins, largest), 1..4))
    })
}

/// Every number of a document in turn becomes one that makes no sense there.
fn damaged(value: &mut serde_json::Value, place: &mut usize, by: &serde_json::Value) {
    match value {
        serde_json::Value::Number(_) => {
            if *place == 0 {
                *value = by.clone();
            }
            *place = place.wrapping_sub(1);
        }
        serde_json::Value::Array(values) => values.iter_mut().for_each(|value| damaged(value, place, by)),
        serde_json::Value::Object(fields) => fields.values_mut().for_each(|value| damaged(value, place, by)),
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_counts_are_judged((columns, windows) in monitor(u64::MAX), rows in count(u64::MAX), level in 1e-12..1.0f64) {
        let judge = judge(fit(&columns), &columns);
        makes_sense(&said(&judge, &columns, &windows));
        for column in 0..columns.len() {
            for found in judge.detectable(&column.to_string(), rows, level).unwrap() {
                prop_assert!(found.size >= 0.0 && found.size.is_finite() && found.change >= 0.0, "{:?}", found);
            }
        }
    }

    #[test]
    fn what_is_stored_judges_the_same((columns, windows) in monitor(u64::MAX)) {
        let variation = fit(&columns);
        let stored = serde_json::to_string(&variation).unwrap();
        let read: Variation = serde_json::from_str(&stored).unwrap();
        prop_assert_eq!(&read, &variation);
        prop_assert_eq!(
            said(&judge(read, &columns), &columns, &windows),
            said(&judge(variation, &columns), &columns, &windows)
        );
    }

    #[test]
    fn damaged_storage_is_left_out(
        (columns, windows) in monitor(u64::MAX),
        place in 0..3000usize,
        by in prop_oneof![Just(-1.0), Just(0.0), Just(1e-300), Just(1e300), Just(0.3), Just(1e17)],
    ) {
        let mut stored = serde_json::to_value(fit(&columns)).unwrap();
        damaged(&mut stored, &mut place.clone(), &serde_json::json!(by));
        if let Ok(variation) = serde_json::from_value::<Variation>(stored) {
            makes_sense(&said(&judge(variation, &columns), &columns, &windows));
        }
    }

    #[test]
    fn the_order_of_windows_matters_for_their_autocorrelation_alone((columns, windows) in monitor(5000)) {
        let reversed: Vec<Column> = columns
            .iter()
            .map(|column| {
                let mut column = column.clone();
                column.windows.reverse();
                if let Foreign::OnlyHere(records) = &mut column.foreign {
                    records.reverse();
                }
                column
            })
            .collect();
        let (mut one, mut other) = (fit(&columns), fit(&reversed));
        if one.autocorrelation() != other.autocorrelation() {
            return Ok(());
        }
        // Sums of floats in another order.
        one.tail = None;
        other.tail = None;
        let one = said(&judge(one, &columns), &columns, &windows);
        let other = said(&judge(other, &reversed), &reversed, &windows);
        for (one, other) in one.iter().flatten().flatten().zip(other.iter().flatten().flatten()) {
            prop_assert!((one.p_value - other.p_value).abs() < 1e-6, "{one:?} {other:?}");
        }
    }
}

/// A monitor of numeric and categorical columns, whose windows' means move by a natural variation, drawn value by value.
struct Simulated {
    random: fastrand::Rng,
    natural: f64,
}

const BINS: usize = 40;
const COLUMNS: usize = 6;

impl Simulated {
    fn normal(&mut self) -> f64 {
        (-2.0 * (1.0 - self.random.f64()).ln()).sqrt() * (std::f64::consts::TAU * self.random.f64()).cos()
    }

    fn window(&mut self, column: usize, records: usize, shift: f64) -> Owned {
        let shift = shift + self.natural * self.normal();
        let mut window =
            Owned { bins: vec![0; if column.is_multiple_of(2) { BINS } else { 7 }], nulls: 0, invalid: 0 };
        for _ in 0..records {
            let value = self.normal() + shift;
            let bin = if column.is_multiple_of(2) {
                1.0 + (value + 2.0) * 9.5
            } else {
                // Five categories.
                (value + 1.5) * 1.7
            };
            let last = window.bins.len() - 3;
            window.bins[(bin.max(0.0) as usize).min(last)] += 1;
        }
        window.nulls = (0..records / 50).filter(|_| self.random.bool()).count() as u64;
        window
    }

    fn column(&mut self, column: usize, windows: usize, records: usize) -> Column {
        let windows: Vec<Owned> = (0..windows).map(|_| self.window(column, records, 0.0)).collect();
        let kind = if column.is_multiple_of(2) { Kind::Numeric } else { Kind::Categorical };
        let total = Owned::sum(windows[0].bins.len(), &windows);
        Column { kind, total, foreign: Foreign::OnlyHere(vec![0; windows.len()]), windows }
    }

    /// The share of windows with an alarm at a level of 5 %.
    fn alarms(&mut self, references: usize, judged: usize, shift: f64, windows: bool) -> f64 {
        let mut alarms = 0;
        for _ in 0..references {
            let mut columns: Vec<Column> = (0..COLUMNS).map(|column| self.column(column, 24, 400)).collect();
            if !windows {
                for column in &mut columns {
                    column.windows.clear();
                }
            }
            let judge = judge(fit(&columns), &columns);
            for _ in 0..judged {
                alarms += u32::from((0..COLUMNS).any(|column| {
                    let window = self.window(column, 400, shift);
                    let changes = judge.changes(&column.to_string(), &window.get()).unwrap();
                    changes.iter().any(|change| change.p_value <= 0.05 / COLUMNS as f64 * change.weight)
                }));
            }
        }
        f64::from(alarms) / (references * judged) as f64
    }
}

#[test]
fn the_level_is_kept_with_natural_variation_and_without() {
    for natural in [0.0, 0.1] {
        let mut simulated = Simulated { random: fastrand::Rng::with_seed(7), natural };
        let rate = simulated.alarms(10, 40, 0.0, true);
        assert!(rate <= 0.06, "{rate} at {natural}");
        let found = simulated.alarms(2, 20, 0.8, true);
        assert!(found > 0.95, "{found} at {natural}");
    }
    let mut simulated = Simulated { random: fastrand::Rng::with_seed(7), natural: 0.1 };
    let without = simulated.alarms(5, 40, 0.0, false);
    assert!(without > 0.5, "natural variation that is not learned looks like drift: {without}");
}

#[test]
fn a_reference_without_enough_windows_says_so() {
    let mut simulated = Simulated { random: fastrand::Rng::with_seed(3), natural: 0.3 };
    for (windows, source) in
        [(1, Source::Sampling), (2, Source::Learning), (5, Source::Learning), (6, Source::Windows)]
    {
        let column = simulated.column(0, windows, 300);
        let judge = judge(fit(std::slice::from_ref(&column)), std::slice::from_ref(&column));
        assert_eq!((judge.variation().windows(), judge.variation().source()), (windows, source));
        let changes = judge.changes("0", &column.windows[0].get()).unwrap();
        let location = changes.iter().find(|change| change.statistic == Statistic::Location).unwrap();
        assert_eq!(location.effective_size < 250.0, source == Source::Windows, "{location:?}");
    }
}

#[test]
fn more_windows_and_larger_ones_find_smaller_changes() {
    let mut simulated = Simulated { random: fastrand::Rng::with_seed(5), natural: 0.05 };
    let location = |judge: &Judge, rows| {
        let found = judge.detectable("0", rows, 0.001).unwrap();
        found.into_iter().find(|found| found.statistic == Statistic::Location).unwrap().size
    };
    let mut sizes = Vec::new();
    for windows in [8, 60] {
        let column = simulated.column(0, windows, 400);
        let judge = judge(fit(std::slice::from_ref(&column)), std::slice::from_ref(&column));
        sizes.push((location(&judge, 200), location(&judge, 2000)));
    }
    assert!(sizes.iter().all(|(small, large)| small > large), "{sizes:?}");
    assert!(sizes[0].1 > sizes[1].1, "{sizes:?}");
    // Beyond sampling, 0.05 deviations move a window by themselves; five of them are found surely.
    assert!((0.1..0.4).contains(&sizes[1].1), "{sizes:?}");
}

#[test]
fn what_is_detectable_is_detected() {
    let mut simulated = Simulated { random: fastrand::Rng::with_seed(11), natural: 0.0 };
    let column = simulated.column(0, 24, 400);
    let judge = judge(fit(std::slice::from_ref(&column)), std::slice::from_ref(&column));
    let level = 0.001;
    let smallest = judge.detectable("0", 400, level).unwrap();
    let location = smallest.iter().find(|found| found.statistic == Statistic::Location).unwrap();
    let found = (0..200)
        .filter(|_| {
            let window = simulated.window(0, 400, location.size);
            let changes = judge.changes("0", &window.get()).unwrap();
            let change = changes.iter().find(|change| change.statistic == Statistic::Location).unwrap();
            change.p_value <= level * change.weight
        })
        .count();
    assert!((130..190).contains(&found), "{found} of 200 at {location:?}");
}

#[test]
fn a_change_has_the_size_of_the_floor_at_its_own_p_value() {
    let mut compared = [0; 3];
    for natural in [0.0, 0.1] {
        let mut simulated = Simulated { random: fastrand::Rng::with_seed(17), natural };
        let columns: Vec<Column> = (0..COLUMNS).map(|column| simulated.column(column, 24, 400)).collect();
        let judge = judge(fit(&columns), &columns);
        for column in 0..COLUMNS {
            for shift in [-0.6, -0.3, -0.2, 0.2, 0.3, 0.6] {
                let window = simulated.window(column, 700, shift);
                let name = column.to_string();
                for change in judge.changes(&name, &window.get()).unwrap() {
                    let least = if change.statistic == Statistic::Mix { 1e-9 } else { 1e-200 };
                    if !(least..0.01).contains(&change.p_value) {
                        continue;
                    }
                    let found = judge.detectable_of(&name, &change, change.p_value).unwrap();
                    assert!(found.size >= found.floor, "{found:?} {change:?}");
                    let (kind, accuracy) = match change.statistic {
                        Statistic::Mix => (0, 0.05),
                        Statistic::Stuck(_) => (1, 0.3),
                        _ => (2, 1e-3),
                    };
                    compared[kind] += 1;
                    assert!((found.floor / change.size - 1.0).abs() < accuracy, "{found:?} {change:?}");
                }
            }
        }
    }
    assert!(compared[0] > 5 && compared[2] > 100, "{compared:?}");
}

#[test]
fn the_range_of_a_reference_is_that_of_the_bins_it_fills() {
    let with = |low: u64, bins: [u64; 4], high: u64| Owned {
        bins: [&[low, 0, 0][..], &bins, &[0, 0, high]].concat(),
        nulls: 0,
        invalid: 0,
    };
    let found = |reference: &Owned, window: &Owned| {
        let column = Column {
            kind: Kind::Numeric,
            total: reference.clone(),
            windows: Vec::new(),
            foreign: Foreign::Independent,
        };
        let changes = judge(fit(std::slice::from_ref(&column)), std::slice::from_ref(&column))
            .changes("0", &window.get())
            .unwrap();
        let of = |statistic| changes.iter().find(|change| change.statistic == statistic).copied().unwrap();
        [of(Statistic::Below), of(Statistic::Above)]
            .map(|change| (change.before, change.after, change.p_value < 1e-6))
    };
    let within = with(0, [250; 4], 0);
    let mut beside = within.clone();
    beside.bins[2] = 50;
    beside.bins[7] = 100;
    // Beside the bins that the reference fills, though not beyond all bins.
    assert_eq!(found(&within, &beside), [(0.0, 50.0 / 1150.0, true), (0.0, 100.0 / 1150.0, true)]);
    // What is in an open bin may be farther out than what the reference has there.
    let open = with(10, [250; 4], 0);
    assert_eq!(found(&open, &beside)[0], (10.0 / 1010.0, 0.0, false));
    assert_eq!(found(&open, &with(200, [250; 4], 0))[0], (10.0 / 1010.0, 200.0 / 1200.0, true));
}

#[test]
fn columns_that_do_not_fit_are_left_out() {
    let mut simulated = Simulated { random: fastrand::Rng::with_seed(13), natural: 0.0 };
    let column = simulated.column(0, 8, 100);
    let variation = fit(std::slice::from_ref(&column));
    let window = column.windows[0].get();
    let other = Column { total: Owned { bins: vec![5; 9], nulls: 0, invalid: 0 }, ..column.clone() };
    assert!(judge(variation.clone(), &[]).changes("0", &window).is_none());
    assert!(judge(variation.clone(), std::slice::from_ref(&other)).changes("0", &other.total.get()).is_none());
    let judge = judge(variation, std::slice::from_ref(&column));
    assert!(judge.changes("0", &window).is_some() && judge.changes("1", &window).is_none());
    assert!(judge.changes("0", &other.total.get()).is_none(), "bins of another number");
}
