//! Changes between counted windows and their reference: the statistics of this module on [`WindowCounts`].

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::{
    Change, ColumnCounts, Detectable, FollowedColumn, Foreign, Judge, Kind, Means, ReferenceColumn, Statistic,
    Variation,
};
use crate::binning::Binning;
use crate::distribution::{Distribution, WindowCounts};
use crate::trend::Reading;

/// A reference that windows are tested against: its counts, and how its own windows differ from each other.
#[derive(Clone)]
pub struct ChangeTest {
    judge: Arc<Judge>,
    variation: Arc<Variation>,
}

/// Whether the bins of a reference were built from its own records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bins {
    /// They were: what it has outside of them was left out on purpose.
    Own,
    /// They were built from other records.
    OfOthers,
}

impl ChangeTest {
    /// A reference of which the variation is known. Columns that do not fit the counts are left out.
    #[must_use]
    pub fn new(variation: Arc<Variation>, counts: &WindowCounts) -> Self {
        let columns: HashMap<&str, CountsOfColumn<'_>> =
            counts.columns().iter().map(|column| (column.name(), CountsOfColumn::new(column))).collect();
        let judge = Judge::new(Arc::clone(&variation), |name| {
            columns.get(name).map(|column| Cow::Borrowed(column.counts().bins))
        });
        Self { judge: Arc::new(judge), variation }
    }

    /// A reference of which these windows, in order of time, say how they differ; see [`fit`].
    #[must_use]
    pub fn learned(counts: &WindowCounts, windows: &[&WindowCounts], bins: Bins) -> Self {
        Self::new(Arc::new(fit(counts, windows, bins)), counts)
    }

    /// A reference of which no window is known: sampling noise alone.
    #[must_use]
    pub fn of_sampling(counts: &WindowCounts) -> Self {
        Self::learned(counts, &[], Bins::Own)
    }

    /// A reference that is the sum of these windows, in order of time, on the bins of another baseline.
    #[must_use]
    pub fn of_windows(counts: &WindowCounts, windows: &[&WindowCounts]) -> Self {
        Self::learned(counts, windows, Bins::OfOthers)
    }

    /// How the windows of the reference differ.
    #[must_use]
    pub fn variation(&self) -> &Variation {
        &self.variation
    }

    /// How a column of a window differs from the reference, by every statistic; none when the reference does not have the column on
    /// these bins.
    #[must_use]
    pub fn changes(&self, window: &Distribution) -> Option<Vec<Change>> {
        self.judge.changes(window.name(), &CountsOfColumn::new(window).counts())
    }

    /// The bins that a statistic of a column is about, see [`Judge::bins`].
    #[must_use]
    pub fn bins(&self, column: &str, statistic: Statistic) -> Option<Range<usize>> {
        self.judge.bins(column, statistic)
    }

    /// What the statistics of a column have in a window of so many records, see [`Judge::means`].
    #[must_use]
    pub fn means(&self, column: &str, rows: u64) -> Option<Vec<Means>> {
        self.judge.means(column, rows)
    }

    /// What one statistic of a column can show in a window of so many records, see [`Judge::detectable_by`].
    #[must_use]
    pub fn detectable_by(&self, column: &str, statistic: Statistic, rows: u64, level: f64) -> Option<Detectable> {
        self.judge.detectable_by(column, statistic, rows, level)
    }

    /// What the statistic of a change of a column can show in such windows at a level of its own.
    #[must_use]
    pub fn detectable(&self, column: &str, change: &Change, level: f64) -> Option<Detectable> {
        self.judge.detectable_of(column, change, level)
    }
}

impl fmt::Debug for ChangeTest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ChangeTest").field("variation", &self.variation).finish_non_exhaustive()
    }
}

impl PartialEq for ChangeTest {
    /// Two are equal when they were made of equal references.
    fn eq(&self, other: &Self) -> bool {
        self.variation == other.variation
    }
}

