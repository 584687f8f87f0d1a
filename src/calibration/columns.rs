//! What a rehearsal says of each column: what it finds falsely, what it would find, and whether it can be judged at all.

use super::held_out::sum;
use std::collections::HashMap;

use super::interval::{Rate, number};
use super::series::Series;
use super::{Powers, median};
use crate::baseline::why_not_learned;
use crate::binning::Binning;
use crate::distribution::{Distribution, MIN_VALUES};
use crate::judge::{ColumnRules, Finding, Power, RECORDS, Verdict};
use crate::measure::{Measure, Thresholds};
use crate::record::{grouped, number_of};
use crate::replay::{CountedWindow, ReplayedWindow};

/// A categorical column with as many different values in relation to all is called an identifier.
const IDENTIFIER: f64 = 0.5;

/// What a measure of a column finds falsely.
#[derive(Clone, Debug, PartialEq)]
pub struct FalseFindings {
    pub measure: Measure,
    /// Windows in which it drifts.
    pub drifts: usize,
    /// Windows in which it only warns.
    pub warns: usize,
    /// The largest effect of these.
    pub largest: f64,
    /// The limits it was held against.
    pub limits: Thresholds,
    /// What changed most in the window with the largest effect, in words; empty where it is not said.
    pub change: String,
}

/// Why a column is never judged, or judged in part only.
#[derive(Clone, Debug, PartialEq)]
pub enum Remark {
    /// It is never judged, for this reason.
    Never(String),
    /// It has one value, so that nothing is known of how it varies.
    Constant,
    /// Nearly every value is different.
    Identifier {
        /// Different values.
        distinct: u64,
        /// All values.
        values: u64,
    },
    /// Measures that are never computed, although others are.
    NeverComputed(Vec<Measure>),
    /// Some windows have too few values of it.
    OftenTooFew {
        /// Windows without a verdict on it.
        windows: usize,
    },
}

/// What a rehearsal says of one column.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnRehearsal {
    /// Its name; [`RECORDS`] for the number of records.
    pub name: String,
    /// Windows with a verdict on it.
    pub judged: usize,
    /// Windows in which it drifts.
    pub false_windows: Rate,
    /// Windows in which it only warns.
    pub warned: usize,
    /// Its part of the level of a window.
    pub part: f64,
    /// What it finds falsely, by measure.
    pub findings: Vec<FalseFindings>,
    /// What a window of the usual size would find.
    pub power: Vec<Power>,
    pub remarks: Vec<Remark>,
}

impl ColumnRehearsal {
    /// All columns of a series, and the number of records where it is judged.
    pub(super) fn all(
        series: &Series<'_>,
        counted: &[&CountedWindow],
        replayed: &[&ReplayedWindow],
        powers: &Powers,
    ) -> Vec<Self> {
        let judge = &series.rules.judge;
        let part = judge.level_of_one(powers.level);
        let total = sum(&counted.iter().map(|window| &window.counts).collect::<Vec<_>>());
        let said = Said::of(replayed);
        let of_column = |(rules, power): (&ColumnRules, &Vec<Power>)| {
            let column = Self::of(&rules.name, &said, part);
            let findings = said.findings(&rules.name);
            let total = total.as_ref().and_then(|total| total.column(&rules.name));
            let facts = Facts { rules, total, counted, findings, min_records: judge.min_records };
            let remarks = facts.remarks(column.judged, said.with_columns);
            Self { power: power.clone(), remarks, ..column }
        };
        let mut columns: Vec<Self> = judge.columns.iter().zip(&powers.columns).map(of_column).collect();
        if judge.rows.is_some() {
            columns.push(Self::of(RECORDS, &said, part));
        }
        columns
    }

    fn of(name: &str, said: &Said<'_>, part: f64) -> Self {
        let verdicts = said.verdicts.get(name).map(Vec::as_slice).unwrap_or_default();
        let drifts: Vec<bool> = verdicts.iter().map(|verdict| verdict.drifts()).collect();
        Self {
            name: name.to_owned(),
            judged: verdicts.len(),
            false_windows: Rate::of_windows(&drifts),
            warned: verdicts.iter().filter(|verdict| **verdict == Verdict::Warn).count(),
            part,
            findings: false_findings(said.findings(name)),
            power: Vec::new(),
            remarks: Vec::new(),
        }
    }

