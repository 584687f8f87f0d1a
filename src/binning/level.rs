//! Numeric buckets of any fineness. At each level a bucket is a run of neighbouring floats, and two buckets of a level are one
//! of the next coarser level, so counts of one level are counts of every coarser one.
//!
//! A level says how many of the last bits of a float its buckets leave open. At the finest one floats are told apart as they
//! are, at [`Level::SINGLE`] what is equal in single precision is one bucket (as in [`super::single`]), and the coarsest has
//! the buckets of [`super::universal`], 1/64 of a power of two wide. (Uniform collapse, as in UDDSketch, Epicoco et al.
//! 2020, with buckets that are linear within a power of two.)

use super::single;

/// Bits of a 64-bit float that single precision does not have.
const DROPPED_BY_SINGLE: u8 = 29;
/// Half of what they count.
const HALF: u64 = 1 << (DROPPED_BY_SINGLE - 1);

/// How fine buckets are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Level(u8);

impl Level {
    /// Each float is a bucket; only one halfway between two of single precision may share that of its neighbour.
    pub const FINEST: Self = Self(0);
    /// A bucket holds what is equal in single precision.
    pub const SINGLE: Self = Self(DROPPED_BY_SINGLE);
    /// Buckets are 1/64 of a power of two wide.
    pub const COARSEST: Self = Self(46);

    /// The level that leaves so many bits open; `None` beyond the coarsest.
    #[must_use]
    pub fn new(bits: u8) -> Option<Self> {
        (bits <= Self::COARSEST.0).then_some(Self(bits))
    }

    /// Bits that its buckets leave open.
    #[must_use]
    pub fn bits(self) -> u8 {
        self.0
    }

    /// The level that is coarser by so many bits, the coarsest at most.
    #[must_use]
    pub fn coarser_by(self, bits: u32) -> Self {
        let bits = u8::try_from(bits).unwrap_or(u8::MAX);
        Self(self.0.saturating_add(bits)).min(Self::COARSEST)
    }

    /// The bucket of a finite value: 0 for zero, positive keys for positive values, negative for negative ones; the order of
    /// keys is the order of values.
    #[must_use]
    pub fn bucket(self, value: f64) -> i64 {
        let magnitude = i64::try_from(place(value.abs()) >> self.0).unwrap_or(i64::MAX - 1) + 1;
        if value > 0.0 {
            magnitude
        } else if value < 0.0 {
            -magnitude
        } else {
            0
        }
    }

    /// The bucket of this level that holds one of a finer level.
    #[must_use]
    pub fn holding(self, bucket: i64, finer: Self) -> i64 {
        let bits = self.0.saturating_sub(finer.0);
        if bucket == 0 { 0 } else { (((bucket.abs() - 1) >> bits) + 1) * bucket.signum() }
    }

    /// Whether some finite value lies in a bucket of this key.
    #[must_use]
    pub fn is_bucket(self, key: i64) -> bool {
        (self.bucket(f64::MIN)..=self.bucket(f64::MAX)).contains(&key)
    }

    /// The smallest value at or above which a value belongs to this bucket or a later one; infinite past the last one.
    #[must_use]
    pub fn lower_end(self, bucket: i64) -> f64 {
        let positive = |key: i64| {
            let first = u64::try_from(key - 1).unwrap_or(0).checked_shl(u32::from(self.0)).unwrap_or(u64::MAX);
            // The smallest float with a place at or after the first one of the bucket.
            let (mut low, mut high) = (1, f64::INFINITY.to_bits());
            while low < high {
                let middle = low + (high - low) / 2;
                if place(f64::from_bits(middle)) < first { low = middle + 1 } else { high = middle }
            }
            f64::from_bits(low)
        };
        match bucket {
            0 => 0.0,
            key if key > 0 => positive(key),
            key => (-positive(1 - key)).next_up(),
        }
    }

    /// From where to where a bucket goes, both finite; the end is not in it, unless it is the largest float.
    #[must_use]
    pub fn ends(self, bucket: i64) -> (f64, f64) {
        let end = |bucket| self.lower_end(bucket).clamp(f64::MIN, f64::MAX);
        (end(bucket), end(bucket.saturating_add(1)))
    }
}

