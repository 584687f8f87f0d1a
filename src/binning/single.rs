//! Values that are equal in single precision: a model that is trained on 64-bit floats and served with 32-bit ones has the
//! same data, so no cut of a binning may lie between a value and its neighbour in single precision.

/// The values that round to the same 32-bit float as this one: from the smallest up to, but without, the first larger one
/// that does not. Beyond the range of 32-bit floats a value stands alone.
#[must_use]
pub fn class_of(value: f64) -> (f64, f64) {
    let single = nearest(value);
    if !single.is_finite() {
        return (value, value.next_up());
    }
    // Halfway between two floats the one with the even last bit wins.
    let even = single.to_bits() & 1 == 0;
    let low = f64::midpoint(f64::from(single.next_down()), f64::from(single));
    let high = f64::midpoint(f64::from(single), f64::from(single.next_up()));
    let (low, high) = if even { (low, high.next_up()) } else { (low.next_up(), high) };
    // The neighbours of the largest float are infinite.
    (
        if low.is_finite() { low } else { f64::from(f32::MIN) },
        if high.is_finite() { high } else { f64::from(f32::MAX).next_up() },
    )
}

/// The 32-bit float nearest to a value; zero is positive.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "rounding is what is asked for")]
pub fn nearest(value: f64) -> f32 {
    // Adding zero makes negative zero positive.
    value as f32 + 0.0
}

/// Whether two values are equal in single precision.
#[must_use]
pub fn equal(left: f64, right: f64) -> bool {
    left == right || (nearest(left) == nearest(right) && nearest(left).is_finite())
}

/// Whether a value is one of single precision.
#[must_use]
pub fn is_single(value: f64) -> bool {
    f64::from(nearest(value)) == value
}

/// A value with the digits that single precision has, as a person would write it: what stands for all of its class.
#[must_use]
pub fn written(value: f64) -> f64 {
    let single = nearest(value);
    if single == 0.0 {
        0.0
    } else if single.is_normal() {
        single.to_string().parse().unwrap_or(value)
    } else {
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_decimal_and_its_single_are_of_one_class() {
        for value in [0.1, 4.99, -99.99, 16_777_217.0, 1e-40, 0.0] {
            let (low, high) = class_of(value);
            let single = f64::from(nearest(value));
            assert!(low <= value && value < high && low <= single && single < high, "{value}");
            assert!(equal(value, single));
        }
        assert_eq!(class_of(1e300), (1e300, 1e300_f64.next_up()));
        assert_eq!(written(f64::from(0.1f32)), 0.1);
        assert!(is_single(0.5) && !is_single(0.1));
    }

    proptest! {
        #[test]
        fn classes_hold_exactly_what_rounds_alike(value in any::<f32>()) {
            prop_assume!(value.is_finite() && value.abs() < f32::MAX);
            let (low, high) = class_of(f64::from(value));
            let same = |other: f64| nearest(other) == value;
            prop_assert!(same(low) && same(high.next_down()) && !same(low.next_down()) && !same(high));
        }
    }
}
