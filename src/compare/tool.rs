//! What another tool says of the two files.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use arrow::array::{Array, AsArray};
use arrow::compute::concat;
use arrow::datatypes::{DataType, Float64Type};

use super::counting::CountedSides;
use super::{CompareError, CompareSpec, OpenFile};
use crate::baseline::BaselineError;
use crate::measure::{Categories, Measure, Pair, Points, Values};
use crate::preset::{DatasetRule, Preset, ToolScore, nannyml_threshold};
use crate::record::number_of;

/// A tool's numbers and verdicts.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolJudgement {
    pub preset: Preset,
    /// By its rule over columns; none when it has no verdict.
    pub drift: Option<bool>,
    /// The columns in the order of the schema.
    pub columns: Vec<ToolColumn>,
}

/// A tool's numbers on one column.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolColumn {
    pub name: String,
    pub scores: Vec<ToolScore>,
    /// Whether any of them is drift; none when none has a verdict.
    pub drift: Option<bool>,
}

pub(super) fn judge(
    preset: Preset,
    measures: &[Measure],
    spec: &CompareSpec,
    counted: &CountedSides,
    baseline: &impl OpenFile,
) -> Result<ToolJudgement, CompareError> {
    let mut columns = Vec::new();
    for ((before, after), integers) in
        counted.baseline.columns().iter().zip(counted.window.columns()).zip(&spec.integers)
    {
        let Ok(pair) = Pair::new(before, after) else { continue };
        let complete = before.present() == before.rows() && after.present() == after.rows();
        let values = Values::of_pair(&pair, *integers && complete);
        let wanted = if measures.is_empty() { preset.defaults(&values) } else { measures.to_vec() };
        let scores = wanted.into_iter().map(|measure| preset.score(measure, &values)).collect();
        columns.push(ToolColumn { name: before.name().to_owned(), scores, drift: None });
    }
    if preset.learns_limits() {
        let size = counted.window.rows().max(1);
        learn_limits(preset, spec, size, &mut columns, counted, baseline).map_err(CompareError::Baseline)?;
    }
    for column in &mut columns {
        let verdicts = column.scores.iter().filter_map(|score| score.drift);
        column.drift = verdicts.reduce(|left, right| left || right);
    }
    let drift = dataset_verdict(preset.dataset_rule(), &columns);
    Ok(ToolJudgement { preset, drift, columns })
}

