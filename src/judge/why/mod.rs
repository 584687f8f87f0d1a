//! The *why* of a drifting column: which bins carry the score, which way it moved, and signatures of common faults of
//! pipelines, each with its evidence.
//!
//! Signatures are looked for in the values of both sides, or in the window's sample of records against the bins of the
//! baseline. A signature is only given when undoing the fault makes the two sides indistinguishable and leaves little
//! unexplained, or when counts can hardly be explained otherwise: a wrong one costs an owner more time than none.

mod categories;
mod contribution;
mod hours;
mod numbers;
mod sides;
mod transform;

pub use contribution::{Contribution, contributions};
pub use sides::Sides;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::movement::movement;
use crate::distribution::{Distribution, LEVELS, Located, WindowCounts};
use crate::measure::{Pair, Points, Proportions, Side, WITHOUT_BOUND};
use crate::record::Absence;

/// What kind of reason it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The column is not in the window's records at all.
    ColumnMissing,
    /// Every value of the window is null.
    AllNull,
    /// Values of another type, such as numbers in quotes.
    WrongType,
    /// Infinite values, as of a division by zero.
    Infinite,
    /// Values that are not a number, as of zero divided by zero.
    Nan,
    /// The share of nulls changed.
    NullShare,
    /// Nulls became one value.
    NullsReplaced,
    /// One value only.
    Constant,
    /// One value took a large part of the window.
    StuckValue,
    /// All values multiplied by a constant, as by a change of unit.
    Scale,
    /// A constant added to all values.
    Offset,
    /// All values negated.
    SignFlip,
    /// Values beyond a limit were set to it.
    Clipping,
    /// Values lost digits.
    Rounding,
    /// A category has another name.
    Renamed,
    /// Texts were cut at a length.
    Truncated,
    /// Hours of the day were moved, as by another time zone.
    TimeZone,
    /// The bins that carry the score.
    Bins,
    /// How the values moved as a whole.
    Direction,
    /// Many windows together show a lasting change.
    SlowDrift,
}

/// A reason with its evidence in words.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Reason {
    /// What kind it is.
    pub cause: Cause,
    /// The evidence, a sentence.
    pub text: String,
}

impl Reason {
    pub(super) fn new(cause: Cause, text: impl Into<String>) -> Self {
        Self { cause, text: text.into() }
    }
}

impl Cause {
    /// Whether it is the signature of a fault, rather than a description.
    #[must_use]
    pub fn is_signature(self) -> bool {
        !matches!(self, Self::Bins | Self::Direction | Self::NullShare)
    }
}

/// All that can be said about why a column drifted, signatures first. `sides` are the column's values on both sides, all
/// or a sample; without them only counts on bins are looked at.
#[must_use]
pub fn explain(pair: &Pair<'_>, sides: Option<&Sides>) -> Vec<Reason> {
    let mut reasons = signatures(pair, sides);
    if !reasons.iter().any(|reason| matches!(reason.cause, Cause::AllNull | Cause::ColumnMissing)) {
        reasons.extend(null_share(pair));
        reasons.extend(contribution::reason(pair));
    }
    let named = |category: &str| {
        let quoted = format!("`{category}`");
        reasons.iter().any(|reason| reason.cause == Cause::Bins && reason.text.contains(&quoted))
    };
    let direction = direction(pair, sides, named);
    reasons.extend(direction);
    reasons
}

/// Why each of these columns moved from one set of counts to the other; `sides` gives the values of a column, see
/// [`explain`]. With `values_only`, values that are not there are no part of what is compared, see [`Pair::values_only`].
#[must_use]
pub fn explain_columns<'a>(
    before: &WindowCounts,
    after: &WindowCounts,
    values_only: bool,
    columns: impl IntoIterator<Item = &'a str>,
    sides: impl Fn(&Pair<'_>, &str) -> Option<Sides>,
) -> BTreeMap<String, Vec<Reason>> {
    let of = |name: &str| {
        let (before, after) = before.column(name).zip(after.column(name))?;
        let pair = Pair::new(before, after).ok()?.values_only(values_only);
        Some((name.to_owned(), explain(&pair, sides(&pair, name).as_ref())))
    };
    columns.into_iter().filter_map(of).collect()
}

