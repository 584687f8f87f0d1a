//! What a rehearsal says of each column: what it finds falsely, what it would find, and whether it can be judged at all.

use super::held_out::sum;
use super::interval::{Rate, number};
use super::series::Series;
use super::{Powers, is_judged, median};
use crate::baseline::why_not_learned;
use crate::binning::Binning;
use crate::distribution::{Distribution, MIN_VALUES, WindowCounts};
use crate::judge::{ColumnJudgement, ColumnRules, Finding, Power, RECORDS, Verdict};
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
        let of_column = |(rules, power): (&ColumnRules, &Vec<Power>)| {
            let verdict = |window: &&ReplayedWindow| {
                let columns = &window.judgement.columns;
                let own = |column: &&ColumnJudgement| column.column == rules.name;
                columns.iter().find(own).map_or(Verdict::Undefined, |column| column.verdict)
            };
            let column = Self::of(&rules.name, replayed, part, verdict);
            let facts = Facts { rules, total: total.as_ref(), counted, replayed, min_records: judge.min_records };
            Self { power: power.clone(), remarks: facts.remarks(column.judged), ..column }
        };
        let mut columns: Vec<Self> = judge.columns.iter().zip(&powers.columns).map(of_column).collect();
        if judge.rows.is_some() {
            let verdict = |window: &&ReplayedWindow| {
                window.judgement.rows().map_or(Verdict::Undefined, |finding| finding.verdict)
            };
            columns.push(Self::of(RECORDS, replayed, part, verdict));
        }
        columns
    }

    fn of(
        name: &str,
        replayed: &[&ReplayedWindow],
        part: f64,
        verdict: impl Fn(&&ReplayedWindow) -> Verdict,
    ) -> Self {
        let verdicts: Vec<Verdict> = replayed.iter().map(verdict).filter(|verdict| verdict.is_judged()).collect();
        let drifts: Vec<bool> = verdicts.iter().map(|verdict| verdict.drifts()).collect();
        Self {
            name: name.to_owned(),
            judged: verdicts.len(),
            false_windows: Rate::of_windows(&drifts),
            warned: verdicts.iter().filter(|verdict| **verdict == Verdict::Warn).count(),
            part,
            findings: false_findings(name, replayed),
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

/// The findings about a subject that drift or warn, by measure.
fn false_findings(name: &str, replayed: &[&ReplayedWindow]) -> Vec<FalseFindings> {
    let mut found: Vec<FalseFindings> = Vec::new();
    let findings = replayed.iter().flat_map(|window| &window.judgement.findings);
    for finding in findings.filter(|finding| finding.subject.name() == name && finding.verdict.moved()) {
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
    total: Option<&'a WindowCounts>,
    counted: &'a [&'a CountedWindow],
    replayed: &'a [&'a ReplayedWindow],
    min_records: u64,
}

impl Facts<'_> {
    fn remarks(&self, judged: usize) -> Vec<Remark> {
        let Some(column) = self.total.and_then(|total| total.column(&self.rules.name)) else {
            return vec![Remark::Never("the windows were counted without it".to_owned())];
        };
        let any_judged = self.replayed.iter().any(|window| is_judged(window));
        if judged == 0 && any_judged {
            return vec![Remark::Never(self.why_never(column))];
        }
        // Where no window was judged at all, that is said of the series; what is wrong with the column itself is said here.
        let mut remarks: Vec<Remark> = Self::obstacle(column).map(Remark::Never).into_iter().collect();
        if remarks.is_empty() {
            remarks.extend(only_value(column).map(|()| Remark::Constant));
            remarks.extend(identifier(column));
            remarks.extend(self.never_computed());
            // A window whose number of records alone is judged has no verdict on any column.
            let has_columns = |window: &&&ReplayedWindow| {
                window.judgement.columns.iter().any(|column| column.verdict.is_judged())
            };
            let without = self.replayed.iter().filter(has_columns).count().saturating_sub(judged);
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
            let findings = self.replayed.iter().flat_map(|window| &window.judgement.findings);
            findings
                .filter(|finding| finding.measure == measure && finding.subject.is_column(&self.rules.name))
                .any(|finding| finding.score.is_some())
        };
        let any = self.replayed.iter().any(|window| is_judged(window));
        let decides = self.rules.measures.iter().filter(|rule| rule.limits.is_some());
        // Of change measures some have no statistic by nature: a column of one value has no location.
        let never: Vec<Measure> = decides
            .map(|rule| rule.measure)
            .filter(|measure| any && !measure.is_change() && !has_number(*measure))
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
    (is_large && share >= IDENTIFIER).then_some(Remark::Identifier { distinct: distinct as u64, values })
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
