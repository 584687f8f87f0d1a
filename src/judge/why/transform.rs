//! Constant factors, offsets and signs: a fault under which the window is the baseline again.
//!
//! A fault is named when undoing it leaves no more between the two sides than chance may, and a small part of what was
//! there; the rest is said. The factor is an estimate with an interval. A unit is named only when its factor lies in an
//! interval narrow enough to mean something, or when the values prove it: they fall on the baseline's decimals again.

use super::numbers::{DIFFERENT, Gap, NOTHING, Numbers, is_multiple, to_float};
use super::{Cause, Reason, number};
use crate::measure::{Pair, Points, Side};

/// Factors between units that people mix up, with what they are.
const UNITS: [(f64, &str); 17] = [
    (1000.0, "as from kilo-units to units or seconds to milliseconds"),
    (100.0, "as from a share to per cent, or from a currency to its cents"),
    (60.0, "as from minutes to seconds or hours to minutes"),
    (3600.0, "as from hours to seconds"),
    (24.0, "as from days to hours"),
    (86_400.0, "as from days to seconds"),
    (1_000_000.0, "as from units to millionths"),
    (10.0, "a decimal place"),
    (12.0, "as from years to months or feet to inches"),
    (7.0, "as from weeks to days"),
    (1.609_344, "as from miles to kilometres"),
    (2.54, "as from inches to centimetres"),
    (25.4, "as from inches to millimetres"),
    (2.204_623, "as from kilograms to pounds"),
    (3.280_84, "as from metres to feet"),
    (3.6, "as from metres a second to kilometres an hour"),
    (1_073_741_824.0, "as from gibibytes to bytes"),
];

/// Changes of unit with a factor and an offset.
const SCALES: [(f64, f64, &str); 2] =
    [(1.8, 32.0, "Celsius to Fahrenheit"), (1.0 / 1.8, -32.0 / 1.8, "Fahrenheit to Celsius")];

/// An offset that is a change of unit.
const KELVIN: f64 = 273.15;

/// What is left when a fault is undone, and what chance may hide beside it, may be at most this part of the gap.
const REST: f64 = 0.45;
/// ... and this part in windows of fewer than [`ENOUGH`] values, where spread and skewness tell little about the shape.
const REST_OF_FEW: f64 = 0.3;
const ENOUGH: f64 = 1_000.0;
/// What chance hides in a gap is one in twenty times more than this over the root of the size (Smirnov 1948).
const HIDDEN: f64 = 1.36;
/// An interval of a factor wider than this to each side names no unit.
const NARROW: f64 = 0.01;
/// Standard errors to each side of an estimate: one in a thousand is outside.
const SURE: f64 = 3.3;

/// A fault, what is left when it is undone, and the interval around its size.
struct FittedFault {
    size: f64,
    left: f64,
    low: f64,
    high: f64,
}

/// A constant factor, offset or sign under which the window is like the baseline.
pub(super) fn transformed(numbers: &Numbers<'_>) -> Option<Reason> {
    let points = numbers.points;
    let apart = numbers.gap(|_| true, points.of(Side::Window))?;
    if apart.p_value > DIFFERENT
        || apart.statistic < 5.0 * NOTHING
        || points.of(Side::Baseline).count() < 5
        || points.of(Side::Window).count() < 5
    {
        return None;
    }
    let moments = SideMoments::of(numbers.pair, points)?;
    let fits = |factor: f64, offset: f64| fit(numbers, apart, factor, offset);
    let told = |cause: Cause, what: &str, left: f64| {
        Some(Reason::new(
            cause,
            format!(
                "{what}: with that undone the largest gap between the two sides falls from {:.1} % to {:.1} % of the values{}",
                apart.statistic * 100.0,
                left * 100.0,
                numbers.source()
            ),
        ))
    };
    if let Some(left) = fits(-1.0, 0.0) {
        return told(Cause::SignFlip, "all values seem to be negated", left);
    }
    let factor = factor(numbers, &moments, &fits);
    let offset = offset(numbers, &moments, &fits);
    match (factor, offset) {
        (Some(factor), Some(offset)) => {
            // Both undo it. An offset keeps the spread, a factor multiplies it.
            let error = SURE * moments.error_of_spread();
            let by_spread = moments.spread();
            let (to_offset, to_factor) = (by_spread.ln().abs(), (by_spread.ln() - factor.size.ln()).abs());
            let words = if to_offset < error && to_factor < error {
                format!(
                    "{}, or {}; these values do not tell which",
                    said_offset(&offset),
                    said_factor(numbers, &factor)
                )
            } else if to_offset < to_factor {
                said_offset(&offset)
            } else {
                said_factor(numbers, &factor)
            };
            if to_offset < to_factor {
                told(Cause::Offset, &words, offset.left)
            } else {
                told(Cause::Scale, &words, factor.left)
            }
        }
        (Some(factor), None) => told(Cause::Scale, &said_factor(numbers, &factor), factor.left),
        (None, Some(offset)) => told(Cause::Offset, &said_offset(&offset), offset.left),
        (None, None) => SCALES.into_iter().find_map(|(factor, offset, what)| {
            let expected = factor.mul_add(moments.before.0, offset);
            let near = (moments.after.0 - expected).abs() <= SURE * moments.error_of_mean(factor);
            let left = near.then(|| fits(factor, offset)).flatten()?;
            told(Cause::Scale, &format!("all values seem to be converted, as from {what}"), left)
        }),
    }
}

