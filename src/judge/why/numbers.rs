//! Signatures in numeric columns.

use super::hours::{clock, shifted};
use super::sides::{SINGLE, near_atom};
use super::transform::transformed;
use super::{Cause, Reason, number, numbers_apart};
use crate::binning::{Level, NumericBinning, single, universal};
use crate::measure::{Pair, Points, Proportions, Side, ks_p_value_fast, ks_statistic};

/// Fewer values than this say nothing.
const FEW: u64 = 20;
/// A difference with a larger p-value is no difference worth explaining.
pub(super) const DIFFERENT: f64 = 1e-6;
/// Two sides with a larger p-value are alike ...
const ALIKE: f64 = 0.01;
/// ... and so are two with less than this between their cumulative distributions: in large samples the smallest change is
/// significant.
pub(super) const NOTHING: f64 = 0.01;

/// A numeric column: its counts, and its values as far as they are at hand.
pub(super) struct Numbers<'a> {
    pub(super) pair: &'a Pair<'a>,
    pub(super) points: &'a Points,
    /// The bins of the baseline, when its values are known by them alone: then the window's values are a sample, and the two
    /// are compared bin by bin.
    bins: Option<&'a NumericBinning>,
}

/// How far two sides are apart: the Kolmogorov-Smirnov statistic and its p-value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gap {
    pub(super) statistic: f64,
    pub(super) p_value: f64,
}

impl Gap {
    /// Whether chance may be all that is between the two sides, or next to nothing is.
    pub(super) fn is_nothing(self) -> bool {
        self.p_value > ALIKE || self.statistic < NOTHING
    }
}

impl<'a> Numbers<'a> {
    pub(super) fn new(pair: &'a Pair<'a>, points: &'a Points, sampled: bool) -> Self {
        Self { pair, points, bins: pair.numeric_binning().filter(|_| sampled) }
    }

    /// What is said after evidence that comes from a sample.
    pub(super) fn source(&self) -> String {
        let (sample, all) = (self.points.size(Side::Window), self.pair.window().present());
        if sample < all { format!(" (in a sample of {sample} of {all} values)") } else { String::new() }
    }

    /// The gap between the values of the baseline that are kept and these of the window.
    pub(super) fn gap(&self, keep: impl Fn(f64) -> bool, window: impl Iterator<Item = (f64, u64)>) -> Option<Gap> {
        let (before, after) = match self.bins {
            Some(binning) => {
                let mut before = self.pair.baseline().counts().to_vec();
                for (bin, count) in before.iter_mut().enumerate().filter(|(_, count)| **count > 0) {
                    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
                    let mean = self.pair.baseline().bin_sum(bin)? / *count as f64;
                    let value = binning.atom(bin).unwrap_or(mean);
                    if !keep(value) {
                        *count = 0;
                    }
                }
                let mut after = vec![0; before.len()];
                for (value, count) in window {
                    if let Some(total) = after.get_mut(near_atom(binning, value)) {
                        *total += count;
                    }
                }
                (before, after)
            }
            None => {
                let known: Vec<(f64, u64)> =
                    self.points.of(Side::Baseline).filter(|(value, _)| keep(*value)).collect();
                let slack = self.points.deviation(Side::Baseline, 0).unwrap_or(0.0) * 1e-9;
                let mut all: Vec<(f64, u64, u64)> =
                    known.iter().map(|(value, count)| (*value, *count, 0)).collect();
                all.extend(window.map(|(value, count)| (snapped(&known, slack, value), 0, count)));
                let tied = Points::summed(all);
                (tied.counts(Side::Baseline).to_vec(), tied.counts(Side::Window).to_vec())
            }
        };
        let statistic = ks_statistic(&before, &after)?;
        let p_value = ks_p_value_fast(statistic, before.iter().sum(), after.iter().sum());
        Some(Gap { statistic, p_value })
    }

    /// The share of the baseline that a question about single values leaves open: a bin's mass, when only bins are known.
    fn blur(&self) -> f64 {
        self.bins.map_or(0.0, NumericBinning::largest_mass)
    }

