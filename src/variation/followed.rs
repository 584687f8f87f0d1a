//! The statistics of a column that are followed over many windows, as [`crate::trend`] takes them.

use super::dispersion::Centre;
use super::judge::Judge;
use super::stored::StoredColumn;
use super::{ColumnCounts, Source, Statistic, size};
use crate::trend::{Followed, Reading, ReferenceLevel};

/// Categories that are followed: the largest ones.
const CATEGORIES: usize = 8;
/// Statistics of a reference that its autocorrelation is pooled over count as so many independent ones at most.
const POOLED: usize = 10;

/// The statistics of one column that are followed, with their levels in the reference.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FollowedColumn {
    /// In the order of the levels.
    pub statistics: Vec<Statistic>,
    pub levels: Vec<Followed>,
    /// Places among all statistics of the column.
    places: Vec<usize>,
}

impl Judge {
    /// What is followed of a column: location, spread, the largest categories, nulls. Empty unless the reference has enough windows
    /// to say how they differ.
    #[must_use]
    pub fn followed(&self, column: &str) -> FollowedColumn {
        let variation = self.variation();
        let stored = variation.columns.get(column).filter(|_| self.column(column).is_some());
        let Some(stored) = stored.filter(|_| variation.source() == Source::Windows) else {
            return FollowedColumn::default();
        };
        let mut followed = FollowedColumn::default();
        for place in places(stored) {
            let Some(statistic) = stored.statistics.get(place).map(|stored| stored.statistic) else { continue };
            let pairs = variation.windows().saturating_mul(variation.columns.len().min(POOLED));
            let Some(level) = level(stored, place, variation.autocorrelation(), size(pairs)) else { continue };
            followed.places.push(place);
            followed.statistics.push(statistic);
            followed.levels.push(Followed { weight: 1.0, level });
        }
        // Each kind of change has the same share, however many categories there are.
        let is_category = |statistic: &Statistic| matches!(statistic, Statistic::Category(_));
        let categories = followed.statistics.iter().filter(|statistic| is_category(statistic)).count();
        for (statistic, level) in followed.statistics.iter().zip(&mut followed.levels) {
            if is_category(statistic) {
                level.weight = 1.0 / size(categories);
            }
        }
        followed
    }

    /// What a window has of them, in their order; empty when it is on other bins.
    #[must_use]
    pub fn readings(
        &self,
        column: &str,
        followed: &FollowedColumn,
        window: &ColumnCounts<'_>,
    ) -> Vec<Option<Reading>> {
        let observed = self.column(column).and_then(|column| column.scores.observe(window)).unwrap_or_default();
        let reading = |place: &usize| {
            let observed = observed.get(*place).filter(|observed| observed.of > 0.0)?;
            Some(Reading { value: observed.mean(), records: observed.of })
        };
        followed.places.iter().map(reading).collect()
    }
}

/// The places of the statistics that are followed.
fn places(stored: &StoredColumn) -> Vec<usize> {
    let mut categories: Vec<(usize, f64)> = Vec::new();
    let mut places = Vec::new();
    for (place, one) in stored.statistics.iter().enumerate() {
        match (one.statistic, one.centre) {
            (Statistic::Category(_), Centre::Share { count }) => categories.push((place, count)),
            (Statistic::Location | Statistic::Spread | Statistic::Null, _) => places.push(place),
            _ => {}
        }
    }
    categories.sort_by(|left, right| right.1.total_cmp(&left.1).then(left.0.cmp(&right.0)));
    places.extend(categories.into_iter().take(CATEGORIES).map(|(place, _)| place));
    places.sort_unstable();
    places
}

fn level(stored: &StoredColumn, place: usize, autocorrelation: f64, pairs: f64) -> Option<ReferenceLevel> {
    let one = stored.statistics.get(place)?;
    let sizes = if one.statistic.is_of_rows() { stored.rows } else { stored.values };
    let (mean, record_variance, record_skewness) = match one.centre {
        Centre::Mean { mean, variance, skewness } => (mean, variance, skewness),
        Centre::Share { .. } => {
            let share = one.centre.mean(sizes.total);
            let variance = share * (1.0 - share);
            (share, variance, (1.0 - 2.0 * share) / variance.sqrt())
        }
    };
    let inflation = (1.0 + autocorrelation) / (1.0 - autocorrelation);
    // The mean follows the windows, so that these differ less from it than from what is true.
    let seen = (1.0 - inflation / size(sizes.windows.max(1))).max(0.2);
    let dispersion = if one.q > 0.0 { 1.0 + (one.q / one.degrees - 1.0) / seen } else { 1.0 };
    let level = ReferenceLevel {
        mean,
        record_variance,
        record_skewness,
        records: sizes.total,
        window_records: sizes.mean,
        concentration: sizes.concentration * inflation,
        dispersion: dispersion.max(0.1),
        freedom: one.degrees,
        autocorrelation,
        pairs,
    };
    level.is_sound().then_some(level)
}
