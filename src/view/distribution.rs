//! Distributions bin by bin, as tables.

use serde::{Deserialize, Serialize};

use crate::binning::{Binning, universal};
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
            let buckets: std::collections::BTreeSet<i32> =
                own.into_iter().chain(theirs).flat_map(|counts| counts.keys().copied()).collect();
            let of =
                |counts: &std::collections::BTreeMap<i32, u64>, bucket| counts.get(bucket).copied().unwrap_or(0);
            buckets
                .iter()
                .map(|bucket| DistributionRow {
                    low: Some(universal::lower_end(*bucket))
                        .filter(|end| end.is_finite() && !after.is_sensitive()),
                    high: Some(universal::lower_end(bucket + 1))
                        .filter(|end| end.is_finite() && !after.is_sensitive()),
                    ..row(
                        BinKind::Value,
                        theirs.map(|counts| of(counts, bucket)),
                        own.map_or(0, |counts| of(counts, bucket)),
                    )
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