    /// Values that the baseline is known to have had, with how often; when only bins are known, the values at which they
    /// begin. Empty when these are not the baseline's own either.
    pub(super) fn known_of_baseline(&self) -> Vec<(f64, u64)> {
        let Some(binning) = self.bins else { return self.points.of(Side::Baseline).collect() };
        let cuts = binning.cuts();
        // Bins made of buckets begin where buckets do, whatever the values were, unless each of these holds one value.
        let are_values = match binning.level() {
            Some(level) => level == Level::FINEST || level == Level::SINGLE,
            None => !cuts.iter().all(|cut| universal::lower_end(universal::bucket(*cut)) == *cut),
        };
        if !are_values {
            return Vec::new();
        }
        let begins = cuts.iter().zip([f64::NAN].iter().chain(cuts));
        let ends_atom =
            |before: f64, cut: f64| before.next_up() == cut || single::class_of(before) == (before, cut);
        let begins = begins.filter(|(cut, before)| !ends_atom(**before, **cut));
        // Cuts are the lower ends of what is equal in single precision; the values have its digits.
        begins.map(|(cut, _)| (single::written(*cut), 1)).collect()
    }
}

/// A value of the baseline that this one misses by rounding alone, so that ties stay ties; else the value.
fn snapped(known: &[(f64, u64)], slack: f64, value: f64) -> f64 {
    let above = known.partition_point(|(other, _)| *other < value);
    let slack = slack.max(value.abs() * SINGLE);
    let near = |place: Option<usize>| {
        place
            .and_then(|place| known.get(place))
            .map(|(other, _)| *other)
            .filter(|other| (other - value).abs() <= slack)
    };
    near(Some(above)).or_else(|| near(above.checked_sub(1))).unwrap_or(value)
}

pub(super) fn signatures(numbers: &Numbers<'_>) -> Vec<Reason> {
    let points = numbers.points;
    if points.size(Side::Baseline) < FEW || points.size(Side::Window) < FEW {
        return Vec::new();
    }
    if let Some(reason) = constant(numbers) {
        return vec![reason];
    }
    let mut reasons: Vec<Reason> = nulls_replaced(numbers).into_iter().collect();
    if reasons.is_empty() {
        reasons.extend(hours(numbers));
    }
    if reasons.is_empty() {
        reasons.extend(transformed(numbers));
    }
    if reasons.is_empty() {
        reasons.extend(clipped(numbers));
    }
    if reasons.is_empty() {
        reasons.extend(stuck(numbers));
    }
    // Multiples of a step that is scaled or moved are multiples of another one: nothing was rounded.
    if !reasons.iter().any(|reason| matches!(reason.cause, Cause::Scale | Cause::Offset)) {
        reasons.extend(rounded(numbers));
    }
    reasons
}

/// One value in all of the window, and another or others in the baseline.
fn constant(numbers: &Numbers<'_>) -> Option<Reason> {
    let points = numbers.points;
    let mut held = points.of(Side::Window);
    let (value, count) = held.next()?;
    // A sample of one value is not a window of one value.
    let deviation = numbers.pair.window().deviation();
    if held.next().is_some()
        || (numbers.bins.is_some() && deviation.is_none_or(|deviation| deviation > value.abs() * SINGLE))
    {
        return None;
    }
    let share = share_of(points, Side::Baseline, |other| other == value);
    let mut before = points.of(Side::Baseline);
    let (first, others) = (before.next()?.0, before.count());
    if others == 0 {
        return (first != value).then(|| {
            let (after, before) = numbers_apart(value, first);
            let text = format!("every value of the window is {after}; every value of the baseline is {before}");
            Reason::new(Cause::Constant, text)
        });
    }
    // A value that is nearly always there may well fill a window.
    if share > 0.0 && f64::ln(share) * to_float(count) > -14.0 {
        return None;
    }
    let distinct =
        if numbers.bins.is_none() { format!("; it has {} distinct values", others + 1) } else { String::new() };
    Some(Reason::new(
        Cause::Constant,
        format!(
            "every value of the window is {} ({:.1} % of the baseline{distinct})",
            number(value),
            share * 100.0
        ),
    ))
}