    /// Whether no window has a verdict on it.
    #[must_use]
    pub fn is_never_judged(&self) -> bool {
        self.remarks.iter().any(|remark| matches!(remark, Remark::Never(_)))
    }

    /// Whether it drifts more often than its part of the level allows, beyond what so few windows leave open.
    #[must_use]
    pub fn exceeds_its_part(&self) -> bool {
        self.false_windows.count > 0 && self.false_windows.low > self.part
    }
}

/// What was said of each subject, by its name.
struct Said<'a> {
    /// Verdicts about drift.
    verdicts: HashMap<&'a str, Vec<Verdict>>,
    findings: HashMap<&'a str, Vec<&'a Finding>>,
    /// Windows with a verdict on any column.
    with_columns: usize,
}

impl<'a> Said<'a> {
    fn of(replayed: &[&'a ReplayedWindow]) -> Self {
        let mut said = Self { verdicts: HashMap::new(), findings: HashMap::new(), with_columns: 0 };
        for window in replayed {
            let columns = window.judgement.columns.iter().map(|column| (column.column.as_str(), column.verdict));
            let judged: Vec<(&str, Verdict)> = columns.filter(|(_, verdict)| verdict.is_judged()).collect();
            said.with_columns += usize::from(!judged.is_empty());
            let rows = window.judgement.rows().map(|finding| (RECORDS, finding.verdict));
            for (name, verdict) in judged.into_iter().chain(rows.filter(|(_, verdict)| verdict.is_judged())) {
                said.verdicts.entry(name).or_default().push(verdict);
            }
            for finding in &window.judgement.findings {
                said.findings.entry(finding.subject.name()).or_default().push(finding);
            }
        }
        said
    }

    fn findings(&self, name: &str) -> &[&'a Finding] {
        self.findings.get(name).map(Vec::as_slice).unwrap_or_default()
    }
}

/// The findings that drift or warn, by measure.
fn false_findings(findings: &[&Finding]) -> Vec<FalseFindings> {
    let mut found: Vec<FalseFindings> = Vec::new();
    for finding in findings.iter().filter(|finding| finding.verdict.moved()) {
        let Some((limits, effect)) = finding.limits.zip(finding.score.map(|score| score.effect)) else { continue };
        let place = found.iter().position(|known| known.measure == finding.measure);
        let place = place.unwrap_or_else(|| {
            let measure = finding.measure;
            found.push(FalseFindings {
                measure,
                drifts: 0,
                warns: 0,
                largest: -1.0,
                limits,
                change: String::new(),
            });
            found.len() - 1
        });
        let Some(known) = found.get_mut(place) else { continue };
        if finding.verdict.drifts() {
            known.drifts += 1;
        } else {
            known.warns += 1;
        }
        if effect > known.largest {
            known.largest = effect;
            known.change = change_words(finding);
        }
    }
    found.sort_by_key(|found| std::cmp::Reverse((found.drifts, found.warns)));
    found
}

fn change_words(finding: &Finding) -> String {
    finding.change.as_ref().map_or_else(String::new, |change| change.in_words(finding.measure))
}

/// What is known of a column over all windows.
struct Facts<'a> {
    rules: &'a ColumnRules,
    /// Its counts in all of them; none when they were counted without it.
    total: Option<&'a Distribution>,
    counted: &'a [&'a CountedWindow],
    findings: &'a [&'a Finding],
    min_records: u64,
}

