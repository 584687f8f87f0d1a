//! A change of one statistic, and the one scale of the sizes of changes.

use super::Statistic;

/// What one statistic of a column says about a window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    pub statistic: Statistic,
    /// Its share of the column's level: a p-value of `level * weight` is significant at `level`. The weights of a column sum up to
    /// 1 at most.
    pub weight: f64,
    /// The chance of a change as far or farther when nothing but natural variation moves the window. Changes of less than two
    /// standard deviations have 1.
    pub p_value: f64,
    /// Size on the common scale, never negative: a shift in standard deviations, the standardised effect of a change of spread, of
    /// shares [`share_size`]. Of [`Statistic::Mix`] the root of the sum over categories of squared differences over shares, less what
    /// chance and natural variation contribute.
    pub size: f64,
    /// The share in the reference; 0 of what is no share.
    pub before: f64,
    /// The share in the window; the shift in standard deviations, the standardised effect on the spread, both with their sign; the size
    /// of [`Statistic::Mix`].
    pub after: f64,
    /// 1.96 standard deviations of `after - before`, natural variation included.
    pub margin: f64,
    /// The window's records that the statistic is about.
    pub n_window: u64,
    /// The reference's.
    pub n_reference: u64,
    /// How many independent records the window is worth.
    pub effective_size: f64,
}

/// What a ratio of small shares is worth at most: a major change. Beyond it sizes grow with Cohen's h alone, so that they can be
/// compared with each other.
const LARGEST_BY_RATIO: f64 = 0.5;

/// The size of a change of a share: Cohen's h, or by the ratio of both shares where that says more and the difference is not tiny.
///
/// `max(2 |asin sqrt after - asin sqrt before|, min((ratio - 1) / 4, 40 |after - before|, 0.5))` with the larger over the smaller
/// share. So 0.1 is reached by a ratio of 1.4 with a difference of 0.25 percentage points, 0.2 by 1.8 with 0.5 points. Shares are
/// between 0 and 1.
#[must_use]
pub fn share_size(before: f64, after: f64) -> f64 {
    let cohen = 2.0 * (super::shares::arcsine(after) - super::shares::arcsine(before)).abs();
    let ratio = if before == after { 1.0 } else { before.max(after) / before.min(after) };
    cohen.max(((ratio - 1.0) / 4.0).min(40.0 * (after - before).abs()).min(LARGEST_BY_RATIO))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_of_shares_are_what_people_expect() {
        let limits = [
            ((0.30, 0.40), 0.2, true),
            ((0.01, 0.03), 0.2, true),
            ((0.01, 0.02), 0.2, true),
            ((0.04, 0.00), 0.2, true),
            ((0.80, 0.75), 0.1, true),
            ((0.80, 0.75), 0.2, false),
            ((0.0010, 0.0030), 0.1, false),
            ((0.010, 0.0141), 0.1, true),
            ((0.010, 0.0139), 0.1, false),
            ((0.0, 0.0026), 0.1, true),
            ((0.0, 0.0), 1e-9, false),
        ];
        for ((before, after), limit, reached) in limits {
            let size = share_size(before, after);
            assert_eq!(size >= limit, reached, "{before} to {after}: {size}");
            assert_eq!(size, share_size(after, before));
        }
    }
}
