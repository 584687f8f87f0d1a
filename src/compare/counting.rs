//! Both files as counts on the same bins.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, Float64Type};

use super::{CompareError, CompareSpec, FileRows, OpenFile};
use crate::baseline::{Baseline, BaselineError, Blocks, build, place_bins};
use crate::binning::{Binning, BinningSet, CategoricalBinning, EmbeddingBinning, NumericBinning, single};
use crate::distribution::WindowCounts;
use crate::record::{ColumnType, ModelSchema, number_of};
use crate::variation::ChangeTest;
use crate::window::WHOLE;

/// Both sides, counted.
pub(super) struct CountedSides {
    pub(super) baseline: WindowCounts,
    pub(super) window: WindowCounts,
    pub(super) baseline_rows: FileRows,
    pub(super) window_rows: FileRows,
    /// What the window is tested against.
    pub(super) test: ChangeTest,
}

pub(super) fn count(
    spec: &CompareSpec,
    exact: bool,
    baseline: &impl OpenFile,
    window: &impl OpenFile,
) -> Result<CountedSides, CompareError> {
    let (mut built, baseline_rows) = if exact {
        let mut distinct: Vec<Distinct> =
            spec.schema.columns().iter().map(|column| Distinct::new(column.column_type)).collect();
        gather(&mut distinct, &spec.schema, baseline, 0).map_err(CompareError::Baseline)?;
        gather(&mut distinct, &spec.schema, window, 1).map_err(CompareError::Window)?;
        let columns = spec.schema.columns().iter().zip(distinct);
        // Another tool's numbers are those of the values as they are.
        let as_they_are = spec.preset.is_some();
        let mut binnings: Vec<(String, Binning)> =
            columns.map(|(column, distinct)| (column.name.clone(), distinct.binning(as_they_are))).collect();
        place_embeddings(spec, baseline, &mut binnings)?;
        let (counts, rows) = counted(&Arc::new(BinningSet::new(binnings)), &spec.schema, baseline)
            .map_err(CompareError::Baseline)?;
        if counts.rows() == 0 {
            return Err(CompareError::Baseline(BaselineError::Empty));
        }
        (Baseline::of_counts(counts), rows)
    } else {
        let (built, report) = build(&spec.schema, &[], spec.build, || baseline.open(&spec.schema))
            .map_err(CompareError::Baseline)?;
        (built, FileRows { counted: report.rows, rejected: report.rejected, wrong: report.wrong })
    };
    let (window_counts, window_rows) =
        counted(&built.binnings, &spec.schema, window).map_err(CompareError::Window)?;
    if baseline.has_times() {
        let blocks = Blocks::OfRows(window_counts.rows());
        let open = || baseline.open_timed(&spec.schema);
        built.learn_blocks(&blocks, &[], open).map_err(CompareError::Baseline)?;
    }
    let whole = built.segments.remove(WHOLE).zip(built.tests.remove(WHOLE));
    let (baseline_counts, test) = whole.ok_or(CompareError::Baseline(BaselineError::Empty))?;
    Ok(CountedSides {
        baseline: baseline_counts,
        window: window_counts,
        baseline_rows,
        window_rows,
        test: ChangeTest::clone(&test),
    })
}

/// Embeddings are placed by the baseline, exact or not.
fn place_embeddings(
    spec: &CompareSpec,
    baseline: &impl OpenFile,
    binnings: &mut [(String, Binning)],
) -> Result<(), CompareError> {
    let columns = spec.schema.columns().iter().filter(|column| column.column_type == ColumnType::Embedding);
    let Ok(part) = ModelSchema::new(columns.cloned().collect()) else { return Ok(()) };
    let rows = baseline.open(&part).map_err(|error| CompareError::Baseline(error.into()))?;
    let placed = place_bins(&part, spec.build, rows).map_err(CompareError::Baseline)?;
    for (name, placed) in placed.columns() {
        if let Some((_, binning)) = binnings.iter_mut().find(|(other, _)| other == name) {
            binning.clone_from(placed);
        }
    }
    Ok(())
}

