//! Signatures in numeric columns.

use super::hours::{clock, shifted};
use super::{Cause, Reason, number};
use crate::measure::{Pair, Points, Proportions, Side, ks_p_value_large, ks_statistic};

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

/// Fewer values than this say nothing.
const FEW: u64 = 20;
/// A difference with a larger p-value is no difference worth explaining.
const DIFFERENT: f64 = 1e-6;
/// Two sides with a larger p-value are alike ...
const ALIKE: f64 = 0.01;
/// ... and so are two with less than this between their cumulative distributions.
const NOTHING: f64 = 0.01;

pub(super) fn signatures(pair: &Pair<'_>, points: &Points) -> Vec<Reason> {
    if points.size(Side::Baseline) < FEW || points.size(Side::Window) < FEW {
        return Vec::new();
    }
    if let Some(reason) = constant(points) {
        return vec![reason];
    }
    let mut reasons: Vec<Reason> = nulls_replaced(pair, points).into_iter().collect();
    if reasons.is_empty() {
        reasons.extend(hours(points));
    }
    if reasons.is_empty() {
        reasons.extend(transformed(points));
    }
    if reasons.is_empty() {
        reasons.extend(clipped(points));
    }
    if reasons.is_empty() {
        reasons.extend(stuck(points));
    }
    reasons.extend(rounded(points));
    reasons
}

/// The Kolmogorov-Smirnov statistic and its p-value.
fn difference(points: &Points) -> Option<(f64, f64)> {
    let statistic = ks_statistic(points.counts(Side::Baseline), points.counts(Side::Window))?;
    Some((statistic, ks_p_value_large(statistic, points.size(Side::Baseline), points.size(Side::Window))))
}

/// Whether chance may be all that is between the two sides, or next to nothing is: in large samples the smallest change
/// is significant. The statistic tells how much it is.
fn alike(points: &Points) -> Option<f64> {
    difference(points)
        .filter(|(statistic, p_value)| *p_value > ALIKE || *statistic < NOTHING)
        .map(|(statistic, _)| statistic)
}

fn constant(points: &Points) -> Option<Reason> {
    let mut held = points.of(Side::Window);
    let (value, count) = held.next()?;
    if held.next().is_some() || points.of(Side::Baseline).count() < 2 {
        return None;
    }
    let share = share_of(points, Side::Baseline, |other| other == value);
    // A value that is nearly always there may well fill a window.
    if share > 0.0 && f64::ln(share) * to_float(count) > -14.0 {
        return None;
    }
    Some(Reason::new(
        Cause::Constant,
        format!(
            "every value of the window is {} ({:.1} % of the baseline; it has {} distinct values)",
            number(value),
            share * 100.0,
            points.of(Side::Baseline).count()
        ),
    ))
}

/// An atom that grew as nulls fell.
fn nulls_replaced(pair: &Pair<'_>, points: &Points) -> Option<Reason> {
    let (before, after) = (pair.baseline(), pair.window());
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
    ((0.7..1.4).contains(&(gain / loss))).then(|| {
        Reason::new(
            Cause::NullsReplaced,
            format!(
                "nulls seem to be replaced by {}: nulls fell by {:.1} points while that value rose by {:.1}",
                number(value),
                loss * 100.0,
                gain * 100.0
            ),
        )
    })
}

fn hours(points: &Points) -> Option<Reason> {
    let of = |side| clock(points.of(side).map(|(value, count)| (Some(value), count)));
    shifted(&of(Side::Baseline)?, &of(Side::Window)?)
}