impl Facts<'_> {
    /// `with_columns`: in how many windows any column was judged.
    fn remarks(&self, judged: usize, with_columns: usize) -> Vec<Remark> {
        let Some(column) = self.total else {
            return vec![Remark::Never("the windows were counted without it".to_owned())];
        };
        if judged == 0 && with_columns > 0 {
            return vec![Remark::Never(self.why_never(column))];
        }
        // Where no window was judged at all, that is said of the series; what is wrong with the column itself is said here.
        let mut remarks: Vec<Remark> = Self::obstacle(column).map(Remark::Never).into_iter().collect();
        if remarks.is_empty() {
            remarks.extend(only_value(column).map(|()| Remark::Constant));
            remarks.extend(identifier(column));
            remarks.extend(self.never_computed().filter(|_| judged > 0));
            // A window whose number of records alone is judged has no verdict on any column.
            let without = with_columns.saturating_sub(judged);
            remarks.extend((without > 0).then_some(Remark::OftenTooFew { windows: without }));
        }
        remarks
    }

    /// What keeps a column from being judged in any window.
    fn obstacle(column: &Distribution) -> Option<String> {
        if column.rows() == 0 {
            None
        } else if column.present() == 0 && column.invalid() > 0 {
            Some("no value can be read as its type".to_owned())
        } else if column.present() == 0 {
            Some("no value in any window".to_owned())
        } else {
            why_not_learned(column).map(|reason| reason.shortly().to_owned())
        }
    }

    fn why_never(&self, column: &Distribution) -> String {
        if let Some(obstacle) = Self::obstacle(column) {
            return obstacle;
        }
        if column.lies_beyond_bins() {
            return "more than a tenth of its values lies outside its bins".to_owned();
        }
        let own = self.counted.iter().filter_map(|window| window.counts.column(&self.rules.name));
        let values = median(own.map(Distribution::present).collect()).unwrap_or(0);
        let needed = MIN_VALUES.min(self.min_records);
        if values < needed {
            return format!("a window has about {}, {needed} are needed", number_of(values, "value"));
        }
        if self.rules.measures.is_empty() {
            return "it has no measures".to_owned();
        }
        let measures: Vec<&str> = self.rules.measures.iter().map(|rule| rule.measure.as_str()).collect();
        format!("none of its measures can be computed: {}", measures.join(", "))
    }

    /// Measures that decide, and have no number in any window that was judged.
    fn never_computed(&self) -> Option<Remark> {
        let has_number = |measure: Measure| {
            let mut own = self.findings.iter().filter(|finding| finding.measure == measure);
            own.any(|finding| finding.score.is_some())
        };
        let decides = self.rules.measures.iter().filter(|rule| rule.limits.is_some());
        // Of change measures some have no statistic by nature: a column of one value has no location.
        let never: Vec<Measure> = decides
            .map(|rule| rule.measure)
            .filter(|measure| !measure.is_change() && !has_number(*measure))
            .collect();
        (!never.is_empty()).then_some(Remark::NeverComputed(never))
    }
}

/// Something where all values lie in one bin, which stands for one value.
fn only_value(column: &Distribution) -> Option<()> {
    let filled = column.counts().iter().filter(|count| **count > 0).count();
    let is_one_value = match column.binning() {
        Binning::Numeric(binning) => {
            let bin = column.counts().iter().position(|count| *count > 0)?;
            binning.atom(bin).is_some()
        }
        Binning::Categorical(binning) => binning.categories().len() <= 2 && binning.rare() == 0,
        _ => false,
    };
    (filled == 1 && is_one_value).then_some(())
}

fn identifier(column: &Distribution) -> Option<Remark> {
    let Binning::Categorical(binning) = column.binning() else { return None };
    let distinct = binning.categories().len() + binning.rare();
    let values = column.present();
    let share = number(distinct) / number(usize::try_from(values).unwrap_or(usize::MAX)).max(1.0);
    let is_large = distinct > usize::try_from(MIN_VALUES).unwrap_or(usize::MAX);
    // Of a segment it is not known how many of the values it has.
    let is_whole = distinct as u64 <= values;
    (is_large && is_whole && share >= IDENTIFIER)
        .then_some(Remark::Identifier { distinct: distinct as u64, values })
}

impl std::fmt::Display for Remark {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Never(reason) => write!(formatter, "never judged: {reason}"),
            Self::Constant => {
                formatter.write_str("constant: another value is found, how much it varies is not known")
            }
            Self::Identifier { distinct, values } => write!(
                formatter,
                "nearly every value is different ({} of {}): an identifier says nothing about drift",
                grouped(distinct),
                grouped(values)
            ),
            Self::NeverComputed(measures) => {
                let names: Vec<&str> = measures.iter().map(|measure| measure.as_str()).collect();
                write!(formatter, "never computed: {}", names.join(", "))
            }
            Self::OftenTooFew { windows } => {
                write!(formatter, "no verdict in {}: too few values", number_of(*windows, "judged window"))
            }
        }
    }
}