fn counted(
    binnings: &Arc<BinningSet>,
    schema: &ModelSchema,
    file: &impl OpenFile,
) -> Result<(WindowCounts, FileRows), BaselineError> {
    let mut counts = WindowCounts::empty(Arc::clone(binnings));
    let mut rows = FileRows::default();
    for item in file.open(schema)? {
        let item = item?;
        let all: Vec<u32> = (0u32..).take(item.batch.times.len()).collect();
        counts.count(&item.batch, &all);
        rows.counted += all.len() as u64;
        rows.rejected.merge(&item.rejected);
        item.batch.note_wrong(&mut rows.wrong);
        for (place, (_, binning)) in binnings.columns().iter().enumerate() {
            if let (Binning::Embedding(binning), Some(known)) = (binning, rows.wrong.get_mut(place))
                && known.is_none()
                && let Some(array) = item.batch.batch.columns().get(place)
            {
                *known = other_length(array.as_ref(), binning.dimensions());
            }
        }
    }
    Ok((counts, rows))
}

/// The first vector that has another length than those of the baseline, in words.
fn other_length(array: &dyn Array, dimensions: usize) -> Option<String> {
    let lists = array.as_list_opt::<i32>().filter(|_| dimensions > 0)?;
    let lengths = lists.offsets().lengths().enumerate();
    let mut others = lengths.filter(|(row, length)| lists.is_valid(*row) && *length != dimensions);
    others
        .next()
        .map(|(_, length)| format!("a vector of {} instead of {dimensions}", number_of(length, "component")))
}

/// The distinct values of a column on both sides.
enum Distinct {
    /// Sorted and without repetitions up to `settled`; beyond that as they came.
    Numbers {
        values: Vec<f64>,
        settled: usize,
        /// Whether all values of the baseline, and of the window, are of single precision.
        singles: [bool; 2],
    },
    Categories(BTreeSet<String>),
    Boolean,
    /// Vectors have no bins to be exact on; theirs come from the baseline alone.
    Embedding,
}

/// Values collected before repetitions are dropped for the first time.
const BATCH: usize = 1 << 16;

impl Distinct {
    fn new(column_type: ColumnType) -> Self {
        match column_type {
            ColumnType::Numeric => Self::Numbers { values: Vec::new(), settled: 0, singles: [true; 2] },
            ColumnType::Categorical | ColumnType::Text => Self::Categories(BTreeSet::new()),
            ColumnType::Embedding => Self::Embedding,
            ColumnType::Boolean => Self::Boolean,
        }
    }

    fn add(&mut self, array: &dyn Array, side: usize) {
        match (self, array.data_type()) {
            (Self::Numbers { values, settled, singles }, DataType::Float64) => {
                let finite =
                    array.as_primitive::<Float64Type>().iter().flatten().filter(|value| value.is_finite());
                if let Some(all) = singles.get_mut(side) {
                    *all &= finite.clone().all(single::is_single);
                }
                values.extend(finite);
                // Dropping them each time the list has doubled costs no more than sorting it once.
                if values.len() > (2 * *settled).max(BATCH) {
                    settle(values);
                    *settled = values.len();
                }
            }
            (Self::Categories(names), DataType::Utf8 | DataType::List(_)) => {
                let texts = array.as_list_opt::<i32>().map_or(array, |lists| lists.values().as_ref());
                for name in texts.as_string_opt::<i32>().into_iter().flat_map(|texts| texts.iter().flatten()) {
                    if !names.contains(name) {
                        names.insert(name.to_owned());
                    }
                }
            }
            _ => {}
        }
    }

    fn binning(self, as_they_are: bool) -> Binning {
        match self {
            Self::Numbers { mut values, singles: [before, after], .. } => {
                settle(&mut values);
                // A side in single precision can only be compared in it.
                NumericBinning::distinct(values, before != after && !as_they_are)
                    .map_or(Binning::UniversalNumeric, Binning::Numeric)
            }
            Self::Categories(names) => {
                Binning::Categorical(CategoricalBinning::new(names.into_iter().collect(), Vec::new()))
            }
            Self::Boolean => Binning::Categorical(CategoricalBinning::boolean()),
            Self::Embedding => Binning::Embedding(EmbeddingBinning::empty()),
        }
    }
}

fn settle(values: &mut Vec<f64>) {
    values.sort_unstable_by(f64::total_cmp);
    // Negative zero equals zero.
    values.dedup();
}

fn gather(
    distinct: &mut [Distinct],
    schema: &ModelSchema,
    file: &impl OpenFile,
    side: usize,
) -> Result<(), BaselineError> {
    for item in file.open(schema)? {
        for (distinct, array) in distinct.iter_mut().zip(item?.batch.batch.columns()) {
            distinct.add(array.as_ref(), side);
        }
    }
    Ok(())
}
