//! Counts of closed windows that references are made of. A rolling reference asks for nearly the same windows at every
//! closing: decoded once, they are summed from memory. Counts of a closed window change with its revision alone.

use std::sync::{Arc, Mutex, PoisonError};

use lru::LruCache;

use crate::distribution::WindowCounts;

/// Bytes that are kept at most, roughly.
const BUDGET: usize = 64 << 20;

/// The counts, the least recently used first to go.
#[derive(Clone)]
pub(super) struct CountsCache(Arc<Mutex<Kept>>);

struct Kept {
    counts: LruCache<(i64, i32), Arc<WindowCounts>>,
    bytes: usize,
}

impl std::fmt::Debug for CountsCache {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("CountsCache")
    }
}

impl Default for CountsCache {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Kept { counts: LruCache::unbounded(), bytes: 0 })))
    }
}

impl CountsCache {
    /// The counts of a window in a revision, when they are kept.
    pub(super) fn get(&self, window: (i64, i32)) -> Option<Arc<WindowCounts>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).counts.get(&window).cloned()
    }

    /// Keeps the counts of a window in a revision.
    pub(super) fn put(&self, window: (i64, i32), counts: &Arc<WindowCounts>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.bytes += counts.bytes();
        if let Some(before) = kept.counts.put(window, Arc::clone(counts)) {
            kept.bytes = kept.bytes.saturating_sub(before.bytes());
        }
        while kept.bytes > BUDGET {
            let Some((_, least)) = kept.counts.pop_lru() else { break };
            kept.bytes = kept.bytes.saturating_sub(least.bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::binning::{Binning, BinningSet};

    #[test]
    fn the_least_recently_used_counts_go_first_and_the_budget_holds() {
        let set = BinningSet::new((0..200).map(|n| (format!("c{n}"), Binning::UniversalNumeric)).collect());
        let counts = Arc::new(WindowCounts::empty(Arc::new(set)));
        let cache = CountsCache::default();
        let room = i64::try_from(BUDGET / counts.bytes()).unwrap();
        for window in 0..room {
            cache.put((window, 0), &counts);
        }
        assert!(cache.get((0, 0)).is_some(), "all of them fit");
        cache.put((room, 0), &counts);
        cache.put((room + 1, 0), &counts);
        assert!(cache.get((0, 0)).is_some(), "it was asked for last");
        assert!(cache.get((1, 0)).is_none() && cache.get((room + 1, 0)).is_some());
        cache.put((room + 1, 0), &counts);
        assert!(cache.0.lock().unwrap().bytes <= BUDGET);
    }
}
