//! What is kept of categories without a bin: the heavy hitters and how many there are, in bounded memory.

use std::fmt;

use datasketches::frequencies::{ErrorType, FrequentItemsSketch};
use datasketches::hll::{HllSketch, HllType, HllUnion};

/// Slots of the heavy-hitter sketch. Up to three quarters of them it is exact.
const SLOTS: usize = 1_024;
/// Its slots while nothing is known of a column: what a baseline is learned from. With 128 bytes a category that is up to
/// 0.4 MB for a column of 3,072 different values in an open window; columns with few values take what they need.
const LEARNING_SLOTS: usize = 4_096;
/// log2 of the registers of the cardinality sketch: 4 KB, about 1.6 % error.
const LG_REGISTERS: u8 = 12;

/// Where a serialised heavy-hitter sketch says log2 of its most slots, and of the slots it has.
const HEAVY_LARGEST: usize = 3;
const HEAVY_CURRENT: usize = 4;
/// Where a serialised cardinality sketch says log2 of its registers.
const DISTINCT_REGISTERS: usize = 3;
/// Bytes in front of its registers. Sketches that are stored have all of them: there are more categories than are counted
/// exactly by then.
const DISTINCT_PREAMBLE: usize = 40;

/// The unseen categories of a column.
///
/// Up to 768 distinct ones (3,072 while nothing is known of the column) their counts are exact and do not depend on order;
/// beyond that the heavy hitters are kept with a known error (Misra-Gries counters as in Apache DataSketches) and the
/// number of distinct ones is estimated by HyperLogLog. The *total* of unseen values is a plain count and always exact.
#[derive(Clone)]
pub struct UnseenCategories {
    sketches: Option<Sketches>,
    /// Of the heavy-hitter sketch, where there is none yet.
    slots: usize,
}

impl Default for UnseenCategories {
    fn default() -> Self {
        Self { sketches: None, slots: SLOTS }
    }
}

/// A category with its count, in memory.
const CATEGORY: usize = 128;

#[derive(Clone)]
struct Sketches {
    heavy: FrequentItemsSketch<String>,
    distinct: HllSketch,
}

impl Sketches {
    fn new(slots: usize) -> Option<Self> {
        Some(Self {
            heavy: FrequentItemsSketch::new(slots).ok()?,
            distinct: HllSketch::new(LG_REGISTERS, HllType::Hll8).ok()?,
        })
    }
}

/// How the state is written down.
#[derive(Debug)]
pub(super) enum UnseenState {
    /// Every category with its count, by name.
    Exact(Vec<(String, u64)>),
    /// The serialised sketches: heavy hitters, cardinality.
    Sketched(Vec<u8>, Vec<u8>),
}

impl UnseenCategories {
    /// Nothing counted yet, of a column that a baseline is to be learned of.
    pub(super) fn learning() -> Self {
        Self { sketches: None, slots: LEARNING_SLOTS }
    }

    /// Bytes in memory, roughly.
    pub(super) fn bytes(&self) -> usize {
        let sketches = self.sketches.as_ref().map_or(0, |sketches| {
            let categories = sketches.heavy.num_active_items();
            categories * CATEGORY + (categories * size_of::<u64>()).min(1 << LG_REGISTERS)
        });
        size_of::<Self>() + size_of::<Sketches>() + sketches
    }

    /// Counts a category.
    pub fn add(&mut self, category: &str, count: u64) {
        if self.sketches.is_none() {
            self.sketches = Sketches::new(self.slots);
        }
        if let Some(sketches) = &mut self.sketches {
            sketches.heavy.update_with_count_ref(category, count);
            sketches.distinct.update(category);
        }
    }

    /// Adds other unseen categories.
    pub fn merge(&mut self, other: &Self) {
        match (&mut self.sketches, &other.sketches) {
            (_, None) => {}
            (None, Some(theirs)) => self.sketches = Some(theirs.clone()),
            (Some(mine), Some(theirs)) => {
                // The larger of two sketches holds the sum: those of earlier versions are small.
                if mine.heavy.max_map_size() < theirs.heavy.max_map_size() {
                    let small = std::mem::replace(&mut mine.heavy, theirs.heavy.clone());
                    mine.heavy.merge(&small);
                } else {
                    mine.heavy.merge(&theirs.heavy);
                }
                if let Ok(mut union) = HllUnion::new(LG_REGISTERS) {
                    union.update(&mine.distinct);
                    union.update(&theirs.distinct);
                    mine.distinct = union.to_sketch(HllType::Hll8);
                }
            }
        }
    }

