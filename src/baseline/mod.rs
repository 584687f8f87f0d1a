//! Baselines: what windows are compared with. Built from training data, or from windows counted before
//! there was one.

mod blocks;
mod learned;
mod readable;
mod unusable;

pub use blocks::Blocks;
pub use learned::{unlearned_columns, why_not_learned, without_columns};
pub use readable::unreadable_columns;
pub use unusable::{Fill, Unusable, UnusableColumn, unusable_columns, unusable_of_fills};

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, Float64Type};

use self::learned::{is_told_apart, known_categories};
use crate::binning::{
    Binning, BinningSet, BuildOptions, CategoricalBinning, EmbeddingBinning, Level, MAX_COMPONENTS,
    categorical_from_counts, numeric_from_buckets, numeric_from_values,
};
use crate::distribution::{MergeError, WindowCounts};
use crate::record::table::{ReadBatch, ReadError, ReadItem};
use crate::record::{ColumnType, DecodedBatch, ModelSchema, Rejections};
use crate::variation::{Bins, ChangeTest};
use crate::window::WHOLE;

/// Beyond this many values of a column, bins are placed by a uniform sample of them; counts stay exact.
const MAX_VALUES: usize = 4_000_000;
/// Beyond this many distinct categories of a column, new ones are no longer collected.
const MAX_DISTINCT: usize = 1_000_000;

/// The distributions of a baseline, for the whole and for each segment, on one binning set.
#[derive(Clone, Debug, PartialEq)]
pub struct Baseline {
    /// The bins.
    pub binnings: Arc<BinningSet>,
    /// Counts by segment; `*` is the whole.
    pub segments: BTreeMap<String, WindowCounts>,
    /// What windows of a segment are tested against.
    pub tests: BTreeMap<String, Arc<ChangeTest>>,
}

impl Baseline {
    /// Counts of the whole on bins that were built from them, without windows.
    #[must_use]
    pub fn of_counts(counts: WindowCounts) -> Self {
        let binnings = Arc::clone(counts.binnings());
        Self::of_windows(binnings, BTreeMap::from([(WHOLE.to_owned(), counts)]), &[], Bins::Own)
    }

    /// Counts by segment, and the windows that they are the sum of, each segment's in order of time.
    fn of_windows(
        binnings: Arc<BinningSet>,
        segments: BTreeMap<String, WindowCounts>,
        windows: &[(String, WindowCounts)],
        bins: Bins,
    ) -> Self {
        let tests = tests_of(&segments, windows, bins);
        Self { binnings, segments, tests }
    }
}

fn tests_of(
    segments: &BTreeMap<String, WindowCounts>,
    windows: &[(String, WindowCounts)],
    bins: Bins,
) -> BTreeMap<String, Arc<ChangeTest>> {
    let test = |(segment, counts): (&String, &WindowCounts)| {
        let own = windows.iter().filter(|(of, _)| of == segment).map(|(_, counts)| counts);
        (segment.clone(), Arc::new(ChangeTest::learned(counts, &own.collect::<Vec<_>>(), bins)))
    };
    segments.iter().map(test).collect()
}

/// What went into a baseline.
#[derive(Clone, Debug, PartialEq)]
pub struct BuildReport {
    /// Rows counted.
    pub rows: u64,
    /// Rows that could not be read.
    pub rejected: Rejections,
    /// For each column of the schema a value of another type than declared, where there is one.
    pub wrong: Vec<Option<String>>,
    /// Columns that can hardly be read: a baseline that is to be kept is refused for them.
    pub unusable: Vec<UnusableColumn>,
}