/// An atom that grew as nulls fell.
fn nulls_replaced(numbers: &Numbers<'_>) -> Option<Reason> {
    let (points, before, after) = (numbers.points, numbers.pair.baseline(), numbers.pair.window());
    let (n, m) = (to_float(before.rows()), to_float(after.rows()));
    let fell = Proportions { baseline: (before.nulls(), before.rows()), window: (after.nulls(), after.rows()) };
    let (loss, p_value) = (-fell.change()?, fell.p_value()?);
    if loss < 0.005 || p_value > DIFFERENT {
        return None;
    }
    // Shares of rows, like the share of nulls.
    let (present, now_present) = (to_float(before.present()) / n, to_float(after.present()) / m);
    let (old, new) = (to_float(points.size(Side::Baseline)), to_float(points.size(Side::Window)));
    let growth = |(value, before, after): (f64, u64, u64)| {
        (value, to_float(after) / new * now_present - to_float(before) / old * present)
    };
    let (value, gain) = points.iter().map(growth).max_by(|left, right| left.1.total_cmp(&right.1))?;
    if !(0.7..1.4).contains(&(gain / loss)) {
        return None;
    }
    // All other values are as before, or something else moved the nulls and this value.
    let rest = numbers.gap(|other| other != value, points.of(Side::Window).filter(|(other, _)| *other != value));
    rest.is_none_or(Gap::is_nothing).then(|| {
        Reason::new(
            Cause::NullsReplaced,
            format!(
                "nulls seem to be replaced by {}: nulls fell by {:.1} points while that value rose by {:.1}{}",
                number(value),
                loss * 100.0,
                gain * 100.0,
                numbers.source()
            ),
        )
    })
}

fn hours(numbers: &Numbers<'_>) -> Option<Reason> {
    let points = numbers.points;
    let after = clock(points.of(Side::Window).map(|(value, count)| (Some(value), count)))?;
    let Some(binning) = numbers.bins else {
        let before = clock(points.of(Side::Baseline).map(|(value, count)| (Some(value), count)))?;
        return shifted(&before, &after);
    };
    // Rare hours share a bin: each has the same part of it.
    let mut before = Vec::new();
    for (bin, count) in numbers.pair.baseline().counts().iter().enumerate().filter(|(_, count)| **count > 0) {
        if let Some(value) = binning.atom(bin) {
            before.push((Some(value), *count));
            continue;
        }
        let (low, high) = binning.ends(bin);
        let inside: Vec<f64> = (0..24u32)
            .map(f64::from)
            .filter(|hour| *hour >= low.unwrap_or(24.0) && *hour < high.unwrap_or(0.0))
            .collect();
        let part = count.checked_div(inside.len() as u64)?;
        before.extend(inside.into_iter().map(|hour| (Some(hour), part)));
    }
    shifted(&clock(before.into_iter())?, &after)
}

/// The window's end value holds what the baseline has at and beyond it, and the rest is as before.
fn clipped(numbers: &Numbers<'_>) -> Option<Reason> {
    let points = numbers.points;
    let (n, m) = (points.size(Side::Baseline), points.size(Side::Window));
    let (lowest, at_lowest) = points.of(Side::Window).next()?;
    let (highest, at_highest) = points.of(Side::Window).next_back()?;
    let told = |limit: f64, at: u64, beyond: &dyn Fn(f64) -> bool, side: &str| {
        let count = |keep: &dyn Fn(f64) -> bool| {
            points.of(Side::Baseline).filter(|(value, _)| keep(*value)).map(|(_, count)| count).sum::<u64>()
        };
        let own = count(&|value| value == limit);
        let past = count(beyond);
        // One value that became another is no limit: several must have been set to it.
        let most = points.of(Side::Baseline).filter(|(value, _)| beyond(*value)).map(|(_, count)| count).max()?;
        if most * 20 > past * 19 {
            return None;
        }
        let grown = Proportions { baseline: (own, n), window: (at, m) };
        let whole = Proportions { baseline: (own + past, n), window: (at, m) };
        let missing = Proportions { baseline: (past, n), window: (0, m) };
        let clear = grown.change()? > 0.005
            && grown.p_value()? < DIFFERENT
            && missing.p_value()? < DIFFERENT
            && (whole.p_value()? > 1e-3 || whole.change()?.abs() <= numbers.blur());
        if !clear {
            return None;
        }
        // What lies within the limit must be there, and as before.
        let inside = |value: f64| value != limit && !beyond(value);
        let rest = numbers.gap(inside, points.of(Side::Window).filter(|(value, _)| *value != limit))?;
        rest.is_nothing().then(|| {
            Reason::new(
                Cause::Clipping,
                format!(
                    "values {side} {} seem to be set to it: {:.1} % of the window lie on it, as {:.1} % of the baseline lie there or beyond{}",
                    number(limit),
                    to_float(at) / to_float(m) * 100.0,
                    to_float(own + past) / to_float(n) * 100.0,
                    numbers.source()
                ),
            )
        })
    };
    told(highest, at_highest, &|value| value > highest, "above")
        .or_else(|| told(lowest, at_lowest, &|value| value < lowest, "below"))
}

