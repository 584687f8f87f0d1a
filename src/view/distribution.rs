//! Distributions bin by bin, as tables.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::binning::{Binning, Level};
use crate::distribution::{Distribution, WindowCounts};
use crate::record::Absence;

/// Content of a bin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BinKind {
    /// Values from `low` to below `high`, a single value, or a category.
    Value,
    /// Values below the baseline's range.
    Below,
    /// Values above the baseline's range.
    Above,
    /// All rare categories of the baseline.
    Rare,
    /// Categories not in the baseline.
    Unseen,
    /// Null values.
    Null,
    /// Records without the column.
    Missing,
    /// Not a number.
    Nan,
    /// Infinite values.
    Infinite,
    /// Values of another type.
    WrongType,
    /// Vectors.
    Vectors,
}

impl BinKind {
    /// The name in tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Value => "value",
            Self::Below => "below",
            Self::Above => "above",
            Self::Rare => "rare",
            Self::Unseen => "unseen",
            Self::Null => "null",
            Self::Missing => "missing",
            Self::Nan => "nan",
            Self::Infinite => "infinite",
            Self::WrongType => "wrong_type",
            Self::Vectors => "vectors",
        }
    }
}

/// A bin with the counts of baseline and window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DistributionRow {
    /// The column.
    pub column: String,
    /// Content of the bin.
    pub kind: BinKind,
    /// The category, for categorical columns.
    pub category: Option<String>,
    /// Lower bound (inclusive), for numeric columns; null if open.
    pub low: Option<f64>,
    /// Upper bound (exclusive), for numeric columns; null if open.
    pub high: Option<f64>,
    /// Count in the baseline; null without a baseline on the same bins.
    pub baseline: Option<u64>,
    /// Count in the window.
    pub window: u64,
}

/// The bins of all columns, or one; bins that are empty on both sides are left out.
#[must_use]
pub fn distribution_rows(
    window: &WindowCounts,
    baseline: Option<&WindowCounts>,
    column: Option<&str>,
) -> Vec<DistributionRow> {
    window
        .columns()
        .iter()
        .filter(|after| column.is_none_or(|wanted| wanted == after.name()))
        .flat_map(|after| {
            let before = baseline.and_then(|baseline| baseline.column(after.name()));
            rows(after, before.filter(|before| before.is_aligned_with(after)))
        })
        .collect()
}

/// Buckets that are shown at most where coarser ones say as much.
const SHOWN: usize = 256;

/// Counts of window and baseline by bucket, of the finest level that both have and that has few enough buckets to look at.
fn together(
    window: Option<(Level, &BTreeMap<i64, u64>)>,
    baseline: Option<(Level, &BTreeMap<i64, u64>)>,
) -> (Level, BTreeMap<i64, (u64, u64)>) {
    let mut level = window.into_iter().chain(baseline).map(|(level, _)| level).max().unwrap_or(Level::COARSEST);
    loop {
        let mut buckets: BTreeMap<i64, (u64, u64)> = BTreeMap::new();
        if let Some((finer, counts)) = window {
            for (bucket, count) in counts {
                buckets.entry(level.holding(*bucket, finer)).or_default().0 += count;
            }
        }
        if let Some((finer, counts)) = baseline {
            for (bucket, count) in counts {
                buckets.entry(level.holding(*bucket, finer)).or_default().1 += count;
            }
        }
        if buckets.len() <= SHOWN || level == Level::COARSEST {
            return (level, buckets);
        }
        level = level.coarser_by(1);
    }
}

fn rows(after: &Distribution, before: Option<&Distribution>) -> Vec<DistributionRow> {
    let row = |kind, baseline: Option<u64>, window: u64| DistributionRow {
        column: after.name().to_owned(),
        kind,
        category: None,
        low: None,
        high: None,
        baseline,
        window,
    };
    let count = |bin: usize| {
        let of = |column: &Distribution| column.counts().get(bin).copied().unwrap_or(0);
        (before.map(of), of(after))
    };
    let mut rows: Vec<DistributionRow> = match after.binning() {
        Binning::Numeric(binning) => (0..binning.bins())
            .map(|bin| {
                let (baseline, window) = count(bin);
                let ends = binning.shown_ends(bin);
                // An end of a bin is a value.
                let (low, high) = if after.is_sensitive() { (None, None) } else { ends };
                let kind = match ends {
                    (None, _) => BinKind::Below,
                    (_, None) => BinKind::Above,
                    _ => BinKind::Value,
                };
                DistributionRow { low, high, ..row(kind, baseline, window) }
            })
            .collect(),
        Binning::Categorical(binning) => (0..binning.bins())
            .map(|bin| {
                let (baseline, window) = count(bin);
                let kind = match bin {
                    bin if bin == binning.rare_bin() => BinKind::Rare,
                    bin if bin == binning.unseen_bin() => BinKind::Unseen,
                    _ => BinKind::Value,
                };
                let category = (kind == BinKind::Value).then(|| binning.label(bin).to_owned());
                DistributionRow { category, ..row(kind, baseline, window) }
            })
            .collect(),
        Binning::UniversalNumeric => {
            let (own, theirs) = (after.universal_counts(), before.and_then(Distribution::universal_counts));
            let (level, buckets) = together(own, theirs);
            let end =
                |bucket| Some(level.lower_end(bucket)).filter(|end| end.is_finite() && !after.is_sensitive());
            buckets
                .into_iter()
                .map(|(bucket, (window, baseline))| DistributionRow {
                    low: end(bucket),
                    high: end(bucket + 1),
                    ..row(BinKind::Value, theirs.map(|_| baseline), window)
                })
                .collect()
        }
        Binning::Embedding(_) => vec![row(BinKind::Vectors, before.map(Distribution::present), after.present())],
    };
    let absences = [
        (BinKind::Null, Absence::Null),
        (BinKind::Missing, Absence::Missing),
        (BinKind::Nan, Absence::Nan),
        (BinKind::Infinite, Absence::Infinite),
        (BinKind::WrongType, Absence::WrongType),
    ];
    rows.extend(
        absences
            .map(|(kind, absence)| row(kind, before.map(|column| column.absent(absence)), after.absent(absence))),
    );
    rows.retain(|row| row.window + row.baseline.unwrap_or(0) > 0);
    rows
}