/// Why no baseline could be built.
#[derive(Debug, thiserror::Error)]
pub enum BaselineError {
    /// The data could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Nothing to build from.
    #[error("there is no row to build a baseline from")]
    Empty,
    /// Windows that were counted on different bins.
    #[error(transparent)]
    Mismatch(#[from] MergeError),
}

/// Rows that were parsed are kept up to this size between placing bins and counting; other data is read twice.
const MAX_KEPT_BYTES: usize = 256 << 20;

/// Builds a baseline from rows, which are gone through twice, once to place bins and once to count; so `open` is called
/// twice when they are too many to be kept in between.
///
/// # Errors
/// When the rows cannot be read or there is none.
pub fn build<I>(
    schema: &ModelSchema,
    segments: &[String],
    options: BuildOptions,
    mut open: impl FnMut() -> Result<I, ReadError>,
) -> Result<(Baseline, BuildReport), BaselineError>
where
    I: Iterator<Item = ReadItem>,
{
    let (binnings, mut report, kept) = place(schema, options, open()?)?;
    let mut counted: BTreeMap<String, WindowCounts> = BTreeMap::new();
    let mut count = |batch: &DecodedBatch| {
        for (segment, rows) in rows_by_segment(batch, segments) {
            counted
                .entry(segment)
                .or_insert_with(|| WindowCounts::empty(Arc::clone(&binnings)))
                .count(batch, &rows);
        }
    };
    match kept {
        Some(kept) => kept.iter().for_each(count),
        None => {
            for item in open()? {
                count(&item?.batch);
            }
        }
    }
    if let Some(whole) = counted.get(WHOLE) {
        report.unusable = unusable_columns(schema, whole, &report.wrong);
    }
    Ok((Baseline::of_windows(binnings, counted, &[], Bins::Own), report))
}

/// Rows kept between placing bins and counting; none when they are to be read again.
type Kept = Option<Vec<DecodedBatch>>;

/// Places the bins of a baseline by its rows, without counting them.
///
/// # Errors
/// When the rows cannot be read or there is none.
pub fn place_bins(
    schema: &ModelSchema,
    options: BuildOptions,
    rows: impl Iterator<Item = ReadItem>,
) -> Result<Arc<BinningSet>, BaselineError> {
    place(schema, options, rows).map(|(binnings, ..)| binnings)
}

fn place(
    schema: &ModelSchema,
    options: BuildOptions,
    rows: impl Iterator<Item = ReadItem>,
) -> Result<(Arc<BinningSet>, BuildReport, Kept), BaselineError> {
    let mut collectors: Vec<Collector> =
        schema.columns().iter().map(|column| Collector::new(column.column_type)).collect();
    let mut report = BuildReport {
        rows: 0,
        rejected: Rejections::default(),
        wrong: vec![None; schema.columns().len()],
        unusable: Vec::new(),
    };
    let mut kept: Kept = Some(Vec::new());
    let mut kept_bytes = 0;
    for item in rows {
        let ReadBatch { batch, rejected, cheap, .. } = item?;
        report.rejected.merge(&rejected);
        batch.note_wrong(&mut report.wrong);
        for (collector, array) in collectors.iter_mut().zip(batch.batch.columns()) {
            collector.collect(array.as_ref(), report.rows);
        }
        report.rows += batch.times.len() as u64;
        kept_bytes += batch.batch.get_array_memory_size();
        if cheap || kept_bytes > MAX_KEPT_BYTES {
            kept = None;
        }
        if let Some(kept) = &mut kept {
            kept.push(batch);
        }
    }
    if report.rows == 0 {
        return Err(BaselineError::Empty);
    }
    let mut columns = Vec::new();
    for (collector, column) in collectors.into_iter().zip(schema.columns()) {
        columns.push((column.name.clone(), collector.binning(options, column.sensitive)));
    }
    Ok((Arc::new(BinningSet::new(columns).hiding(schema)), report, kept))
}

/// A baseline that is the sum of windows counted on one binning, in order of time, and stays on it.
///
/// # Errors
/// When there is no record in them, or they were counted on different binnings.
pub fn sum_of(windows: &[(String, WindowCounts)]) -> Result<Baseline, BaselineError> {
    let segments = sums(windows)?;
    let whole = segments.get(WHOLE).filter(|whole| whole.rows() > 0).ok_or(BaselineError::Empty)?;
    Ok(Baseline::of_windows(Arc::clone(whole.binnings()), segments, windows, Bins::OfOthers))
}

fn sums(windows: &[(String, WindowCounts)]) -> Result<BTreeMap<String, WindowCounts>, BaselineError> {
    let mut sums: BTreeMap<String, WindowCounts> = BTreeMap::new();
    for (segment, counts) in windows {
        match sums.get_mut(segment) {
            Some(sum) => sum.merge(counts)?,
            None => {
                sums.insert(segment.clone(), counts.clone());
            }
        }
    }
    Ok(sums)
}

/// Builds a baseline from windows that were counted on universal bins: (segment, counts) pairs in order of time. Bins are placed by
/// the whole; every universal bucket of it falls into one bin, so the counts are moved exactly. Columns that can hardly be
/// read get no bins, so that nothing is compared with what could not be read; [`unusable_columns`] names them. Nor do columns
/// of which the windows do not say enough: [`unlearned_columns`] names these.
///
/// # Errors
/// When there is no window of the whole, or windows do not add up.
pub fn learn(
    schema: &ModelSchema,
    windows: &[(String, WindowCounts)],
    options: BuildOptions,
) -> Result<Baseline, BaselineError> {
    let sums = sums(windows)?;
    let whole = sums.get(WHOLE).filter(|whole| whole.rows() > 0).ok_or(BaselineError::Empty)?;
    let unusable = unusable_columns(schema, whole, &[]);
    let columns = whole
        .columns()
        .iter()
        .zip(schema.columns())
        .map(|(distribution, column)| {
            if unusable.iter().any(|unusable| unusable.name == column.name) {
                return (column.name.clone(), Binning::universal(column.column_type));
            }
            let binning = match (column.column_type, distribution.universal_counts(), distribution.unseen()) {
                (ColumnType::Numeric, Some((level, counts)), _) if is_told_apart(distribution) => {
                    numeric_from_buckets(level, counts, options)
                        .map_or(Binning::UniversalNumeric, Binning::Numeric)
                }
                (ColumnType::Categorical | ColumnType::Text, _, Some(unseen)) => match known_categories(unseen) {
                    Some(known) => categorical_from_counts(&known.into_iter().collect(), options),
                    None => Binning::universal(column.column_type),
                },
                (column_type, _, _) => Binning::universal(column_type),
            };
            (column.name.clone(), binning)
        })
        .collect();
    let binnings = Arc::new(BinningSet::new(columns).hiding(schema));
    let segments = sums.into_iter().map(|(segment, counts)| (segment, counts.rebinned(&binnings))).collect();
    let moved = |(segment, counts): &(String, WindowCounts)| (segment.clone(), counts.rebinned(&binnings));
    let windows: Vec<(String, WindowCounts)> = windows.iter().map(moved).collect();
    Ok(Baseline::of_windows(binnings, segments, &windows, Bins::Own))
}

fn rows_by_segment(batch: &DecodedBatch, segments: &[String]) -> BTreeMap<String, Vec<u32>> {
    let mut groups: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    groups.insert(WHOLE.to_owned(), (0u32..).take(batch.times.len()).collect());
    for (name, labels) in segments.iter().zip(&batch.segments) {
        for (row, code) in (0u32..).zip(labels.codes()) {
            groups.entry(format!("{name}={}", labels.name(*code))).or_default().push(row);
        }
    }
    groups
}

/// What is gathered of a column to place its bins.
enum Collector {
    Numeric { values: Vec<f64>, seen: u64, smallest: f64, largest: f64 },
    Categorical(HashMap<String, u64>),
    Boolean,
    Embedding { rows: u64, sums: Vec<f64>, squares: f64 },
}

impl Collector {
    fn new(column_type: ColumnType) -> Self {
        match column_type {
            ColumnType::Numeric => {
                Self::Numeric { values: Vec::new(), seen: 0, smallest: f64::INFINITY, largest: f64::NEG_INFINITY }
            }
            ColumnType::Categorical | ColumnType::Text => Self::Categorical(HashMap::new()),
            ColumnType::Embedding => Self::Embedding { rows: 0, sums: Vec::new(), squares: 0.0 },
            ColumnType::Boolean => Self::Boolean,
        }
    }