/// A constant factor, offset or sign under which the window is like the baseline.
fn transformed(points: &Points) -> Option<Reason> {
    let (apart, p_value) = difference(points)?;
    if p_value > DIFFERENT || apart < 5.0 * NOTHING || points.of(Side::Baseline).count() < 5 {
        return None;
    }
    // The window with the fault undone, which must be like the baseline.
    let fits = |factor: f64, offset: f64| alike(&restored(points, factor, offset));
    let told = |cause: Cause, what: String, left: f64| {
        Some(Reason::new(
            cause,
            format!(
                "{what}: with that undone the largest gap between the two sides falls from {apart:.3} to {left:.3}"
            ),
        ))
    };
    if let Some(left) = fits(-1.0, 0.0) {
        return told(Cause::SignFlip, "all values are negated".to_owned(), left);
    }
    for (unit, meaning) in UNITS {
        for factor in [unit, 1.0 / unit] {
            if plausible(points, factor)
                && let Some(left) = fits(factor, 0.0)
            {
                let meaning =
                    if factor < 1.0 { format!("{meaning}, the other way round") } else { meaning.to_owned() };
                return told(
                    Cause::Scale,
                    format!("all values are multiplied by {}, {meaning}", number(factor)),
                    left,
                );
            }
        }
    }
    for (factor, offset, what) in [
        (1.8, 32.0, "Celsius to Fahrenheit"),
        (1.0 / 1.8, -32.0 / 1.8, "Fahrenheit to Celsius"),
        (1.0, 273.15, "Celsius to Kelvin"),
    ] {
        if plausible(points, factor)
            && let Some(left) = fits(factor, offset)
        {
            return told(Cause::Scale, format!("values changed from {what}"), left);
        }
    }
    // Of several guesses the one that leaves least.
    let best = |guesses: Vec<f64>, fits: &dyn Fn(f64) -> Option<f64>| {
        let fitting = guesses.into_iter().filter_map(|guess| Some((guess, fits(guess)?)));
        fitting.min_by(|left, right| left.1.total_cmp(&right.1))
    };
    if let Some((offset, left)) = best(offsets(points), &|offset| fits(1.0, offset)) {
        return told(
            Cause::Offset,
            format!("a constant of about {} is added to all values", number(offset)),
            left,
        );
    }
    if let Some((factor, left)) = best(factors(points), &|factor| fits(factor, 0.0)) {
        return told(Cause::Scale, format!("all values are multiplied by about {}", number(factor)), left);
    }
    None
}

/// What may have been added: differences of medians and means, and of landmarks, which are exact in columns of few
/// values where the others are not.
fn offsets(points: &Points) -> Vec<f64> {
    let deviation = points.deviation(Side::Baseline, 0).unwrap_or(0.0);
    let spread = |side| Some(points.quantile(side, 0.9)? - points.quantile(side, 0.1)?);
    let same_spread = match spread(Side::Baseline).zip(spread(Side::Window)) {
        Some((old, new)) if old > 0.0 => (new / old - 1.0).abs() < 0.1,
        _ => true,
    };
    let mut found: Vec<f64> = landmarks(points).into_iter().map(|(before, after)| after - before).collect();
    found.retain(|offset| same_spread && offset.abs() > 0.1 * deviation);
    found
}

/// What may have been multiplied by, in the same way.
fn factors(points: &Points) -> Vec<f64> {
    let spread = |side| Some(points.quantile(side, 0.9)? - points.quantile(side, 0.1)?);
    let mut pairs = landmarks(points);
    pairs.extend(spread(Side::Baseline).zip(spread(Side::Window)));
    let mut found: Vec<f64> =
        pairs.into_iter().filter(|(before, _)| *before != 0.0).map(|(before, after)| after / before).collect();
    found.retain(|factor| *factor > 0.0 && (factor - 1.0).abs() > 0.05 && plausible(points, *factor));
    found
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
    .flatten()
    .collect()
}

/// A cheap look before a factor is tried: the spreads fit within a fifth.
fn plausible(points: &Points, factor: f64) -> bool {
    let at = |level| points.quantile(Side::Baseline, level).zip(points.quantile(Side::Window, level));
    let Some((low, high)) = at(0.05).zip(at(0.95)) else { return false };
    let expected = (high.0 - low.0) * factor.abs();
    expected > 0.0 && ((high.1 - low.1) / expected - 1.0).abs() < 0.2
}

/// The baseline and the window with the fault undone. Restored values that miss a value of the baseline by rounding alone
/// are set to it, so that ties stay ties.
fn restored(points: &Points, factor: f64, offset: f64) -> Points {
    let known: Vec<(f64, u64)> = points.of(Side::Baseline).collect();
    let slack = points.deviation(Side::Baseline, 0).unwrap_or(0.0) * 1e-9;
    let snapped = |value: f64| {
        let above = known.partition_point(|(other, _)| *other < value);
        let near = |place: Option<usize>| {
            let slack = slack.max(value.abs() * 1e-9);
            place
                .and_then(|place| known.get(place))
                .map(|(other, _)| *other)
                .filter(|other| (other - value).abs() <= slack)
        };
        near(Some(above)).or_else(|| near(above.checked_sub(1))).unwrap_or(value)
    };
    let window = points.of(Side::Window).map(|(value, count)| (snapped((value - offset) / factor), 0, count));
    let all = known.iter().map(|(value, count)| (*value, *count, 0)).chain(window).collect();
    Points::summed(all)
}

