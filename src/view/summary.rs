//! Where the columns of a window lie: what charts over time are drawn from.

use serde::Serialize;

use crate::binning::Binning;
use crate::distribution::{Distribution, WindowCounts};
use crate::measure::Points;

/// Categories a summary names.
const TOP: usize = 8;

/// Where a column lies in a window.
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
    /// Values of categories that the baseline does not know.
    pub unseen: u64,
    /// The mean, of numeric columns.
    pub mean: Option<f64>,
    /// The 5, 25, 50, 75 and 95 % quantiles, of numeric columns.
    pub quantiles: Option<[f64; 5]>,
    /// The most frequent categories with their shares of the valid values, at most eight.
    #[schema(value_type = Vec<serde_json::Value>)]
    pub categories: Vec<(String, f32)>,
}

/// The summaries of all columns.
#[must_use]
pub fn summaries(counts: &WindowCounts) -> Vec<ColumnSummary> {
    counts.columns().iter().map(summary).collect()
}

fn summary(column: &Distribution) -> ColumnSummary {
    let mut summary = ColumnSummary {
        column: column.name().to_owned(),
        present: column.present(),
        nulls: column.nulls(),
        invalid: column.invalid(),
        mean: column.mean(),
        ..ColumnSummary::default()
    };
    match column.binning() {
        Binning::Numeric(binning) => {
            let counts = column.counts();
            summary.below = counts.first().copied().unwrap_or(0);
            summary.above = counts.last().copied().unwrap_or(0);
            let points = Points::from_counts(counts.iter().enumerate().filter(|(_, count)| **count > 0).map(
                |(bin, count)| {
                    let value = match binning.ends(bin) {
                        (Some(low), Some(_)) if binning.is_atom(bin) => low,
                        _ => mean_of(column.bin_sum(bin).unwrap_or(0.0), *count),
                    };
                    (value, *count, 0)
                },
            ));
            summary.quantiles = quantiles(&points);
        }
        Binning::UniversalNumeric => {
            let counts = column.universal_counts().into_iter().flatten();
            let points = Points::from_counts(
                counts.map(|(bucket, count)| (crate::binning::universal::middle(*bucket), *count, 0)),
            );
            summary.quantiles = quantiles(&points);
        }
        Binning::Categorical(binning) => {
            summary.unseen = column.counts().get(binning.unseen_bin()).copied().unwrap_or(0);
            summary.categories = categories(column, binning);
        }
        Binning::Embedding(_) => {}
    }
    summary
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn mean_of(sum: f64, count: u64) -> f64 {
    sum / count as f64
}

fn quantiles(points: &Points) -> Option<[f64; 5]> {
    let at = |level| points.quantile(crate::measure::Side::Baseline, level);
    Some([at(0.05)?, at(0.25)?, at(0.5)?, at(0.75)?, at(0.95)?])
}

#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "shares, for charts")]
fn categories(column: &Distribution, binning: &crate::binning::CategoricalBinning) -> Vec<(String, f32)> {
    let present = column.present().max(1) as f64;
    let mut counts: Vec<(String, u64)> = column
        .counts()
        .iter()
        .enumerate()
        .filter(|(bin, count)| **count > 0 && *bin != binning.unseen_bin())
        .map(|(bin, count)| (binning.label(bin).to_owned(), *count))
        .collect();
    // Unseen ones by their names, as far as these are kept.
    counts.extend(column.unseen().into_iter().flat_map(crate::distribution::UnseenCategories::heaviest));
    counts.sort_by(|left, right| right.1.cmp(&left.1).then_with(|| left.0.cmp(&right.0)));
    counts.truncate(TOP);
    counts.into_iter().map(|(name, count)| (name, (count as f64 / present) as f32)).collect()
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
        let [x, k] = <[ColumnSummary; 2]>::try_from(summaries(&counts)).unwrap();
        assert_eq!((x.present, x.nulls, x.invalid, x.below, x.above), (101, 1, 1, 1, 0));
        let [low, .., high] = x.quantiles.unwrap();
        assert!((low - 4.5).abs() < 1.1 && (high - 94.5).abs() < 1.1, "{low} {high}");
        assert_eq!((k.present, k.nulls, k.unseen), (102, 1, 1));
        let names: Vec<&str> = k.categories.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["a", "b", "new"]);
        assert!(k.quantiles.is_none() && k.mean.is_none());
        let empty = WindowCounts::empty(Arc::clone(counts.binnings()));
        assert_eq!(summaries(&empty).first().unwrap().quantiles, None);
    }
}