#[expect(clippy::cast_precision_loss, reason = "a few thousand columns")]
fn dataset_verdict(rule: DatasetRule, columns: &[ToolColumn]) -> Option<bool> {
    let judged: Vec<bool> = columns.iter().filter_map(|column| column.drift).collect();
    if judged.is_empty() {
        return None;
    }
    let drifting = judged.iter().filter(|drift| **drift).count();
    Some(match rule {
        DatasetRule::AnyColumn => drifting > 0,
        DatasetRule::Share(share) => drifting as f64 >= share * columns.len() as f64,
        DatasetRule::MeanAtLeast(limit) => {
            let of = |measure: Measure| {
                let scores = columns.iter().flat_map(|column| &column.scores);
                let values: Vec<f64> =
                    scores.filter(|score| score.measure == measure).filter_map(|score| score.statistic).collect();
                (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
            };
            let (variation, hellinger) = of(Measure::TotalVariation).zip(of(Measure::Hellinger))?;
            f64::midpoint(variation, hellinger) >= limit
        }
    })
}

/// Limits from chunks of the baseline in the order of its rows, as long as the window, each compared with the whole.
fn learn_limits(
    preset: Preset,
    spec: &CompareSpec,
    size: u64,
    columns: &mut [ToolColumn],
    counted: &CountedSides,
    baseline: &impl OpenFile,
) -> Result<(), BaselineError> {
    let mut learned: BTreeMap<(usize, Measure), Vec<f64>> = BTreeMap::new();
    let whole: Vec<Values> = counted
        .baseline
        .columns()
        .iter()
        .filter_map(|column| Some(Values::of_pair(&Pair::new(column, column).ok()?, false)))
        .collect();
    let mut chunk = Chunk::default();
    let mut score = |chunk: &mut Chunk| -> Result<(), BaselineError> {
        for (index, (column, whole)) in columns.iter().zip(&whole).enumerate() {
            let values = chunk.against(index, whole)?;
            for measured in &column.scores {
                if let Some(statistic) = preset.score(measured.measure, &values).statistic {
                    learned.entry((index, measured.measure)).or_default().push(statistic);
                }
            }
        }
        *chunk = Chunk::default();
        Ok(())
    };
    for item in baseline.open(&spec.schema)? {
        let rows = item?.batch.batch;
        let mut start = 0;
        while start < rows.num_rows() {
            let room = usize::try_from(size - chunk.rows).unwrap_or(usize::MAX);
            let taken = room.min(rows.num_rows() - start);
            chunk.add(&rows.slice(start, taken));
            start += taken;
            if chunk.rows == size {
                score(&mut chunk)?;
            }
        }
    }
    if chunk.rows > 0 {
        score(&mut chunk)?;
    }
    for (index, column) in columns.iter_mut().enumerate() {
        for measured in column.scores.iter_mut().filter(|score| score.p_value.is_none()) {
            let chunks = learned.get(&(index, measured.measure)).map_or(&[][..], Vec::as_slice);
            if let Some((limit, statistic)) = nannyml_threshold(chunks).zip(measured.statistic) {
                measured.threshold = Some(limit);
                measured.drift = Some(statistic > limit);
                let few = if chunks.len() < FEW_CHUNKS { ", too few to mean much" } else { "" };
                let _infallible = write!(
                    measured.detail,
                    "; limit: mean + 3 sd of {} of {}{few}",
                    number_of(chunks.len(), "chunk"),
                    number_of(size, "baseline row")
                );
            }
        }
    }
    Ok(())
}

/// A limit learned from fewer chunks says little: that of one is the chunk's own value, so that nearly all is above it.
const FEW_CHUNKS: usize = 5;

/// Rows of the baseline that follow one another.
#[derive(Default)]
struct Chunk {
    rows: u64,
    parts: Vec<arrow::array::RecordBatch>,
}

impl Chunk {
    fn add(&mut self, rows: &arrow::array::RecordBatch) {
        self.rows += rows.num_rows() as u64;
        self.parts.push(rows.clone());
    }

    /// The whole baseline of a column with this chunk as the window.
    fn against(&self, column: usize, whole: &Values) -> Result<Values, BaselineError> {
        let arrays: Vec<&dyn Array> =
            self.parts.iter().filter_map(|part| part.columns().get(column)).map(AsRef::as_ref).collect();
        let array = concat(&arrays).map_err(crate::record::table::ReadError::from)?;
        Ok(match (whole, array.data_type()) {
            (Values::Numeric { points, .. }, DataType::Float64) => {
                let values = array.as_primitive::<Float64Type>().iter().flatten();
                let values: Vec<f64> = values.filter(|value| value.is_finite()).collect();
                Values::Numeric { points: points.with_window(&values), integers: false }
            }
            (Values::Categorical(categories), DataType::Utf8) => {
                Values::Categorical(with_window(categories, array.as_string::<i32>().iter().flatten()))
            }
            (Values::Categorical(categories), DataType::Boolean) => {
                let names = array.as_boolean().iter().flatten().map(|value| if value { "true" } else { "false" });
                Values::Categorical(with_window(categories, names))
            }
            (Values::Numeric { points, .. }, _) => {
                Values::Numeric { points: points.with_window(&[]), integers: false }
            }
            (Values::Categorical(categories), _) => {
                Values::Categorical(with_window(categories, std::iter::empty()))
            }
        })
    }
}

fn with_window<'a>(whole: &Categories, window: impl Iterator<Item = &'a str>) -> Categories {
    let mut counts: BTreeMap<String, (u64, u64)> =
        whole.names.iter().cloned().zip(whole.baseline.iter().map(|count| (*count, 0))).collect();
    for name in window {
        match counts.get_mut(name) {
            Some(both) => both.1 += 1,
            None => {
                counts.insert(name.to_owned(), (0, 1));
            }
        }
    }
    Categories::from_counts(counts)
}

impl Points {
    /// The same baseline with another window.
    #[must_use]
    fn with_window(&self, window: &[f64]) -> Self {
        let all = self
            .iter()
            .map(|(value, before, _)| (value, before, 0))
            .chain(window.iter().map(|value| (*value, 0, 1)))
            .collect();
        Self::summed(all)
    }
}