/// The signatures of faults alone; none when nothing points to one.
#[must_use]
pub fn signatures(pair: &Pair<'_>, sides: Option<&Sides>) -> Vec<Reason> {
    let mut reasons = gone(pair.baseline(), pair.window());
    if !reasons.is_empty() {
        return reasons;
    }
    reasons.extend(invalid(pair));
    reasons.extend(match sides {
        Some(Sides::Numbers { points, sampled }) => {
            numbers::signatures(&numbers::Numbers::new(pair, points, *sampled))
        }
        Some(Sides::Categories(categories)) => categories::signatures(pair, categories),
        None => Vec::new(),
    });
    reasons
}

fn gone(before: &Distribution, after: &Distribution) -> Vec<Reason> {
    let rows = after.rows();
    if rows == 0 || after.present() > 0 || before.present() == 0 {
        return Vec::new();
    }
    if after.absent(Absence::Missing) == rows {
        vec![Reason::new(Cause::ColumnMissing, "the column is missing from all records of the window")]
    } else if after.nulls() == rows {
        vec![Reason::new(Cause::AllNull, "every value of the window is null")]
    } else {
        Vec::new()
    }
}

/// Values that are no usable ones of the column, by kind.
fn invalid(pair: &Pair<'_>) -> impl Iterator<Item = Reason> {
    let (before, after) = (pair.baseline(), pair.window());
    let kinds = [
        (Absence::WrongType, Cause::WrongType, "of another type than the column's"),
        (Absence::Infinite, Cause::Infinite, "infinite, as of a division by zero"),
        (Absence::Nan, Cause::Nan, "not a number (NaN)"),
    ];
    let of = move |(kind, cause, what): (Absence, Cause, &str)| {
        let count = |column: &Distribution| column.absent(kind);
        let change =
            Proportions { baseline: (count(before), before.rows()), window: (count(after), after.rows()) };
        (change.change()? > 0.0 && change.p_value()? < 1e-4).then(|| {
            let (now, then) = (percent(count(after), after.rows()), percent(count(before), before.rows()));
            Reason::new(cause, format!("{now} of the values are {what} ({then} before)"))
        })
    };
    kinds.into_iter().filter_map(of)
}

fn null_share(pair: &Pair<'_>) -> Option<Reason> {
    let (before, after) = (pair.baseline(), pair.window());
    let change = Proportions { baseline: (before.nulls(), before.rows()), window: (after.nulls(), after.rows()) };
    (change.p_value()? < 1e-4).then(|| {
        let word = if change.change().unwrap_or(0.0) > 0.0 { "rose" } else { "fell" };
        Reason::new(
            Cause::NullShare,
            format!(
                "the share of null values {word} from {} to {}",
                percent(before.nulls(), before.rows()),
                percent(after.nulls(), after.rows()),
            ),
        )
    })
}

/// How a column moved whose values are not to be shown: in standard deviations of the baseline.
fn hidden_direction(pair: &Pair<'_>) -> Option<Reason> {
    let (before, after) = (pair.baseline(), pair.window());
    let deviation = before.deviation().filter(|deviation| *deviation > 0.0)?;
    let spread = after
        .deviation()
        .map_or(String::new(), |spread| format!("; standard deviation times {}", number(spread / deviation)));
    let by = (after.mean()? - before.mean()?) / deviation;
    Some(Reason::new(Cause::Direction, format!("the mean moved by {by:+.2} baseline standard deviations{spread}")))
}

/// How the values moved as a whole; nothing about a category that is `named` already.
fn direction(pair: &Pair<'_>, sides: Option<&Sides>, named: impl Fn(&str) -> bool) -> Option<Reason> {
    if pair.window().is_sensitive() && pair.categorical_binning().is_none() {
        return hidden_direction(pair);
    }
    let moved = movement(Some(pair.baseline()), Some(pair.window()));
    if let Some((before, after)) = moved.mean {
        let deviation = pair.baseline().deviation().filter(|deviation| *deviation > 0.0);
        let spread = pair.window().deviation();
        let by = deviation.map_or(String::new(), |deviation| {
            format!(", {:+.2} baseline standard deviations", (after - before) / deviation)
        });
        let spread = deviation.zip(spread).map_or(String::new(), |(before, after)| {
            format!("; standard deviation {} to {}", number(before), number(after))
        });
        let quantiles = quantiles(pair, sides).unwrap_or_default();
        let (before, after) = numbers_apart(before, after);
        return Some(Reason::new(Cause::Direction, format!("mean {before} to {after}{by}{spread}{quantiles}")));
    }
    let (category, before, after) = moved.category.filter(|(category, ..)| !named(category))?;
    Some(Reason::new(
        Cause::Direction,
        format!("`{category}` changed most: {:.1} % to {:.1} %", before * 100.0, after * 100.0),
    ))
}