    fn collect(&mut self, array: &dyn Array, first_row: u64) {
        match (self, array.data_type()) {
            (Self::Numeric { values, seen, smallest, largest }, DataType::Float64) => {
                for (row, value) in (first_row..).zip(array.as_primitive::<Float64Type>().iter()) {
                    let Some(value) = value.filter(|value| value.is_finite()) else { continue };
                    *smallest = smallest.min(value);
                    *largest = largest.max(value);
                    *seen += 1;
                    if values.len() < MAX_VALUES {
                        values.push(value);
                    } else {
                        // Reservoir sampling (Vitter's algorithm R) with a hash of the row as its dice, so that
                        // the same file gives the same bins.
                        let dice = xxhash_rust::xxh3::xxh3_64(&row.to_le_bytes()) % *seen;
                        if let Some(slot) = usize::try_from(dice).ok().and_then(|index| values.get_mut(index)) {
                            *slot = value;
                        }
                    }
                }
            }
            (Self::Embedding { rows, sums, squares }, DataType::List(_)) => {
                for vector in array.as_list::<i32>().iter().flatten() {
                    let Some(vector) = vector.as_primitive_opt::<Float64Type>() else { continue };
                    let values = vector.values();
                    if sums.is_empty() && values.len() <= MAX_COMPONENTS {
                        sums.resize(values.len(), 0.0);
                    }
                    // The first vector says how many components there are.
                    if values.len() != sums.len() || values.iter().any(|component| !component.is_finite()) {
                        continue;
                    }
                    *rows += 1;
                    for (sum, component) in sums.iter_mut().zip(values) {
                        *sum += component;
                        *squares += component * component;
                    }
                }
            }
            (Self::Categorical(counts), DataType::Utf8 | DataType::List(_)) => {
                let texts = array.as_list_opt::<i32>().map_or(array, |lists| lists.values().as_ref());
                for category in texts.as_string_opt::<i32>().into_iter().flat_map(|texts| texts.iter().flatten()) {
                    let full = counts.len() >= MAX_DISTINCT;
                    match counts.get_mut(category) {
                        Some(count) => *count += 1,
                        None if !full => {
                            counts.insert(category.to_owned(), 1);
                        }
                        None => {}
                    }
                }
            }
            _ => {}
        }
    }

