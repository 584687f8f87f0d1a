//! Universal numeric buckets: sign, power of two, and 64 linear steps within it. They are the same for all
//! data, so a column can be counted before anything is known about it, and a baseline built from the counts.
//!
//! A bucket spans at most 1/64 of its lower end (1.6 %); integers up to 128 have a bucket each.

/// Bits of the float that name its bucket: 11 of the exponent, 6 of the mantissa.
const SHIFT: u32 = 52 - 6;

use super::single;

/// The bucket of a finite value: 0 for zero, positive keys for positive values, negative for negative ones;
/// the order of keys is the order of values.
#[must_use]
pub fn bucket(value: f64) -> i32 {
    let single = f64::from(single::nearest(value));
    // Values equal in single precision are of one bucket; beyond its range there is no neighbour to be equal to.
    let value = if single::nearest(value).is_normal() { single } else { value };
    let magnitude = (value.abs().to_bits() >> SHIFT) as i32 + 1;
    if value > 0.0 {
        magnitude
    } else if value < 0.0 {
        -magnitude
    } else {
        0
    }
}

/// Whether some finite value lies in a bucket of this key.
#[must_use]
pub fn is_bucket(key: i32) -> bool {
    (bucket(f64::MIN)..=bucket(f64::MAX)).contains(&key)
}

/// The smallest value at or above which a value belongs to this bucket or a later one.
#[must_use]
pub fn lower_end(bucket: i32) -> f64 {
    let rounded = |end: f64| single::nearest(end).is_normal().then(|| single::class_of(end));
    match bucket {
        0 => 0.0,
        1 => f64::from_bits(1),
        // What rounds to the end in single precision belongs to a bucket of positive values, and not to one of negative.
        key if key > 1 => rounded(magnitude(key - 1)).map_or(magnitude(key - 1), |(low, _)| low),
        key => rounded(-magnitude(-key)).map_or((-magnitude(-key)).next_up(), |(_, high)| high),
    }
}

/// Whether a bucket begins at this value, or one at the end of all numbers does.
#[must_use]
pub fn is_lower_end(value: f64) -> bool {
    value == f64::MIN || value == f64::MAX || lower_end(bucket(value)) == value
}

/// Where magnitude bucket number `index` (from 0) begins; infinite past the last one.
fn magnitude(index: i32) -> f64 {
    let bits = u64::from(index.unsigned_abs()) << SHIFT;
    f64::from_bits(bits.min(f64::INFINITY.to_bits()))
}

/// The middle of a bucket, as a stand-in for the values in it.
#[must_use]
pub fn middle(bucket: i32) -> f64 {
    let low = lower_end(bucket);
    let high = lower_end(bucket.saturating_add(1));
    if bucket == 0 || !high.is_finite() || !low.is_finite() {
        if low.is_finite() { low } else { f64::MIN }
    } else {
        low + (high - low) / 2.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_value_lies_between_the_ends_of_its_bucket(value in prop::num::f64::NORMAL | prop::num::f64::ZERO | prop::num::f64::SUBNORMAL) {
            let key = bucket(value);
            prop_assert!(lower_end(key) <= value, "{} > {value}", lower_end(key));
            prop_assert!(value < lower_end(key + 1), "{value} >= {}", lower_end(key + 1));
        }

        #[test]
        fn keys_are_ordered_as_values(a in any::<f64>(), b in any::<f64>()) {
            prop_assume!(a.is_finite() && b.is_finite());
            prop_assert!(a > b || bucket(a) <= bucket(b));
        }
    }

    #[test]
    fn small_integers_have_a_bucket_each() {
        for value in 0..128 {
            assert_ne!(bucket(f64::from(value)), bucket(f64::from(value + 1)));
        }
        assert_eq!(bucket(-0.0), 0);
    }
}
