//! Sums and sums of squares of values as integers, so that means and standard deviations of merged counts are those of
//! all values together, whatever bins they fell into.

use std::collections::BTreeMap;

use super::total;
use crate::binning::universal;

/// Steps in half the width of a ruler. Squares of offsets stay below 2^82, so `u128` holds those of 2^46 values.
const STEPS: f64 = 1_099_511_627_776.0;

/// What offsets are measured from and in: an interval, by its middle and half of its width.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Ruler {
    middle: f64,
    half: f64,
}

impl Ruler {
    /// The ruler of an interval. Ends may be as far apart as floats go.
    pub(super) fn between(low: f64, high: f64) -> Self {
        Self { middle: low / 2.0 + high / 2.0, half: high / 2.0 - low / 2.0 }
    }

    /// The offset of a value of the interval, in whole steps from its middle.
    #[expect(clippy::cast_possible_truncation, reason = "clamped to well within i64")]
    pub(super) fn offset(self, value: f64) -> i64 {
        if self.half <= 0.0 {
            return 0;
        }
        // Halves, since the difference of two values may be larger than any float.
        let units = (value / 2.0 - self.middle / 2.0) / (self.half / 2.0);
        (units.clamp(-2.0, 2.0) * STEPS).round() as i64
    }
}

/// How many values, the sum of their offsets and of the squares of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Moments {
    pub(super) count: u64,
    pub(super) sum: i128,
    pub(super) squares: u128,
}

/// Some values by their number, mean and population standard deviation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct ValueGroup {
    pub(super) count: u64,
    pub(super) mean: f64,
    pub(super) deviation: f64,
}

impl Moments {
    /// Whether values may have them: no offset is larger than two halves. Squares may be larger than that says: a group that
    /// was moved to a narrower bucket keeps its deviation.
    pub(super) fn is_plausible(&self) -> bool {
        const FARTHEST: u128 = 1 << 42;
        let count = u128::from(self.count);
        self.sum.unsigned_abs() <= count.saturating_mul(FARTHEST) && i128::try_from(self.squares).is_ok()
    }

    pub(super) fn add(&mut self, offset: i64) {
        self.count = self.count.saturating_add(1);
        self.sum = self.sum.saturating_add(i128::from(offset));
        let size = u128::from(offset.unsigned_abs());
        self.squares = self.squares.saturating_add(size * size);
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.count = self.count.saturating_add(other.count);
        self.sum = self.sum.saturating_add(other.sum);
        self.squares = self.squares.saturating_add(other.squares);
    }

    /// The moments that values have which are known by their number, mean and deviation only.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "counts stay far below 2^53; the conversion saturates"
    )]
    pub(super) fn of_group(group: ValueGroup, ruler: Ruler) -> Self {
        let offset = ruler.offset(group.mean);
        let spread = if ruler.half > 0.0 { group.deviation / ruler.half * STEPS } else { 0.0 };
        let count = u128::from(group.count);
        let size = u128::from(offset.unsigned_abs());
        let squares = (spread * spread * group.count as f64) as u128;
        Self {
            count: group.count,
            sum: i128::from(offset).saturating_mul(i128::from(group.count)),
            squares: count.saturating_mul(size * size).saturating_add(squares),
        }
    }

    /// `None` without a value.
    #[expect(clippy::cast_precision_loss, reason = "steps are small beside what a float tells apart")]
    pub(super) fn group(&self, ruler: Ruler) -> Option<ValueGroup> {
        let count = i128::from(self.count);
        // Whole steps and the rest apart: the difference of large squares would cost all digits in floats.
        let whole = self.sum.checked_div_euclid(count)?;
        let rest = self.sum.rem_euclid(count) as f64 / self.count as f64;
        let around = i128::try_from(self.squares).ok()?.saturating_sub(
            whole.saturating_mul(self.sum.saturating_mul(2).saturating_sub(count.saturating_mul(whole))),
        );
        let variance = (around as f64 / self.count as f64 - rest * rest).max(0.0);
        Some(ValueGroup {
            count: self.count,
            mean: ((whole as f64 + rest) / STEPS).mul_add(ruler.half, ruler.middle),
            deviation: variance.sqrt() / STEPS * ruler.half,
        })
    }
}

