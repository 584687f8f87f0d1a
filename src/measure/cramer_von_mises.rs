//! The two-sample Cramér-von Mises test.

use super::Points;
use super::law::cramer_von_mises_limit;

/// The statistic T of Anderson (1962) with midranks for ties, and its p-value from the limiting law after T is brought
/// to its mean and variance. Needs two values a side, otherwise `None`.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "the integers are exact, only the result is rounded")]
pub fn cramer_von_mises(points: &Points) -> Option<(f64, f64)> {
    let (n, m) = points.sizes()?;
    if n < 2.0 || m < 2.0 {
        return None;
    }
    // Twice the distance of a value's midrank in both from its rank among its own, squared and summed: integers,
    // because the statistic is a small difference of large numbers.
    let (mut before, mut left, mut right) = (0i128, 0i128, 0i128);
    let (mut baseline, mut window) = (0i128, 0i128);
    for (_, more, further) in points.iter() {
        let (more, further) = (i128::from(more), i128::from(further));
        let midrank = 2 * before + more + further + 1;
        baseline += squared_distances(midrank - 2 * left, more);
        window += squared_distances(midrank - 2 * right, further);
        before += more + further;
        left += more;
        right += further;
    }
    let (size, other) = (left, right);
    let total = size + other;
    // T = U/(nm(n+m)) - (4nm - 1)/(6(n+m)), over one denominator; U is a quarter of the sum.
    let product = size * other;
    let numerator = 6 * (size * baseline + other * window) - 4 * product * (4 * product - 1);
    let statistic = numerator as f64 / (24 * product * total) as f64;
    let (sum, product) = (n + m, n * m);
    let mean = (1.0 + 1.0 / sum) / 6.0;
    let variance = (sum + 1.0) * (4.0 * product * sum - 3.0 * (n * n + m * m) - 2.0 * product)
        / (45.0 * sum * sum * 4.0 * product);
    let scaled = 1.0 / 6.0 + (statistic - mean) / (45.0 * variance).sqrt();
    Some((statistic, cramer_von_mises_limit(scaled)))
}

/// The sum over i from 1 to count of (offset - 2i)^2.
fn squared_distances(offset: i128, count: i128) -> i128 {
    let sum = count * (count + 1) / 2;
    let squares = count * (count + 1) * (2 * count + 1) / 6;
    count * offset * offset - 4 * offset * sum + 4 * squares
}
