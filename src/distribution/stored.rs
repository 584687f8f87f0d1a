//! Rows of the stored form of counts: (column, kind, key, count, offsets, payload). What a kind means is in the module `bins`.

use std::sync::Arc;

use arrow::array::{
    Array as _, ArrayRef, AsArray as _, BinaryArray, BinaryBuilder, Int32Array, Int64Array, PrimitiveArray,
    RecordBatch, UInt8Array, UInt16Array, UInt64Array,
};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Field, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt64Type,
};

use super::detail::Zone;
use super::ipc::{IpcError, damaged};
use super::moments::Moments;
use crate::binning::{Level, universal};
use crate::record::Absence;

/// What a row counts. Kinds from 1 on are absences, in the order of [`Absence::ALL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RowKind(u8);

impl RowKind {
    pub(super) const BIN: Self = Self(0);
    pub(super) const VECTORS: Self = Self(50);
    pub(super) const MOMENTS: Self = Self(60);
    /// Cells of the first zone; those of the others follow.
    const CELL: u8 = 61;
    pub(super) const UNIVERSAL_MOMENTS: Self = Self(70);
    /// A bucket that is finer than those of the first version: the key is its level, the offset its own key.
    pub(super) const FINE_BUCKET: Self = Self(71);
    pub(super) const UNSEEN_CATEGORY: Self = Self(100);
    pub(super) const UNSEEN_HEAVY: Self = Self(101);
    pub(super) const UNSEEN_DISTINCT: Self = Self(102);

    /// Cells of a zone, by its place in [`Zone::ALL`].
    pub(super) fn cell(zone: usize) -> Self {
        debug_assert!(zone < Zone::ALL.len(), "there are four zones");
        Self(Self::CELL.saturating_add(u8::try_from(zone).unwrap_or(u8::MAX)))
    }

    /// The zone whose cells these are.
    pub(super) fn zone(self) -> Option<usize> {
        self.0.checked_sub(Self::CELL).map(usize::from).filter(|zone| *zone < Zone::ALL.len())
    }

    /// The place in [`Absence::ALL`] of the absence that is counted.
    pub(super) fn absence(self) -> Option<usize> {
        usize::from(self.0).checked_sub(1).filter(|place| *place < Absence::ALL.len())
    }
}

/// Rows being written.
#[derive(Default)]
pub(super) struct CountRows {
    column: Vec<u16>,
    kind: Vec<u8>,
    key: Vec<i32>,
    count: Vec<u64>,
    offsets: Vec<i64>,
    payload: BinaryBuilder,
}

impl CountRows {
    /// Takes rows of one column.
    pub(super) fn of_column(&mut self, column: u16) -> ColumnRows<'_> {
        ColumnRows { rows: self, column }
    }

    /// The columns of the stored form.
    pub(super) fn into_arrays(mut self) -> (Vec<Field>, Vec<ArrayRef>) {
        let fields = vec![
            Field::new("column", DataType::UInt16, false),
            Field::new("kind", DataType::UInt8, false),
            Field::new("key", DataType::Int32, false),
            Field::new("count", DataType::UInt64, false),
            Field::new("offsets", DataType::Int64, false),
            Field::new("payload", DataType::Binary, true),
        ];
        let arrays: Vec<ArrayRef> = vec![
            Arc::new(UInt16Array::from(self.column)),
            Arc::new(UInt8Array::from(self.kind)),
            Arc::new(Int32Array::from(self.key)),
            Arc::new(UInt64Array::from(self.count)),
            Arc::new(Int64Array::from(self.offsets)),
            Arc::new(self.payload.finish()),
        ];
        (fields, arrays)
    }
}

/// Rows of one column being written.
pub(super) struct ColumnRows<'a> {
    rows: &'a mut CountRows,
    column: u16,
}