/// All of them together: the mean and the population standard deviation; `None` without a value.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
pub(super) fn together(groups: &[ValueGroup]) -> Option<(f64, f64)> {
    let total = total(groups.iter().map(|group| group.count));
    if total == 0 {
        return None;
    }
    let share = |group: &ValueGroup| group.count as f64 / total as f64;
    let mean: f64 = groups.iter().map(|group| group.mean * share(group)).sum();
    // In halves and in units of the largest of them: squares of large numbers are larger than any float.
    let apart = |group: &ValueGroup| group.mean / 2.0 - mean / 2.0;
    let largest = groups.iter().map(|group| apart(group).abs().max(group.deviation / 2.0)).fold(0.0, f64::max);
    if largest == 0.0 {
        return Some((mean, 0.0));
    }
    let squares: f64 = groups
        .iter()
        .map(|group| {
            let (apart, own) = (apart(group) / largest, group.deviation / 2.0 / largest);
            share(group) * apart.mul_add(apart, own * own)
        })
        .sum();
    Some((mean, squares.sqrt() * largest * 2.0))
}

/// Moments by universal bucket, of values or of distances.
pub(super) type Cells = BTreeMap<i32, Moments>;

/// From where to where a universal bucket goes, both finite.
pub(super) fn bucket_ends(bucket: i32) -> (f64, f64) {
    let end = |bucket| universal::lower_end(bucket).clamp(f64::MIN, f64::MAX);
    (end(bucket), end(bucket.saturating_add(1)))
}

/// The ruler of a universal bucket.
pub(super) fn bucket_ruler(bucket: i32) -> Ruler {
    let (low, high) = bucket_ends(bucket);
    Ruler::between(low, high)
}

/// Counts a value, or a distance, in its bucket.
pub(super) fn add_to(cells: &mut Cells, value: f64) {
    let bucket = universal::bucket(value);
    cells.entry(bucket).or_default().add(bucket_ruler(bucket).offset(value));
}

/// Adds other cells.
pub(super) fn merge_cells(cells: &mut Cells, other: &Cells) {
    for (bucket, moments) in other {
        cells.entry(*bucket).or_default().merge(moments);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(values: &[f64], ruler: Ruler) -> Moments {
        let mut moments = Moments::default();
        for value in values {
            moments.add(ruler.offset(*value));
        }
        moments
    }

    proptest! {
        #[test]
        fn mean_and_deviation_are_those_of_the_values(values in prop::collection::vec(-1.0..1.0f64, 1..200), middle in -1e6..1e6f64, power in -200i32..200) {
            let scale = 10f64.powi(power);
            let values: Vec<f64> = values.iter().map(|value| (value + middle) * scale).collect();
            let ruler = Ruler::between((middle - 1.0) * scale, (middle + 1.0) * scale);
            let group = of(&values, ruler).group(ruler).unwrap();
            // Around the first value: a plain sum of values far from zero would be less exact than what is tested.
            let number = values.len() as f64;
            let around: Vec<f64> = values.iter().map(|value| (value - values[0]) / scale).collect();
            let shift = around.iter().sum::<f64>() / number;
            let mean = shift.mul_add(scale, values[0]);
            let deviation = (around.iter().map(|value| (value - shift).powi(2)).sum::<f64>() / number).sqrt() * scale;
            prop_assert!((group.mean - mean).abs() <= 1e-9 * scale, "{} {mean}", group.mean);
            prop_assert!((group.deviation - deviation).abs() <= 1e-9 * scale, "{} {deviation}", group.deviation);
        }
    }

    #[test]
    fn a_constant_has_no_deviation_however_far_away_it_is() {
        for value in [6.0, -1e300, 1.7e308, 1e-300, 0.1] {
            let mut cells = Cells::new();
            for _ in 0..1000 {
                add_to(&mut cells, value);
            }
            let groups: Vec<ValueGroup> =
                cells.iter().filter_map(|(bucket, moments)| moments.group(bucket_ruler(*bucket))).collect();
            let (mean, deviation) = together(&groups).unwrap();
            assert!((mean / value - 1.0).abs() < 1e-9, "{mean} for {value}");
            assert_eq!(deviation, 0.0, "{value}");
        }
    }

    #[test]
    fn the_largest_floats_have_a_finite_deviation() {
        let group = |mean: f64| ValueGroup { count: 1, mean, deviation: 0.0 };
        let (mean, deviation) = together(&[group(f64::MAX), group(f64::MIN)]).unwrap();
        assert_eq!((mean, deviation), (0.0, f64::MAX));
    }

    #[test]
    fn values_known_by_mean_and_deviation_alone_keep_both() {
        let ruler = Ruler::between(0.0, 10.0);
        let group = ValueGroup { count: 7, mean: 3.3, deviation: 1.25 };
        let back = Moments::of_group(group, ruler).group(ruler).unwrap();
        assert!(
            (back.mean - 3.3).abs() < 1e-9 && (back.deviation - 1.25).abs() < 1e-9 && back.count == 7,
            "{back:?}"
        );
    }
}
