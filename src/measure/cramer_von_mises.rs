//! The two-sample Cramér-von Mises test.

use super::Points;
use super::law::cramer_von_mises_limit;

/// The statistic T of Anderson (1962), and its p-value from the limiting law after T is brought to its mean and variance.
/// None without two values a side, and where all values are the same.
///
/// Where values are tied, T is the sum of squared gaps between the cumulative shares that it is defined by (`tied` below):
/// the formula with ranks ([`cramer_von_mises_by_ranks`]) is another number then.
#[must_use]
pub fn cramer_von_mises(points: &Points) -> Option<(f64, f64)> {
    if points.iter().any(|(_, more, further)| more + further > 1) {
        tied(points)
    } else {
        cramer_von_mises_by_ranks(points)
    }
}

/// T by the formula with ranks, with midranks for ties, as scipy and tools that rest on it have it. Of few values it
/// grows with the difference of the sizes, although nothing differs. Needs two values a side, otherwise `None`.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "the integers are exact, only the result is rounded")]
pub fn cramer_von_mises_by_ranks(points: &Points) -> Option<(f64, f64)> {
    let (n, m) = two_a_side(points)?;
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
    let mean = (1.0 + 1.0 / (n + m)) / 6.0;
    Some((statistic, chance(statistic, mean, variance(n, m))))
}

/// Both sizes, when both are at least two.
fn two_a_side(points: &Points) -> Option<(f64, f64)> {
    points.sizes().filter(|(n, m)| *n >= 2.0 && *m >= 2.0)
}

/// The variance of T when no values are tied.
fn variance(n: f64, m: f64) -> f64 {
    let (sum, product) = (n + m, n * m);
    (sum + 1.0) * (4.0 * product * sum - 3.0 * (n * n + m * m) - 2.0 * product)
        / (45.0 * sum * sum * 4.0 * product)
}

/// The chance of a T as large, by its mean and variance.
fn chance(statistic: f64, mean: f64, variance: f64) -> f64 {
    cramer_von_mises_limit(1.0 / 6.0 + (statistic - mean) / (45.0 * variance).sqrt())
}

/// T = nm/(n+m)^2 times the sum of squared gaps between the cumulative shares, each weighted with half of the values on
/// either side of it: without ties that is one value each. Mean and variance are those given the ties: with H the
/// cumulative share of both and w the weights, the sum of `w H (1 - H)` over n + m - 1, and twice the sum of
/// `w w' (min(H, H') (1 - max(H, H')))^2` over (n + m)^2, relative to its value without ties. None when all values are
/// the same.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn tied(points: &Points) -> Option<(f64, f64)> {
    let (n, m) = two_a_side(points)?;
    let all = n + m;
    let (mut before, mut after) = (0u64, 0u64);
    let (mut squares, mut mean, mut pairs, mut below) = (0.0, 0.0, 0.0, 0.0);
    let next = points.iter().skip(1).map(|(_, more, further)| more + further);
    for ((_, more, further), next) in points.iter().zip(next) {
        before += more;
        after += further;
        let weight = (more + further + next) as f64 / 2.0;
        let gap = before as f64 / n - after as f64 / m;
        let (lower, upper) = ((before + after) as f64 / all, 1.0 - (before + after) as f64 / all);
        squares += weight * gap * gap;
        mean += weight * lower * upper;
        // Pairs of this place with those before it, twice, and with itself.
        pairs += weight * upper * upper * (2.0 * below + weight * lower * lower);
        below += weight * lower * lower;
    }
    let statistic = n * m / (all * all) * squares;
    let without_ties = 1.0 / 45.0;
    let variance = variance(n, m) * 2.0 * pairs / (all * all) / without_ties;
    let p_value = || if squares > 0.0 { chance(statistic, mean / (all - 1.0), variance) } else { 1.0 };
    (variance > 0.0).then(|| (statistic, p_value()))
}

/// The sum over i from 1 to count of (offset - 2i)^2.
fn squared_distances(offset: i128, count: i128) -> i128 {
    let sum = count * (count + 1) / 2;
    let squares = count * (count + 1) * (2 * count + 1) / 6;
    count * offset * offset - 4 * offset * sum + 4 * squares
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(counts: &[(f64, u64, u64)]) -> (f64, f64) {
        cramer_von_mises(&Points::from_counts(counts.iter().copied())).unwrap()
    }

    #[test]
    fn without_ties_both_formulas_are_one() {
        let points = Points::from_counts((0..65u64).map(|place| {
            let baseline = u64::from(place * 7 % 13 < 8);
            (f64::from(u32::try_from(place).unwrap()), baseline, 1 - baseline)
        }));
        let (by_ranks, by_gaps) = (cramer_von_mises_by_ranks(&points).unwrap(), tied(&points).unwrap());
        assert!((by_ranks.0 - by_gaps.0).abs() < 1e-12, "{by_ranks:?} {by_gaps:?}");
        assert!((by_ranks.1 - by_gaps.1).abs() < 0.05 * by_ranks.1, "{by_ranks:?} {by_gaps:?}");
    }

    #[test]
    fn equal_shares_of_few_values_are_equal_whatever_the_sizes() {
        let (statistic, p_value) = of(&[(0.0, 25_000, 250), (1.0, 25_000, 250)]);
        assert!(statistic < 1e-12 && p_value > 0.99, "{statistic} {p_value}");
        // Of a fair coin: 0.16 points apart.
        let (statistic, p_value) = of(&[(0.0, 24_880, 248), (1.0, 25_120, 252)]);
        assert!(statistic < 0.001 && p_value > 0.7, "{statistic} {p_value}");
        assert_eq!(cramer_von_mises(&Points::from_counts([(7.0, 100, 50)])), None, "one value has no gap");
    }

    #[test]
    fn the_chance_of_tied_values_is_near_the_exact_one() {
        // Of two values it is that of two shares: 12 points apart at 2,000 and 400 is 4.4 standard errors, 1.1e-5.
        let (_, p_value) = of(&[(0.0, 1_000, 248), (1.0, 1_000, 152)]);
        assert!((4e-6..3e-5).contains(&p_value), "{p_value}");
        // Three standard errors: 0.0027.
        let (_, p_value) = of(&[(0.0, 1_000, 233), (1.0, 1_000, 167)]);
        assert!((0.0015..0.004).contains(&p_value), "{p_value}");
        // In whatever direction values grow.
        let (forwards, backwards) = (
            of(&[(0.0, 50, 30), (1.0, 70, 20), (2.0, 5, 30)]),
            of(&[(-2.0, 5, 30), (-1.0, 70, 20), (0.0, 50, 30)]),
        );
        assert!((forwards.0 - backwards.0).abs() < 1e-12 && (forwards.1 - backwards.1).abs() < 1e-12);
    }
}
