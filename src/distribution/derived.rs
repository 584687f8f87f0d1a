//! Numbers that follow from counts and cost a walk over all bins: they are computed when they are first needed, and kept.

use std::sync::OnceLock;

/// Computed numbers of one column. Every change of its counts replaces them by empty ones.
#[derive(Clone, Debug, Default)]
pub(super) struct Derived {
    pub present: OnceLock<u64>,
    /// Mean and deviation.
    pub place: OnceLock<Option<(f64, Option<f64>)>>,
}

/// Equal counts are equal, whatever was computed of them.
impl PartialEq for Derived {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}
