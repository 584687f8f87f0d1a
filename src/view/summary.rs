//! Where the columns of a window lie: what charts over time are drawn from.

use std::borrow::Cow;

use arrow::array::AsArray as _;
use arrow::datatypes::Float64Type;
use serde::Serialize;

use crate::binning::Binning;
use crate::distribution::{Distribution, Located, RecordSample, UnseenCategories, WindowCounts};
use crate::judge::why::finer_quantiles;
use crate::measure::{Points, Side};

/// Categories a summary names.
const TOP: usize = 8;

/// Summary of a column in a window.
#[derive(Clone, Debug, Default, PartialEq, Serialize, utoipa::ToSchema)]
pub struct ColumnSummary {
    /// The column.
    pub column: String,
    /// Valid values.
    pub present: u64,
    /// Null and missing values.
    pub nulls: u64,
    /// NaN, infinite and wrongly typed values.
    pub invalid: u64,
    /// Values below the baseline's range.
    pub below: u64,
    /// Values above the baseline's range.
    pub above: u64,
    /// Values of categories not in the baseline.
    pub unseen: u64,
    /// Mean of numeric columns; null if unknown.
    pub mean: Option<f64>,
    /// 5, 25, 50, 75 and 95 % quantiles of numeric columns: estimates if bins are wide, null if unknown.
    #[schema(value_type = Option<Vec<Option<f64>>>)]
    pub quantiles: Option<[Option<f64>; 5]>,
    /// Most frequent categories with their share of the valid values, at most eight.
    #[schema(value_type = Vec<serde_json::Value>)]
    pub categories: Vec<(String, f32)>,
}

/// The summaries of all columns. The window's sample of records says where quantiles lie that the counts do not tell.
#[must_use]
pub fn summaries(counts: &WindowCounts, sample: &RecordSample) -> Vec<ColumnSummary> {
    counts.columns().iter().map(|column| summary(column, sample)).collect()
}

fn summary(column: &Distribution, sample: &RecordSample) -> ColumnSummary {
    let mut summary = ColumnSummary {
        column: column.name().to_owned(),
        present: column.present(),
        nulls: column.nulls(),
        invalid: column.invalid(),
        mean: column.mean().filter(|_| !column.is_sensitive()),
        ..ColumnSummary::default()
    };
    match column.binning() {
        Binning::Numeric(_) => {
            let counts = column.counts();
            summary.below = counts.first().copied().unwrap_or(0);
            summary.above = counts.last().copied().unwrap_or(0);
            summary.quantiles = quantiles(column, sample);
        }
        Binning::UniversalNumeric => summary.quantiles = quantiles(column, sample),
        Binning::Categorical(binning) => {
            // Before there is a baseline no category is known, and so none is unseen.
            let unseen = Some(binning.unseen_bin()).filter(|bin| *bin > 0);
            summary.unseen = unseen.and_then(|bin| column.counts().get(bin)).copied().unwrap_or(0);
            summary.categories = categories(column, binning);
        }
        Binning::Embedding(_) => {}
    }
    summary
}

fn quantiles(column: &Distribution, sample: &RecordSample) -> Option<[Option<f64>; 5]> {
    let known = finer_quantiles(column, None)?.map(Located::value);
    if known.iter().all(Option::is_some) {
        return Some(known);
    }
    let values = sample.column(column.name());
    let values: Vec<f64> = values
        .as_ref()
        .and_then(|values| values.as_primitive_opt::<Float64Type>())
        .into_iter()
        .flatten()
        .flatten()
        .collect();
    let points = Points::from_samples(&[], &values);
    Some(finer_quantiles(column, Some((&points, Side::Window)))?.map(Located::value))
}

#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "shares, for charts")]
fn categories(column: &Distribution, binning: &crate::binning::CategoricalBinning) -> Vec<(String, f32)> {
    let present = column.present().max(1) as f64;
    let known = column.counts().iter().enumerate();
    let known = known.filter(|(bin, count)| **count > 0 && *bin != binning.unseen_bin());
    let mut counts: Vec<(Cow<'_, str>, u64)> =
        known.map(|(bin, count)| (Cow::Borrowed(binning.label(bin)), *count)).collect();
    // Unseen ones by their names, as far as these are kept.
    let unseen = column.unseen().into_iter().flat_map(UnseenCategories::heaviest);
    counts.extend(unseen.map(|(name, count)| (Cow::Owned(name), count)));
    let most_first = |left: &(Cow<'_, str>, u64), right: &(Cow<'_, str>, u64)| {
        right.1.cmp(&left.1).then_with(|| left.0.cmp(&right.0))
    };
    if counts.len() > TOP {
        counts.select_nth_unstable_by(TOP, most_first);
        counts.truncate(TOP);
    }
    counts.sort_unstable_by(most_first);
    counts.into_iter().map(|(name, count)| (name.into_owned(), (count as f64 / present) as f32)).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::binning::{BinningSet, CategoricalBinning, NumericBinning};
    use crate::record::{ColumnType, ModelSchema, batch_of};

    #[test]
    fn a_summary_says_where_values_lie_and_what_is_not_a_known_value() {
        let schema =
            ModelSchema::of_features(&[("x", ColumnType::Numeric), ("k", ColumnType::Categorical)]).unwrap();
        let cuts: Vec<f64> = (0..=100).map(f64::from).collect();
        let binnings = Arc::new(BinningSet::new(vec![
            ("x".into(), Binning::Numeric(NumericBinning::new(cuts, 0.01).unwrap())),
            ("k".into(), Binning::Categorical(CategoricalBinning::new(vec!["a".into(), "b".into()], vec![]))),
        ]));
        let mut records: Vec<String> = (0..100).map(|value| format!(r#"{{"x":{value}.5,"k":"a"}}"#)).collect();
        records.extend([r#"{"x":-7,"k":"new"}"#, r#"{"x":null,"k":"b"}"#, r#"{"x":"text"}"#].map(str::to_owned));
        let batch = batch_of(&schema, records);
        let rows: Vec<u32> = (0..103).collect();
        let mut counts = WindowCounts::empty(binnings);
        counts.count(&batch, &rows);
        let [x, k] = <[ColumnSummary; 2]>::try_from(summaries(&counts, &RecordSample::new(0))).unwrap();
        assert_eq!((x.present, x.nulls, x.invalid, x.below, x.above), (101, 1, 1, 1, 0));
        let [low, .., high] = x.quantiles.unwrap().map(Option::unwrap);
        assert!((low - 4.5).abs() < 1.1 && (high - 94.5).abs() < 1.1, "{low} {high}");
        assert_eq!((k.present, k.nulls, k.unseen), (102, 1, 1));
        let names: Vec<&str> = k.categories.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["a", "b", "new"]);
        assert!(k.quantiles.is_none() && k.mean.is_none());
        let empty = WindowCounts::empty(Arc::clone(counts.binnings()));
        assert_eq!(summaries(&empty, &RecordSample::new(0)).first().unwrap().quantiles, None);
    }
}
