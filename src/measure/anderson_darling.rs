//! The two-sample Anderson-Darling test.

use super::Points;

/// The smallest p-value the table knows.
pub(super) const SMALLEST_P: f64 = 0.001;

/// Critical values of the standardised statistic at these levels (Scholz and Stephens 1987, table 2, two samples).
const CRITICAL: [(f64, f64); 7] = [
    (0.675 - 0.245 - 0.105, 0.25),
    (1.281 + 0.25 - 0.305, 0.1),
    (1.645 + 0.678 - 0.362, 0.05),
    (1.96 + 1.149 - 0.391, 0.025),
    (2.326 + 1.822 - 0.396, 0.01),
    (2.573 + 2.364 - 0.345, 0.005),
    (3.085 + 3.615 - 0.154, 0.001),
];

/// The outcome of the test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AndersonDarling {
    /// The statistic, standardised by its mean and deviation under no drift.
    pub statistic: f64,
    /// The statistic itself, which grows with the sizes.
    pub raw: f64,
    /// Between 0.001 and 0.25: the ends of the published table, within which it is interpolated.
    pub p_value: f64,
}

/// The k-sample test for two samples with midranks for ties (Scholz and Stephens 1987, equation 7). It weighs the gap
/// of the cumulative distributions by how far out it is, so tails count more than in Cramér-von Mises.
/// `None` when a side has no value, both together fewer than four, or only one distinct.
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
    for (_, more, further) in points.iter() {
        let (more, further) = (more as f64, further as f64);
        let ties = more + further;
        let middle = before + ties / 2.0;
        let weight = ties / total / (middle * (total - middle) - total * ties / 4.0);
        baseline += weight * (total * (left + more / 2.0) - middle * n).powi(2);
        window += weight * (total * (right + further / 2.0) - middle * m).powi(2);
        before += ties;
        left += more;
        right += further;
    }
    let raw = (baseline / n + window / m) * (total - 1.0) / total;
    let statistic = (raw - 1.0) / variance(n, m).sqrt();
    Some(AndersonDarling { statistic, raw, p_value: p_value(statistic) })
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

/// The logarithm of the level as a parabola through the table, by least squares.
fn p_value(statistic: f64) -> f64 {
    let [(lowest, _), .., (highest, _)] = CRITICAL;
    if statistic < lowest {
        return 0.25;
    }
    if statistic > highest {
        return SMALLEST_P;
    }
    // Normal equations about the middle of the table.
    let origin = f64::midpoint(lowest, highest);
    let mut moments = [0.0; 5];
    let mut sums = [0.0; 3];
    for (critical, level) in CRITICAL {
        let x = critical - origin;
        let mut power = 1.0;
        for (index, moment) in moments.iter_mut().enumerate() {
            if let Some(sum) = sums.get_mut(index) {
                *sum += power * f64::ln(level);
            }
            *moment += power;
            power *= x;
        }
    }
    let [m0, m1, m2, m3, m4] = moments;
    let [s0, s1, s2] = sums;
    let det = |r1: [f64; 3], r2: [f64; 3], r3: [f64; 3]| {
        r1[0] * (r2[1] * r3[2] - r2[2] * r3[1]) - r1[1] * (r2[0] * r3[2] - r2[2] * r3[0])
            + r1[2] * (r2[0] * r3[1] - r2[1] * r3[0])
    };
    let all = det([m0, m1, m2], [m1, m2, m3], [m2, m3, m4]);
    let c0 = det([s0, m1, m2], [s1, m2, m3], [s2, m3, m4]) / all;
    let c1 = det([m0, s0, m2], [m1, s1, m3], [m2, s2, m4]) / all;
    let c2 = det([m0, m1, s0], [m1, m2, s1], [m2, m3, s2]) / all;
    let x = statistic - origin;
    (c0 + c1 * x + c2 * x * x).exp()
}
