//! Building binnings: from values, from universal counts, from category counts.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Binning, CategoricalBinning, Level, NumericBinning, RareCounts, category_hash, single};

/// How fine a binning is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildOptions {
    /// Quantile bins of a numeric column; deciles and vigintiles are exact unions when it is a multiple of 20.
    pub resolution: usize,
    /// Categories with a bin of their own; the rarest beyond it share one.
    pub max_categories: usize,
}

impl Default for BuildOptions {
    fn default() -> Self {
        Self { resolution: 500, max_categories: 1_000 }
    }
}

/// Why no binning could be built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BinningError {
    /// Not one finite value.
    #[error("no finite value to place bins by")]
    NoValues,
}

/// A run of equal values (or one bucket): where it begins, where it ends, how many.
struct Run {
    low: f64,
    high: f64,
    count: u64,
}

/// Quantile bins of a sample: at most `1/resolution` of it in a bin, unless a single value alone holds more;
/// such an *atom* gets a bin of its own. Values equal in single precision are one value. Non-finite values are ignored.
///
/// # Errors
/// When there is no finite value.
pub fn numeric_from_values(values: &mut Vec<f64>, options: BuildOptions) -> Result<NumericBinning, BinningError> {
    values.retain(|value| value.is_finite());
    for value in values.iter_mut() {
        // Negative zero equals zero and must not be sorted apart from it.
        if *value == 0.0 {
            *value = 0.0;
        }
    }
    values.sort_unstable_by(f64::total_cmp);
    let runs = values.chunk_by(|left, right| single::equal(*left, *right)).flat_map(|equal| {
        let apart = || equal.chunk_by(|left, right| left == right);
        // What is equal in single precision is one value, and no cut divides it; unless the column needs more digits, which
        // nothing in single precision can be compared with anyway.
        let runs: Vec<Run> = if apart().nth(2).is_some() {
            let run = |equal: &[f64]| {
                equal.first().map(|value| Run { low: *value, high: value.next_up(), count: equal.len() as u64 })
            };
            apart().filter_map(run).collect()
        } else {
            let class = equal.first().map(|value| single::class_of(*value));
            class.map(|(low, high)| Run { low, high, count: equal.len() as u64 }).into_iter().collect()
        };
        runs
    });
    from_runs(runs, values.len() as u64, options)
}

/// Quantile bins of counts on buckets of one level; every cut is the end of a bucket, so the counts can be moved to the new
/// bins exactly. Values equal in single precision are one value, unless there are more than two of them: as in
/// [`numeric_from_values`], such a column needs more digits.
///
/// # Errors
/// When there is no count.
pub fn numeric_from_buckets(
    level: Level,
    counts: &BTreeMap<i64, u64>,
    options: BuildOptions,
) -> Result<NumericBinning, BinningError> {
    let run = |level: Level, bucket: i64, count: u64| {
        let (low, high) = level.ends(bucket);
        Run { low, high, count }
    };
    let wider = level.max(Level::SINGLE);
    let filled: Vec<(i64, i64, u64)> = counts
        .iter()
        .filter(|(_, count)| **count > 0)
        .map(|(bucket, count)| (wider.holding(*bucket, level), *bucket, *count))
        .collect();
    let mut placed_by = wider;
    let mut runs = Vec::with_capacity(filled.len());
    for equal in filled.chunk_by(|left, right| left.0 == right.0) {
        if equal.len() > 2 {
            placed_by = level;
            runs.extend(equal.iter().map(|(_, bucket, count)| run(level, *bucket, *count)));
        } else if let Some((bucket, ..)) = equal.first() {
            runs.push(run(wider, *bucket, equal.iter().map(|(_, _, count)| count).sum()));
        }
    }
    from_runs(runs.into_iter(), counts.values().sum(), options).map(|binning| binning.placed_at(placed_by))
}

