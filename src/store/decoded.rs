//! What was decoded from the database and does not change there: bins, baselines, and the counts of a closed window in a revision.
//! Windows that close one after the other are counted on the same bins, compared with the same baseline, and a rolling reference
//! is the sum of nearly the same windows each time: decoded once, they are taken from memory.

use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use lru::LruCache;
use uuid::Uuid;

use crate::binning::{Binning, BinningSet};
use crate::distribution::WindowCounts;
use crate::reference::Reference;

/// Bytes that are kept at most of each kind, roughly.
const BUDGET: usize = 64 << 20;
/// What a baseline is tested against takes so much more than its counts.
const WITH_TEST: usize = 4;
/// A number, and its part of the search for bins.
const BYTES_PER_BIN: usize = 32;

/// Shared by all who ask the database; the least recently used goes first.
#[derive(Clone, Default)]
pub(super) struct Decoded(Arc<Kinds>);

#[derive(Default)]
struct Kinds {
    counts: Kept<(i64, i32), WindowCounts>,
    bins: Kept<Uuid, BinningSet>,
    baselines: Kept<(Uuid, String), Reference>,
}

struct Kept<K: Hash + Eq, V>(Mutex<Values<K, V>>);

/// Values, each with its size, and the sum of these.
struct Values<K: Hash + Eq, V> {
    values: LruCache<K, (Arc<V>, usize)>,
    bytes: usize,
}

impl<K: Hash + Eq, V> Default for Kept<K, V> {
    fn default() -> Self {
        Self(Mutex::new(Values { values: LruCache::unbounded(), bytes: 0 }))
    }
}

impl<K: Hash + Eq, V> Kept<K, V> {
    fn get(&self, key: &K) -> Option<Arc<V>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.values.get(key).map(|(value, _)| Arc::clone(value))
    }

    fn put(&self, key: K, value: &Arc<V>, bytes: usize) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.bytes += bytes;
        if let Some((_, before)) = kept.values.put(key, (Arc::clone(value), bytes)) {
            kept.bytes = kept.bytes.saturating_sub(before);
        }
        while kept.bytes > BUDGET {
            let Some((_, (_, least))) = kept.values.pop_lru() else { break };
            kept.bytes = kept.bytes.saturating_sub(least);
        }
    }
}

impl std::fmt::Debug for Decoded {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Decoded")
    }
}

impl Decoded {
    /// The counts of a closed window in a revision, when they are kept.
    pub(super) fn counts(&self, window: (i64, i32)) -> Option<Arc<WindowCounts>> {
        self.0.counts.get(&window)
    }

    /// Keeps the counts of a closed window in a revision.
    pub(super) fn keep_counts(&self, window: (i64, i32), counts: &Arc<WindowCounts>) {
        self.0.counts.put(window, counts, counts.bytes());
    }

    /// Bins, when they are kept.
    pub(super) fn bins(&self, id: Uuid) -> Option<Arc<BinningSet>> {
        self.0.bins.get(&id)
    }

    /// Keeps bins.
    pub(super) fn keep_bins(&self, bins: &Arc<BinningSet>) {
        let places = |binning: &Binning| match binning {
            Binning::Numeric(numeric) => numeric.bins(),
            Binning::Categorical(categorical) => categorical.bins() + categorical.rare(),
            Binning::Embedding(_) | Binning::UniversalNumeric => 1,
        };
        let places: usize = bins.columns().iter().map(|(_, binning)| places(binning)).sum();
        self.0.bins.put(bins.id(), bins, places * BYTES_PER_BIN);
    }

    /// What a baseline has of a segment, when it is kept.
    pub(super) fn baseline(&self, id: Uuid, segment: &str) -> Option<Arc<Reference>> {
        self.0.baselines.get(&(id, segment.to_owned()))
    }

    /// Keeps what a baseline has of a segment.
    pub(super) fn keep_baseline(&self, id: Uuid, segment: &str, reference: &Arc<Reference>) {
        let bytes = reference.counts.as_ref().map_or(0, WindowCounts::bytes) * WITH_TEST;
        self.0.baselines.put((id, segment.to_owned()), reference, bytes.max(segment.len()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_used_counts_go_first_and_the_budget_holds() {
        let set = BinningSet::new((0..200).map(|n| (format!("c{n}"), Binning::UniversalNumeric)).collect());
        let counts = Arc::new(WindowCounts::empty(Arc::new(set)));
        let kept = Decoded::default();
        let room = i64::try_from(BUDGET / counts.bytes()).unwrap();
        for window in 0..room {
            kept.keep_counts((window, 0), &counts);
        }
        assert!(kept.counts((0, 0)).is_some(), "all of them fit");
        kept.keep_counts((room, 0), &counts);
        kept.keep_counts((room + 1, 0), &counts);
        assert!(kept.counts((0, 0)).is_some(), "it was asked for last");
        assert!(kept.counts((1, 0)).is_none() && kept.counts((room + 1, 0)).is_some());
        kept.keep_counts((room + 1, 0), &counts);
        assert!(kept.0.counts.0.lock().unwrap().bytes <= BUDGET);
    }

    #[test]
    fn a_baseline_is_kept_for_each_segment() {
        let (kept, id) = (Decoded::default(), Uuid::from_u128(1));
        let whole = Arc::new(Reference::baseline("version 1".to_owned(), None, None));
        kept.keep_baseline(id, "*", &whole);
        assert_eq!(kept.baseline(id, "*"), Some(whole));
        assert_eq!(kept.baseline(id, "country=DE"), None);
    }
}
