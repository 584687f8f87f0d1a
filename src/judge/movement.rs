//! Before and after, in the column's own terms.

use serde::{Deserialize, Serialize};

use super::why::numbers_apart;
use crate::binning::Binning;
use crate::distribution::Distribution;
use crate::record::{grouped, number_of};

/// Change of a column between baseline and window. Absent numbers are unknown.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Movement {
    /// Means of a numeric column.
    #[schema(value_type = Option<Vec<f64>>)]
    pub mean: Option<(f64, f64)>,
    /// Shares of null and missing values.
    #[schema(value_type = Option<Vec<f64>>)]
    pub null_share: Option<(f64, f64)>,
    /// Category with the largest change of its share, with both shares.
    #[schema(value_type = Option<Vec<serde_json::Value>>)]
    pub category: Option<(String, f64, f64)>,
    /// Numbers of records: what is usual and what was counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<u64>>)]
    pub records: Option<(u64, u64)>,
}

impl Movement {
    /// In words, the most telling number alone; empty when nothing is known.
    #[must_use]
    pub fn words(&self) -> String {
        if let Some((before, after)) = self.records {
            return format!("{} to {}", grouped(before), number_of(after, "record"));
        }
        let percent = |share: f64| format!("{:.1} %", share * 100.0);
        if let Some((before, after)) = self.null_share
            && (after - before).abs() >= 0.01
        {
            return format!("nulls {} to {}", percent(before), percent(after));
        }
        if let Some((before, after)) = self.mean {
            let (before, after) = numbers_apart(before, after);
            return format!("mean {before} to {after}");
        }
        if let Some((category, before, after)) = &self.category {
            return format!("`{category}` {} to {}", percent(*before), percent(*after));
        }
        String::new()
    }
}

/// Compares the means, null shares and category shares of two distributions of one column.
#[must_use]
pub fn movement(before: Option<&Distribution>, after: Option<&Distribution>) -> Movement {
    let Some((before, after)) = before.zip(after) else { return Movement::default() };
    Movement {
        // A mean is a value of its column.
        mean: before.mean().zip(after.mean()).filter(|_| !after.is_sensitive()),
        null_share: null_share(before).zip(null_share(after)),
        category: largest_change(before, after),
        records: None,
    }
}

fn null_share(column: &Distribution) -> Option<f64> {
    share(column.nulls(), column.rows())
}

fn largest_change(before: &Distribution, after: &Distribution) -> Option<(String, f64, f64)> {
    let Binning::Categorical(binning) = before.binning() else { return None };
    if !before.is_aligned_with(after) {
        return None;
    }
    let (n, m) = (before.present(), after.present());
    // An unseen category that is most of the unseen is told by its name.
    let unseen = after.unseen().and_then(|unseen| unseen.heaviest().into_iter().next());
    let unseen = unseen.filter(|(_, count)| {
        count * 2 > after.counts().get(binning.unseen_bin()).copied().unwrap_or(0)
            && before.counts().get(binning.unseen_bin()) == Some(&0)
    });
    let shares = |bin: usize| {
        let count = |column: &Distribution| column.counts().get(bin).copied();
        match &unseen {
            Some((_, count)) if bin == binning.unseen_bin() => Some((0.0, share(*count, m)?)),
            _ => Some((share(count(before)?, n)?, share(count(after)?, m)?)),
        }
    };
    // Of equals the one that is most frequent in the baseline.
    let (bin, (left, right)) = (0..before.counts().len()).filter_map(|bin| Some((bin, shares(bin)?))).max_by(
        |(_, left), (_, right)| {
            let moved = |(before, after): &(f64, f64)| (after - before).abs();
            moved(left).total_cmp(&moved(right)).then_with(|| left.0.total_cmp(&right.0))
        },
    )?;
    let name = unseen.filter(|_| bin == binning.unseen_bin()).map(|(name, _)| name);
    Some((name.unwrap_or_else(|| binning.label(bin).to_owned()), left, right))
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn share(count: u64, total: u64) -> Option<f64> {
    (total > 0).then(|| count as f64 / total as f64)
}