impl ColumnRows<'_> {
    pub(super) fn push(&mut self, kind: RowKind, key: i32, count: u64, offset: i64, payload: Option<&[u8]>) {
        self.rows.column.push(self.column);
        self.rows.kind.push(kind.0);
        self.rows.key.push(key);
        self.rows.count.push(count);
        self.rows.offsets.push(offset);
        self.rows.payload.append_option(payload);
    }

    pub(super) fn push_bin(&mut self, bin: usize, count: u64, offset: i64) {
        self.push(RowKind::BIN, i32::try_from(bin).unwrap_or(i32::MAX), count, offset, None);
    }

    /// Leaves out moments of nothing.
    pub(super) fn push_moments(&mut self, kind: RowKind, key: i32, moments: &Moments) {
        if moments.count > 0 {
            let mut payload = [0; 32];
            let (sum, squares) = payload.split_at_mut(16);
            sum.copy_from_slice(&moments.sum.to_le_bytes());
            squares.copy_from_slice(&moments.squares.to_le_bytes());
            self.push(kind, key, moments.count, 0, Some(&payload));
        }
    }

    /// Counters of absences, in the order of [`Absence::ALL`].
    pub(super) fn push_absent(&mut self, absent: &[u64]) {
        for (code, count) in (1u8..).zip(absent).filter(|(_, count)| **count > 0) {
            self.push(RowKind(code), 0, *count, 0, None);
        }
    }
}

/// A row that was read.
pub(super) struct StoredRow<'a> {
    pub(super) column: usize,
    pub(super) kind: RowKind,
    key: i32,
    pub(super) count: u64,
    pub(super) offset: i64,
    payload: Option<&'a [u8]>,
}

impl<'a> StoredRow<'a> {
    /// All rows of a batch, in their order.
    ///
    /// # Errors
    /// When a column is missing or of another type.
    pub(super) fn all(batch: &'a RecordBatch) -> Result<impl Iterator<Item = Self> + 'a, IpcError> {
        fn numbers<'a, T: ArrowPrimitiveType>(
            batch: &'a RecordBatch,
            name: &str,
        ) -> Result<&'a PrimitiveArray<T>, IpcError> {
            batch.column_by_name(name).and_then(|column| column.as_primitive_opt::<T>()).ok_or_else(missing)
        }
        let columns = numbers::<UInt16Type>(batch, "column")?;
        let kinds = numbers::<UInt8Type>(batch, "kind")?;
        let keys = numbers::<Int32Type>(batch, "key")?;
        let counts = numbers::<UInt64Type>(batch, "count")?;
        let offsets = numbers::<Int64Type>(batch, "offsets")?;
        let payloads: &BinaryArray =
            batch.column_by_name("payload").and_then(|column| column.as_binary_opt()).ok_or_else(missing)?;
        Ok((0..batch.num_rows()).map(move |row| Self {
            column: usize::from(columns.value(row)),
            kind: RowKind(kinds.value(row)),
            key: keys.value(row),
            count: counts.value(row),
            offset: offsets.value(row),
            payload: payloads.is_valid(row).then(|| payloads.value(row)),
        }))
    }

    /// The bin it counts; one that no binning has when the key is negative.
    pub(super) fn bin(&self) -> usize {
        usize::try_from(self.key).unwrap_or(usize::MAX)
    }

    /// The universal bucket it counts.
    pub(super) fn bucket(&self) -> Result<i32, IpcError> {
        if universal::is_bucket(self.key) { Ok(self.key) } else { Err(damaged("a bucket that no value has")) }
    }

    /// The bucket of a finer level that it counts.
    pub(super) fn fine_bucket(&self) -> Result<(Level, i64), IpcError> {
        let level = u8::try_from(self.key).ok().and_then(Level::new);
        level
            .filter(|level| level.is_bucket(self.offset))
            .map(|level| (level, self.offset))
            .ok_or(damaged("a bucket that no value has"))
    }

    pub(super) fn payload(&self) -> Result<&'a [u8], IpcError> {
        self.payload.ok_or(damaged("a payload is missing"))
    }

    /// Adds its count; `None` is a bin that there is not. A sum that does not fit was never counted.
    pub(super) fn add_to(&self, total: Option<&mut u64>) -> Result<(), IpcError> {
        let total = total.ok_or(damaged("a bin outside the binning"))?;
        *total = total.checked_add(self.count).ok_or(damaged("counts that are too large"))?;
        Ok(())
    }

    /// The moments that it holds.
    pub(super) fn moments(&self) -> Result<Moments, IpcError> {
        let halves = self
            .payload()?
            .split_first_chunk::<16>()
            .and_then(|(sum, rest)| Some((sum, rest.first_chunk::<16>()?)));
        let (sum, squares) = halves.ok_or(damaged("moments that are too short"))?;
        let moments =
            Moments { count: self.count, sum: i128::from_le_bytes(*sum), squares: u128::from_le_bytes(*squares) };
        if moments.is_plausible() { Ok(moments) } else { Err(damaged("moments that no values have")) }
    }
}

fn missing() -> IpcError {
    damaged("a column of the stored form is missing")
}