/// The 5 %, 50 % and 95 % quantiles on both sides.
fn quantiles(pair: &Pair<'_>, sides: Option<&Sides>) -> Option<String> {
    let of = |column: &Distribution, values: Option<(&Points, Side)>| {
        let [low, _, middle, _, high] = finer_quantiles(column, values)?;
        let estimated = [low, middle, high].iter().any(|located| is_estimate(*located));
        let about = if estimated { "about " } else { "" };
        Some(format!("{about}{}, {}, {}", place(low), place(middle), place(high)))
    };
    let (before, after) = sides.map_or((None, None), |sides| (sides.of(Side::Baseline), sides.of(Side::Window)));
    let (before, after) = (of(pair.baseline(), before)?, of(pair.window(), after)?);
    Some(format!("; quantiles (5 %, median, 95 %) from {before} to {after}"))
}

/// The 5, 25, 50, 75 and 95 % quantiles of a column; where its counts do not tell one, that of its values themselves, all or
/// a sample, as far as these are at hand.
#[must_use]
pub fn finer_quantiles(column: &Distribution, values: Option<(&Points, Side)>) -> Option<[Located; 5]> {
    if column.is_sensitive() {
        return None;
    }
    let mut found = column.quantiles()?;
    for (located, level) in found.iter_mut().zip(LEVELS) {
        let finer = || values.and_then(|(points, side)| points.quantile(side, level));
        let all = values.is_some_and(|(points, side)| points.size(side) == column.present());
        // All values know it exactly, the counts within a bin, a sample about.
        if (all || located.value().is_none())
            && let Some(value) = finer()
        {
            *located = if all { Located::At(value) } else { located.or_estimate(value) };
        }
    }
    Some(found)
}

/// Whether it is known less exactly than it is written.
#[must_use]
pub fn is_estimate(located: Located) -> bool {
    match located {
        Located::Near { bounds: (Some(low), Some(high)), .. } => number(low) != number(high),
        Located::Near { .. } => true,
        Located::At(_) | Located::Between(..) => false,
    }
}

/// A place on the line in words; see [`is_estimate`] for how well it is known.
#[must_use]
pub fn place(located: Located) -> String {
    match located {
        Located::At(value) | Located::Near { value, .. } => number(value),
        Located::Between(Some(low), Some(high)) => format!("between {} and {}", number(low), number(high)),
        Located::Between(Some(low), None) => format!("above {}", number(low)),
        Located::Between(None, Some(high)) => format!("below {}", number(high)),
        Located::Between(None, None) => "not known".to_owned(),
    }
}

/// A number as a person would write it: four significant digits or so. What is no number is not known: neither NaN nor
/// infinity is ever shown.
#[must_use]
pub fn number(value: f64) -> String {
    if !value.is_finite() {
        return "not known".to_owned();
    }
    let size = value.abs();
    // Below that nothing is told from zero in single precision: the end of a bin beside zero is meant.
    if size < f64::from(f32::MIN_POSITIVE) {
        return "0".to_owned();
    }
    if !(1e-4..1e7).contains(&size) {
        return format!("{value:.3e}");
    }
    let text = with_digits(value, 4);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// An effect as people read it.
#[must_use]
pub fn effect_words(effect: f64) -> String {
    if effect >= WITHOUT_BOUND { "without bound".to_owned() } else { number(effect) }
}

/// Two numbers as people read them, with as many digits as it takes to tell them apart.
#[must_use]
pub fn numbers_apart(left: f64, right: f64) -> (String, String) {
    let usual = (number(left), number(right));
    if usual.0 != usual.1 || left.total_cmp(&right).is_eq() || !left.is_finite() || !right.is_finite() {
        return usual;
    }
    let longer = (5..=17).map(|digits| (with_digits(left, digits), with_digits(right, digits)));
    longer.into_iter().find(|(left, right)| left != right).unwrap_or(usual)
}

/// A number with so many digits that count, and all of those before the point.
fn with_digits(value: f64, digits: i32) -> String {
    let size = value.abs().max(f64::MIN_POSITIVE).log10().floor();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between -308 and 308")]
    let decimals = (digits - 1 - size as i32).max(0) as usize;
    format!("{value:.decimals$}")
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn percent(count: u64, all: u64) -> String {
    if all == 0 { "0 %".to_owned() } else { format!("{:.1} %", count as f64 / all as f64 * 100.0) }
}

#[cfg(test)]
mod tests;