/// The window's end value holds what the baseline has at and beyond it.
fn clipped(points: &Points) -> Option<Reason> {
    let (n, m) = (points.size(Side::Baseline), points.size(Side::Window));
    let (lowest, at_lowest) = points.of(Side::Window).next()?;
    let (highest, at_highest) = points.of(Side::Window).next_back()?;
    let told = |limit: f64, at: u64, beyond: &dyn Fn(f64) -> bool, side: &str| {
        let count = |keep: &dyn Fn(f64) -> bool| {
            points.of(Side::Baseline).filter(|(value, _)| keep(*value)).map(|(_, count)| count).sum::<u64>()
        };
        let own = count(&|value| value == limit);
        let past = count(beyond);
        let grown = Proportions { baseline: (own, n), window: (at, m) };
        let whole = Proportions { baseline: (own + past, n), window: (at, m) };
        let missing = Proportions { baseline: (past, n), window: (0, m) };
        let clear = grown.change()? > 0.005
            && grown.p_value()? < DIFFERENT
            && missing.p_value()? < DIFFERENT
            && whole.p_value()? > 1e-3;
        clear.then(|| {
            Reason::new(
                Cause::Clipping,
                format!(
                    "values {side} {} are set to it: {:.1} % of the window lie on it, as {:.1} % of the baseline lie there or beyond",
                    number(limit),
                    to_float(at) / to_float(m) * 100.0,
                    to_float(own + past) / to_float(n) * 100.0
                ),
            )
        })
    };
    told(highest, at_highest, &|value| value > highest, "above")
        .or_else(|| told(lowest, at_lowest, &|value| value < lowest, "below"))
}

/// One value took part of the window, and the rest is as before.
fn stuck(points: &Points) -> Option<Reason> {
    let (n, m) = (points.size(Side::Baseline), points.size(Side::Window));
    let growth =
        |(_, before, after): &(f64, u64, u64)| to_float(*after) / to_float(m) - to_float(*before) / to_float(n);
    let (value, before, after) = points.iter().max_by(|left, right| growth(left).total_cmp(&growth(right)))?;
    let grown = Proportions { baseline: (before, n), window: (after, m) };
    if grown.change()? < 0.05 || grown.p_value()? > DIFFERENT {
        return None;
    }
    let rest = Points::from_counts(points.iter().filter(|(other, _, _)| *other != value));
    (rest.sizes().is_none() || alike(&rest).is_some()).then(|| {
        Reason::new(
            Cause::StuckValue,
            format!(
                "{:.1} % of the window are exactly {} ({:.1} % before), the rest is as before",
                to_float(after) / to_float(m) * 100.0,
                number(value),
                to_float(before) / to_float(n) * 100.0
            ),
        )
    })
}

/// All values are multiples of a step that the baseline's are not.
fn rounded(points: &Points) -> Option<Reason> {
    let is_whole = |value: f64, step: f64| {
        let units = value / step;
        (units - units.round()).abs() <= 1e-9 * units.abs().max(1.0)
    };
    for (step, what) in [
        (1000.0, "thousands"),
        (100.0, "hundreds"),
        (10.0, "tens"),
        (1.0, "whole numbers"),
        (0.1, "one decimal place"),
        (0.01, "two decimal places"),
        (0.001, "three decimal places"),
    ] {
        if points.of(Side::Window).all(|(value, _)| is_whole(value, step)) {
            let old = share_of(points, Side::Baseline, |value| is_whole(value, step));
            // A few values are multiples of anything by chance.
            let by_chance = f64::ln(old.max(1e-9)) * to_float(points.size(Side::Window));
            let told = old < 0.9 && points.of(Side::Window).count() > 2 && by_chance <= -20.0;
            return told.then(|| {
                Reason::new(
                    Cause::Rounding,
                    format!("all values are rounded to {what}; in the baseline {:.1} % were", old * 100.0),
                )
            });
        }
    }
    None
}

fn share_of(points: &Points, side: Side, keep: impl Fn(f64) -> bool) -> f64 {
    let kept: u64 = points.of(side).filter(|(value, _)| keep(*value)).map(|(_, count)| count).sum();
    to_float(kept) / to_float(points.size(side).max(1))
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn to_float(count: u64) -> f64 {
    count as f64
}
