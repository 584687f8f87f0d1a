use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::binning::{BuildOptions, numeric_from_buckets};
use crate::record::Absence;

fn add_values(counts: &mut UniversalCounts, values: &[f64]) {
    let array = Float64Array::from(values.to_vec());
    let mut absent = [0; Absence::ALL.len()];
    counts.count(&array, 0..values.len(), &mut Misses { absent: &mut absent, absences: &[] });
}

fn counted(values: &[f64]) -> UniversalCounts {
    let mut counts = UniversalCounts::empty(false);
    add_values(&mut counts, values);
    counts
}

fn normal(rng: &mut fastrand::Rng) -> f64 {
    (-2.0 * (1.0 - rng.f64()).ln()).sqrt() * (std::f64::consts::TAU * rng.f64()).cos()
}

/// Values of a law: far from zero, around it, of any size, integers.
fn drawn(law: u8, number: usize, seed: u64) -> Vec<f64> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let draw = |_| match law % 4 {
        0 => normal(&mut rng).mul_add(0.03, 52.5),
        1 => normal(&mut rng),
        2 => normal(&mut rng).mul_add(1_800.0, 1.76e9).round(),
        _ => f64::from_bits(rng.u64(..)),
    };
    (0..number).map(draw).filter(|value| value.is_finite()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn counts_depend_on_the_values_alone(law in any::<u8>(), number in 0usize..9_000, seed in any::<u64>(), legacy in prop::bool::weighted(0.2)) {
        let values = drawn(law, number, seed);
        let mut whole = counted(&values);
        let mut rng = fastrand::Rng::with_seed(seed ^ 1);
        let mut shuffled = values;
        rng.shuffle(&mut shuffled);
        let mut parts: Vec<UniversalCounts> =
            shuffled.chunks(1 + rng.usize(..3_000)).map(counted).chain([counted(&[])]).collect();
        if legacy && whole.present() > 0 {
            // A part that was counted by an earlier version.
            whole.coarsen(Level::COARSEST);
            let place = rng.usize(..parts.len());
            parts[place].coarsen(Level::COARSEST);
            parts[0].coarsen(Level::COARSEST);
        }
        while parts.len() > 1 {
            let part = parts.swap_remove(rng.usize(..parts.len()));
            let into = rng.usize(..parts.len());
            parts[into].add(&part);
        }
        prop_assert_eq!(&parts[0], &whole);
        prop_assert!(whole.counts.len() <= MOST || whole.level == Level::COARSEST);
        prop_assert!(legacy || whole.level == Level::FINEST || {
            let finer = Level::new(whole.level.bits() - 1).unwrap();
            let buckets: std::collections::BTreeSet<i64> =
                shuffled.iter().map(|value| finer.bucket(*value)).collect();
            buckets.len() > MOST
        }, "no coarser than needed");
    }

    #[test]
    fn counts_that_are_moved_are_those_that_are_made_on_the_bins(law in 0u8..3, seed in any::<u64>(), windows in 1usize..8) {
        let values = drawn(law, windows * 700, seed);
        let sum = counted(&values);
        let binning = numeric_from_buckets(sum.level, &sum.counts, BuildOptions { resolution: 100, max_categories: 1 }).unwrap();
        for window in values.chunks(700) {
            let moved = counted(window).rebinned(&binning);
            let mut direct = NumericCounts::empty(&binning);
            let array = Float64Array::from(window.to_vec());
            let mut absent = [0; Absence::ALL.len()];
            direct.count(&binning, &array, 0..window.len(), &mut Misses { absent: &mut absent, absences: &[] });
            prop_assert_eq!(moved.counts.as_slice(), direct.counts.as_slice());
        }
    }

    #[test]
    fn a_coarser_window_has_no_more_on_the_wrong_side_of_a_cut_than_a_bucket_holds(law in 0u8..3, seed in any::<u64>()) {
        let learned = counted(&drawn(law, 1_500, seed));
        let binning = numeric_from_buckets(learned.level, &learned.counts, BuildOptions::default()).unwrap();
        let values = drawn(law, 20_000, seed ^ 7);
        let window = counted(&values);
        let largest = window.counts.values().max().copied().unwrap();
        let moved = window.rebinned(&binning);
        prop_assert_eq!(moved.present(), values.len() as u64, "nothing is lost");
        let mut before = 0;
        for (bin, cut) in binning.cuts().iter().enumerate() {
            before += moved.counts.as_slice()[bin];
            let truth = values.iter().filter(|value| *value < cut).count() as u64;
            prop_assert!(before.abs_diff(truth) <= largest, "{before} and {truth} before {cut}, {largest} in a bucket");
        }
    }
}

#[test]
fn usual_columns_are_told_apart_as_well_as_ever_and_take_no_more_room() {
    let mut rng = fastrand::Rng::with_seed(5);
    let mut of = |law: fn(&mut fastrand::Rng) -> f64| (0..300_000).map(|_| law(&mut rng)).collect::<Vec<f64>>();
    let laws: [(&str, Vec<f64>); 4] = [
        ("normal", of(normal)),
        ("lognormal", of(|rng| normal(rng).exp())),
        ("uniform", of(fastrand::Rng::f64)),
        ("latitudes", of(|rng| normal(rng).mul_add(0.03, 52.5))),
    ];
    for (name, values) in laws {
        let counts = counted(&values);
        // No bucket is wider than 1/64 of a power of two; most columns have finer ones.
        assert!(counts.level <= Level::COARSEST, "{name}");
        assert!(counts.bytes() < 350_000, "{name}: {} bytes, {} buckets", counts.bytes(), counts.counts.len());
    }
}

#[test]
fn sensitive_columns_are_never_told_apart_finely() {
    let mut counts = UniversalCounts::empty(true);
    add_values(&mut counts, &[52.501, 52.502]);
    counts.add(&UniversalCounts::empty(true));
    assert_eq!((counts.level, counts.counts.len()), (Level::COARSEST, 1));
}

#[test]
fn the_moments_of_a_column_stay_what_they_are_when_its_counts_are_moved() {
    use crate::binning::{Binning, BinningSet};
    use crate::distribution::Distribution;
    let values = drawn(2, 5_000, 3);
    let universal = Arc::new(BinningSet::new(vec![("x".into(), Binning::UniversalNumeric)]));
    let mut column = Distribution::empty(universal, 0);
    let array = Float64Array::from(values.clone());
    let rows: Vec<u32> = (0u32..).take(values.len()).collect();
    column.count(&array, &[], &rows);
    let (level, counts) = column.universal_counts().unwrap();
    assert!(level > Level::FINEST && level < Level::SINGLE, "{level:?}");
    let binning = numeric_from_buckets(level, counts, BuildOptions::default()).unwrap();
    let bins = Arc::new(BinningSet::new(vec![("x".into(), Binning::Numeric(binning))]));
    let moved = column.rebinned(&bins, 0);
    let near = |left: Option<f64>, right: Option<f64>| (left.unwrap() - right.unwrap()).abs() < 1e-3;
    assert!(near(moved.mean(), column.mean()), "{:?} {:?}", moved.mean(), column.mean());
    assert!(near(moved.deviation(), column.deviation()), "{:?} {:?}", moved.deviation(), column.deviation());
}