/// What is left between the two sides when a fault is undone; `None` when that is more than chance or than a small part, or
/// the two are of another shape.
fn fit(numbers: &Numbers<'_>, apart: Gap, factor: f64, offset: f64) -> Option<f64> {
    let points = numbers.points;
    let window = || points.of(Side::Window).map(|(value, count)| ((value - offset) / factor, count));
    let left = numbers.gap(|_| true, window())?;
    let (n, m) = points.sizes()?;
    let hidden = HIDDEN * (1.0 / n + 1.0 / m).sqrt();
    let rest = if m < ENOUGH { REST_OF_FEW } else { REST };
    if !left.is_nothing() || left.statistic + hidden > apart.statistic * rest {
        return None;
    }
    // The largest gap sees little of the tails: spread and skewness do, of logarithms where a factor may be at work, and
    // with long tails folded in everywhere else, since they would drown both.
    let baseline = || points.of(Side::Baseline);
    let logarithms = offset == 0.0 && positive(baseline()) && positive(window());
    let middle = points.quantile(Side::Baseline, 0.5).unwrap_or(0.0);
    let unit = spread(points, Side::Baseline).filter(|spread| *spread > 0.0);
    let unit = unit.or_else(|| points.deviation(Side::Baseline, 0)).unwrap_or(1.0);
    let folded = |value: f64| if logarithms { value.ln() } else { ((value - middle) / unit).asinh() };
    let shape = |values: &mut dyn Iterator<Item = (f64, u64)>| {
        Shape::of(&values.map(|(value, count)| (folded(value), count)).collect::<Vec<_>>())
    };
    let alike = match (shape(&mut baseline()), shape(&mut window())) {
        (Some(before), Some(after)) => before.is_like(&after),
        _ => true,
    };
    (alike || left.statistic < NOTHING).then_some(left.statistic)
}

fn positive(mut values: impl Iterator<Item = (f64, u64)>) -> bool {
    values.all(|(value, _)| value > 0.0)
}

/// The spread of values on a logarithmic scale and their skewness, each with the square of its standard error (by their
/// influence functions).
struct Shape {
    spread: (f64, f64),
    skewness: (f64, f64),
}

impl Shape {
    /// `None` without a spread.
    fn of(values: &[(f64, u64)]) -> Option<Self> {
        let size: f64 = values.iter().map(|(_, count)| to_float(*count)).sum();
        let mean_of = |of: &dyn Fn(f64) -> f64| -> f64 {
            values.iter().map(|(value, count)| of(*value) * to_float(*count) / size).sum()
        };
        let mean = mean_of(&|value| value);
        let deviation = mean_of(&|value| (value - mean).powi(2)).sqrt();
        if !deviation.is_finite() || deviation <= 0.0 {
            return None;
        }
        let skewness = mean_of(&|value| ((value - mean) / deviation).powi(3));
        let kurtosis = mean_of(&|value| ((value - mean) / deviation).powi(4));
        let influence = mean_of(&|value| {
            let z = (value - mean) / deviation;
            (z.powi(3) - skewness - 3.0 * z - 1.5 * skewness * (z * z - 1.0)).powi(2)
        });
        Some(Self {
            spread: (deviation.ln(), (kurtosis - 1.0) / 4.0 / size),
            skewness: (skewness, influence / size),
        })
    }

    fn is_like(&self, other: &Self) -> bool {
        let near =
            |left: (f64, f64), right: (f64, f64)| (left.0 - right.0).abs() <= SURE * (left.1 + right.1).sqrt();
        near(self.spread, other.spread) && near(self.skewness, other.skewness)
    }
}

/// Mean, deviation and number of values of both sides.
struct SideMoments {
    before: (f64, f64, f64),
    after: (f64, f64, f64),
}

