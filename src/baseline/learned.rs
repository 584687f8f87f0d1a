//! What learning from windows cannot do: numbers that lie so close together that the buckets they were counted in hold them
//! all, and categories too many to be counted by name. Such a column is not compared, and that is said.

use super::{Baseline, Fill, Unusable, UnusableColumn};
use crate::binning::Binning;
use crate::distribution::{Distribution, UnseenCategories};
use crate::record::{Column, ColumnType, ModelSchema};
use crate::window::WHOLE;

/// The share of the variance of a column that may lie within buckets. At 10 % a normal column has 1.1 buckets a standard
/// deviation, so that a shift of one moves most of its values to other buckets.
const MOST_WITHIN: f64 = 0.1;
/// A category of which a sketch knows fewer than so many times what it may have lost of it has no bin of its own. By far most
/// of them are exact then: what is frequent enough has lost as much as any can, which is added back. (Of Zipf's law over
/// 20,000 categories, 24 windows of 10,000 records, some hundred have a bin, and not one of them a wrong count.)
const KNOWN: u64 = 5;

/// The categories of a column whose counts are known well enough for a bin of their own, with these counts; none when they
/// have less than half of all values, so that hardly anything of the column would be compared.
///
/// While every category is known exactly all of them have one. Beyond that a count is known to the error of the sketch, which
/// is the same for all: what is frequent is known well, and what is rare is left to the bin of unseen categories, in the
/// baseline and in windows alike.
pub(super) fn known_categories(unseen: &UnseenCategories) -> Option<Vec<(String, u64)>> {
    let all = unseen.heaviest();
    if unseen.is_exact() {
        return Some(all);
    }
    let least = unseen.error().saturating_mul(KNOWN);
    let known = all.into_iter().filter(|(_, count)| *count >= least);
    let known: Vec<(String, u64)> =
        known.map(|(name, count)| (name, count.saturating_add(unseen.error()))).collect();
    let mass = known.iter().fold(0, |sum: u64, (_, count)| sum.saturating_add(*count));
    (mass.saturating_mul(2) >= unseen.total()).then_some(known)
}

/// Whether the buckets of a numeric column tell its values apart.
pub(super) fn is_told_apart(column: &Distribution) -> bool {
    // Counts of the first version of driftd do not say where in their buckets values lie.
    column.variance_within().is_none_or(|share| share <= MOST_WITHIN)
}

/// Why the values of a column of a baseline are not compared although there are some; none where they are.
#[must_use]
pub fn why_not_learned(column: &Distribution) -> Option<Unusable> {
    if !column.has_values_without_bins() {
        return None;
    }
    let (declared, reason) = match (column.binning(), column.unseen()) {
        (Binning::Categorical(_), Some(unseen)) => {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number of categories")]
            let distinct = unseen.distinct().round() as u64;
            (ColumnType::Categorical, Unusable::TooManyCategories { distinct })
        }
        (Binning::Embedding(_), _) => (ColumnType::Embedding, Unusable::Vectors),
        _ => (ColumnType::Numeric, Unusable::TooClose { sensitive: column.is_sensitive() }),
    };
    Some(Fill::of(column.rows(), column).unusable(declared.as_str(), None).unwrap_or(reason))
}

/// The columns of a learned baseline whose values are not compared, and why.
#[must_use]
pub fn unlearned_columns(schema: &ModelSchema, baseline: &Baseline) -> Vec<UnusableColumn> {
    let Some(whole) = baseline.segments.get(WHOLE) else { return Vec::new() };
    let of = |column: &Column| {
        let reason = why_not_learned(whole.column(&column.name)?)?;
        Some(UnusableColumn { name: column.name.clone(), path: column.path.to_string(), reason })
    };
    schema.columns().iter().filter_map(of).collect()
}

/// Names in an origin at most.
const NAMED: usize = 3;

/// What is appended to the origin of a baseline that some columns are not in: ", without `a` and `b`"; empty without any.
#[must_use]
pub fn without_columns(columns: &[UnusableColumn]) -> String {
    let named: Vec<String> = columns.iter().take(NAMED).map(|column| format!("`{}`", column.name)).collect();
    let more = columns.len().saturating_sub(NAMED);
    match (named.as_slice(), more) {
        ([], _) => String::new(),
        ([one], 0) => format!(", without {one}"),
        ([first @ .., last], 0) => format!(", without {} and {last}", first.join(", ")),
        (all, more) => format!(", without {} and {more} more", all.join(", ")),
    }
}

#[cfg(test)]
mod tests;