/// `total` is the sum of the runs' counts.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn from_runs(
    runs: impl Iterator<Item = Run>,
    total: u64,
    options: BuildOptions,
) -> Result<NumericBinning, BinningError> {
    let mut runs = runs.peekable();
    let first = runs.peek().map(|run| run.low).ok_or(BinningError::NoValues)?;
    let resolution = options.resolution.max(1) as u64;
    let mut cuts = vec![first];
    let mut largest: u64 = 0;
    let mut in_bin: u64 = 0;
    // Cut k lies where k/resolution of the mass has passed, so coarser quantiles are among the finer ones.
    let mut before: u64 = 0;
    let mut last = first;
    // The mass, times the resolution, at which the quantile in which the bin began ends.
    let end_of_quantile = |mass: u64| (mass.saturating_mul(resolution) / total + 1).saturating_mul(total);
    let mut ends = end_of_quantile(0);
    for run in runs {
        let is_atom = run.count.saturating_mul(resolution) > total;
        // Cutting before the run that would cross a quantile keeps every bin within one quantile's mass.
        let crosses = (before + run.count).saturating_mul(resolution) > ends;
        if (is_atom || crosses) && in_bin > 0 {
            push_cut(&mut cuts, run.low);
            largest = largest.max(in_bin);
            in_bin = 0;
        }
        if in_bin == 0 {
            ends = end_of_quantile(before);
        }
        before += run.count;
        last = run.high;
        if is_atom {
            push_cut(&mut cuts, run.low);
            push_cut(&mut cuts, run.high);
            if run.high != run.low.next_up() && run.high != single::class_of(run.low).1 {
                // A bucket is narrow, but not a single value.
                largest = largest.max(run.count);
            }
        } else {
            in_bin += run.count;
        }
    }
    largest = largest.max(in_bin);
    push_cut(&mut cuts, last);
    if cuts.len() < 2 {
        cuts.push(first.next_up());
    }
    NumericBinning::new(cuts, largest as f64 / total as f64).ok_or(BinningError::NoValues)
}

fn push_cut(cuts: &mut Vec<f64>, cut: f64) {
    if cuts.last().is_none_or(|last| *last < cut) {
        cuts.push(cut);
    }
}

/// Bins for counted categories: the most frequent ones have their own, the rest share one. Ties are decided by a hash of the
/// name, which knows nothing of how frequent a category is: names, such as numbers given one after the other, may.
#[must_use]
pub fn categorical_from_counts(counts: &BTreeMap<String, u64>, options: BuildOptions) -> Binning {
    let mut ranked: Vec<(&String, u64)> = counts.iter().map(|(category, count)| (category, *count)).collect();
    ranked.sort_by_cached_key(|(category, count)| (Reverse(*count), category_hash(category)));
    let (own, rare) = ranked.split_at_mut(options.max_categories.min(counts.len()));
    // Which of them have bins is decided; among those, names are in order.
    own.sort_by(|left, right| right.1.cmp(&left.1).then_with(|| left.0.cmp(right.0)));
    let binning = CategoricalBinning::new(
        own.iter().map(|(category, _)| (*category).clone()).collect(),
        rare.iter().map(|(category, _)| category_hash(category)).collect(),
    );
    if rare.is_empty() {
        return Binning::Categorical(binning);
    }
    Binning::Categorical(binning.with_rare_counts(rare_counts(own, rare)))
}