    /// The known categories with their counts, heaviest first (ties by name). Counts are lower bounds, exact
    /// while [`Self::is_exact`].
    #[must_use]
    pub fn heaviest(&self) -> Vec<(String, u64)> {
        let Some(sketches) = &self.sketches else { return Vec::new() };
        let mut rows: Vec<(String, u64)> = sketches
            .heavy
            .frequent_items(ErrorType::NoFalseNegatives)
            .into_iter()
            .map(|row| (row.item().clone(), row.lower_bound()))
            .collect();
        rows.sort_by(|left, right| right.1.cmp(&left.1).then_with(|| left.0.cmp(&right.0)));
        rows
    }

    /// Whether every category is known with its exact count.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.sketches.as_ref().is_none_or(|sketches| sketches.heavy.maximum_error() == 0)
    }

    /// By how much the count of a category may be larger than the lower bound that is known of it; 0 while
    /// [`Self::is_exact`].
    #[must_use]
    pub fn error(&self) -> u64 {
        self.sketches.as_ref().map_or(0, |sketches| sketches.heavy.maximum_error())
    }

    /// How many distinct categories there are: exact while [`Self::is_exact`], otherwise an estimate with a
    /// standard error of 1.6 %.
    #[must_use]
    pub fn distinct(&self) -> f64 {
        match &self.sketches {
            None => 0.0,
            #[expect(clippy::cast_precision_loss, reason = "at most 4,096 items")]
            Some(sketches) if self.is_exact() => sketches.heavy.num_active_items() as f64,
            Some(sketches) => sketches.distinct.composite_estimate(),
        }
    }

    pub(super) fn state(&self) -> UnseenState {
        match &self.sketches {
            Some(sketches) if !self.is_exact() => {
                UnseenState::Sketched(sketches.heavy.serialize(), sketches.distinct.serialize())
            }
            _ => {
                let mut rows = self.heaviest();
                rows.sort();
                UnseenState::Exact(rows)
            }
        }
    }

    /// Counted values without a bin, all together.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.sketches.as_ref().map_or(0, |sketches| sketches.heavy.total_weight())
    }

    /// Reads serialised sketches; `None` when they are damaged. A sketch says itself how large a table it needs, which is
    /// made before anything is read into it: only the sizes that are ever written are read.
    pub(super) fn from_sketches(heavy: &[u8], distinct: &[u8]) -> Option<Self> {
        let (largest, current) = (heavy.get(HEAVY_LARGEST)?, heavy.get(HEAVY_CURRENT)?);
        let slots =
            1usize.checked_shl(u32::from(*largest)).filter(|slots| [SLOTS, LEARNING_SLOTS].contains(slots))?;
        if current > largest || distinct.get(DISTINCT_REGISTERS) != Some(&LG_REGISTERS) {
            return None;
        }
        // A register holds a place among 64 bits; the sketch shifts by it when sketches are added up.
        let registers =
            distinct.get(DISTINCT_PREAMBLE..).filter(|registers| registers.len() == 1 << LG_REGISTERS)?;
        if registers.iter().any(|register| *register >= 64) {
            return None;
        }
        let read = Self {
            sketches: Some(Sketches {
                heavy: FrequentItemsSketch::deserialize(heavy).ok()?,
                distinct: HllSketch::deserialize(distinct).ok()?,
            }),
            slots,
        };
        let sketches = read.sketches.as_ref()?;
        let sound = sketches.heavy.maximum_error() <= sketches.heavy.total_weight()
            && read.distinct().is_finite()
            && read.distinct() >= 0.0;
        sound.then_some(read)
    }
}

impl PartialEq for UnseenCategories {
    /// Equal when they say the same: the same known categories and counts, and the same number of distinct ones.
    fn eq(&self, other: &Self) -> bool {
        self.is_exact() == other.is_exact()
            && self.heaviest() == other.heaviest()
            && self.distinct().to_bits() == other.distinct().to_bits()
    }
}

impl fmt::Debug for UnseenCategories {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("UnseenCategories")
            .field("distinct", &self.distinct())
            .field("exact", &self.is_exact())
            .finish_non_exhaustive()
    }
}
