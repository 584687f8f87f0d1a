//! How two baselines of a monitor differ.

use serde::Serialize;

use super::Summary;
use crate::distribution::{Distribution, WindowCounts};
use crate::judge::{JudgeSpec, largest_change};
use crate::measure::{Measure, Pair};
use crate::variation::{Change, ChangeTest};

/// How a column differs between two baselines.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct ColumnDiff {
    /// The column.
    pub column: String,
    /// In the one; none when it does not have the column.
    pub before: Option<Summary>,
    /// In the other.
    pub after: Option<Summary>,
    /// The monitor's measures, where both are counted on the same bins.
    pub measures: Vec<MeasuredDiff>,
}

/// A measure between two baselines.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct MeasuredDiff {
    /// The measure.
    pub measure: String,
    /// Its effect; none where it is undefined.
    pub effect: Option<f64>,
    /// The limit at which windows drift; null for measures that are only shown.
    pub critical: Option<f64>,
}

/// The columns of either, those most different first: by the monitor's measures where both are counted on the same bins.
#[must_use]
pub fn baseline_diff(before: &WindowCounts, after: &WindowCounts, rules: &JudgeSpec) -> Vec<ColumnDiff> {
    let mut names: Vec<&str> = after.columns().iter().map(Distribution::name).collect();
    names.extend(before.columns().iter().map(Distribution::name).filter(|name| after.column(name).is_none()));
    let test = ChangeTest::of_sampling(before);
    let mut columns: Vec<ColumnDiff> = names
        .into_iter()
        .map(|name| {
            let (old, new) = (before.column(name), after.column(name));
            let pair = old.zip(new).and_then(|(old, new)| Pair::new(old, new).ok());
            let changes = new.and_then(|new| test.changes(new)).unwrap_or_default();
            let measures = |pair: Pair<'_>| {
                let pair = pair.values_only(rules.values_only).of_records(before.rows(), after.rows());
                measures(name, &pair, &changes, rules)
            };
            let measures = pair.map_or_else(Vec::new, measures);
            ColumnDiff { column: name.to_owned(), before: old.map(alone), after: new.map(alone), measures }
        })
        .collect();
    let moved = |column: &ColumnDiff| {
        column
            .measures
            .iter()
            .filter_map(|measure| Some(measure.effect? / measure.critical?.max(f64::MIN_POSITIVE)))
            .fold(0.0, f64::max)
    };
    columns.sort_by(|left, right| moved(right).total_cmp(&moved(left)));
    columns
}

fn measures(name: &str, pair: &Pair<'_>, changes: &[Change], rules: &JudgeSpec) -> Vec<MeasuredDiff> {
    let effect = |measure: Measure| {
        if measure.is_change() {
            largest_change(changes, measure)
        } else {
            measure.score(pair).map(|score| score.effect)
        }
    };

    let own = rules.columns.iter().filter(|column| column.name == name).flat_map(|column| &column.measures);
    own.map(|rule| MeasuredDiff {
        measure: rule.measure.as_str().to_owned(),
        effect: effect(rule.measure).filter(|effect| effect.is_finite()),
        critical: rule.limits.map(|limits| limits.critical),
    })
    .collect()
}

/// What is in a distribution by itself.
fn alone(column: &Distribution) -> Summary {
    Summary::of(column, None)
}