/// Of categories with their counts, those with bins of their own and the others.
fn rare_counts(own: &[(&String, u64)], rare: &[(&String, u64)]) -> RareCounts {
    let with = |side: &[(&String, u64)], count: u64| side.iter().filter(|(_, own)| *own == count).count() as u64;
    let values: u64 = rare.iter().map(|(_, count)| count).sum();
    let fewest = own.iter().map(|(_, count)| *count).min().unwrap_or(0);
    let (tied, kept) = (with(rare, fewest), with(own, fewest));
    // Categories that the sample has r times have in another one the values of those it has r + 1 times; of those with as many as
    // the rarest with a bin some are left out.
    let next = with(own, fewest + 1) * (fewest + 1);
    let missed = tied.saturating_mul(next).checked_div(kept + tied).unwrap_or(0);
    let foreseen = values + kept * fewest + missed;
    RareCounts { values, once: with(rare, 1), twice: with(rare, 2), tied, foreseen }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn options(resolution: usize) -> BuildOptions {
        BuildOptions { resolution, ..BuildOptions::default() }
    }

    #[test]
    fn no_bin_but_an_atom_holds_more_than_its_share() {
        let mut values: Vec<f64> = (0..10_000).map(|index| f64::from(index % 997).sqrt()).collect();
        values.extend(std::iter::repeat_n(3.0, 2_000));
        let binning = numeric_from_values(&mut values, options(100)).unwrap();
        let mut counts = vec![0u32; binning.bins()];
        for value in &values {
            counts[binning.bin(*value)] += 1;
        }
        assert_eq!((counts[0], *counts.last().unwrap()), (0, 0), "the open bins hold nothing of the baseline");
        for (bin, count) in counts.iter().enumerate() {
            assert!(binning.is_atom(bin) || *count <= 120, "bin {bin} holds {count}");
        }
        assert!(binning.is_atom(binning.bin(3.0)));
        assert!(binning.largest_mass() <= 0.01);
    }

    #[test]
    fn distinct_values_fill_exactly_the_asked_number_of_bins() {
        let mut values: Vec<f64> = (0..10_000).map(f64::from).collect();
        let binning = numeric_from_values(&mut values, options(500)).unwrap();
        assert_eq!(binning.bins(), 502);
        let deciles = numeric_from_values(&mut values, options(10)).unwrap();
        assert!(deciles.cuts().iter().all(|cut| binning.cuts().contains(cut)));
    }

    #[test]
    fn a_constant_is_an_atom_between_open_ends() {
        let binning = numeric_from_values(&mut vec![7.0; 50], options(500)).unwrap();
        assert_eq!(binning.bins(), 3);
        assert!(binning.is_atom(1));
    }

    #[test]
    fn one_value_and_none() {
        assert_eq!(numeric_from_values(&mut vec![1.5], options(500)).unwrap().bins(), 3);
        assert_eq!(
            numeric_from_values(&mut vec![f64::NAN, f64::INFINITY], options(500)),
            Err(BinningError::NoValues)
        );
    }

    #[test]
    fn the_rarest_categories_share_a_bin() {
        let counts: BTreeMap<String, u64> = (0..10).map(|index| (format!("c{index}"), 10 - index)).collect();
        let Binning::Categorical(binning) =
            categorical_from_counts(&counts, BuildOptions { max_categories: 3, resolution: 1 })
        else {
            panic!("categorical")
        };
        assert_eq!(binning.categories(), ["c0", "c1", "c2"]);
        assert_eq!(binning.bin("c9"), binning.rare_bin());
        assert_eq!(binning.bin("new"), binning.unseen_bin());
    }

    proptest! {
        #[test]
        fn cuts_from_counts_of_buckets_are_ends_of_buckets(values in prop::collection::vec(-1e6..1e6f64, 1..400), far in any::<bool>(), bits in 0u8..=46) {
            let level = Level::new(bits).unwrap();
            let mut counts = BTreeMap::new();
            for value in &values {
                let value = if far { 1e9 + (value / 1e4).round() } else { *value };
                *counts.entry(level.bucket(value)).or_insert(0u64) += 1;
            }
            let binning = numeric_from_buckets(level, &counts, options(20)).unwrap();
            for key in counts.keys() {
                // A bucket lies in one bin, whatever value of it is asked for.
                let (low, high) = level.ends(*key);
                prop_assert_eq!(binning.bin(low), binning.bin(high.next_down()));
            }
        }

        #[test]
        fn buckets_that_tell_all_values_apart_give_the_bins_of_the_values(values in prop::collection::vec(-500i32..500, 1..400), scale in 0usize..4) {
            let mut values: Vec<f64> =
                values.into_iter().map(|value| f64::from(value) * [1.0, 0.1, 1e-30, 1_000.0][scale]).collect();
            let mut counts = BTreeMap::new();
            for value in &values {
                *counts.entry(Level::FINEST.bucket(*value)).or_insert(0u64) += 1;
            }
            let learned = numeric_from_buckets(Level::FINEST, &counts, options(20)).unwrap();
            let built = numeric_from_values(&mut values, options(20)).unwrap();
            // Zero is alone in its bucket; of values, what single precision takes for zero is with it.
            let near_zero = |cut: &f64| cut.abs() < 1e-44;
            let cuts = |binning: &NumericBinning| binning.cuts().iter().copied().filter(|cut| !near_zero(cut)).collect::<Vec<_>>();
            prop_assert_eq!(cuts(&learned), cuts(&built));
        }
    }
}