impl SideMoments {
    /// Of all values where the counts know them, of those at hand otherwise.
    fn of(pair: &Pair<'_>, points: &Points) -> Option<Self> {
        let of = |column: &crate::distribution::Distribution, side: Side| {
            let counted = column.mean().zip(column.deviation());
            let size = if counted.is_some() { column.present() } else { points.size(side) };
            let (mean, deviation) = counted.or_else(|| points.mean(side).zip(points.deviation(side, 0)))?;
            Some((mean, deviation, to_float(size)))
        };
        Some(Self { before: of(pair.baseline(), Side::Baseline)?, after: of(pair.window(), Side::Window)? })
    }

    /// The spread of the window as a multiple of the baseline's.
    fn spread(&self) -> f64 {
        self.after.1 / self.before.1
    }

    /// Its standard error, as a share: that of normal values, doubled, since tails make it larger.
    fn error_of_spread(&self) -> f64 {
        2.0 * (0.5 / self.before.2 + 0.5 / self.after.2).sqrt()
    }

    /// The standard error of the window's mean less a multiple of the baseline's.
    fn error_of_mean(&self, factor: f64) -> f64 {
        let square = |(_, deviation, size): (f64, f64, f64), factor: f64| (deviation * factor).powi(2) / size;
        (square(self.before, factor) + square(self.after, 1.0)).sqrt()
    }

    /// The ratio of the means and its standard error as a share; `None` when a mean may be zero.
    fn ratio(&self) -> Option<(f64, f64)> {
        let error = |(mean, deviation, size): (f64, f64, f64)| deviation / size.sqrt() / mean.abs();
        let share = error(self.before).hypot(error(self.after));
        let ratio = self.after.0 / self.before.0;
        (share.is_finite() && share < 0.05 && ratio > 0.0).then_some((ratio, share))
    }
}

fn factor(
    numbers: &Numbers<'_>,
    moments: &SideMoments,
    fits: &dyn Fn(f64, f64) -> Option<f64>,
) -> Option<FittedFault> {
    let points = numbers.points;
    // The two estimates there are, each with its error: the means, and the spreads.
    let spreads =
        spread(points, Side::Baseline).zip(spread(points, Side::Window)).filter(|(before, _)| *before > 0.0);
    let by_spread = spreads.map(|(before, after)| {
        let sizes = (to_float(points.size(Side::Baseline)), to_float(points.size(Side::Window)));
        (after / before, 1.5 * (1.0 / sizes.0 + 1.0 / sizes.1).sqrt())
    });
    let estimate = [moments.ratio(), by_spread]
        .into_iter()
        .flatten()
        .filter(|(size, _)| *size > 0.0 && size.is_finite())
        .min_by(|left, right| left.1.total_cmp(&right.1));
    let mut guesses: Vec<f64> = landmarks(points)
        .into_iter()
        .filter(|(before, _)| *before != 0.0)
        .map(|(before, after)| after / before)
        .chain(estimate.map(|(size, _)| size))
        .chain(by_spread.map(|(size, _)| size))
        .collect();
    guesses.extend(UNITS.iter().flat_map(|(unit, _)| [*unit, 1.0 / unit]));
    guesses.retain(|guess| *guess > 0.0 && guess.is_finite() && (guess - 1.0).abs() > 0.02);
    if let Some((size, error)) = estimate {
        let slack = (SURE * error).max(0.02) * size;
        guesses.retain(|guess| (guess - size).abs() <= slack);
    }
    let fitting = guesses.into_iter().filter_map(|guess| Some((guess, fits(guess, 0.0)?)));
    let best = fitting.min_by(|left, right| left.1.total_cmp(&right.1))?;
    // Mostly zeros: no mean and no spread is near enough to tell an interval.
    let Some((size, error)) = estimate else {
        return Some(FittedFault { size: best.0, left: best.1, low: best.0 * 0.9, high: best.0 * 1.1 });
    };
    let around = (size * (1.0 - SURE * error), size * (1.0 + SURE * error));
    Some(settled(best, fits(size, 0.0), size, around))
}

/// The estimate with its interval, or the best guess where that fits much better: columns of few values are matched exactly
/// by one guess, which then is better than any mean.
fn settled((guess, left): (f64, f64), estimate: Option<f64>, size: f64, (low, high): (f64, f64)) -> FittedFault {
    let (size, left) = match estimate {
        Some(estimate) if estimate <= 2.0 * left.max(NOTHING / 2.0) => (size, estimate),
        _ => (guess, left),
    };
    FittedFault { size, left, low: low.min(size), high: high.max(size) }
}

