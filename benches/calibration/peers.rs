//! The rules of other tools, on the same counts: each bin of numbers stands at its middle.

use driftd::measure::{Categories, Points, Values};
use driftd::preset::Preset;

use crate::real::tested;
use crate::reference::{Reference, category};
use crate::world::{Column, Grid, Law};

/// A tool whose rule is applied.
#[derive(Clone, Copy, PartialEq)]
pub enum Peer {
    /// Kolmogorov-Smirnov and chi-square tests with Bonferroni's correction over columns: `TabularDrift` of Alibi Detect.
    Alibi,
    /// By default for more than 1,000 reference rows: Wasserstein distance over standard deviation and Jensen-Shannon distance, with
    /// limits of 0.1.
    Evidently,
    /// Jensen-Shannon distance with limits of mean + 3 standard deviations of the reference's own chunks.
    NannyMl,
}

impl Peer {
    pub const ALL: [Self; 3] = [Self::Alibi, Self::Evidently, Self::NannyMl];

    pub fn name(self) -> &'static str {
        match self {
            Self::Alibi => "Alibi Detect",
            Self::Evidently => "Evidently",
            Self::NannyMl => "NannyML",
        }
    }
}

/// How far columns are from the limits of each tool: at 1 and more it calls a column drifted; larger means more.
pub struct Scores<'a> {
    columns: &'a [Column],
    reference: &'a Reference,
    /// Mean and standard deviation of the distances of the reference's windows, by column.
    chunks: Vec<(f64, f64)>,
}

impl<'a> Scores<'a> {
    pub fn new(columns: &'a [Column], reference: &'a Reference) -> Self {
        let mut scores = Self { columns, reference, chunks: Vec::new() };
        scores.chunks = (0..columns.len()).map(|column| scores.chunks_of(column)).collect();
        scores
    }

    fn chunks_of(&self, column: usize) -> (f64, f64) {
        let distances: Vec<f64> = self
            .reference
            .windows
            .iter()
            .filter_map(|window| self.distance(column, window.columns()[column].counts()))
            .collect();
        let number = distances.len().max(1) as f64;
        let mean = distances.iter().sum::<f64>() / number;
        let variance = distances.iter().map(|distance| (distance - mean).powi(2)).sum::<f64>() / number;
        (mean, variance.sqrt())
    }

    fn distance(&self, column: usize, counts: &[u64]) -> Option<f64> {
        let values = self.values(column, counts);
        let measure = *Preset::NannyMl.defaults(&values).first()?;
        Preset::NannyMl.score(measure, &values).statistic
    }

    fn values(&self, column: usize, after: &[u64]) -> Values {
        let before = self.reference.counts.columns()[column].counts();
        match &self.columns[column].law {
            Law::Numbers(value) => {
                let grid: &Grid = &self.reference.grids[column];
                let middles = grid.middles().into_iter().map(value);
                let counts =
                    middles.zip(before).zip(after).map(|((value, before), after)| (value, *before, *after));
                Values::Numeric { points: Points::summed(counts.collect()), integers: false }
            }
            Law::Categories(_) => {
                let counts = before.iter().zip(after).enumerate();
                let named = counts.map(|(bin, (before, after))| (category(bin), (*before, *after)));
                Values::Categorical(Categories::from_counts(named.collect()))
            }
        }
    }

    /// The score of one column, by tool.
    pub fn of_column(&self, column: usize, counts: &[u64]) -> [f64; 3] {
        let values = self.values(column, counts);
        Peer::ALL.map(|peer| match peer {
            Peer::Alibi => 0.05 / self.columns.len() as f64 / tested(&values).max(1e-300),
            Peer::Evidently => {
                let measure = Preset::Evidently.defaults(&values)[0];
                let score = Preset::Evidently.score(measure, &values);
                match (score.p_value, score.statistic, score.threshold) {
                    (Some(p_value), _, Some(level)) => level / p_value.max(1e-300),
                    (None, Some(statistic), Some(limit)) => statistic / limit,
                    _ => 0.0,
                }
            }
            Peer::NannyMl => {
                let (mean, deviation) = self.chunks[column];
                let distance = self.distance(column, counts).unwrap_or(0.0);
                if deviation > 0.0 { (distance - mean) / deviation / 3.0 } else { 0.0 }
            }
        })
    }

    /// The score of each column of a window, by tool.
    pub fn of_window(&self, counts: &[(Vec<u64>, u64)]) -> Vec<[f64; 3]> {
        counts.iter().enumerate().map(|(column, (bins, _))| self.of_column(column, bins)).collect()
    }
}
