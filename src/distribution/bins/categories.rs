//! Counts of categories: texts, flags, and tokens of lists.

use arrow::array::{Array as _, AsArray as _, BooleanArray, ListArray, StringArray};

use super::{Misses, add_count, add_touched};
use crate::binning::CategoricalBinning;
use crate::distribution::ipc::{IpcError, damaged};
use crate::distribution::sparse::Sparse;
use crate::distribution::stored::{ColumnRows, RowKind, StoredRow};
use crate::distribution::total;
use crate::distribution::unseen::{UnseenCategories, UnseenState};

/// A count per bin, and what is known of the unseen categories.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::distribution) struct CategoryCounts {
    pub(in crate::distribution) counts: Sparse<u64>,
    pub(in crate::distribution) unseen: Box<UnseenCategories>,
}

impl CategoryCounts {
    pub(super) fn empty(binning: &CategoricalBinning) -> Self {
        // Without a category there is no baseline yet: the categories are what it is learned from.
        let unseen = if binning.categories().is_empty() {
            UnseenCategories::learning()
        } else {
            UnseenCategories::default()
        };
        Self { counts: Sparse::zeros(binning.bins()), unseen: Box::new(unseen) }
    }

    pub(super) fn present(&self) -> u64 {
        total(self.counts.touched().map(|(_, count)| count))
    }

    pub(super) fn bytes(&self) -> usize {
        self.counts.bytes() + self.unseen.bytes()
    }

    fn add_category(&mut self, binning: &CategoricalBinning, category: &str, count: u64) {
        let bin = binning.bin(category);
        add_count(&mut self.counts, bin, count);
        if bin == binning.unseen_bin() {
            self.unseen.add(category, count);
        }
    }

    pub(super) fn count_texts(
        &mut self,
        binning: &CategoricalBinning,
        values: &StringArray,
        rows: impl Iterator<Item = usize>,
        misses: &mut Misses<'_>,
    ) {
        for row in rows {
            if values.is_valid(row) {
                self.add_category(binning, values.value(row), 1);
            } else {
                misses.note_row(row);
            }
        }
    }

    pub(super) fn count_flags(
        &mut self,
        binning: &CategoricalBinning,
        values: &BooleanArray,
        rows: impl Iterator<Item = usize>,
        misses: &mut Misses<'_>,
    ) {
        let (no, yes) = (binning.bin("false"), binning.bin("true"));
        for row in rows {
            if values.is_valid(row) {
                add_count(&mut self.counts, if values.value(row) { yes } else { no }, 1);
            } else {
                misses.note_row(row);
            }
        }
    }

    /// Each token of each list is a value.
    pub(super) fn count_tokens(
        &mut self,
        binning: &CategoricalBinning,
        lists: &ListArray,
        rows: impl Iterator<Item = usize>,
        misses: &mut Misses<'_>,
    ) {
        let Some(tokens) = lists.values().as_string_opt::<i32>() else { return };
        let ends = lists.value_offsets();
        for row in rows {
            let range = ends.get(row).zip(ends.get(row + 1)).filter(|_| lists.is_valid(row));
            let Some((start, end)) = range else {
                misses.note_row(row);
                continue;
            };
            for place in *start..*end {
                self.add_category(binning, tokens.value(usize::try_from(place).unwrap_or(0)), 1);
            }
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        add_touched(&mut self.counts, &other.counts, u64::saturating_add);
        self.unseen.merge(&other.unseen);
    }

    /// On the categories of another binning; unseen ones that it knows are counted under their names. Where they are too
    /// many to be known exactly, a category of the binning is one that was frequent enough never to be dropped, so the sketch
    /// has taken its error off it, which is added back.
    pub(super) fn rebinned(&self, old: &CategoricalBinning, binning: &CategoricalBinning) -> Self {
        if old == binning {
            return self.clone();
        }
        let mut target = Self::empty(binning);
        for (index, category) in old.categories().iter().enumerate() {
            let count = self.counts.get(index).copied().unwrap_or(0);
            add_count(&mut target.counts, binning.bin(category), count);
        }
        let mut left = self.counts.get(old.unseen_bin()).copied().unwrap_or(0);
        for (category, least) in self.unseen.heaviest() {
            let has_bin = binning.bin(&category) < binning.rare_bin();
            let count = if has_bin { least.saturating_add(self.unseen.error()).min(left) } else { least };
            left = left.saturating_sub(count);
            target.add_category(binning, &category, count);
        }
        // What the sketch no longer knows by name stays unseen.
        add_count(&mut target.counts, binning.unseen_bin(), left);
        target
    }

    pub(super) fn write(&self, rows: &mut ColumnRows<'_>) {
        for (bin, count) in self.counts.touched() {
            rows.push_bin(bin, count, 0);
        }
        match self.unseen.state() {
            UnseenState::Exact(categories) => {
                for (category, count) in categories {
                    rows.push(RowKind::UNSEEN_CATEGORY, 0, count, 0, Some(category.as_bytes()));
                }
            }
            UnseenState::Sketched(heavy, distinct) => {
                rows.push(RowKind::UNSEEN_HEAVY, 0, 0, 0, Some(&heavy));
                rows.push(RowKind::UNSEEN_DISTINCT, 0, 0, 0, Some(&distinct));
            }
        }
    }

    /// A sketch takes two rows: the first is kept in `heavy` until the second comes.
    pub(super) fn read<'a>(&mut self, row: &StoredRow<'a>, heavy: &mut Option<&'a [u8]>) -> Result<(), IpcError> {
        match row.kind {
            RowKind::BIN => row.add_to(self.counts.get_mut(row.bin()))?,
            RowKind::UNSEEN_CATEGORY => {
                let text =
                    std::str::from_utf8(row.payload()?).map_err(|_| damaged("a category that is not text"))?;
                self.unseen.add(text, row.count);
            }
            RowKind::UNSEEN_HEAVY => *heavy = Some(row.payload()?),
            RowKind::UNSEEN_DISTINCT => {
                let heavy = heavy.take().ok_or(damaged("half of the unseen categories"))?;
                *self.unseen = UnseenCategories::from_sketches(heavy, row.payload()?)
                    .ok_or(damaged("unreadable sketches of unseen categories"))?;
            }
            _ => return Err(damaged("an unknown kind of count")),
        }
        Ok(())
    }
}