/// One value took part of the window, and the rest is as before.
fn stuck(numbers: &Numbers<'_>) -> Option<Reason> {
    let points = numbers.points;
    let (n, m) = (points.size(Side::Baseline), points.size(Side::Window));
    let growth =
        |(_, before, after): &(f64, u64, u64)| to_float(*after) / to_float(m) - to_float(*before) / to_float(n);
    let (value, before, after) = points.iter().max_by(|left, right| growth(left).total_cmp(&growth(right)))?;
    let grown = Proportions { baseline: (before, n), window: (after, m) };
    if grown.change()? < 0.05 || grown.p_value()? > DIFFERENT {
        return None;
    }
    let rest = numbers.gap(|other| other != value, points.of(Side::Window).filter(|(other, _)| *other != value));
    rest.is_none_or(Gap::is_nothing).then(|| {
        Reason::new(
            Cause::StuckValue,
            format!(
                "{:.1} % of the window are exactly {} ({:.1} % before), the rest is as before{}",
                to_float(after) / to_float(m) * 100.0,
                number(value),
                to_float(before) / to_float(n) * 100.0,
                numbers.source()
            ),
        )
    })
}

/// Whether a value is a multiple of a step, as exactly as a 32-bit float can be. `None` for values so large that all are.
pub(super) fn is_multiple(value: f64, step: f64) -> Option<bool> {
    let units = value / step;
    let slack = (units.abs() * 2.0 * SINGLE).max(1e-9);
    (slack < 0.05).then(|| (units - units.round()).abs() <= slack)
}

/// All values are multiples of a step that the baseline's are not.
fn rounded(numbers: &Numbers<'_>) -> Option<Reason> {
    let points = numbers.points;
    let known = numbers.known_of_baseline();
    let all: u64 = known.iter().map(|(_, count)| count).sum();
    if all < FEW {
        return None;
    }
    for (step, what) in [
        (1000.0, "thousands"),
        (100.0, "hundreds"),
        (10.0, "tens"),
        (1.0, "whole numbers"),
        (0.1, "one decimal place"),
        (0.01, "two decimal places"),
        (0.001, "three decimal places"),
    ] {
        let is_whole = |value: f64| is_multiple(value, step) == Some(true);
        if points.of(Side::Window).all(|(value, _)| is_whole(value)) {
            let whole: u64 = known.iter().filter(|(value, _)| is_whole(*value)).map(|(_, count)| count).sum();
            let old = to_float(whole) / to_float(all);
            // A few values are multiples of anything by chance.
            let by_chance = f64::ln(old.max(1e-9)) * to_float(points.size(Side::Window));
            let told = old < 0.9 && points.of(Side::Window).count() > 2 && by_chance <= -20.0;
            return told.then(|| {
                Reason::new(
                    Cause::Rounding,
                    format!(
                        "all values seem to be rounded to {what}; in the baseline {:.1} % were{}",
                        old * 100.0,
                        numbers.source()
                    ),
                )
            });
        }
    }
    None
}

pub(super) fn share_of(points: &Points, side: Side, keep: impl Fn(f64) -> bool) -> f64 {
    let kept: u64 = points.of(side).filter(|(value, _)| keep(*value)).map(|(_, count)| count).sum();
    to_float(kept) / to_float(points.size(side).max(1))
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
pub(super) fn to_float(count: u64) -> f64 {
    count as f64
}
