//! What is in a column, in numbers.

use serde::{Deserialize, Serialize};

use crate::distribution::Distribution;
use crate::measure::{Points, Side};
use crate::record::Absence;

/// Counts of a side, and its place and spread when it is numeric. Numbers are those of the values that are there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Summary {
    /// Rows.
    pub rows: u64,
    /// Rows with a valid value.
    pub values: u64,
    /// Explicit nulls.
    pub null: u64,
    /// Rows without the column.
    pub missing: u64,
    /// Not a number.
    pub nan: u64,
    /// Infinite.
    pub infinite: u64,
    /// Of another type.
    pub wrong_type: u64,
    /// The mean.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean: Option<f64>,
    /// The population standard deviation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sd: Option<f64>,
    /// The 5, 25, 50, 75 and 95 % quantiles.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quantiles: Option<[f64; 5]>,
    /// The most frequent categories with their shares of the values, at most ten.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<serde_json::Value>)]
    pub top: Vec<(String, f64)>,
}

impl Summary {
    /// Of a distribution. `points` are both sides as increasing values, where the column is numeric.
    #[must_use]
    pub fn of(column: &Distribution, points: Option<&Points>, side: Side) -> Self {
        let at = |level: f64| points.and_then(|points| points.quantile(side, level));
        let quantiles = [at(0.05), at(0.25), at(0.5), at(0.75), at(0.95)];
        Self {
            rows: column.rows(),
            values: column.present(),
            null: column.absent(Absence::Null),
            missing: column.absent(Absence::Missing),
            nan: column.absent(Absence::Nan),
            infinite: column.absent(Absence::Infinite),
            wrong_type: column.absent(Absence::WrongType),
            mean: points.and_then(|_| column.mean()),
            sd: points.and_then(|points| points.deviation(side, 0)),
            quantiles: match quantiles {
                [Some(q05), Some(q25), Some(q50), Some(q75), Some(q95)] => Some([q05, q25, q50, q75, q95]),
                _ => None,
            },
            top: top(column),
        }
    }

    /// Null and missing values.
    #[must_use]
    pub fn nulls(&self) -> u64 {
        self.null + self.missing
    }

    /// NaN, infinite and wrongly typed values.
    #[must_use]
    pub fn invalid(&self) -> u64 {
        self.nan + self.infinite + self.wrong_type
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn top(column: &Distribution) -> Vec<(String, f64)> {
    let crate::binning::Binning::Categorical(binning) = column.binning() else { return Vec::new() };
    let present = column.present().max(1) as f64;
    let mut counts: Vec<(usize, u64)> =
        column.counts().iter().copied().enumerate().filter(|(_, count)| *count > 0).collect();
    counts.sort_by_key(|(bin, count)| (std::cmp::Reverse(*count), *bin));
    counts.truncate(10);
    counts.into_iter().map(|(bin, count)| (binning.label(bin).to_owned(), count as f64 / present)).collect()
}