impl ChangeTest {
    /// The statistics of a column that are followed over many windows, see [`Judge::followed`].
    #[must_use]
    pub fn followed(&self, column: &str) -> FollowedColumn {
        self.judge.followed(column)
    }

    /// What a window has of them, see [`Judge::readings`].
    #[must_use]
    pub fn readings(&self, followed: &FollowedColumn, window: &Distribution) -> Vec<Option<Reading>> {
        self.judge.readings(window.name(), followed, &CountsOfColumn::new(window).counts())
    }
}

/// Learns from a reference how its windows, in order of time, differ. What is on other bins than the reference is left out.
#[must_use]
pub fn fit(reference: &WindowCounts, windows: &[&WindowCounts], bins: Bins) -> Variation {
    let windows: Vec<Vec<CountsOfColumn<'_>>> = windows
        .iter()
        .filter(|window| window.rows() > 0 && window.binnings().id() == reference.binnings().id())
        .map(|window| window.columns().iter().map(CountsOfColumn::new).collect())
        .collect();
    let total: Vec<CountsOfColumn<'_>> = reference.columns().iter().map(CountsOfColumn::new).collect();
    let columns: Vec<ReferenceColumn<'_>> = total
        .iter()
        .enumerate()
        .map(|(place, column)| ReferenceColumn {
            name: column.distribution.name(),
            kind: column.kind(),
            total: column.counts(),
            windows: windows.iter().filter_map(|window| Some(window.get(place)?.counts())).collect(),
            foreign: match bins {
                Bins::Own => Foreign::Singletons(singletons(column.distribution)),
                Bins::OfOthers => Foreign::Independent,
            },
            rare: rare(column.distribution, bins),
        })
        .collect();
    Variation::fit(&columns)
}

/// How many categories a distribution has exactly once.
fn singletons(column: &Distribution) -> u64 {
    let Binning::Categorical(binning) = column.binning() else { return 0 };
    let once = column.counts().iter().take(binning.categories().len()).filter(|count| **count == 1).count() as u64;
    // Of a binning of an earlier version all rare ones are taken for such.
    once + binning.rare_counts().map_or(binning.rare() as u64, |counts| counts.once)
}

/// How many values of rare and unseen categories another sample of this size has on average, see [`ReferenceColumn::rare`]. What is foreseen
/// of the whole that placed the bins holds for a segment of it in proportion.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn rare(column: &Distribution, bins: Bins) -> Option<f64> {
    let Binning::Categorical(binning) = column.binning() else { return None };
    let count = |bin: usize| column.counts().get(bin).copied().unwrap_or(0) as f64;
    let rare = count(binning.rare_bin());
    let expected = match bins {
        Bins::OfOthers => rare + count(binning.unseen_bin()),
        Bins::Own => {
            let counts = binning.rare_counts().filter(|counts| counts.values > 0)?;
            rare * counts.foreseen as f64 / counts.values as f64
        }
    };
    Some(expected).filter(|expected| *expected > 0.0)
}

/// The counts of one column; of one without bins only how many values it has.
struct CountsOfColumn<'a> {
    distribution: &'a Distribution,
    /// What stands for the bins of a column without any: one category that all values have, nothing rare, nothing unseen.
    values: [u64; 3],
}

impl<'a> CountsOfColumn<'a> {
    fn new(distribution: &'a Distribution) -> Self {
        Self { distribution, values: [distribution.present(), 0, 0] }
    }

    fn has_bins(&self) -> bool {
        matches!(self.distribution.binning(), Binning::Numeric(_) | Binning::Categorical(_))
            && !self.distribution.binning().is_universal()
    }

    fn kind(&self) -> Kind {
        match self.distribution.binning() {
            Binning::Numeric(_) => Kind::Numeric,
            _ => Kind::Categorical,
        }
    }

    fn counts(&self) -> ColumnCounts<'_> {
        let bins = if self.has_bins() { self.distribution.counts() } else { &self.values };
        ColumnCounts { bins, nulls: self.distribution.nulls(), invalid: self.distribution.invalid() }
    }
}
