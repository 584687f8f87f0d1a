//! Comparing two files: the same counting and judging as the daemon's, without any service. Only distributions are held
//! in memory, so files may be larger than it; exact comparison holds every distinct value.

mod counting;
mod drifting;
mod tool;

pub use tool::{ToolColumn, ToolJudgement};

use std::collections::BTreeMap;

use crate::baseline::BaselineError;
use crate::binning::BuildOptions;
use crate::distribution::WindowCounts;
use crate::judge::why::{Reason, Sides, explain_columns};
use crate::judge::{Against, JudgeSpec, Judgement, judge};
use crate::measure::{Measure, Pair, Values};
use crate::preset::Preset;
use crate::record::table::{ReadError, ReadItem};
use crate::record::{ModelSchema, Rejections};
use crate::variation::ChangeTest;

/// What is compared, and how.
#[derive(Clone, Debug)]
pub struct CompareSpec {
    /// The columns.
    pub schema: ModelSchema,
    /// Which of them both files store as integers, in the order of the schema.
    pub integers: Vec<bool>,
    /// Measures and limits of our own.
    pub judge: JudgeSpec,
    /// How fine the bins of the baseline are.
    pub build: BuildOptions,
    /// One bin per distinct value instead.
    pub exact: bool,
    /// Another tool's numbers and verdicts instead, of these measures or, when there are none, of those it chooses.
    pub preset: Option<(Preset, Vec<Measure>)>,
}

/// How rows of a file became counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileRows {
    pub counted: u64,
    /// Rows that could not be read, and why.
    pub rejected: Rejections,
    /// For each column of the schema a value of another type than it is compared as, where there is one.
    pub wrong: Vec<Option<String>>,
}

/// Two files, compared.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// The counts of the baseline.
    pub baseline: WindowCounts,
    /// The counts of the window, on the same bins.
    pub window: WindowCounts,
    /// Row counts of the baseline's file by outcome.
    pub baseline_rows: FileRows,
    /// Row counts of the window's file by outcome.
    pub window_rows: FileRows,
    /// What driftd finds.
    pub judgement: Judgement,
    /// What the preset's tool finds, when one is asked for.
    pub tool: Option<ToolJudgement>,
    /// Why columns drift.
    pub why: BTreeMap<String, Vec<Reason>>,
    /// The values of the columns that drift, where counts on bins do not give them all.
    pub values: BTreeMap<String, Sides>,
    /// What the window was tested against.
    pub test: ChangeTest,
}

/// Opens a file for the columns of a schema; called once a pass.
pub trait OpenFile {
    /// Its rows.
    type Rows: Iterator<Item = ReadItem>;

    /// Opens it.
    ///
    /// # Errors
    /// When it cannot be read.
    fn open(&self, schema: &ModelSchema) -> Result<Self::Rows, ReadError>;

    /// Whether its rows have event times.
    fn has_times(&self) -> bool;

    /// Opens it for rows with event times.
    ///
    /// # Errors
    /// When it cannot be read, or has no times.
    fn open_timed(&self, schema: &ModelSchema) -> Result<Self::Rows, ReadError>;
}

/// Why two files could not be compared.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// The baseline's file.
    #[error("{0}")]
    Baseline(#[source] BaselineError),
    /// The window's file.
    #[error("{0}")]
    Window(#[source] BaselineError),
}

/// Compares two files. The baseline is read twice and the window once; the columns that drift once more on both sides, to
/// say why; for exact comparison both are read twice.
///
/// # Errors
/// When a file cannot be read, or the baseline has no row. An empty window is an outcome, not an error.
pub fn compare(
    spec: &CompareSpec,
    baseline: &impl OpenFile,
    window: &impl OpenFile,
) -> Result<Comparison, CompareError> {
    let exact = spec.exact || spec.preset.is_some();
    let counted = counting::count(spec, exact, baseline, window)?;
    let judgement = judge(
        &counted.window,
        Some(Against { counts: &counted.baseline, test: Some(&counted.test), lasting: None }),
        &spec.judge,
        spec.judge.false_alarms.per_window(),
    );
    let tool = match &spec.preset {
        None => None,
        Some((preset, measures)) => Some(tool::judge(*preset, measures, spec, &counted, baseline)?),
    };
    let drifting: Vec<&str> = match &tool {
        Some(tool) => tool
            .columns
            .iter()
            .filter(|column| column.drift == Some(true))
            .map(|column| column.name.as_str())
            .collect(),
        None => judgement.moved().map(|column| column.column.as_str()).collect(),
    };
    let (before, after, names) = (&counted.baseline, &counted.window, drifting.iter().copied());
    let values: BTreeMap<String, Sides> = if exact {
        BTreeMap::new()
    } else {
        let values = drifting::values(&spec.schema, &drifting, baseline, window)?;
        values.into_iter().map(|(name, values)| (name, values.into())).collect()
    };
    let of_bins = |pair: &Pair<'_>| exact.then(|| Sides::from(Values::of_pair(pair, false)));
    let why = explain_columns(before, after, spec.judge.values_only, names, |pair, name| {
        of_bins(pair).or_else(|| values.get(name).cloned())
    });
    Ok(Comparison {
        baseline: counted.baseline,
        window: counted.window,
        baseline_rows: counted.baseline_rows,
        window_rows: counted.window_rows,
        judgement,
        tool,
        why,
        values,
        test: counted.test,
    })
}

#[cfg(test)]
mod tests;
