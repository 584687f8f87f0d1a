//! References of simulated monitors, as the program makes them: bins from values, variation from windows or blocks of a file.

use std::collections::BTreeMap;
use std::sync::Arc;

use driftd::binning::{Binning, BinningSet, BuildOptions, categorical_from_counts, numeric_from_values};
use driftd::distribution::WindowCounts;
use driftd::judge::{Against, ColumnRules, FalseAlarms, JudgeSpec, Judgement, judge};
use driftd::record::ColumnType;
use driftd::variation::{Bins, ChangeTest};

use crate::world::{Column, Grid, Law, Records, Stream, bounds_of};

/// Least rows that bins are placed by.
const ROWS: u64 = 20_000;

/// What windows are compared with.
#[derive(Clone, Copy, PartialEq)]
pub enum Source {
    /// The sum of so many windows, on the bins of a baseline before them: a reference of the daemon.
    Windows(usize),
    /// A file whose rows have times: at least 20,000 rows and 24 windows.
    TimedFile,
    /// The same without times, so that nothing is known of how windows vary.
    File,
}

/// Windows that a file is as long as, at least.
const LEAST_BLOCKS: u64 = 24;

impl Source {
    pub fn name(self) -> String {
        match self {
            Self::Windows(windows) => format!("{windows} windows"),
            Self::TimedFile => "file with times".to_owned(),
            Self::File => "file without times".to_owned(),
        }
    }
}

/// A reference of a monitor.
pub struct Reference {
    pub binnings: Arc<BinningSet>,
    pub grids: Vec<Grid>,
    pub counts: WindowCounts,
    /// What it is the sum of.
    pub windows: Vec<WindowCounts>,
    pub test: ChangeTest,
}

impl Reference {
    pub fn new(stream: &mut Stream<'_>, source: Source, records: u64) -> Self {
        Self::of(stream, source, records, |_| ())
    }

    /// `each` is called before each of its windows.
    pub fn of(stream: &mut Stream<'_>, source: Source, records: u64, each: impl Fn(&mut Stream<'_>)) -> Self {
        let least = if matches!(source, Source::Windows(_)) { 1 } else { LEAST_BLOCKS };
        let blocks: Vec<Vec<(Records, u64)>> = (0..ROWS.div_ceil(records).max(least))
            .map(|_| {
                each(stream);
                let conditions = stream.conditions();
                conditions
                    .into_iter()
                    .enumerate()
                    .map(|(column, own)| stream.records(column, records, own))
                    .collect()
            })
            .collect();
        let columns = stream.columns;
        let binnings = columns.iter().enumerate().map(|(place, column)| {
            let own: Vec<&Records> = blocks.iter().map(|block| &block[place].0).collect();
            (column.name.clone(), binning(column, &own))
        });
        let binnings = Arc::new(BinningSet::new(binnings.collect()));
        let grids: Vec<Grid> =
            columns.iter().zip(binnings.columns()).map(|(column, (_, binning))| grid(column, binning)).collect();
        let windows: Vec<WindowCounts> = match source {
            Source::Windows(windows) => (0..windows)
                .map(|_| {
                    each(stream);
                    WindowCounts::of_bins(Arc::clone(&binnings), &stream.window(&grids, records))
                })
                .collect(),
            Source::TimedFile | Source::File => {
                let counted = |block: &Vec<(Records, u64)>| {
                    let columns = block.iter().zip(columns).zip(binnings.columns().iter().zip(&grids));
                    let counts: Vec<(Vec<u64>, u64)> = columns
                        .map(|(((records, nulls), _), ((_, binning), grid))| {
                            (counted(records, binning, grid), *nulls)
                        })
                        .collect();
                    WindowCounts::of_bins(Arc::clone(&binnings), &counts)
                };
                blocks.iter().map(counted).collect()
            }
        };
        let counts = WindowCounts::sum(&windows).unwrap().unwrap();
        let parts: Vec<&WindowCounts> = if source == Source::File { vec![] } else { windows.iter().collect() };
        let bins = if matches!(source, Source::Windows(_)) { Bins::OfOthers } else { Bins::Own };
        let test = ChangeTest::learned(&counts, &parts, bins);
        Self { binnings, grids, counts, windows, test }
    }

    pub fn window(&self, counts: &[(Vec<u64>, u64)]) -> WindowCounts {
        WindowCounts::of_bins(Arc::clone(&self.binnings), counts)
    }

    pub fn judge(&self, window: &WindowCounts, spec: &JudgeSpec, level: f64) -> Judgement {
        let against = Against { counts: &self.counts, test: Some(&self.test), lasting: None };
        judge(window, Some(against), spec, level)
    }
}

