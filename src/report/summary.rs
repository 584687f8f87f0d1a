//! What is in a column, in numbers.

use serde::{Deserialize, Serialize};

use crate::distribution::{Distribution, Located};
use crate::judge::why::{finer_quantiles, is_estimate, place};
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
    /// The 5, 25, 50, 75 and 95 % quantiles; null for one of which only the bounds are known. One whose bounds differ is an
    /// estimate.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Option<f64>>>)]
    pub quantiles: Option<[Option<f64>; 5]>,
    /// Where each quantile lies, given when one is not known exactly: from, to; null where that is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Vec<Option<f64>>>>)]
    pub quantile_bounds: Option<[(Option<f64>, Option<f64>); 5]>,
    /// The most frequent categories with their shares of the values, at most ten.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<serde_json::Value>)]
    pub top: Vec<(String, f64)>,
}

impl Summary {
    /// Of a distribution. `values` are the values themselves, all or a sample, as far as they are at hand: they say where
    /// quantiles lie that the counts do not tell.
    #[must_use]
    pub fn of(column: &Distribution, values: Option<(&Points, Side)>) -> Self {
        let located = finer_quantiles(column, values);
        Self {
            rows: column.rows(),
            values: column.present(),
            null: column.absent(Absence::Null),
            missing: column.absent(Absence::Missing),
            nan: column.absent(Absence::Nan),
            infinite: column.absent(Absence::Infinite),
            wrong_type: column.absent(Absence::WrongType),
            mean: column.mean().filter(|_| !column.is_sensitive()),
            sd: column.deviation().filter(|_| !column.is_sensitive()),
            quantiles: located.map(|located| located.map(Located::value)),
            quantile_bounds: located
                .filter(|located| located.iter().any(|located| !matches!(located, Located::At(_))))
                .map(|located| located.map(Located::bounds)),
            top: top(column),
        }
    }

    /// The quantiles in words: numbers, estimates, or between which the quantile lies.
    #[must_use]
    pub fn quantile_words(&self) -> Option<[String; 5]> {
        let quantiles = self.quantiles?;
        // What is zero but for rounding, as a difference of two equal numbers, is read as zero.
        let rounding = self.sd.unwrap_or(0.0) * 1e-12;
        let plain = |value: f64| if value.abs() < rounding { 0.0 } else { value };
        let mut located =
            quantiles.map(|value| value.map_or(Located::Between(None, None), |value| Located::At(plain(value))));
        for (place, bounds) in located.iter_mut().zip(self.quantile_bounds.into_iter().flatten()) {
            *place = match *place {
                Located::At(value) if bounds.0 != bounds.1 => Located::Near { value, bounds },
                Located::Between(..) => Located::Between(bounds.0, bounds.1),
                known => known,
            };
        }
        Some(located.map(|located| {
            let about = if is_estimate(located) { "about " } else { "" };
            format!("{about}{}", place(located))
        }))
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
    let unseen = binning.unseen_bin();
    let filled = column.counts().iter().copied().enumerate().filter(|(_, count)| *count > 0);
    let mut counts: Vec<(usize, String, u64)> = filled
        .clone()
        .filter(|(bin, _)| *bin != unseen)
        .map(|(bin, count)| (bin, binning.label(bin).to_owned(), count))
        .collect();
    // Unseen ones by their names, as far as these are kept; the others together.
    let mut rest = binning.label(unseen);
    let mut unnamed: u64 = filled.filter(|(bin, _)| *bin == unseen).map(|(_, count)| count).sum();
    for (name, count) in column.unseen().into_iter().flat_map(crate::distribution::UnseenCategories::heaviest) {
        unnamed = unnamed.saturating_sub(count);
        rest = "(other unseen)";
        counts.push((unseen, name, count));
    }
    if unnamed > 0 {
        counts.push((unseen, rest.to_owned(), unnamed));
    }
    counts.sort_by(|left, right| right.2.cmp(&left.2).then_with(|| left.0.cmp(&right.0)));
    counts.truncate(10);
    counts.into_iter().map(|(_, name, count)| (name, count as f64 / present)).collect()
}
