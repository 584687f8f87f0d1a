//! What a window is compared with. A window keeps the bins it was opened on; its reference is resolved when it closes, from
//! the baselines there are then.

use std::sync::Arc;

use crate::binning::BinningSet;
use crate::distribution::WindowCounts;

/// What one window is compared with.
#[derive(Clone, Debug, PartialEq)]
pub struct Reference {
    /// What it is called in messages, such as `version 3 (training.parquet)`.
    pub name: String,
    /// Its counts of the window's segment, on the bins of the window; none when it has nothing of the segment, or is on
    /// other bins.
    pub counts: Option<WindowCounts>,
}

/// How counts get onto the bins of a baseline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// They are on these bins.
    Same,
    /// They were made on universal bins, before the baseline was learnt from others like them: they are moved to its bins, which
    /// loses nothing.
    Moved,
}

impl Fit {
    /// How counts made on `counted_on` can be compared with those of a baseline on `bins`; none when they cannot.
    #[must_use]
    pub fn of(counted_on: &BinningSet, bins: &BinningSet) -> Option<Self> {
        if counted_on.id() == bins.id() {
            Some(Self::Same)
        } else {
            bins.holds_whole_buckets_of(counted_on).then_some(Self::Moved)
        }
    }

    /// The counts on the bins of the baseline.
    #[must_use]
    pub fn apply(self, counts: WindowCounts, bins: &Arc<BinningSet>) -> WindowCounts {
        match self {
            Self::Same => counts,
            Self::Moved => counts.rebinned(bins),
        }
    }
}
