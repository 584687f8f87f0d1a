//! Sums of embeddings.

use arrow::array::{Array as _, AsArray as _, ListArray};
use arrow::datatypes::Float64Type;

use super::Misses;
use crate::binning::EmbeddingBinning;
use crate::distribution::ipc::{IpcError, damaged};
use crate::distribution::stored::{ColumnRows, RowKind, StoredRow};
use crate::record::Absence;

/// How many vectors, and the sums of their components and waves.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::distribution) struct VectorSums {
    pub(in crate::distribution) count: u64,
    pub(in crate::distribution) sums: Vec<i64>,
}

impl VectorSums {
    pub(super) fn empty(binning: &EmbeddingBinning) -> Self {
        Self { count: 0, sums: vec![0; binning.sums()] }
    }

    pub(super) fn bytes(&self) -> usize {
        self.sums.capacity() * size_of::<i64>()
    }

    pub(super) fn count(
        &mut self,
        binning: &EmbeddingBinning,
        lists: &ListArray,
        rows: impl Iterator<Item = usize>,
        misses: &mut Misses<'_>,
    ) {
        for row in rows {
            let vector = lists.is_valid(row).then(|| lists.value(row));
            match vector.as_ref().and_then(|vector| vector.as_primitive_opt::<Float64Type>()) {
                Some(vector) if binning.add(vector.values(), &mut self.sums) => {
                    self.count = self.count.saturating_add(1);
                }
                // Of another length, or not finite.
                Some(_) => misses.note(Absence::WrongType),
                None => misses.note_row(row),
            }
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.count = self.count.saturating_add(other.count);
        for (mine, theirs) in self.sums.iter_mut().zip(&other.sums) {
            *mine = mine.saturating_add(*theirs);
        }
    }

    pub(super) fn write(&self, rows: &mut ColumnRows<'_>) {
        rows.push(RowKind::VECTORS, 0, self.count, 0, None);
        for (place, sum) in self.sums.iter().enumerate().filter(|(_, sum)| **sum != 0) {
            rows.push_bin(place, 0, *sum);
        }
    }

    pub(super) fn read(&mut self, row: &StoredRow<'_>) -> Result<(), IpcError> {
        match row.kind {
            RowKind::VECTORS => row.add_to(Some(&mut self.count)),
            RowKind::BIN => {
                let sum = self.sums.get_mut(row.bin()).ok_or(damaged("a sum outside the binning"))?;
                *sum = sum.saturating_add(row.offset);
                Ok(())
            }
            _ => Err(damaged("an unknown kind of count")),
        }
    }
}