    fn binning(self, options: BuildOptions, sensitive: bool) -> Binning {
        match self {
            Self::Numeric { mut values, smallest, largest, .. } => {
                if values.len() >= MAX_VALUES {
                    // The ends of the range are exact even when the values were sampled.
                    values.extend([smallest, largest]);
                }
                // Cuts are values of the training data, unless these are not to be kept: then they are ends of buckets that
                // are the same for all data.
                let built = if sensitive {
                    let mut buckets = BTreeMap::new();
                    for value in values.into_iter().filter(|value| value.is_finite()) {
                        *buckets.entry(Level::COARSEST.bucket(value)).or_insert(0u64) += 1;
                    }
                    numeric_from_buckets(Level::COARSEST, &buckets, options)
                } else {
                    numeric_from_values(&mut values, options)
                };
                built.map_or(Binning::UniversalNumeric, Binning::Numeric)
            }
            Self::Categorical(counts) => categorical_from_counts(&counts.into_iter().collect(), options),
            Self::Boolean => Binning::Categorical(CategoricalBinning::boolean()),
            Self::Embedding { rows: 0, .. } => Binning::Embedding(EmbeddingBinning::empty()),
            Self::Embedding { rows, sums, squares } => {
                #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
                let rows = rows as f64;
                // To seven digits: the order of rows shows in later ones.
                let centre: Vec<f64> = sums.iter().map(|sum| rounded(sum / rows)).collect();
                let middle: f64 = centre.iter().map(|component| component * component).sum();
                Binning::Embedding(EmbeddingBinning::new(
                    centre,
                    rounded((squares / rows - middle).max(0.0).sqrt()),
                ))
            }
        }
    }
}

fn rounded(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return 0.0;
    }
    let scale = 10f64.powf(7.0 - value.abs().log10().floor());
    (value * scale).round() / scale
}

#[cfg(test)]
mod tests;