/// Where a positive float lies on a line of which each level divides the whole numbers into runs of equal length: its bits,
/// shifted so that a run of single precision has all that rounds to one float. It never falls as the value rises.
fn place(magnitude: f64) -> u64 {
    let bits = magnitude.to_bits();
    let nearest = single::nearest(magnitude);
    if nearest.is_normal() {
        let rounded = f64::from(nearest).to_bits();
        // Halfway between two floats the one with the even last bit wins.
        let is_down = bits.wrapping_sub(rounded) == HALF;
        (bits + HALF - u64::from(is_down)).clamp(rounded, rounded + (2 * HALF - 1))
    } else if nearest.is_infinite() {
        bits.max(f64::from(f32::MAX).to_bits() + (2 * HALF - 1))
    } else {
        // Beyond the range of single precision there is no neighbour to be equal to.
        bits
    }
}

#[cfg(test)]
mod tests {
    use super::super::universal;
    use super::*;
    use proptest::prelude::*;

    fn levels() -> impl Strategy<Value = Level> {
        (0..=46u8).prop_map(|bits| Level::new(bits).unwrap())
    }

    /// Any float, and those at which singles part.
    fn values() -> impl Strategy<Value = f64> {
        let all = prop::num::f64::NORMAL | prop::num::f64::ZERO | prop::num::f64::SUBNORMAL;
        let near = (any::<f32>(), -2i64..3).prop_filter_map("finite", |(single, steps)| {
            let (low, high) = single::class_of(f64::from(single));
            let end = if steps % 2 == 0 { low } else { high };
            Some(f64::from_bits(end.to_bits().wrapping_add_signed(steps))).filter(|value| value.is_finite())
        });
        prop_oneof![all, near, -1e10..1e10f64, (-2_000_000_000i64..2_000_000_000).prop_map(|value| value as f64)]
    }

    proptest! {
        #[test]
        fn a_value_lies_between_the_ends_of_its_bucket(value in values(), level in levels()) {
            let key = level.bucket(value);
            prop_assert!(level.lower_end(key) <= value, "{} > {value}", level.lower_end(key));
            prop_assert!(value < level.lower_end(key + 1), "{value} >= {}", level.lower_end(key + 1));
            prop_assert!(level.is_bucket(key));
        }

        #[test]
        fn keys_are_ordered_as_values_and_coarser_buckets_hold_finer_ones(a in values(), b in values(), fine in levels(), coarse in levels()) {
            let (fine, coarse) = (fine.min(coarse), fine.max(coarse));
            prop_assert!(a > b || fine.bucket(a) <= fine.bucket(b));
            prop_assert_eq!(coarse.holding(fine.bucket(a), fine), coarse.bucket(a));
        }

        #[test]
        fn the_coarsest_buckets_are_the_universal_ones(value in values()) {
            let key = universal::bucket(value);
            prop_assert_eq!(Level::COARSEST.bucket(value), i64::from(key));
            for key in [key - 1, key, key + 1] {
                prop_assert_eq!(Level::COARSEST.lower_end(key.into()), universal::lower_end(key));
            }
        }

        #[test]
        fn what_is_equal_in_single_precision_is_one_bucket(value in values()) {
            prop_assume!(single::nearest(value).is_normal() && value.abs() < f64::from(f32::MAX));
            // Where the range of single precision begins, its floats are as far apart below as above.
            prop_assume!(value.abs() > 1.2e-38);
            let (level, (low, high)) = (Level::SINGLE, single::class_of(value));
            let key = level.bucket(value);
            prop_assert_eq!((level.lower_end(key), level.lower_end(key + 1)), (low, high));
        }
    }

    #[test]
    fn integers_far_from_zero_are_told_apart_at_the_finest_level() {
        let fine = Level::FINEST;
        for value in (1_000_000_000..1_000_001_000).map(f64::from) {
            assert_eq!(
                (fine.bucket(value) < fine.bucket(value + 1.0), fine.bucket(-value)),
                (true, -fine.bucket(value))
            );
        }
    }
}