/// The rules of a monitor by default, without measures that are only shown.
pub fn spec(columns: &[Column]) -> JudgeSpec {
    let rules = |column: &Column| {
        let column_type = if column.is_numeric() { ColumnType::Numeric } else { ColumnType::Categorical };
        ColumnRules::new(column.name.clone(), column_type, None, Some(&[]), |_| None)
    };
    JudgeSpec::new(columns.iter().map(rules).collect(), 30, FalseAlarms::PerWindow(0.01))
}

/// The p-value of a window that was judged at a level: that of the finding that stands out most, over all columns and measures.
pub fn p_value(judgement: &Judgement, level: f64) -> f64 {
    let held = judgement.findings.iter().filter_map(|finding| {
        let (score, change) = (finding.score?, finding.change.as_ref()?);
        Some(score.p_value? / change.level * level)
    });
    held.fold(1.0, f64::min)
}

pub fn category(number: usize) -> String {
    format!("c{number:05}")
}

fn binning(column: &Column, records: &[&Records]) -> Binning {
    let options = BuildOptions::default();
    match &column.law {
        Law::Numbers(value) => {
            let latents = records.iter().flat_map(|records| match records {
                Records::Latents(latents) => latents.as_slice(),
                Records::Categories(_) => &[],
            });
            let mut values: Vec<f64> = latents.map(|latent| value(*latent)).collect();
            Binning::Numeric(numeric_from_values(&mut values, options).unwrap())
        }
        Law::Categories(_) => {
            let mut sums: BTreeMap<String, u64> = BTreeMap::new();
            for records in records {
                let Records::Categories(counts) = records else { continue };
                for (number, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
                    *sums.entry(category(number)).or_default() += count;
                }
            }
            categorical_from_counts(&sums, options)
        }
    }
}

fn grid(column: &Column, binning: &Binning) -> Grid {
    match (&column.law, binning) {
        (Law::Numbers(value), Binning::Numeric(binning)) => {
            let bounds = (0..binning.bins() - 1).map(|bin| {
                // The least latent whose value is in a later bin.
                let (mut low, mut high) = (-9.0, 9.0);
                for _ in 0..50 {
                    let middle = f64::midpoint(low, high);
                    if binning.bin(value(middle)) > bin { high = middle } else { low = middle }
                }
                high
            });
            Grid::new(bounds.collect(), (0..binning.bins()).collect(), binning.bins())
        }
        (Law::Categories(shares), Binning::Categorical(binning)) => {
            let bins = (0..shares.len()).map(|number| binning.bin(&category(number))).collect();
            Grid::new(bounds_of(shares), bins, binning.bins())
        }
        _ => unreachable!("a column has the binning of its law"),
    }
}

fn counted(records: &Records, binning: &Binning, grid: &Grid) -> Vec<u64> {
    let mut counts = vec![0; grid.number()];
    match (records, binning) {
        (Records::Latents(latents), _) => latents.iter().for_each(|latent| counts[grid.bin(*latent)] += 1),
        (Records::Categories(categories), Binning::Categorical(binning)) => {
            for (number, count) in categories.iter().enumerate().filter(|(_, count)| **count > 0) {
                counts[binning.bin(&category(number))] += count;
            }
        }
        _ => unreachable!("a column has the binning of its law"),
    }
    counts
}