fn offset(
    numbers: &Numbers<'_>,
    moments: &SideMoments,
    fits: &dyn Fn(f64, f64) -> Option<f64>,
) -> Option<FittedFault> {
    let points = numbers.points;
    let same_spread = match spread(points, Side::Baseline).zip(spread(points, Side::Window)) {
        Some((old, new)) if old > 0.0 => (new / old - 1.0).abs() < 0.1,
        _ => true,
    };
    if !same_spread {
        return None;
    }
    let size = moments.after.0 - moments.before.0;
    let error = SURE * moments.error_of_mean(1.0);
    let guesses =
        landmarks(points).into_iter().map(|(before, after)| after - before).chain([size, KELVIN, -KELVIN]);
    let slack = error.max(0.05 * size.abs());
    let fitting = guesses
        .filter(|guess| (guess - size).abs() <= slack && guess.abs() > 1e-3 * moments.before.1)
        .filter_map(|guess| Some((guess, fits(1.0, guess)?)));
    let best = fitting.min_by(|left, right| left.1.total_cmp(&right.1))?;
    Some(settled(best, fits(1.0, size), size, (size - error, size + error)))
}

fn said_factor(numbers: &Numbers<'_>, fit: &FittedFault) -> String {
    let narrow = fit.high - fit.low <= 2.0 * NARROW * fit.size;
    let unit = UNITS
        .iter()
        .flat_map(|(unit, meaning)| [(*unit, *meaning, ""), (1.0 / unit, *meaning, ", the other way round")]);
    let inside = unit.filter(|(unit, ..)| (fit.low..=fit.high).contains(unit));
    let named: Vec<_> = inside.filter(|(unit, ..)| narrow || on_decimals(numbers, *unit)).collect();
    match named.as_slice() {
        [(unit, meaning, way)] => format!("all values seem to be multiplied by {}, {meaning}{way}", number(*unit)),
        _ => format!("all values seem to be multiplied by about {}{}", number(fit.size), interval(fit)),
    }
}

fn said_offset(fit: &FittedFault) -> String {
    for (offset, what) in [(KELVIN, "Celsius to Kelvin"), (-KELVIN, "Kelvin to Celsius")] {
        if (fit.low..=fit.high).contains(&offset) && fit.high - fit.low <= 2.0 * NARROW * KELVIN {
            return format!("{} seems to be added to all values, as from {what}", number(offset));
        }
    }
    format!("a constant of about {}{} seems to be added to all values", number(fit.size), interval(fit))
}

/// From where to where the size may be, unless that is the same number.
fn interval(fit: &FittedFault) -> String {
    let (low, high) = (number(fit.low), number(fit.high));
    if low == high { String::new() } else { format!(" (between {low} and {high})") }
}

/// Whether dividing by a factor puts the window's values on the decimals that the baseline's have, which no other factor
/// nearby does.
fn on_decimals(numbers: &Numbers<'_>, factor: f64) -> bool {
    let known = numbers.known_of_baseline();
    let share = |values: &mut dyn Iterator<Item = (f64, u64)>, step: f64| {
        let (mut hits, mut all) = (0u64, 0u64);
        for (value, count) in values {
            let Some(hit) = is_multiple(value, step) else { return 0.0 };
            hits += u64::from(hit) * count;
            all += count;
        }
        to_float(hits) / to_float(all.max(1))
    };
    let window = |factor: f64, step: f64| {
        share(&mut numbers.points.of(Side::Window).map(|(value, count)| (value / factor, count)), step)
    };
    [1000.0, 100.0, 10.0, 1.0, 0.1, 0.01, 0.001].into_iter().any(|step| {
        known.len() > 5
            && share(&mut known.iter().copied(), step) > 0.99
            && window(factor, step) > 0.99
            && window(factor * 1.001_37, step) < 0.6
    })
}

/// The distance from the 10 to the 90 % quantile.
fn spread(points: &Points, side: Side) -> Option<f64> {
    Some(points.quantile(side, 0.9)? - points.quantile(side, 0.1)?)
}

/// Places that a shift or a factor moves along: (in the baseline, in the window).
fn landmarks(points: &Points) -> Vec<(f64, f64)> {
    let first = |side| points.of(side).next().map(|(value, _)| value);
    let last = |side| points.of(side).next_back().map(|(value, _)| value);
    let most = |side, keep: fn(f64) -> bool| {
        let kept = points.of(side).filter(|(value, _)| keep(*value));
        kept.max_by_key(|(_, count)| *count).map(|(value, _)| value)
    };
    let both = |of: &dyn Fn(Side) -> Option<f64>| of(Side::Baseline).zip(of(Side::Window));
    [
        both(&|side| points.quantile(side, 0.5)),
        both(&|side| points.mean(side)),
        both(&|side| most(side, |_| true)),
        both(&|side| most(side, |value| value != 0.0)),
        both(&first),
        both(&last),
    ]
    .into_iter()
    .chain([0.1, 0.25, 0.4, 0.6, 0.75, 0.9].map(|level| both(&|side| points.quantile(side, level))))
    .flatten()
    .collect()
}
