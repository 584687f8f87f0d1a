//! The two-sample Anderson-Darling test.

use super::Points;
use super::law::{ANDERSON_DARLING_MOMENTS, anderson_darling_limit};

/// The outcome of the test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AndersonDarling {
    /// The statistic, standardised by its mean and deviation under no drift.
    pub statistic: f64,
    /// The statistic itself, which grows with the sizes.
    pub raw: f64,
    /// The chance of at least this statistic when both sides have one distribution.
    pub p_value: f64,
}

/// The k-sample test for two samples with midranks for ties (Scholz and Stephens 1987, equation 7). It weighs the gap
/// of the cumulative distributions by how far out it is, so tails count more than in Cramér-von Mises.
/// The p-value is from the limiting law, to which the statistic is brought by its variance: that of both sizes, and given the
/// ties. `None` when a side has no value, both together fewer than four, or only one distinct.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
pub fn anderson_darling(points: &Points) -> Option<AndersonDarling> {
    let (n, m) = points.sizes()?;
    let total = n + m;
    if total < 4.0 || points.distinct() < 2 {
        return None;
    }
    let (mut before, mut left, mut right) = (0.0, 0.0, 0.0);
    let (mut baseline, mut window) = (0.0, 0.0);
    // Of the squared correlations of all pairs of places, with their shares of the values.
    let (mut correlations, mut lower) = (0.0, 0.0);
    for (_, more, further) in points.iter() {
        let (more, further) = (more as f64, further as f64);
        let ties = more + further;
        let middle = before + ties / 2.0;
        let varies = middle * (total - middle) - total * ties / 4.0;
        let weight = ties / total / varies;
        baseline += weight * (total * (left + more / 2.0) - middle * n).powi(2);
        window += weight * (total * (right + further / 2.0) - middle * m).powi(2);
        correlations += 2.0 * lower * weight * (total - middle).powi(2) + (ties / total).powi(2);
        lower += weight * middle * middle;
        before += ties;
        left += more;
        right += further;
    }
    let raw = (baseline / n + window / m) * (total - 1.0) / total;
    let variance = variance(n, m);
    let statistic = (raw - 1.0) / variance.sqrt();
    let (mean, of_limit) = ANDERSON_DARLING_MOMENTS;
    // With ties the variance is twice the mean squared correlation; without, the sum comes to that of the limit.
    let given_ties = variance * 2.0 * correlations / of_limit;
    let brought = (raw - mean).mul_add((of_limit / given_ties).sqrt(), mean);
    Some(AndersonDarling { statistic, raw, p_value: anderson_darling_limit(brought) })
}

/// The variance of the raw statistic under no drift (the same paper, equation 4), for two samples.
fn variance(n: f64, m: f64) -> f64 {
    let total = n + m;
    let inverse = 1.0 / n + 1.0 / m;
    // h = sum of 1/i up to N-1; g = sum over i < j of 1/((N-i) j), both by one pass.
    let (mut harmonic, mut g) = (0.0, 0.0);
    let mut index = total - 1.0;
    let mut place = 2.0;
    while index > 1.0 {
        harmonic += 1.0 / index;
        g += harmonic / place;
        index -= 1.0;
        place += 1.0;
    }
    let h = harmonic + 1.0;
    let k = 2.0;
    let a = (4.0 * g - 6.0) * (k - 1.0) + (10.0 - 6.0 * g) * inverse;
    let b = (2.0 * g - 4.0) * k * k + 8.0 * h * k + (2.0 * g - 14.0 * h - 4.0) * inverse - 8.0 * h + 4.0 * g - 6.0;
    let c =
        (6.0 * h + 2.0 * g - 2.0) * k * k + (4.0 * h - 4.0 * g + 6.0) * k + (2.0 * h - 6.0) * inverse + 4.0 * h;
    let d = (2.0 * h + 6.0) * k * k - 4.0 * h * k;
    (a * total.powi(3) + b * total * total + c * total + d) / ((total - 1.0) * (total - 2.0) * (total - 3.0))
}
